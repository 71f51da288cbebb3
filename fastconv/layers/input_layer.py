"""The inputs of functional models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.tensor import Tensor
from fastconv.layers.configuration import policy_name
from fastconv.layers.functional import attach
from fastconv.layers.layer import Layer, as_size

_NARROWED = {"float64": "float32", "float16": "float32", "bfloat16": "float32", "int64": "int32"}
_DTYPES = ("float32", "int32", "uint8", "bool")


class InputLayer(Layer):
    """Holds the tensor that stands for an input. See :func:`Input`."""

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        *,
        batch_shape: Sequence[int | None] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        for unsupported in ("sparse", "ragged", "optional", "input_tensor"):
            if kwargs.pop(unsupported, None):
                raise ValueError(f"Input: {unsupported} inputs are not supported")
        if batch_shape is None:
            batch_shape = kwargs.pop("batch_input_shape", None)
        if batch_shape is None:
            if shape is None:
                raise ValueError("Input needs a shape (of one example, without the batch)")
            if isinstance(shape, int):
                raise ValueError(f"Input's shape must be a tuple, got {shape!r}")
            batch_shape = (batch_size, *shape)
        elif shape is not None:
            raise ValueError("Input takes shape or batch_shape, not both")
        super().__init__(name=name or kwargs.pop("name", None), **kwargs)
        given = policy_name(dtype) or "float32"
        self.dtype = _NARROWED.get(given, given)
        if self.dtype not in _DTYPES:
            raise ValueError(f"Input: dtype must be one of {', '.join(_DTYPES)}, got {given!r}")
        self.batch_shape = tuple(
            None if d is None else as_size(d, "Input: every dimension") for d in batch_shape
        )
        if any(d is None or d < 1 for d in self.batch_shape[1:]):
            raise ValueError(
                f"Input: every dimension after the batch must be a positive number, got shape "
                f"{self.batch_shape[1:]}"
            )
        tensor = Tensor((None, *self.batch_shape[1:]), self.dtype, name=self.name)
        attach(self, (), {}, tensor)
        self.built = True

    def call(self) -> None:
        raise TypeError("an InputLayer is not called")

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
        }

    def get_build_config(self) -> dict[str, Any] | None:
        return None


def Input(  # noqa: N802  the field's name for it
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
    *,
    batch_shape: Sequence[int | None] | None = None,
    **kwargs: Any,
) -> Tensor:
    """A tensor that stands for an input of a functional model.

    Args:
        shape: the shape of one example; the batch is left out.
        batch_size: noted in the configuration; any batch can be fed.
        dtype: ``"float32"``, ``"int32"``, ``"uint8"`` or ``"bool"``.
        batch_shape: the shape with the batch, instead of ``shape``.

    >>> Input((28, 28, 1)).shape
    (None, 28, 28, 1)

    Raises:
        ValueError: if a dimension is missing or no positive number.
    """
    layer = InputLayer(shape, batch_size, dtype, batch_shape=batch_shape, name=name, **kwargs)
    tensor: Tensor = layer.output
    return tensor
