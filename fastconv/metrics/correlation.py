"""How well real predictions follow their targets: R^2 and correlations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from fastconv import config, ops
from fastconv.losses.loss import operand, pair
from fastconv.metrics.metric import Metric
from fastconv.metrics.reduction import MeanMetricWrapper


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """The correlation coefficient along an axis.

    >>> float(pearson_correlation([[0.0, 1.0, 2.0]], [[1.0, 3.0, 5.0]])[0])
    1.0
    """
    y_true, y_pred = pair(y_true, y_pred, "pearson_correlation")
    a = y_true - ops.mean(y_true, axis=axis, keepdims=True)
    b = y_pred - ops.mean(y_pred, axis=axis, keepdims=True)
    spread = ops.sqrt(ops.mean(a * a, axis=axis) * ops.mean(b * b, axis=axis))
    return ops.mean(a * b, axis=axis) / spread


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """``2 cov / (var(t) + var(p) + (mean(t) - mean(p))^2)`` along an axis (Lin, 1989)."""
    y_true, y_pred = pair(y_true, y_pred, "concordance_correlation")
    mean_true = ops.mean(y_true, axis=axis, keepdims=True)
    mean_pred = ops.mean(y_pred, axis=axis, keepdims=True)
    a, b = y_true - mean_true, y_pred - mean_pred
    spread = (
        ops.mean(a * a, axis=axis, keepdims=True)
        + ops.mean(b * b, axis=axis, keepdims=True)
        + ops.square(mean_true - mean_pred)
    )
    return ops.mean(2.0 * a * b / (spread + config.epsilon()), axis=axis)


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of :func:`pearson_correlation`."""

    _direction = "up"

    def __init__(
        self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of :func:`concordance_correlation`."""

    _direction = "up"

    def __init__(
        self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)


class R2Score(Metric):
    """``1 - sum((t - p)^2) / sum((t - mean(t))^2)``, the part of the variance that is explained.

    Args:
        class_aggregation: ``"uniform_average"`` over the outputs, ``"variance_weighted_average"``,
            or None for a score of each.
        num_regressors: independent variables, for the adjusted score; 0 for the plain one.

    Raises:
        ValueError: for arguments that are not of these kinds, or targets and predictions that are
            not (batch, outputs).
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                "R2Score: class_aggregation must be None, 'uniform_average' or "
                f"'variance_weighted_average', got {class_aggregation!r}"
            )
        if num_regressors < 0:
            raise ValueError(f"R2Score: num_regressors must be >= 0, got {num_regressors}")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable(name="num_samples")
        self._sums: list[Any] = []  # of weights, targets, their squares, squared errors

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = pair(y_true, y_pred, self.name)
        if not self._sums:
            if len(y_pred.shape) != 2:
                raise ValueError(f"R2Score: expected (batch, outputs), got {tuple(y_pred.shape)}")
            names = ("count", "sum", "squared_sum", "residual")
            self._sums = [self.add_variable((y_pred.shape[1],), name=name) for name in names]
        weight = ops.ones_like(y_true)
        if sample_weight is not None:
            given = operand(sample_weight, "float32")
            weight = weight * (ops.expand_dims(given, 1) if len(given.shape) == 1 else given)
        self.num_samples.assign_add(ops.sum(ops.ones_like(y_true)))
        terms = (1.0, y_true, ops.square(y_true), ops.square(y_true - y_pred))
        for variable, term in zip(self._sums, terms, strict=True):
            variable.assign_add(ops.sum(weight * term, axis=0))

    def result(self) -> Any:
        if not self._sums:
            return np.float32(0.0)
        count, total, squares, residual = (v.data.astype(np.float64) for v in self._sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            variation = squares - total * total / count
            scores = 1 - residual / variation
        scores = np.where(np.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = np.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = np.sum(variation * scores) / np.sum(variation)
        return (
            np.float32(self._adjusted(scores))
            if np.ndim(scores) == 0
            else np.asarray(self._adjusted(scores), np.float32)
        )

    def _adjusted(self, score: Any) -> Any:
        n, p = float(self.num_samples.data), self.num_regressors
        if p == 0:
            return score
        if p >= n - 1:
            warnings.warn(
                f"R2Score: {p} regressors are too many for {int(n)} values; the plain score is "
                "given",
                stacklevel=3,
            )
            return score
        return 1 - (1 - score) * (n - 1) / (n - p - 1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
