"""A small training that is interrupted in the middle of an epoch, and goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv import callbacks, config, layers
from fastconv.models import Sequential

RNG = np.random.default_rng(6)
X = RNG.standard_normal((40, 5)).astype(np.float32)
Y = RNG.integers(0, 3, 40)


def compiled(optimizer: Any = "adam", units: int = 4, **options: Any) -> Sequential:
    config.set_random_seed(2)
    model = Sequential(
        [
            layers.Input((5,)),
            layers.Dense(units, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


class Interrupt(callbacks.Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.moment = (epoch, batch)
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.moment:
            raise KeyboardInterrupt


def interrupted(directory: Path, epoch: int = 2, batch: int = 3, **options: Any) -> None:
    backup = callbacks.BackupAndRestore(directory, 2)
    with pytest.raises(KeyboardInterrupt):
        compiled().fit(
            X, Y, 8, 4, verbose=0, callbacks=[backup, Interrupt(epoch, batch)], **options
        )


def assert_same(a: Sequential, b: Sequential) -> None:
    for left, right in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(a.optimizer.variables, b.optimizer.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
