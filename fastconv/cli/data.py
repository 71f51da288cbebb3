"""The data sets of the commands: images scaled to [0, 1], labels as they are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Data:
    """``x`` is (N, height, width, channels) float32 in [0, 1], ``y`` (N,) integers."""

    name: str
    classes: tuple[str, ...]
    x_train: Floats
    y_train: npt.NDArray[Any]
    x_test: Floats
    y_test: npt.NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.x_train.shape[1:]


def load(name: str) -> Data:
    """Raises FileNotFoundError or ValueError as the data set's ``load_data`` does."""
    module = import_module(f"fastconv.datasets.{name}")
    (x_train, y_train), (x_test, y_test) = module.load_data()
    largest = 16 if name == "digits" else 255
    return Data(
        name,
        module.CLASSES,
        _scaled(x_train, largest),
        y_train.reshape(-1).astype(np.int32),
        _scaled(x_test, largest),
        y_test.reshape(-1).astype(np.int32),
    )


def _scaled(images: npt.NDArray[np.uint8], largest: int) -> Floats:
    x = images.astype(np.float32)
    x /= largest
    return x if x.ndim == 4 else x[..., None]
