"""Which pixels a resized axis takes, and how much of each."""

from __future__ import annotations

from typing import Any

import numpy as np

INTERPOLATIONS = ("nearest", "bilinear")


def taps(size: int, target: int, interpolation: str) -> list[tuple[Any, Any]]:
    """Pairs (positions, weights) of ``target`` entries: the result is the sum of the products.

    The middle of pixel i of the result is at (i + 1/2) size / target of the axis. Where an axis
    is made smaller, pixels between are skipped, not averaged, as ``tf.image.resize`` does it.

    Raises:
        ValueError: for an interpolation other than ``"nearest"`` and ``"bilinear"``.

    >>> taps(2, 4, "nearest")
    [(array([0, 0, 1, 1], dtype=int32), array([1., 1., 1., 1.], dtype=float32))]
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"interpolation must be 'nearest' or 'bilinear' to resize, got {interpolation!r}"
        )
    middle = (np.arange(target) + 0.5) * size / target
    if interpolation == "nearest":
        positions = np.minimum(np.floor(middle), size - 1).astype(np.int32)
        return [(positions, np.ones(target, np.float32))]
    before = np.floor(middle - 0.5)
    weight = (middle - 0.5 - before).astype(np.float32)
    low, high = (np.clip(before + k, 0, size - 1).astype(np.int32) for k in (0, 1))
    return [(low, 1 - weight), (high, weight)]


def resize(images: Any, height: int, width: int, interpolation: str) -> Any:
    """Float32 images (..., height, width, channels) from images of another size."""
    x = np.asarray(images)
    for axis, target in ((x.ndim - 3, height), (x.ndim - 2, width)):
        if x.shape[axis] == target:
            continue
        shape = [1] * x.ndim
        shape[axis] = target
        x = sum(
            x.take(positions, axis=axis) * weights.reshape(shape)
            for positions, weights in taps(x.shape[axis], target, interpolation)
        )
    return np.asarray(x, np.float32)
