"""Arithmetic between layers as Keras writes it: ``keras.src.ops.numpy.Add`` and the like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv import ops
from fastconv.layers.layer import Layer
from fastconv.layers.op_layer import FunctionOp, OpLayer
from fastconv.saving.registry import serialize_keras_object, to_snake_case

_NUMPY = "keras.src.ops.numpy"
_NN = "keras.src.ops.nn"
_PLAIN = {
    **dict.fromkeys(
        [
            "Add",
            "Subtract",
            "Multiply",
            "Negative",
            "Absolute",
            "Exp",
            "Expm1",
            "Log",
            "Log1p",
            "Sqrt",
            "Square",
            "Reciprocal",
            "Sign",
            "Tanh",
            "Sin",
            "Cos",
            "Floor",
            "Ceil",
            "Power",
            "Maximum",
            "Minimum",
            "FloorDivide",
            "Mod",
            "Less",
            "LessEqual",
            "Greater",
            "GreaterEqual",
            "Equal",
            "NotEqual",
            "LogicalAnd",
            "LogicalOr",
            "LogicalNot",
            "Where",
            "Matmul",
            "Isnan",
            "Isfinite",
        ],
        _NUMPY,
    ),
    **dict.fromkeys(("Relu", "Sigmoid", "Softplus"), _NN),
}
_BY_PRIMITIVE = {to_snake_case(name): (module, name) for name, module in _PLAIN.items()}
_BY_PRIMITIVE["divide"] = (_NUMPY, "TrueDivide")


def _reduced(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"axis": list(attributes["axes"]), "keepdims": bool(attributes["keepdims"])}


_WITH_OPTIONS: dict[str, tuple[str, str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "sum": (_NUMPY, "Sum", _reduced),
    "mean": (_NUMPY, "Mean", _reduced),
    "max": (_NUMPY, "Max", _reduced),
    "min": (_NUMPY, "Min", _reduced),
    "reshape": (_NUMPY, "Reshape", lambda a: {"newshape": list(a["shape"])}),
    "transpose": (_NUMPY, "Transpose", lambda a: {"axes": list(a["perm"])}),
    "softmax": (_NN, "Softmax", lambda a: {"axis": -1}),
    "log_softmax": (_NN, "LogSoftmax", lambda a: {"axis": -1}),
    "leaky_relu": (_NN, "LeakyRelu", lambda a: {"negative_slope": a["negative_slope"]}),
    "elu": (_NN, "Elu", lambda a: {"alpha": a["alpha"]}),
}


def operation_config(layer: OpLayer) -> dict[str, Any]:
    """The configuration of a primitive between layers: Keras's where Keras has it."""
    options: dict[str, Any] = {}
    if isinstance(layer, FunctionOp):
        module, name, options = layer.module, layer.class_name, layer.attributes
    elif layer.op in _BY_PRIMITIVE and not layer.attributes:
        module, name = _BY_PRIMITIVE[layer.op]
    elif layer.op in _WITH_OPTIONS:
        module, name, describe = _WITH_OPTIONS[layer.op]
        options = describe(layer.attributes)
    else:
        config: dict[str, Any] = serialize_keras_object(layer)
        return {**config, "module": "fastconv.layers", "registered_name": None}
    return {
        "module": module,
        "class_name": name,
        "config": {"name": layer.name, **options},
        "registered_name": name,
    }


def operation_from_config(item: dict[str, Any]) -> Layer | None:
    """The layer of one of Keras's operations, None where ``item`` is something else.

    Raises:
        ValueError: if fastconv has no such operation.
    """
    name = to_snake_case(item["class_name"])
    module = item.get("module") or _module_in_old_files(item)
    if not module.startswith("keras.src.ops."):
        return None
    if name != "get_item" and name not in ops.__all__:
        raise ValueError(
            f"the model uses Keras's operation {item['class_name']!r}, which fastconv does not have"
        )
    options = {k: v for k, v in item["config"].items() if k not in ("name", "dtype")}
    return FunctionOp(module, item["class_name"], options, name=item["config"].get("name"))


def _module_in_old_files(item: dict[str, Any]) -> str:
    """``.h5`` files name no modules, but layers tell whether they are trainable and operations
    do not."""
    name = item["class_name"]
    if "trainable" in item["config"] or name == "InputLayer":
        return ""
    known = to_snake_case(name) in ops.__all__ or name == "GetItem"
    return _PLAIN.get(name, _NUMPY) if known else ""
