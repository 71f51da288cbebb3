"""Who of 768 Pima women has diabetes? A small net, its learning curves and its ROC curve.

    FASTCONV_DATA=data python examples/pima_diabetes.py --out pictures

The file goes to data/pima/diabetes.csv: eight measurements and the outcome a line. After some 40
epochs the validation loss turns upwards: from there the net learns its patients by heart.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import fastconv
from fastconv.datasets import pima
from fastconv.layers import Dense, Input
from fastconv.utils import plots


def roc(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates as the threshold falls from above all scores to below them."""
    order = np.argsort(-score, kind="stable")
    truth, score = truth[order], score[order]
    last_of_ties = np.append(np.diff(score) != 0, True)
    true_rate = np.cumsum(truth)[last_of_ties] / truth.sum()
    false_rate = np.cumsum(1 - truth)[last_of_ties] / (1 - truth).sum()
    return np.append(0, false_rate), np.append(0, true_rate)


def area(false_rate: np.ndarray, true_rate: np.ndarray) -> float:
    """The area under the curve, by trapezoids."""
    return float(np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2))


def draw_roc(curve: tuple[np.ndarray, np.ndarray], auc: float, path: Path) -> None:
    figure, ax = plots.figure(size=(5, 5))
    ax.plot(*curve, label=f"net (area {auc:.3f})")
    ax.plot([0, 1], [0, 1], "k:", label="guessing (0.5)")
    ax.set_xlabel("healthy called ill")
    ax.set_ylabel("ill called ill")
    ax.set_aspect("equal")
    ax.legend()
    plots.save(figure, path)


def main(argv: list[str] | None = None) -> tuple[float, float]:
    """Train the net; validation accuracy and area under the ROC curve."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    options = parser.parse_args(argv)
    fastconv.utils.set_random_seed(0)

    x, y = pima.load_data()
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:576], order[576:]
    mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
    x = (x - mean) / deviation

    model: Any = fastconv.Sequential(
        [
            Input((8,)),
            Dense(12, activation="relu"),
            Dense(12, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=fastconv.optimizers.SGD(0.03), loss="binary_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(
        x[train],
        y[train],
        batch_size=32,
        epochs=options.epochs,
        validation_data=(x[test], y[test]),
        verbose=0,
    ).history
    curve = roc(y[test], model.predict(x[test], verbose=0)[:, 0])
    auc = area(*curve)
    accuracy = history["val_accuracy"][-1]
    print(f"after {options.epochs} epochs: validation accuracy {accuracy:.3f}, ROC area {auc:.3f}")
    if plots.available():
        plots.curves(history, options.out / "pima_curves.png", "Pima diabetes")
        draw_roc(curve, auc, options.out / "pima_roc.png")
    return accuracy, auc


if __name__ == "__main__":
    main()
