"""Operations as layers: what arithmetic on the tensors of a functional model becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv import activations, ops, random
from fastconv.graph.primitive import PRIMITIVES, bind
from fastconv.graph.tensor import Tensor
from fastconv.layers.layer import Layer
from fastconv.layers.naming import unique_name
from fastconv.saving.registry import to_snake_case


class OpLayer(Layer):
    """Applies the primitive ``op`` with fixed attributes.

    Args:
        op: the name of the primitive.
        attributes: its attributes, plain values.
    """

    def __init__(self, op: str, attributes: dict[str, Any], **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = unique_name(op)
        super().__init__(**kwargs)
        self.op = op
        self.attributes = dict(attributes)
        self.built = True
        self._check()

    def _check(self) -> None:
        if self.op not in PRIMITIVES:
            raise ValueError(f"unknown operation {self.op!r}")

    def call(self, *inputs: Any) -> Any:
        attributes = self.attributes
        if "stream" in attributes:
            attributes = {**attributes, "stream": random.stream()}
        if not any(isinstance(x, Tensor) for x in inputs):
            attributes = _for_arrays(self.op, inputs, attributes)
        return bind(self.op, *inputs, **attributes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "op": self.op, "attributes": self.attributes}

    def get_build_config(self) -> dict[str, Any] | None:
        return None


def _for_arrays(op: str, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes that say -1 for the batch, with the number of rows that arrays have."""
    key = "stops" if op == "slice" else "shape"
    sizes = list(attributes.get(key, ()))
    if sizes[:1] != [-1] or (op == "slice" and attributes["starts"][0] != 0):
        return attributes
    return {**attributes, key: [inputs[-1].shape[0], *sizes[1:]]}


def _get_item(x: Any, key: Any) -> Any:
    return x[tuple(key) if isinstance(key, list) else key]


def _einsum(*operands: Any, subscripts: str) -> Any:
    return ops.einsum(subscripts, *operands)


_FUNCTIONS: dict[str, Callable[..., Any]] = {  # where the class is not named like the function
    "affine_transform": ops.image.affine_transform,
    "einsum": _einsum,
    "get_item": _get_item,
    "layer_norm": ops.layer_normalization,
    "mish": activations.mish,
    "re_lu": activations.relu,
    "resize": ops.image.resize,
}


def function_of(class_name: str) -> Callable[..., Any] | None:
    """The function that Keras's operation of a class stands for, None if fastconv has none.

    What is an option of the class is a keyword argument of the function.
    """
    name = to_snake_case(class_name)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    function: Callable[..., Any] | None = getattr(ops, name) if name in ops.__all__ else None
    return function


class FunctionOp(OpLayer):
    """Applies the function that a Keras file names by its operation class.

    Args:
        module: Keras's module of the class.
        class_name: such as ``"Mean"``, which stands for ``ops.mean``.
        options: keyword arguments of the function.

    Raises:
        ValueError: if fastconv has no such function.
    """

    def __init__(
        self, module: str, class_name: str, options: dict[str, Any], **kwargs: Any
    ) -> None:
        self.module = module
        self.class_name = class_name
        super().__init__(to_snake_case(class_name), options, **kwargs)

    def _check(self) -> None:
        function = function_of(self.class_name)
        if function is None:
            raise ValueError(f"unknown operation {self.class_name!r}")
        self._function = function

    def call(self, *inputs: Any, **arguments: Any) -> Any:
        return self._function(*inputs, **arguments, **self.attributes)

    def get_config(self) -> dict[str, Any]:
        return {
            **Layer.get_config(self),
            "module": self.module,
            "class_name": self.class_name,
            "options": self.attributes,
        }
