"""Losses on probabilities: cross-entropies, divergence, Poisson.

A prediction that a program makes with a softmax or a sigmoid is not used itself: the cross-entropy
is computed from its logits, which is exact where the probability has rounded to 0 or 1.
"""

from __future__ import annotations

import warnings
from typing import Any

from fastconv import config, ops
from fastconv.graph.tensor import Tensor
from fastconv.losses.loss import LossFunctionWrapper, operand, pair, weighted
from fastconv.ops.crossentropy import expect_labels

Reduction = str | None


def logits_of(y_pred: Any, activation: str) -> Any:
    """What went into the softmax or sigmoid that made ``y_pred`` in a program, else None."""
    node = y_pred.node if isinstance(y_pred, Tensor) else None
    return node.inputs[0] if node is not None and node.op.name == activation else None


def _are_logits(y_pred: Any, activation: str, from_logits: bool) -> bool:
    if from_logits and logits_of(y_pred, activation) is not None:
        warnings.warn(
            f"from_logits=True, but the predictions come from a {activation}; what went into it "
            "is used as the logits",
            stacklevel=3,
        )
        return False
    return from_logits


def _last_axis(axis: int, y_pred: Any, name: str) -> None:
    if axis not in (-1, len(y_pred.shape) - 1):
        raise ValueError(
            f"{name}: classes must be on the last axis, got axis={axis} for y_pred of shape "
            f"{tuple(y_pred.shape)}"
        )


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """``-mean(t * log(p) + (1 - t) * log(1 - p))`` over ``axis``.

    Args:
        y_true: 0 or 1 (or probabilities), of the shape of ``y_pred``.
        y_pred: probabilities, or logits with ``from_logits``.
        from_logits: whether ``y_pred`` has not been through a sigmoid.
        label_smoothing: targets are moved this far towards 1/2.
        axis: what is averaged.

    Raises:
        ValueError: if the shapes differ.
    """
    y_true, y_pred = pair(y_true, y_pred, "binary_crossentropy")
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    logits = _are_logits(y_pred, "sigmoid", from_logits)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=logits), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Binary cross-entropy weighted by ``(1 - p_t)^gamma`` (Lin et al., arXiv:1708.02002)."""
    y_true, y_pred = pair(y_true, y_pred, "binary_focal_crossentropy")
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        y_pred = ops.sigmoid(y_pred)
    values = ops.binary_crossentropy(y_true, y_pred)
    p_t = y_true * y_pred + (1.0 - y_true) * (1.0 - y_pred)
    values = ops.power(1.0 - p_t, float(gamma)) * values
    if apply_class_balancing:
        values = values * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return ops.mean(values, axis=axis)


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """``-sum(t * log(p))`` over the classes, for one-hot (or probability) targets.

    Args:
        y_true: targets, of the shape of ``y_pred``.
        y_pred: probabilities (they are divided by their sum), or logits with ``from_logits``.
        from_logits: whether ``y_pred`` has not been through a softmax.
        label_smoothing: targets are moved this far towards the uniform distribution.
        axis: the last axis.

    Raises:
        ValueError: if the shapes differ.
    """
    name = "categorical_crossentropy"
    y_true, y_pred = operand(y_true, "float32"), operand(y_pred, "float32")
    if len(y_true.shape) != len(y_pred.shape) or y_true.shape[-1] != y_pred.shape[-1]:
        raise ValueError(
            f"{name}: y_true must be one-hot with the shape of y_pred, {tuple(y_pred.shape)}, got "
            f"{tuple(y_true.shape)}; for integer labels use sparse_categorical_crossentropy"
        )
    _last_axis(axis, y_pred, name)
    if label_smoothing:
        classes = y_pred.shape[-1]
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    logits = _are_logits(y_pred, "softmax", from_logits)
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=logits)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Any:
    """``-log(p[label])`` for integer labels.

    Args:
        y_true: labels, of shape ``y_pred.shape[:-1]`` or with one more dimension of 1.
        y_pred: probabilities (they are divided by their sum), or logits with ``from_logits``.
        from_logits: whether ``y_pred`` has not been through a softmax.
        ignore_class: a label whose loss is 0.
        axis: the last axis.

    Raises:
        ValueError: if the shapes do not fit, or an array of labels holds other classes.
    """
    name = "sparse_categorical_crossentropy"
    y_true, y_pred = operand(y_true, "int32"), operand(y_pred, "float32")
    _last_axis(axis, y_pred, name)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    if len(y_true.shape) != len(y_pred.shape) - 1:
        raise ValueError(
            f"{name}: labels must have shape {tuple(y_pred.shape[:-1])} for y_pred of shape "
            f"{tuple(y_pred.shape)}, got {tuple(y_true.shape)}; for one-hot targets use "
            "categorical_crossentropy"
        )
    valid = None
    if ignore_class is not None:
        expect_labels(name, y_true, y_pred, int(ignore_class))
        valid = ops.not_equal(y_true, int(ignore_class))
        y_true = ops.where(valid, y_true, 0)
        if str(y_true.dtype) != "int32":
            y_true = ops.cast(y_true, "int32")
    logits = _are_logits(y_pred, "softmax", from_logits)
    values = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=logits)
    return values if valid is None else ops.where(valid, values, 0.0)


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """``sum(t * log(t / p))`` over the last axis, both clipped to [epsilon, 1]."""
    y_true, y_pred = pair(y_true, y_pred, "kl_divergence")
    epsilon = config.epsilon()
    y_true = ops.minimum(ops.maximum(y_true, epsilon), 1.0)
    y_pred = ops.minimum(ops.maximum(y_pred, epsilon), 1.0)
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """``mean(p - t * log(p + epsilon))`` over the last axis."""
    y_true, y_pred = pair(y_true, y_pred, "poisson")
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


def _smoothing(value: float, name: str) -> float:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}: label_smoothing must be in [0, 1], got {value}")
    return value


class BinaryCrossentropy(LossFunctionWrapper):
    """The loss object of :func:`binary_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=_smoothing(label_smoothing, "BinaryCrossentropy"),
            axis=axis,
        )


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """The loss object of :func:`binary_focal_crossentropy`."""

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=_smoothing(label_smoothing, "BinaryFocalCrossentropy"),
            axis=axis,
        )


class CategoricalCrossentropy(LossFunctionWrapper):
    """The loss object of :func:`categorical_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=_smoothing(label_smoothing, "CategoricalCrossentropy"),
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """The loss object of :func:`sparse_categorical_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
        )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """As any loss; means are over the labels that are not ignored."""
        ignored = self.options["ignore_class"]
        if ignored is None or self.reduction in ("sum", "none", None):
            return super().__call__(y_true, y_pred, sample_weight)
        y_true, y_pred = operand(y_true, "int32"), operand(y_pred, "float32")
        if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
            y_true = ops.squeeze(y_true, axis=-1)
        valid = ops.cast(ops.not_equal(y_true, int(ignored)), "float32")
        weight = valid if sample_weight is None else weighted(valid, sample_weight)
        value = super().__call__(y_true, y_pred, weight)
        if self.reduction == "mean_with_sample_weight":
            return value
        return value / ops.maximum(ops.mean(valid), config.epsilon())


class KLDivergence(LossFunctionWrapper):
    """The loss object of :func:`kl_divergence`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """The loss object of :func:`poisson`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)
