"""The best of one rate where another one is at least a given value."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.metrics.confusion import Confusion, quotient


class _OperatingPoint(Confusion):
    """Counts at evenly spaced thresholds; ``argument`` names the rate that is given."""

    _direction = "up"

    argument = ""

    def __init__(
        self,
        value: float,
        num_thresholds: int,
        class_id: int | None,
        name: str | None,
        dtype: Any,
    ) -> None:
        super().__init__(None, None, class_id, name, dtype)
        kind = type(self).__name__
        if not 0 <= value <= 1:
            raise ValueError(f"{kind}: {self.argument} must be in [0, 1], got {value!r}")
        if num_thresholds < 1:
            raise ValueError(f"{kind}: num_thresholds must be positive, got {num_thresholds!r}")
        self.value = value
        self.num_thresholds = num_thresholds
        if num_thresholds > 1:
            self.thresholds = [i / (num_thresholds - 1) for i in range(num_thresholds)]
        self.true_positives = self._count("true_positives")
        self.false_positives = self._count("false_positives")
        self.true_negatives = self._count("true_negatives")
        self.false_negatives = self._count("false_negatives")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        counts = self._positives(y_true, y_pred, sample_weight)
        self.true_positives.assign_add(counts["tp"])
        self.false_positives.assign_add(counts["fp"])
        self.false_negatives.assign_add(counts["p"] - counts["tp"])
        self.true_negatives.assign_add(counts["n"] - counts["fp"])

    def _recall(self) -> Array:
        tp, fn = self.true_positives.data, self.false_negatives.data
        return quotient(tp, tp + fn)

    def _specificity(self) -> Array:
        tn, fp = self.true_negatives.data, self.false_positives.data
        return quotient(tn, tn + fp)

    def _precision(self) -> Array:
        tp, fp = self.true_positives.data, self.false_positives.data
        return quotient(tp, tp + fp)

    def _best(self, wanted: Array, given: Array) -> Any:
        return np.float32(np.max(np.where(given >= self.value, wanted, 0.0)))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "dtype": self.dtype,
            self.argument: self.value,
            "num_thresholds": self.num_thresholds,
            "class_id": self.class_id,
        }


class SensitivityAtSpecificity(_OperatingPoint):
    """The best sensitivity (recall) where the specificity is at least ``specificity``."""

    argument = "specificity"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._recall(), self._specificity())


class SpecificityAtSensitivity(_OperatingPoint):
    """The best specificity where the sensitivity (recall) is at least ``sensitivity``."""

    argument = "sensitivity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._specificity(), self._recall())


class PrecisionAtRecall(_OperatingPoint):
    """The best precision where the recall is at least ``recall``."""

    argument = "recall"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._precision(), self._recall())


class RecallAtPrecision(_OperatingPoint):
    """The best recall where the precision is at least ``precision``."""

    argument = "precision"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        return self._best(self._recall(), self._precision())
