"""How often predictions are right."""

from __future__ import annotations

from typing import Any

from fastconv import ops
from fastconv.losses.loss import operand, pair
from fastconv.losses.probabilistic import logits_of
from fastconv.metrics.reduction import MeanMetricWrapper


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the two are equal, else 0."""
    y_true, y_pred = pair(y_true, y_pred, "accuracy")
    return ops.cast(ops.equal(y_true, y_pred), "float32")


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """1 where ``y_pred > threshold`` agrees with a label of 0 or 1.

    >>> binary_accuracy([[1], [0]], [[0.5], [0.2]]).tolist()
    [[0.0], [1.0]]
    """
    y_true, y_pred = pair(y_true, y_pred, "binary_accuracy")
    predicted = ops.cast(ops.greater(y_pred, float(threshold)), "float32")
    return ops.cast(ops.equal(y_true, predicted), "float32")


def _best(y_pred: Any) -> Any:
    """The predicted class. The largest probability has the largest logit."""
    y_pred = operand(y_pred, "float32")
    logits = logits_of(y_pred, "softmax")
    return ops.argmax(y_pred if logits is None else logits, axis=-1)


def _same(a: Any, b: Any) -> Any:
    return ops.cast(ops.equal(a, b), "float32")


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is at the largest entry of a one-hot target."""
    y_true, y_pred = operand(y_true, "float32"), operand(y_pred, "float32")
    if len(y_true.shape) != len(y_pred.shape) or y_true.shape[-1] != y_pred.shape[-1]:
        raise ValueError(
            f"categorical_accuracy: y_true must be one-hot with the shape of y_pred, "
            f"{tuple(y_pred.shape)}, got {tuple(y_true.shape)}"
        )
    return _same(ops.argmax(y_true, axis=-1), _best(y_pred))


def _labels(y_true: Any, y_pred: Any, name: str) -> Any:
    """Integer labels, of the shape of ``y_pred`` without its last dimension."""
    y_true = operand(y_true, "int32")
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    if len(y_true.shape) != len(y_pred.shape) - 1:
        raise ValueError(
            f"{name}: labels must have shape {tuple(y_pred.shape[:-1])} for y_pred of shape "
            f"{tuple(y_pred.shape)}, got {tuple(y_true.shape)}"
        )
    return y_true


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is at the index given by an integer label."""
    y_pred = operand(y_pred, "float32")
    return _same(_labels(y_true, y_pred, "sparse_categorical_accuracy"), _best(y_pred))


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where fewer than ``k`` predictions are larger than that of the label."""
    y_pred = operand(y_pred, "float32")
    y_true = _labels(y_true, y_pred, "sparse_top_k_categorical_accuracy")
    chosen = ops.one_hot(y_true, y_pred.shape[-1])
    score = ops.sum(chosen * y_pred, axis=-1, keepdims=True)
    above = ops.sum(ops.cast(ops.greater(y_pred, score), "float32"), axis=-1)
    return ops.cast(ops.less(above, float(k)), "float32")


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the label of a one-hot target is among the ``k`` largest predictions."""
    labels = ops.argmax(operand(y_true, "float32"), axis=-1)
    return sparse_top_k_categorical_accuracy(labels, y_pred, k)


class Accuracy(MeanMetricWrapper):
    """How often predictions equal labels."""

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often predictions above the threshold agree with labels of 0 and 1."""

    _direction = "up"

    def __init__(
        self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is the one-hot target's class."""

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is the integer label."""

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the one-hot target's class is among the ``k`` largest predictions."""

    _direction = "up"

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the integer label is among the ``k`` largest predictions."""

    _direction = "up"

    def __init__(
        self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k)
