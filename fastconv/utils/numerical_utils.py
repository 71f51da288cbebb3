"""Small transformations of label and data arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def to_categorical(x: npt.ArrayLike, num_classes: int | None = None) -> npt.NDArray[np.float64]:
    """Class numbers as rows of a one-hot matrix.

    Args:
        x: Integers in [0, num_classes), of any shape; a last dimension of 1 is dropped.
        num_classes: Number of classes; by default the largest number plus one.

    Returns:
        float64 of shape ``(..., num_classes)``.

    Raises:
        ValueError: a label outside [0, num_classes), or numbers that are not whole.

    >>> to_categorical([2, 0])
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    given = np.asarray(x)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"to_categorical: labels must be integers, got dtype {given.dtype}")
    if given.dtype.kind == "f" and not (np.isfinite(given) & (given == np.floor(given))).all():
        raise ValueError("to_categorical: labels must be whole numbers")
    labels = given.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if not num_classes:
        if labels.size == 0:
            raise ValueError("to_categorical: no labels to count the classes from")
        num_classes = int(labels.max()) + 1
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise ValueError(
            f"to_categorical: labels must be in [0, {num_classes}), "
            f"got {labels.min()} to {labels.max()}"
        )
    result = np.zeros((*labels.shape, num_classes))
    np.put_along_axis(result, labels[..., None], 1.0, axis=-1)
    return result


def normalize(x: npt.ArrayLike, axis: int = -1, order: float = 2) -> npt.NDArray[Any]:
    """``x`` divided by its norm of the given order along ``axis``; zero vectors stay zero.

    >>> normalize(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    array = np.asarray(x)
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    return np.asarray(array / np.where(norm == 0, 1, norm))
