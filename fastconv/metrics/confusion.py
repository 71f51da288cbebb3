"""Metrics from counts of true and false positives and negatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import config, ops
from fastconv.graph.tensor import Array
from fastconv.losses.loss import operand, pair
from fastconv.metrics.metric import Metric

Thresholds = float | Sequence[float] | None


def _thresholds(given: Thresholds, default: float, name: str) -> list[float]:
    if given is None:
        return [default]
    values = [float(t) for t in np.atleast_1d(np.asarray(given, np.float64))]
    if any(not 0.0 <= t <= 1.0 for t in values):
        raise ValueError(f"{name}: thresholds must be in [0, 1], got {given}")
    return values


def quotient(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a, np.float32), where=b != 0)


def _among_top(y_pred: Any, k: int) -> Any:
    """Predictions outside the ``k`` largest of their row, of equal ones the first, become -1e10."""
    row = ops.expand_dims(y_pred, axis=-1)
    column = ops.expand_dims(y_pred, axis=-2)
    earlier = ops.logical_and(ops.equal(column, row), ops.tri(y_pred.shape[-1], k=-1, dtype="bool"))
    before = ops.logical_or(ops.greater(column, row), earlier)
    above = ops.sum(ops.cast(before, "float32"), axis=-1)
    return ops.where(ops.less(above, float(k)), y_pred, -1e10)


class Confusion(Metric):
    """Counts at one or more thresholds: a prediction is positive above the threshold."""

    def __init__(
        self,
        thresholds: Thresholds,
        top_k: int | None,
        class_id: int | None,
        name: str | None,
        dtype: Any,
    ) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        default = 0.5 if top_k is None else -1e9
        self.thresholds = _thresholds(thresholds, default, type(self).__name__)

    def _count(self, name: str) -> Any:
        return self.add_variable((len(self.thresholds),), name=name)

    def _positives(self, y_true: Any, y_pred: Any, sample_weight: Any) -> dict[str, Any]:
        """(Weighted) numbers of true and false positives, and of labels 1 and 0."""
        y_true, y_pred = pair(y_true, y_pred, self.name)
        if self.top_k is not None:
            y_pred = _among_top(y_pred, self.top_k)
        if self.class_id is not None:
            if not 0 <= self.class_id < y_pred.shape[-1]:
                raise ValueError(
                    f"{type(self).__name__}: class_id must be from 0 to {y_pred.shape[-1] - 1} "
                    f"for predictions of shape {y_pred.shape}, got {self.class_id}"
                )
            picked = np.zeros(y_pred.shape[-1], np.float32)
            picked[self.class_id] = 1.0
            y_true = ops.sum(y_true * picked, axis=-1, keepdims=True)
            y_pred = ops.sum(y_pred * picked, axis=-1, keepdims=True)
        label = ops.cast(ops.not_equal(y_true, 0.0), "float32")
        weight = ops.ones_like(label)
        if sample_weight is not None:
            given = operand(sample_weight, "float32")
            for _ in range(len(label.shape) - len(given.shape)):
                given = ops.expand_dims(given, axis=-1)
            weight = weight * given
        ones, zeros = label * weight, (1.0 - label) * weight
        rank = len(label.shape)
        columns = [ops.expand_dims(x, axis=-1) for x in (y_pred, ones, zeros)]
        above = ops.cast(
            ops.greater(columns[0], np.asarray(self.thresholds, np.float32)), "float32"
        )
        axes = list(range(rank))
        return {
            "tp": ops.sum(above * columns[1], axis=axes),
            "fp": ops.sum(above * columns[2], axis=axes),
            "p": ops.sum(ones),
            "n": ops.sum(zeros),
        }

    def _result(self, values: Array) -> Any:
        return values[0] if len(self.thresholds) == 1 else values

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(Confusion):
    """True positives among the predicted ones.

    Args:
        thresholds: one or several in [0, 1]; 0.5 by default. Several give one result each.
        top_k: only the ``k`` largest predictions of an example count as positive.
        class_id: only this column is looked at.
        name: the key in logs.
        dtype: only ``"float32"``.
    """

    _direction = "up"

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)
        self.true_positives = self._count("true_positives")
        self.false_positives = self._count("false_positives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        counts = self._positives(y_true, y_pred, sample_weight)
        self.true_positives.assign_add(counts["tp"])
        self.false_positives.assign_add(counts["fp"])

    def result(self) -> Any:
        tp, fp = self.true_positives.data, self.false_positives.data
        return self._result(quotient(tp, tp + fp))


class Recall(Confusion):
    """True positives among the labels 1. The arguments are those of :class:`Precision`."""

    _direction = "up"

    def __init__(
        self,
        thresholds: Thresholds = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)
        self.true_positives = self._count("true_positives")
        self.false_negatives = self._count("false_negatives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        counts = self._positives(y_true, y_pred, sample_weight)
        self.true_positives.assign_add(counts["tp"])
        self.false_negatives.assign_add(counts["p"] - counts["tp"])

    def result(self) -> Any:
        tp, fn = self.true_positives.data, self.false_negatives.data
        return self._result(quotient(tp, tp + fn))


class _Count(Confusion):
    """One of the four counts by itself."""

    part = ""

    def __init__(
        self, thresholds: Thresholds = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(thresholds, None, None, name, dtype)
        self.accumulator = self._count("accumulator")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        counts = self._positives(y_true, y_pred, sample_weight)
        counts["fn"] = counts["p"] - counts["tp"]
        counts["tn"] = counts["n"] - counts["fp"]
        self.accumulator.assign_add(counts[self.part])

    def result(self) -> Any:
        return self._result(self.accumulator.data.copy())

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """Number of labels 1 predicted above the threshold."""

    part = "tp"


class FalsePositives(_Count):
    """Number of labels 0 predicted above the threshold."""

    part = "fp"


class TrueNegatives(_Count):
    """Number of labels 0 predicted at or below the threshold."""

    part = "tn"


class FalseNegatives(_Count):
    """Number of labels 1 predicted at or below the threshold."""

    part = "fn"


class AUC(Confusion):
    """Area under the ROC or the precision-recall curve, from counts at fixed thresholds.

    Args:
        num_thresholds: how many, evenly over [0, 1].
        curve: ``"ROC"`` or ``"PR"``.
        summation_method: ``"interpolation"`` (trapezoids for ROC; Davis and Goadrich, 2006, for
            PR), ``"minoring"`` or ``"majoring"``.
        name: the key in logs.
        dtype: only ``"float32"``.
        thresholds: the inner thresholds, instead of ``num_thresholds``.
        multi_label, num_labels, label_weights: only their defaults.
        from_logits: predictions go through a sigmoid first.

    Raises:
        ValueError: for an unknown curve or method.
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        if curve not in ("ROC", "PR"):
            raise ValueError(f"AUC: curve must be 'ROC' or 'PR', got {curve!r}")
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ValueError(
                "AUC: summation_method must be 'interpolation', 'minoring' or 'majoring', "
                f"got {summation_method!r}"
            )
        if multi_label or num_labels is not None or label_weights is not None:
            raise ValueError("AUC: multi_label is not supported; use one AUC for each label")
        if thresholds is None:
            if num_thresholds < 2:
                raise ValueError(f"AUC: num_thresholds must be at least 2, got {num_thresholds}")
            inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        else:
            inner = sorted(_thresholds(thresholds, 0.5, "AUC"))
        super().__init__(None, None, None, name, dtype)
        self.given_thresholds = None if thresholds is None else inner
        # The ends lie just outside [0, 1], so that 0 and 1 themselves are inside.
        self.thresholds = [-config.epsilon(), *inner, 1.0 + config.epsilon()]
        self.num_thresholds = len(self.thresholds)
        self.curve = curve
        self.summation_method = summation_method
        self.from_logits = from_logits
        self.true_positives = self._count("true_positives")
        self.false_positives = self._count("false_positives")
        self.true_negatives = self._count("true_negatives")
        self.false_negatives = self._count("false_negatives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if self.from_logits:
            y_pred = ops.sigmoid(operand(y_pred, "float32"))
        counts = self._positives(y_true, y_pred, sample_weight)
        self.true_positives.assign_add(counts["tp"])
        self.false_positives.assign_add(counts["fp"])
        self.false_negatives.assign_add(counts["p"] - counts["tp"])
        self.true_negatives.assign_add(counts["n"] - counts["fp"])

    def result(self) -> Any:
        tp, fp = self.true_positives.data, self.false_positives.data
        tn, fn = self.true_negatives.data, self.false_negatives.data
        recall = quotient(tp, tp + fn)
        if self.curve == "ROC":
            x, y = quotient(fp, fp + tn), recall
        elif self.summation_method == "interpolation":
            return self._interpolated_precision_recall(tp, fp, fn)
        else:
            x, y = recall, quotient(tp, tp + fp)
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2.0
        elif self.summation_method == "minoring":
            heights = np.minimum(y[:-1], y[1:])
        else:
            heights = np.maximum(y[:-1], y[1:])
        return np.float32(np.sum((x[:-1] - x[1:]) * heights))

    @staticmethod
    def _interpolated_precision_recall(tp: Array, fp: Array, fn: Array) -> Any:
        """Integral of precision over recall, where TP and FP are linear between thresholds."""
        dtp = tp[:-1] - tp[1:]
        p = tp + fp
        dp = p[:-1] - p[1:]
        slope = quotient(dtp, np.maximum(dp, 0))
        intercept = tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.where(both, quotient(p[:-1], np.maximum(p[1:], 0)), 1.0)
        areas = quotient(
            (slope * (dtp + intercept * np.log(ratio))).astype(np.float32),
            np.maximum(tp[1:] + fn[1:], 0),
        )
        return np.float32(np.sum(areas))

    def get_config(self) -> dict[str, Any]:
        config = {
            "name": self.name,
            "dtype": self.dtype,
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": False,
            "num_labels": None,
            "label_weights": None,
            "from_logits": self.from_logits,
        }
        if self.given_thresholds is not None:
            config["thresholds"] = self.given_thresholds
        return config
