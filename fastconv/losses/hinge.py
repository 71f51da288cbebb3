"""Hinge losses: a margin between classes."""

from __future__ import annotations

from typing import Any

from fastconv import ops
from fastconv.losses.loss import LossFunctionWrapper, pair

Reduction = str | None


def _signs(y_true: Any) -> Any:
    """Labels 0 and 1 become -1 and 1, if there are no others."""
    binary = ops.logical_or(ops.equal(y_true, 0.0), ops.equal(y_true, 1.0))
    all_binary = ops.min(ops.cast(binary, "float32"))
    return ops.where(all_binary > 0.5, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """``mean(max(1 - y_true * y_pred, 0))`` for labels -1 and 1 (or 0 and 1)."""
    y_true, y_pred = pair(y_true, y_pred, "hinge")
    return ops.mean(ops.maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """``mean(max(1 - y_true * y_pred, 0)^2)`` for labels -1 and 1 (or 0 and 1)."""
    y_true, y_pred = pair(y_true, y_pred, "squared_hinge")
    return ops.mean(ops.square(ops.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """``max(neg - pos + 1, 0)``: the best wrong class against the right one (one-hot labels)."""
    y_true, y_pred = pair(y_true, y_pred, "categorical_hinge")
    pos = ops.sum(y_true * y_pred, axis=-1)
    neg = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(neg - pos + 1.0, 0.0)


class Hinge(LossFunctionWrapper):
    """The loss object of :func:`hinge`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """The loss object of :func:`squared_hinge`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """The loss object of :func:`categorical_hinge`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)
