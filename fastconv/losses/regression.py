"""Losses on real numbers, averaged over the last axis."""

from __future__ import annotations

import math
from typing import Any

from fastconv import config, ops
from fastconv.losses.loss import LossFunctionWrapper, pair

Reduction = str | None


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """``mean((y_true - y_pred)^2)`` over the last axis.

    >>> mean_squared_error([[0.0, 1.0]], [[1.0, 1.0]]).tolist()
    [0.5]
    """
    y_true, y_pred = pair(y_true, y_pred, "mean_squared_error")
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """``mean(|y_true - y_pred|)`` over the last axis."""
    y_true, y_pred = pair(y_true, y_pred, "mean_absolute_error")
    return ops.mean(ops.absolute(y_pred - y_true), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """``100 * mean(|y_true - y_pred| / max(|y_true|, epsilon))`` over the last axis."""
    y_true, y_pred = pair(y_true, y_pred, "mean_absolute_percentage_error")
    scale = ops.maximum(ops.absolute(y_true), config.epsilon())
    return 100.0 * ops.mean(ops.absolute((y_true - y_pred) / scale), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """``mean((log(y_true + 1) - log(y_pred + 1))^2)`` over the last axis; both at least epsilon."""
    y_true, y_pred = pair(y_true, y_pred, "mean_squared_logarithmic_error")
    log_pred = ops.log(ops.maximum(y_pred, config.epsilon()) + 1.0)
    log_true = ops.log(ops.maximum(y_true, config.epsilon()) + 1.0)
    return ops.mean(ops.square(log_pred - log_true), axis=-1)


def _check_delta(name: str, delta: float) -> None:
    if not delta > 0:
        raise ValueError(f"{name}: delta must be > 0, got {delta}")


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """``e^2 / 2`` for errors up to ``delta``, ``delta * |e| - delta^2 / 2`` beyond; mean.

    Raises:
        ValueError: if ``delta`` is not positive.
    """
    _check_delta("huber", delta)
    y_true, y_pred = pair(y_true, y_pred, "huber")
    error = ops.absolute(y_pred - y_true)
    near = 0.5 * ops.square(error)
    far = float(delta) * error - 0.5 * float(delta) ** 2
    return ops.mean(ops.where(error <= float(delta), near, far), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """``log(cosh(e))`` as ``e + softplus(-2 e) - log 2``, which does not overflow; mean."""
    y_true, y_pred = pair(y_true, y_pred, "log_cosh")
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


def _unit(x: Any, axis: int) -> Any:
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(squares, 1e-12))


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Minus the cosine of the angle between the two along ``axis``: -1 is the best."""
    y_true, y_pred = pair(y_true, y_pred, "cosine_similarity")
    return -ops.sum(_unit(y_true, axis) * _unit(y_pred, axis), axis=axis)


class MeanSquaredError(LossFunctionWrapper):
    """The loss object of :func:`mean_squared_error`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """The loss object of :func:`mean_absolute_error`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """The loss object of :func:`mean_absolute_percentage_error`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """The loss object of :func:`mean_squared_logarithmic_error`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """The loss object of :func:`huber`."""

    def __init__(
        self,
        delta: float = 1.0,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ) -> None:
        _check_delta("Huber", delta)
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(LossFunctionWrapper):
    """The loss object of :func:`log_cosh`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


class CosineSimilarity(LossFunctionWrapper):
    """The loss object of :func:`cosine_similarity`."""

    def __init__(
        self,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)
