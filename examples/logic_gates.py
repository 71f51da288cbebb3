"""Logic gates from one neuron, and XOR, which takes two layers.

    python examples/logic_gates.py --out pictures

A neuron with a sigmoid draws one straight line between "false" and "true". AND, OR, NAND and NOR
need no more; XOR does: a hidden layer of a few neurons bends the border.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import fastconv
from fastconv.layers import Dense, Input
from fastconv.utils import plots

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
GATES = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "NOR": [1, 0, 0, 0]}
XOR = [0, 1, 1, 0]


def train(truth: list[int], hidden: int, epochs: int) -> Any:
    """A net with one neuron at the end, and ``hidden`` tanh neurons before it, if any."""
    layers = [Dense(hidden, activation="tanh")] if hidden else []
    model = fastconv.Sequential([Input((2,)), *layers, Dense(1, activation="sigmoid")])
    model.compile(optimizer=fastconv.optimizers.Adam(0.1), loss="binary_crossentropy")
    y = np.array(truth, np.float32)[:, None]
    model.fit(INPUTS, y, batch_size=4, epochs=epochs, verbose=0)
    return model


def draw(models: dict[str, Any], truths: dict[str, list[int]], path: Path) -> None:
    """What each net says over the plane, the four inputs as dots."""
    side = np.linspace(-0.5, 1.5, 81, dtype=np.float32)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    figure, axes = plots.figure(1, len(models), (3 * len(models), 3.2))
    for ax, (name, model) in zip(axes, models.items(), strict=True):
        height = model.predict(plane, batch_size=len(plane), verbose=0).reshape(81, 81)
        ax.contourf(side, side, height, levels=np.linspace(0, 1, 11), cmap="RdBu_r")
        ax.scatter(*INPUTS.T, c=truths[name], cmap="gray", edgecolors="black", s=80)
        ax.set_title(name)
        ax.set_aspect("equal")
    plots.save(figure, path)


def main(argv: list[str] | None = None) -> dict[str, list[int]]:
    """Train every gate, print its truth table, and return the answers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    options = parser.parse_args(argv)
    fastconv.utils.set_random_seed(1)

    truths = {**GATES, "XOR": XOR}
    models = {name: train(truth, 0, options.epochs) for name, truth in GATES.items()}
    models["XOR"] = train(XOR, 4, options.epochs)
    answers = {}
    for name, model in models.items():
        y = model.predict(INPUTS, verbose=0)[:, 0]
        answers[name] = [int(v > 0.5) for v in y]
        table = zip(INPUTS, y, strict=True)
        print(f"{name:5}", "  ".join(f"{a:.0f},{b:.0f}: {v:.3f}" for (a, b), v in table))
    straight = train(XOR, 0, options.epochs).predict(INPUTS, verbose=0)[:, 0]
    print("XOR from one neuron stays undecided:", ", ".join(f"{v:.3f}" for v in straight))
    if plots.available():
        draw(models, truths, options.out / "logic_gates.png")
    return answers


if __name__ == "__main__":
    main()
