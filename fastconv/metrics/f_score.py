"""The F score of precision and recall."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import config, ops
from fastconv.losses.loss import operand, pair
from fastconv.metrics.metric import Metric


class FBetaScore(Metric):
    """``(1 + beta^2) P R / (beta^2 P + R)`` of precision P and recall R.

    Args:
        average: None gives a score for each class; ``"micro"`` counts all classes together,
            ``"macro"`` averages their scores, ``"weighted"`` by how often each occurs.
        beta: how much recall counts; positive.
        threshold: predictions above it are positive; None takes the largest of each example.

    Raises:
        ValueError: for arguments that are not of these kinds, or targets and predictions that are
            not (batch, classes).
    """

    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(dtype, name)
        kind = type(self).__name__
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                f"{kind}: average must be None, 'micro', 'macro' or 'weighted', got {average!r}"
            )
        if beta <= 0:
            raise ValueError(f"{kind}: beta must be a positive number, got {beta!r}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"{kind}: threshold must be in (0, 1], got {threshold!r}")
        self.average = average
        self.beta = float(beta)
        self.threshold = threshold
        self._counts: list[Any] = []  # true positives, predicted ones, labels 1

    def _build(self, shape: tuple[int | None, ...]) -> None:
        if len(shape) != 2:
            raise ValueError(f"{type(self).__name__}: expected (batch, classes), got {shape}")
        size = () if self.average == "micro" else (int(shape[1] or 0),)
        names = ("true_positives", "predicted_positives", "possible_positives")
        self._counts = [self.add_variable(size, name=name) for name in names]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = pair(y_true, y_pred, self.name)
        if not self._counts:
            self._build(tuple(y_pred.shape))
        if self.threshold is None:
            largest = ops.greater_equal(y_pred, ops.max(y_pred, axis=-1, keepdims=True))
            chosen = ops.logical_and(largest, ops.greater(ops.absolute(y_pred), 1e-9))
        else:
            chosen = ops.greater(y_pred, float(self.threshold))
        predicted = ops.cast(chosen, "float32")
        weight: Any = 1.0
        if sample_weight is not None:
            weight = operand(sample_weight, "float32")
            weight = ops.expand_dims(weight, 1) if len(weight.shape) == 1 else weight
        axis = None if self.average == "micro" else 0
        values = (predicted * y_true, predicted, y_true)
        for variable, value in zip(self._counts, values, strict=True):
            variable.assign_add(ops.sum(value * weight, axis=axis))

    def result(self) -> Any:
        if not self._counts:
            return np.float32(0.0)
        epsilon = config.epsilon()
        true, predicted, possible = (v.data for v in self._counts)
        precision, recall = true / (predicted + epsilon), true / (possible + epsilon)
        square = self.beta**2
        score = precision * recall / (square * precision + recall + epsilon) * (1 + square)
        if self.average == "weighted":
            return np.float32(np.sum(score * possible / (np.sum(possible) + epsilon)))
        return score if self.average is None else np.float32(np.mean(score))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


class F1Score(FBetaScore):
    """:class:`FBetaScore` with ``beta`` 1: the harmonic mean of precision and recall."""

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
