"""Sums and means over everything seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.graph.primitive import bind
from fastconv.losses.loss import operand, same_rank
from fastconv.metrics.metric import Metric


def by_example(values: Any, sample_weight: Any, reduce: Callable[..., Any]) -> tuple[Any, Any]:
    """One (weighted) value for each example, and the weights broadcast to the same shape."""
    values = operand(values, "float32")
    if sample_weight is not None:
        values, sample_weight = same_rank(values, operand(sample_weight, "float32"))
        rank = len(sample_weight.shape)
        if len(values.shape) > rank:
            values = reduce(values, axis=list(range(rank, len(values.shape))))
        sample_weight = sample_weight + ops.zeros_like(values)
        values = values * sample_weight
        if rank > 1:
            sample_weight = reduce(sample_weight, axis=list(range(1, rank)))
    if len(values.shape) > 1:
        values = reduce(values, axis=list(range(1, len(values.shape))))
    return values, sample_weight


class Sum(Metric):
    """The (weighted) sum of all values."""

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable(name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, _ = by_example(values, sample_weight, ops.sum)
        self.total.assign_add(ops.sum(values))

    def result(self) -> Any:
        return np.float32(self.total.data)


class Mean(Metric):
    """The (weighted) mean of all values; 0 before the first.

    >>> m = Mean()
    >>> m.update_state([1.0, 3.0])
    >>> float(m.result())
    2.0
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.total = self.add_variable(name="total")
        self.count = self.add_variable(name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, weight = by_example(values, sample_weight, ops.mean)
        self.total.assign_add(ops.sum(values))
        if weight is not None:
            self.count.assign_add(ops.sum(weight))
        elif len(values.shape) == 0:
            self.count.assign_add(1.0)
        else:
            self.count.assign_add(bind("count", values, axes=[0]))

    def result(self) -> Any:
        total, count = float(self.total.data), float(self.count.data)
        return np.float32(total / count if count else 0.0)


class MeanMetricWrapper(Mean):
    """The mean of ``fn(y_true, y_pred, **options)``."""

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(name, dtype)
        self._fn = fn
        self._options = options
        if self._direction is None and (getattr(fn, "__module__", None) or "").startswith(
            "fastconv.losses"
        ):
            self._direction = "down"

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_true, y_pred = same_rank(operand(y_true), operand(y_pred))
        super().update_state(self._fn(y_true, y_pred, **self._options), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._options}
