"""Operations as layers: what functions of the tensors of a functional model become."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np

from fastconv import activations, ops, random
from fastconv.graph.indexing import getitem
from fastconv.graph.operation import Operation
from fastconv.graph.primitive import PRIMITIVES, bind
from fastconv.graph.structure import flatten, map_structure
from fastconv.graph.tensor import Tensor
from fastconv.layers.layer import Layer
from fastconv.naming import unique_name
from fastconv.ops.operand import dtype_name
from fastconv.saving.registry import to_snake_case

_OPERATORS = {  # what Keras calls the primitives that Python's operators are
    "add": "Add",
    "subtract": "Subtract",
    "multiply": "Multiply",
    "divide": "TrueDivide",
    "power": "Power",
    "matmul": "Matmul",
    "negative": "Negative",
    "absolute": "Absolute",
    "floor_divide": "FloorDivide",
    "mod": "Mod",
    "less": "Less",
    "less_equal": "LessEqual",
    "greater": "Greater",
    "greater_equal": "GreaterEqual",
    "equal": "Equal",
    "not_equal": "NotEqual",
    "logical_and": "LogicalAnd",
    "logical_or": "LogicalOr",
    "logical_not": "LogicalNot",
}


class OpLayer(Layer):
    """Applies the primitive ``op`` with fixed attributes.

    Args:
        op: the name of the primitive.
        attributes: its attributes, plain values.
    """

    class_name: str | None  # of Keras's operation, None where Keras has none

    def __init__(self, op: str, attributes: dict[str, Any], **kwargs: Any) -> None:
        if kwargs.get("name") is None:
            kwargs["name"] = unique_name(op)
        super().__init__(**kwargs)
        self.op = op
        self.attributes = dict(attributes)
        self.built = True
        self._resolve()

    def _resolve(self) -> None:
        if self.op not in PRIMITIVES:
            raise ValueError(f"unknown operation {self.op!r}")
        self.class_name = None if self.attributes else _OPERATORS.get(self.op)

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
    return getitem(x, tuple(key) if isinstance(key, list) else key)


def _einsum(*operands: Any, subscripts: str) -> Any:
    return ops.einsum(subscripts, *operands)


# Where the options are no keyword arguments of the function.
_CALLED_AS: dict[str, Callable[..., Any]] = {"Einsum": _einsum, "GetItem": _get_item}
_NAMED: dict[str, Callable[..., Any]] = {  # functions that are not named like their class
    "AffineTransform": ops.image.affine_transform,
    "BatchNorm": ops.batch_normalization,
    "GetItem": getitem,
    "IsIn": ops.isin,
    "LayerNorm": ops.layer_normalization,
    "Mish": activations.mish,
    "PSNR": ops.psnr,
    "RMSNorm": ops.rms_normalization,
    "ReLU": activations.relu,
    "Resize": ops.image.resize,
    "SVD": ops.svd,
    "SearchSorted": ops.searchsorted,
}
_CLASSES = {id(function): name for name, function in _NAMED.items()}

# Arguments that are operands also where they are no tensors, by their names.
_OPERANDS = {
    *("x", "x1", "x2", "xs", "y", "a", "b", "q", "key", "array", "inputs", "images", "operands"),
    *("kernel", "depthwise_kernel", "pointwise_kernel", "transform", "mean", "variance"),
    *("target", "output", "targets", "predictions", "variable", "data", "segment_ids", "bins"),
    *("indices", "start_indices", "updates", "values", "sorted_sequence"),
    *("condition", "condlist", "choicelist"),
}
_OPTIONAL_OPERANDS = {  # that may be None
    *("x1", "x2", "constant_values", "weights", "offset", "scale", "gamma", "beta"),
}
_NUMBERS = {"default", "rtol", "atol"}  # operands that are a number if nothing is said


def function_of(class_name: str) -> Callable[..., Any] | None:
    """The function that Keras's operation of a class stands for, None if fastconv has none.

    What is an option of the class is a keyword argument of the function.
    """
    function: Callable[..., Any] | None = _CALLED_AS.get(class_name) or _NAMED.get(class_name)
    name = to_snake_case(class_name)
    if function is None and name in ops.__all__:
        function = getattr(ops, name)
    return function


def class_of(function: Callable[..., Any]) -> str:
    """The name of Keras's class for a function: the other way round."""
    name: str = function.__name__
    return _CLASSES.get(id(function)) or "".join(part.capitalize() for part in name.split("_"))


def operands_of(function: Callable[..., Any]) -> list[str]:
    """The arguments that are operands, also where they are no tensors; the others are options."""

    def is_operand(parameter: Parameter) -> bool:
        if parameter.default is Parameter.empty:
            return parameter.name in _OPERANDS and parameter.kind is not Parameter.VAR_POSITIONAL
        return parameter.name in (_OPTIONAL_OPERANDS if parameter.default is None else _NUMBERS)

    return [name for name, p in signature(function).parameters.items() if is_operand(p)]


class FunctionOp(OpLayer):
    """Applies the function that Keras names by an operation class.

    Args:
        class_name: such as ``"Mean"``, which stands for ``ops.mean``.
        options: keyword arguments of the function.
        module: Keras's module of the class, where a file named one.

    Raises:
        ValueError: if fastconv has no such function.
    """

    def __init__(
        self, class_name: str, options: dict[str, Any], module: str | None = None, **kwargs: Any
    ) -> None:
        self.class_name: str = class_name
        self.module = module
        super().__init__(to_snake_case(class_name), options, **kwargs)

    def _resolve(self) -> None:
        function = function_of(self.class_name)
        if function is None:
            raise ValueError(f"unknown operation {self.class_name!r}")
        self._function = function
        self._operands = operands_of(function)

    def call(self, *inputs: Any, **arguments: Any) -> Any:
        if len(inputs) <= len(self._operands):  # options may stand between them
            arguments = {**dict(zip(self._operands, inputs, strict=False)), **arguments}
            inputs = ()
        return self._function(*inputs, **arguments, **self.attributes)

    def get_config(self) -> dict[str, Any]:
        return {
            **Layer.get_config(self),
            "class_name": self.class_name,
            "options": self.attributes,
            "module": self.module,
        }


def layer_of(made: Operation) -> tuple[FunctionOp, tuple[Any, ...], dict[str, Any]]:
    """A call of a function as a layer, and the arguments of the layer's call."""
    parameters = signature(made.function).parameters
    operands = operands_of(made.function)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    options: dict[str, Any] = {}
    bound = signature(made.function).bind(*made.args, **made.kwargs)
    given = set(bound.arguments)
    bound.apply_defaults()
    for name, value in bound.arguments.items():
        if parameters[name].kind is Parameter.VAR_POSITIONAL:
            args += value
        elif name in operands and parameters[name].default is Parameter.empty:
            args.append(value)
        elif name in operands or any(isinstance(x, Tensor) for x in flatten(value)):
            kwargs[name] = value
        elif name in given:
            options[name] = map_structure(_plain, value)
    return FunctionOp(class_of(made.function), options), tuple(args), kwargs


def _plain(value: Any) -> Any:
    """An option as it is written to files."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return dtype_name(value) if isinstance(value, (type, np.dtype)) else value


def kind_of(layer: Layer) -> str:
    """What tables and drawings call the class of a layer; operations by Keras's names."""
    named = layer.class_name if isinstance(layer, OpLayer) else None
    return named or type(layer).__name__
