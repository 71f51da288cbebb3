"""Gradient descent, stochastic and mini-batch, compared with the closed form.

    python examples/gradient_descent.py --out pictures

A line is fitted to noisy points. Least squares has a closed form, so one can see how each way of
descending gets there: all points a step are smooth and slow, one point a step is fast and keeps
trembling, a mini-batch lies between.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import fastconv
from fastconv.layers import Dense, Input
from fastconv.utils import plots

BATCHES = {"gradient descent": 200, "mini-batch (16)": 16, "stochastic": 1}


def points(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """x in [-1, 1] and y = 3x - 1 with noise, both (count, 1) float32."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (count, 1))
    y = 3 * x - 1 + 0.3 * rng.standard_normal((count, 1))
    return x.astype(np.float32), y.astype(np.float32)


def closed_form(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slope and intercept that minimise the squared error: the normal equations."""
    design = np.column_stack([x[:, 0], np.ones(len(x))])
    return np.linalg.solve(design.T @ design, design.T @ y[:, 0])


def descend(x: np.ndarray, y: np.ndarray, batch: int, epochs: int, rate: float) -> np.ndarray:
    """The path of (slope, intercept), one row a step, from (0, 0)."""
    model: Any = fastconv.Sequential([Input((1,)), Dense(1, kernel_initializer="zeros")])
    model.compile(optimizer=fastconv.optimizers.SGD(rate), loss="mse")
    rng = np.random.default_rng(1)
    path = [np.zeros(2)]
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch):
            rows = order[start : start + batch]
            model.train_on_batch(x[rows], y[rows])
            slope, intercept = model.get_weights()
            path.append(np.array([slope[0, 0], intercept[0]]))
    return np.array(path)


def draw(
    paths: dict[str, np.ndarray], best: np.ndarray, x: np.ndarray, y: np.ndarray, to: Path
) -> None:
    """The paths over the error's contours, and the distance from the closed form."""
    figure, (plane, distance) = plots.figure(1, 2, (11, 4.5))
    slopes, intercepts = np.linspace(-0.5, 4.5, 80), np.linspace(-2.5, 0.5, 80)
    s, i = np.meshgrid(slopes, intercepts)
    error = ((s[..., None] * x[:, 0] + i[..., None] - y[:, 0]) ** 2).mean(-1)
    plane.contour(s, i, error, levels=20, cmap="Greys", linewidths=0.7)
    for name, path in paths.items():
        plane.plot(*path.T, label=name, linewidth=1)
        steps = np.arange(len(path)) / np.ceil(len(x) / BATCHES[name])
        distance.semilogy(steps, np.linalg.norm(path - best, axis=1), label=name, linewidth=1)
    plane.plot(*best, "k*", markersize=12, label="closed form")
    plane.set_xlabel("slope")
    plane.set_ylabel("intercept")
    plane.legend()
    distance.set_xlabel("epoch")
    distance.set_ylabel("distance from the closed form")
    distance.legend()
    plots.save(figure, to)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Fit the line in all ways; the distance of each from the closed form."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    options = parser.parse_args(argv)

    x, y = points()
    best = closed_form(x, y)
    print(f"closed form:      slope {best[0]:.4f}, intercept {best[1]:.4f}")
    paths, distances = {}, {}
    for name, batch in BATCHES.items():
        rate = 0.1 if batch > 1 else 0.02
        paths[name] = path = descend(x, y, batch, options.epochs, rate)
        distances[name] = float(np.linalg.norm(path[-1] - best))
        print(f"{name + ':':17} slope {path[-1, 0]:.4f}, intercept {path[-1, 1]:.4f}")
    if plots.available():
        draw(paths, best, x, y, options.out / "gradient_descent.png")
    return distances


if __name__ == "__main__":
    main()
