"""Losses on how far two regions overlap, for segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import config, ops
from fastconv.losses.loss import LossFunctionWrapper, pair

Axis = int | Sequence[int] | None


def dice(y_true: Any, y_pred: Any, axis: Axis = None) -> Any:
    """``1 - 2 sum(t p) / (sum(t) + sum(p))`` over ``axis``, by default over everything.

    >>> round(float(dice([[1.0, 0.0]], [[0.5, 0.5]])), 4)
    0.5
    """
    y_true, y_pred = pair(y_true, y_pred, "dice")
    both = ops.sum(y_true * y_pred, axis=axis)
    total = ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis)
    return 1.0 - 2.0 * both / (total + config.epsilon())


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Axis = None
) -> Any:
    """``1 - tp / (tp + alpha * missed + beta * false)`` (Salehi et al., arXiv:1706.05721).

    ``tp`` is ``sum(t p)``, ``missed`` ``sum(t (1 - p))`` and ``false`` ``sum((1 - t) p)``.
    """
    y_true, y_pred = pair(y_true, y_pred, "tversky")
    both = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum(y_true * (1.0 - y_pred), axis=axis)
    false = ops.sum((1.0 - y_true) * y_pred, axis=axis)
    return 1.0 - both / (both + missed * alpha + false * beta + config.epsilon())


class Dice(LossFunctionWrapper):
    """The loss object of :func:`dice`; with ``axis=None`` one value for the whole batch."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "dice",
        axis: Axis = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dice, reduction, name, dtype, axis=axis)


class Tversky(LossFunctionWrapper):
    """The loss object of :func:`tversky`."""

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        axis: Axis = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)
