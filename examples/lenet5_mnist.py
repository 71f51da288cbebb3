"""LeNet-5 reads MNIST.

    FASTCONV_DATA=data python examples/lenet5_mnist.py --out pictures

Without the data in FASTCONV_DATA it is downloaded once. Draws the learning curves and the digits
that the net gets most confidently wrong.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import fastconv
from fastconv.applications import lenet5
from fastconv.datasets import mnist
from fastconv.utils import plots


def draw_mistakes(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, path: Path
) -> None:
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:16]
    figure, axes = plots.figure(2, 8, (10, 3))
    for ax in axes.flat:
        ax.axis("off")
    for ax, i in zip(axes.flat, worst, strict=False):
        ax.imshow(images[i], cmap="gray_r")
        ax.set_title(f"{labels[i]}, read {predicted[i]}", fontsize=9)
    plots.save(figure, path)


def main(argv: list[str] | None = None) -> float:
    """Train, print and return the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rows", type=int, default=60000, help="training images to use")
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    options = parser.parse_args(argv)
    fastconv.utils.set_random_seed(0)

    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, y_train = x_train[: options.rows], y_train[: options.rows]
    x_train = x_train[..., None].astype(np.float32) / 255
    x_test = x_test[..., None].astype(np.float32) / 255

    model: Any = lenet5()
    model.compile(
        optimizer=fastconv.optimizers.SGD(0.05, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(
        x_train,
        y_train,
        batch_size=64,
        epochs=options.epochs,
        validation_data=(x_test, y_test),
        verbose=2,
    ).history
    accuracy: float = history["val_accuracy"][-1]
    print(f"test accuracy after {options.epochs} epochs: {accuracy:.2%}")
    if plots.available():
        plots.curves(history, options.out / "lenet5_curves.png", "LeNet-5 on MNIST")
        probabilities = model.predict(x_test, batch_size=256, verbose=0)
        draw_mistakes(x_test[..., 0], y_test, probabilities, options.out / "lenet5_mistakes.png")
    return accuracy


if __name__ == "__main__":
    main()
