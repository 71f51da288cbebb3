"""Cross-entropies that weigh easy and doubtful examples otherwise."""

from __future__ import annotations

from typing import Any

from fastconv import config, ops
from fastconv.losses.loss import LossFunctionWrapper, operand, pair
from fastconv.ops.crossentropy import expect_labels


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """``-sum(alpha * (1 - p)^gamma * t * log(p))`` (Lin et al., arXiv:1708.02002).

    Args:
        y_true: one-hot targets, of the shape of ``y_pred``.
        y_pred: probabilities (they are divided by their sum), or logits with ``from_logits``.
        alpha: factor of all classes, or a list with one for each.
        gamma: how much less an example counts whose class is already found.
        from_logits: whether ``y_pred`` has not been through a softmax.
        label_smoothing: targets are moved this far towards the uniform distribution.
        axis: of the classes.

    Raises:
        ValueError: if the shapes differ.
    """
    y_true, y_pred = pair(y_true, y_pred, "categorical_focal_crossentropy")
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / y_pred.shape[axis]
    p = ops.softmax(y_pred, axis=axis) if from_logits else y_pred
    p = p / ops.sum(p, axis=axis, keepdims=True)
    epsilon = config.epsilon()
    p = ops.clip(p, epsilon, 1.0 - epsilon)
    weight = ops.power(1.0 - p, float(gamma)) * operand(alpha, "float32")
    return ops.sum(-weight * y_true * ops.log(p), axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """``(1 - p[label]^q) / q``, for labels that may be wrong (arXiv:1805.07836).

    Near q = 0 it is the cross-entropy, near q = 1 the absolute error.

    Args:
        y_true: integer labels, of shape ``y_pred.shape[:-1]`` or with one more dimension of 1.
        y_pred: probabilities.
        q: between 0 and 1.

    Raises:
        ValueError: if an array of labels holds other classes.
    """
    y_true, y_pred = operand(y_true, "int32"), operand(y_pred, "float32")
    if len(y_true.shape) == len(y_pred.shape):
        y_true = ops.squeeze(y_true, axis=-1)
    expect_labels("categorical_generalized_cross_entropy", y_true, y_pred)
    p = ops.sum(y_pred * ops.one_hot(y_true, y_pred.shape[-1]), axis=-1)
    return (1.0 - ops.power(p, float(q))) / q


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """The loss object of :func:`categorical_focal_crossentropy`."""

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """The loss object of :func:`categorical_generalized_cross_entropy`.

    Raises:
        ValueError: unless q is between 0 and 1.
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(
                f"CategoricalGeneralizedCrossEntropy: q must be between 0 and 1, got {q!r}"
            )
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self.options)
