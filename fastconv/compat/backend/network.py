"""Activations, losses, convolutions, random numbers, and the phase of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import activations, ops, random
from fastconv.config import standardize_data_format
from fastconv.ops import (
    binary_crossentropy,
    categorical_crossentropy,
    dot,
    elu,
    hard_sigmoid,
    softmax,
    sparse_categorical_crossentropy,
)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """``max(x, 0)``, with a slope below, an upper bound and another threshold."""
    return activations.relu(x, alpha, max_value, threshold)


def l2_normalize(x: Any, axis: Any = None) -> Any:
    """``x`` divided by its length along axes.

    >>> l2_normalize([3.0, 4.0])
    array([0.6, 0.8], dtype=float32)
    """
    length = ops.sum(ops.square(x), axis, keepdims=True)
    return ops.multiply(x, ops.rsqrt(ops.maximum(length, 1e-12)))


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """Add a number for each channel."""
    if standardize_data_format(data_format) == "channels_first" and len(x.shape) > 2:
        bias = ops.reshape(bias, (-1, *[1] * (len(x.shape) - 2)))
    return ops.add(x, bias)


def batch_dot(x: Any, y: Any, axes: int | Sequence[int] | None = None) -> Any:
    """For each example, the sum of products over one axis of x and one of y.

    ``axes`` counts the batch as axis 0; by default x's last and y's last but one (or only one).

    >>> batch_dot(np.ones((5, 3)), np.ones((5, 3)), axes=1).shape
    (5, 1)

    Raises:
        ValueError: if the operands have no features, or more than three axes.
    """
    ranks = len(x.shape), len(y.shape)
    if not all(rank in (2, 3) for rank in ranks):
        raise ValueError(f"batch_dot: needs two or three axes, got {x.shape} and {y.shape}")
    if axes is None:
        axes = (ranks[0] - 1, max(ranks[1] - 2, 1))
    over = [axes, axes] if isinstance(axes, int) else list(axes)
    over = [a % rank for a, rank in zip(over, ranks, strict=True)]
    if 0 in over:
        raise ValueError(f"batch_dot: axes {axes} sum over the batch")
    if ranks[0] == 2:
        x = ops.expand_dims(x, 1)
    elif over[0] == 1:
        x = ops.transpose(x, (0, 2, 1))
    if ranks[1] == 2:
        y = ops.expand_dims(y, 2)
    elif over[1] == 2:
        y = ops.transpose(y, (0, 2, 1))
    z = ops.matmul(x, y)  # (batch, x's other axis or 1, y's other axis or 1)
    if ranks == (2, 2):
        return ops.squeeze(z, 2)
    if ranks[0] == 2:
        return ops.squeeze(z, 1)
    return ops.squeeze(z, 2) if ranks[1] == 2 else z


def conv2d(
    x: Any,
    kernel: Any,
    strides: int | Sequence[int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = (1, 1),
) -> Any:
    """A convolution; the kernel is (height, width, channels, filters)."""
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def pool2d(
    x: Any,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The maximum or the average (``pool_mode="avg"``) of windows.

    Raises:
        ValueError: for another mode.
    """
    if pool_mode not in ("max", "avg"):
        raise ValueError(f"pool2d: pool_mode must be 'max' or 'avg', got {pool_mode!r}")
    pool = ops.max_pool if pool_mode == "max" else ops.average_pool
    return pool(x, pool_size, strides, padding, data_format)


def dropout(
    x: Any, level: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None
) -> Any:
    """Zero a fraction of the elements and scale up the others."""
    return random.dropout(x, level, noise_shape, seed)


def random_normal(
    shape: Sequence[Any],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> Any:
    """Normal numbers; the first dimension of the shape may be ``shape(x)[0]``, the batch."""
    return random.normal(shape, mean, stddev, dtype, seed)


def random_uniform(
    shape: Sequence[Any],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> Any:
    """Numbers from [minval, maxval), all as likely."""
    return random.uniform(shape, minval, maxval, dtype, seed)


def random_bernoulli(
    shape: Sequence[Any], p: float = 0.0, dtype: str | None = None, seed: int | None = None
) -> Any:
    """Ones with probability ``p``, else zeros."""
    return ops.cast(ops.less(random.uniform(shape, seed=seed), np.float32(p)), dtype or "float32")


random_binomial = random_bernoulli


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> Any:
    """Normal numbers, drawn again where they are beyond two standard deviations."""
    return random.truncated_normal(shape, mean, stddev, dtype, seed)


def learning_phase() -> int:
    """0, which is to predict. In the inputs of :func:`function`, a 1 beside it is to train."""
    return 0


def in_train_phase(x: Any, alt: Any, training: bool | int | None = None) -> Any:
    """``x`` in training, else ``alt``; a layer's ``call`` passes its ``training`` on."""
    chosen = x if training else alt
    return chosen() if callable(chosen) else chosen


def in_test_phase(x: Any, alt: Any, training: bool | int | None = None) -> Any:
    """``alt`` in training, else ``x``."""
    return in_train_phase(alt, x, training)


__all__ = [
    "batch_dot",
    "bias_add",
    "binary_crossentropy",
    "categorical_crossentropy",
    "conv2d",
    "dot",
    "dropout",
    "elu",
    "hard_sigmoid",
    "in_test_phase",
    "in_train_phase",
    "l2_normalize",
    "learning_phase",
    "pool2d",
    "random_bernoulli",
    "random_binomial",
    "random_normal",
    "random_uniform",
    "relu",
    "softmax",
    "sparse_categorical_crossentropy",
    "truncated_normal",
]
