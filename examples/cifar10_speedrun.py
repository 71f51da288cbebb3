"""CIFAR-10 in minutes on a CPU.

    FASTCONV_DATA=data python examples/cifar10_speedrun.py --seed 0 1 2 --plot speedrun.png

A narrow net of ten convolutions that is trained for as few epochs as it takes. The ideas are
those of K. Jordan's record runs on one GPU ("94% on CIFAR-10 in 3.29 seconds", 2024; Muon, 2024):

- the first convolution is not learned but whitens patches, so that learning starts from
  uncorrelated inputs of equal size;
- the others start as the identity and learn by orthogonalized momentum (Muon); each group of three
  has a shortcut around its last two (He et al., "Identity mappings", 2016);
- batch normalization only shifts, and its shifts learn 64 times as fast as the last layer;
- images are moved by up to three pixels, a square of each is hidden, and they are mirrored in every
  second epoch instead of by chance: two epochs show each image once in either form;
- products are computed in bfloat16;
- a test image is seen six times: as it is and moved by a pixel up and down the diagonal, each also
  mirrored.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import fastconv
from fastconv import ops
from fastconv.callbacks import Callback
from fastconv.datasets import cifar10
from fastconv.initializers import VarianceScaling
from fastconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalMaxPooling2D,
    Input,
    MaxPooling2D,
    Rescaling,
)
from fastconv.losses import CategoricalCrossentropy
from fastconv.optimizers import SGD
from fastconv.optimizers.schedules import LearningRateSchedule
from fastconv.utils import PyDataset, plots

PATCH, FILTERS = 3, 12  # size and number of the whitening filters
NOISE = 0.01  # added to the variance of each direction of the patches
WIDTHS = (64, 256, 256)
BATCH = 500
KERNEL_RATE, KERNEL_MOMENTUM = 0.1, 0.6  # of Muon
HEAD_RATE, MOMENTUM = 0.73, 0.85  # of SGD
SHIFT_RATE = 64.0  # times the head's
WEIGHT_DECAY = 0.009
LABEL_SMOOTHING = 0.2
TRANSLATION, HIDDEN = 3, 10  # pixels
MEAN, DEVIATION = 121.0, 63.0  # of the pixels of all three colors


def whitening(images: np.ndarray) -> np.ndarray:
    """A kernel (P, P, 3, 2F) whose first F outputs are uncorrelated; the others negate them.

    Its filters are the leading eigenvectors of the covariance of the patches of ``images`` (uint8),
    each divided by the deviation along it.
    """
    x = (images.astype(np.float32) - MEAN) / DEVIATION
    patches = np.lib.stride_tricks.sliding_window_view(x, (PATCH, PATCH), axis=(1, 2))
    patches = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, PATCH * PATCH * 3)
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    filters = (vectors / np.sqrt(values + NOISE))[:, -FILTERS:].reshape(PATCH, PATCH, 3, FILTERS)
    return np.concatenate([filters, -filters], axis=-1).astype(np.float32)


def identity_start(shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
    """A kernel whose first outputs repeat its inputs; the others are random."""
    kernel = usual_start(shape, dtype)
    kernel[..., : shape[2]] = 0
    for i in range(min(shape[2:])):
        kernel[shape[0] // 2, shape[1] // 2, i, i] = 1
    return kernel


def usual_start(shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
    return VarianceScaling(1 / 3, "fan_in", "uniform")(shape, dtype)


def network(kernel: np.ndarray) -> Any:
    """Three groups of three convolutions over the whitening one."""

    def convolution(x: Any, width: int) -> Any:
        layer = Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer=identity_start)
        return layer(x)

    def normalized(x: Any) -> Any:
        return BatchNormalization(momentum=0.85, epsilon=1e-6, scale=False)(x)

    inputs = Input((32, 32, 3))
    whitened = Conv2D(
        kernel.shape[-1],
        kernel.shape[0],
        use_bias=False,
        activation="gelu",
        kernel_initializer=lambda shape, dtype=None: kernel,
        trainable=False,
    )
    x = whitened(Rescaling(1 / DEVIATION, -MEAN / DEVIATION)(inputs))
    for width in WIDTHS:
        x = MaxPooling2D(2)(convolution(x, width))
        x = shortcut = Activation("gelu")(normalized(x))
        x = Activation("gelu")(normalized(convolution(x, width)))
        x = Add()([normalized(convolution(x, width)), shortcut])
        x = Activation("gelu")(x)
    head = Dense(10, use_bias=False, kernel_initializer=usual_start, dtype="float32")
    return fastconv.Model(inputs, Rescaling(1 / 9)(head(GlobalMaxPooling2D()(x))))


class Batches(PyDataset):
    """Shuffled batches of images that are moved at random and mirrored every second epoch, each
    without a square of it."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, batch: int, seed: int) -> None:
        super().__init__()
        self.labels = labels
        self.batch = batch
        self.rng = np.random.default_rng(seed)
        wide = np.pad(images, ((0, 0), *[(TRANSLATION, TRANSLATION)] * 2, (0, 0)), "reflect")
        crops = np.lib.stride_tricks.sliding_window_view(wide, images.shape[1:3], axis=(1, 2))
        self.crops = crops.transpose(0, 1, 2, 4, 5, 3)  # by image, shift down, shift right
        self.mirrored = self.rng.random(len(images)) < 0.5
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self.mirrored = ~self.mirrored
        self.order = self.rng.permutation(len(self.labels))
        self.shifts = self.rng.integers(0, 2 * TRANSLATION + 1, (2, len(self.labels)))

    def __len__(self) -> int:
        return len(self.labels) // self.batch

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[index * self.batch : (index + 1) * self.batch]
        x = self.crops[rows, self.shifts[0, rows], self.shifts[1, rows]]
        turned = self.mirrored[rows]
        x[turned] = x[turned, :, ::-1]
        pixels = np.arange(x.shape[1])
        corners = self.rng.integers(0, len(pixels) + 1 - HIDDEN, (2, len(rows), 1))
        down, right = (corners <= pixels) & (pixels - corners < HIDDEN)
        x[down[:, :, None] & right[:, None, :]] = MEAN
        return x, self.labels[rows]


class Line(LearningRateSchedule):
    """From 1 straight down to 0."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        return 1 - step / self.steps


class KernelMuon(SGD):
    """Momentum with Newton-Schulz orthogonalization for the kernels of convolutions.

    A kernel is a matrix with a column for each output, and each of its steps a matrix whose
    singular values are all near 1. Kernels keep their norm, which normalization makes meaningless.
    Everything else is left to SGD.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if len(variable.shape) == 4:
            self.turn(gradient, variable, learning_rate * KERNEL_RATE)
            return
        if variable.name == "beta":
            gradient = gradient * SHIFT_RATE
        super().update_step(gradient, variable, learning_rate * HEAD_RATE)

    def turn(self, gradient: Any, kernel: Any, rate: Any) -> None:
        outputs = kernel.shape[-1]
        velocity = self.momentums[self._get_variable_index(kernel)]
        moved = KERNEL_MOMENTUM * velocity + gradient
        velocity.assign(moved)
        step = ops.reshape(KERNEL_MOMENTUM * moved + gradient, (-1, outputs))
        step = step / (norm(step) + 1e-7)
        for _ in range(3):  # every singular value s becomes 3.4445 s - 4.775 s^3 + 2.0315 s^5
            square = ops.matmul(ops.transpose(step), step)
            step = 3.4445 * step + ops.matmul(
                step, -4.775 * square + 2.0315 * ops.matmul(square, square)
            )
        whole = kernel * (outputs**0.5 / norm(kernel))
        kernel.assign(whole - rate * ops.reshape(step, kernel.shape))


def norm(x: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(x)))


@dataclass
class Run:
    """What a training gave: the accuracy on the test images after each epoch, and at the end."""

    seed: int
    seconds: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)


class Clock(Callback):
    """Notes and prints time and accuracy; stops training when the time is over."""

    def __init__(self, run: Run, start: float, limit: float) -> None:
        super().__init__()
        self.run, self.start, self.limit = run, start, limit

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if time.perf_counter() - self.start > self.limit:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.note(f"{epoch + 1}", logs["val_accuracy"])

    def note(self, what: str, accuracy: float) -> None:
        self.run.seconds.append(time.perf_counter() - self.start)
        self.run.accuracies.append(accuracy)
        print(
            f"{self.run.seed:4} {what:>9} {self.run.seconds[-1]:8.1f} {accuracy:9.2%}", flush=True
        )


def views_averaged(model: Any, images: np.ndarray) -> np.ndarray:
    """Logits of the images as they are and moved along the diagonal, each also mirrored."""
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
    total: Any = 0
    for at, weight in ((1, 0.5), (0, 0.25), (2, 0.25)):
        x = wide[:, at : at + images.shape[1], at : at + images.shape[2]]
        for view in (x, x[:, :, ::-1]):
            total = total + weight / 2 * model.predict(view, batch_size=BATCH, verbose=0)
    return np.asarray(total)


def train(data: Any, seed: int, epochs: int, seconds: float) -> Run:
    """One training from nothing."""
    (x_train, y_train), (x_test, y_test) = data
    start = time.perf_counter()
    fastconv.utils.set_random_seed(seed)
    batches = Batches(x_train, np.eye(10, dtype=np.float32)[y_train[:, 0]], BATCH, seed)
    model = network(whitening(x_train[:5000]))
    model.compile(
        optimizer=KernelMuon(
            Line(epochs * len(batches)), MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
        ),
        loss=CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    run = Run(seed)
    clock = Clock(run, start, seconds)
    model.fit(
        batches,
        epochs=epochs,
        shuffle=False,
        validation_data=(x_test, np.eye(10, dtype=np.float32)[y_test[:, 0]]),
        validation_batch_size=BATCH,
        callbacks=[clock],
        verbose=0,
    )
    predicted = views_averaged(model, x_test).argmax(axis=1)
    clock.note("six views", float(np.mean(predicted == y_test[:, 0])))
    return run


def draw(runs: list[Run], path: Path) -> None:
    figure, ax = plots.figure(size=(7, 4.5))
    for run in runs:
        minutes = np.array(run.seconds) / 60
        (line,) = ax.plot(minutes[:-1], run.accuracies[:-1], ".-", label=f"seed {run.seed}")
        ax.plot(minutes[-1], run.accuracies[-1], "*", color=line.get_color(), markersize=10)
    ax.plot([], [], "k*", markersize=10, label="averaged over six views")
    ax.set_xlabel("minutes")
    ax.set_ylabel("test accuracy")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    plots.save(figure, path)


def main(argv: list[str] | None = None) -> list[Run]:
    """Train with each seed; the runs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="one run for each")
    parser.add_argument("--epochs", type=int, default=23)
    parser.add_argument("--float32", action="store_true", help="products are not in bfloat16")
    parser.add_argument("--seconds", type=float, default=900, help="a run ends after them")
    parser.add_argument("--plot", type=Path, help="a picture of accuracy against time")
    options = parser.parse_args(argv)

    data = cifar10.load_data()
    print("seed     epoch  seconds  accuracy")
    before = fastconv.config.dtype_policy()
    fastconv.config.set_dtype_policy("float32" if options.float32 else "mixed_bfloat16")
    try:
        runs = [train(data, s, options.epochs, options.seconds) for s in options.seed]
    finally:
        fastconv.config.set_dtype_policy(before)
    if options.plot is not None:
        draw(runs, options.plot)
    return runs


if __name__ == "__main__":
    main()
