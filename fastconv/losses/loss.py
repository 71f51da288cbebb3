"""The base of the losses: values of each example, sample weights, reduction to a scalar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.graph.tensor import Array, Tensor, Variable

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)
LossFunction = Callable[..., Any]


def whole_dtype(array: Array) -> str:
    """``int32`` for whole numbers, or ``float32`` where they are too large for it."""
    if np.can_cast(array.dtype, np.int32) or array.size == 0:
        return "int32"
    held = array.min().item() >= -(2**31) and array.max().item() < 2**31
    return "int32" if held else "float32"


def operand(value: Any, dtype: str | None = None) -> Any:
    """A tensor, a variable or an array that primitives take, cast to ``dtype`` if that is given."""
    if not isinstance(value, (Tensor, Variable)):
        value = np.asarray(value)
        if value.dtype == object or value.dtype.kind in "SU":
            raise TypeError(f"losses and metrics need numbers, got an array of {value.dtype}")
        if value.dtype in (np.float64, np.float16):
            value = value.astype(np.float32)
        elif value.dtype in (np.int64, np.uint32, np.uint64, np.int16, np.uint16, np.int8):
            value = value.astype(whole_dtype(value))
    return value if dtype is None or str(value.dtype) == dtype else ops.cast(value, dtype)


def same_rank(a: Any, b: Any) -> tuple[Any, Any]:
    """``(N,)`` beside ``(N, 1)`` becomes ``(N, 1)``; deeper, a last dimension of 1 is dropped."""
    if len(a.shape) == len(b.shape) + 1:
        b, a = same_rank(b, a)
    elif len(b.shape) == len(a.shape) + 1 and b.shape[-1] == 1:
        if len(a.shape) == 1:
            a = ops.expand_dims(a, axis=-1)
        else:
            b = ops.squeeze(b, axis=-1)
    return a, b


def _matching(y_true: Any, y_pred: Any) -> bool:
    """Whether two shapes are equal where both are known."""
    if len(y_true.shape) != len(y_pred.shape):
        return False
    return all(
        a == b or a is None or b is None for a, b in zip(y_true.shape, y_pred.shape, strict=True)
    )


def pair(y_true: Any, y_pred: Any, name: str) -> tuple[Any, Any]:
    """Both as float32 of one shape; raises ValueError where the shapes cannot be made one."""
    y_true, y_pred = same_rank(operand(y_true, "float32"), operand(y_pred, "float32"))
    if not _matching(y_true, y_pred):
        raise ValueError(
            f"{name}: y_true has shape {tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}; "
            "they must be equal"
        )
    return y_true, y_pred


def weighted(values: Any, sample_weight: Any) -> Any:
    """``values * sample_weight``, the weight broadcast over the dimensions it lacks at the end.

    One value for the whole batch counts once for each weight.
    """
    if len(values.shape) == 0:
        return values * operand(sample_weight, "float32")
    values, weight = same_rank(values, operand(sample_weight, "float32"))
    extra = len(values.shape) - len(weight.shape)
    if extra < 0:
        raise ValueError(
            f"sample_weight of shape {tuple(weight.shape)} has more dimensions than the loss "
            f"values, {tuple(values.shape)}"
        )
    for _ in range(extra):
        weight = ops.expand_dims(weight, axis=-1)
    return values * weight


class Loss:
    """A function of targets and predictions with a reduction.

    ``call(y_true, y_pred)`` gives a value for each example; calling the loss reduces them to a
    scalar. Both take arrays, and symbolic tensors inside a program.

    Args:
        name: shown in messages and files.
        reduction: ``"sum_over_batch_size"`` (``"mean"``) divides by the number of values, whatever
            the sample weights; ``"mean_with_sample_weight"`` divides by the sum of the weights;
            ``"sum"``; ``"none"`` leaves one value for each example.
        dtype: only ``"float32"``.

    Raises:
        ValueError: for an unknown reduction.
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if reduction == "auto":
            reduction = "sum_over_batch_size"
        if reduction not in REDUCTIONS:
            raise ValueError(f"unknown reduction {reduction!r}; known: {REDUCTIONS}")
        del dtype
        self.name = name or type(self).__name__.lower()
        self.reduction = reduction

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each example: shape ``y_pred.shape[:-1]`` for the losses of this package."""
        raise NotImplementedError(f"{type(self).__name__} must define call(y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        values = self.call(operand(y_true), operand(y_pred))
        if sample_weight is not None:
            values = weighted(values, sample_weight)
        if self.reduction in (None, "none") or len(values.shape) == 0:
            return values
        if self.reduction == "sum":
            return ops.sum(values)
        if self.reduction == "mean_with_sample_weight" and sample_weight is not None:
            total = ops.sum(operand(sample_weight, "float32"))
            return ops.where(
                ops.equal(total, 0.0), 0.0, ops.sum(values) / ops.maximum(total, 1e-30)
            )
        return ops.mean(values)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name} reduction={self.reduction}>"


class LossFunctionWrapper(Loss):
    """A loss made of a function ``fn(y_true, y_pred, **options)`` of each example."""

    def __init__(
        self,
        fn: LossFunction,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", "loss"), reduction, dtype)
        self.fn = fn
        self.options = options

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true, y_pred = same_rank(y_true, y_pred)
        return operand(self.fn(y_true, y_pred, **self.options))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.options}
