"""Arithmetic between layers as Keras writes it: ``keras.src.ops.numpy.Add`` and the like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastconv.graph.primitives.common import sized
from fastconv.layers.layer import Layer
from fastconv.layers.op_layer import FunctionOp, OpLayer, function_of
from fastconv.saving.registry import serialize_keras_object, to_snake_case

Call = tuple[tuple[Any, ...], dict[str, Any]]  # positional and keyword arguments

_NUMPY = "keras.src.ops.numpy"
_MODULES = {  # of the classes that are not in _NUMPY
    **dict.fromkeys(("Cast", "StopGradient"), "keras.src.ops.core"),
    **dict.fromkeys(("Erf", "Logsumexp", "Rsqrt"), "keras.src.ops.math"),
    **dict.fromkeys(("AffineTransform", "Resize"), "keras.src.ops.image"),
    **dict.fromkeys(("ReLU",), "keras.src.activations.activations"),
    **dict.fromkeys(
        [
            "AveragePool",
            "Celu",
            "Conv",
            "ConvTranspose",
            "DepthwiseConv",
            "Elu",
            "Gelu",
            "Glu",
            "HardShrink",
            "HardSigmoid",
            "HardSilu",
            "HardTanh",
            "LayerNorm",
            "LeakyRelu",
            "LogSigmoid",
            "LogSoftmax",
            "MaxPool",
            "Normalize",
            "OneHot",
            "Relu",
            "Relu6",
            "Selu",
            "SeparableConv",
            "Sigmoid",
            "Silu",
            "SoftShrink",
            "Softmax",
            "Softplus",
            "Softsign",
            "SparsePlus",
            "SparseSigmoid",
            "Sparsemax",
            "Squareplus",
            "TanhShrink",
            "Threshold",
        ],
        "keras.src.ops.nn",
    ),
}
_PLAIN = [  # named alike, and without options
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
    "Rsqrt",
    "Square",
    "Reciprocal",
    "Sign",
    "Tanh",
    "Sin",
    "Cos",
    "Erf",
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
    "Isnan",
    "Isfinite",
    "Relu",
    "Sigmoid",
    "Softplus",
    "StopGradient",
]


@dataclass(frozen=True)
class _Operation:
    """A call of one of Keras's operations."""

    class_name: str
    options: dict[str, Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)


_Converter = Callable[[tuple[Any, ...], dict[str, Any]], _Operation | None]


def _with_options(
    class_name: str, describe: Callable[[dict[str, Any]], dict[str, Any]]
) -> _Converter:
    return lambda args, attributes: _Operation(class_name, describe(attributes), args)


def _reduced(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"axis": list(attributes["axes"]), "keepdims": bool(attributes["keepdims"])}


def _flipped(attributes: dict[str, Any]) -> dict[str, Any]:
    axes = list(attributes["axes"])
    return {"axis": axes[0] if len(axes) == 1 else axes}


def _dense(args: tuple[Any, ...], attributes: dict[str, Any]) -> _Operation | None:
    plain = len(args) == 2 and attributes.get("precision", "float32") == "float32"
    return _Operation("Matmul", {}, args) if plain else None


def _matmul(args: tuple[Any, ...], attributes: dict[str, Any]) -> _Operation | None:
    return None if any(attributes.values()) else _Operation("Matmul", {}, args)


def _concatenate(args: tuple[Any, ...], attributes: dict[str, Any]) -> _Operation:
    return _Operation("Concatenate", {"axis": attributes["axis"]}, (list(args),))


def _get_item(args: tuple[Any, ...], attributes: dict[str, Any]) -> _Operation:
    """A slice; the first axis, the batch, is whole."""
    bounds = zip(attributes["starts"], attributes["stops"], attributes["steps"], strict=True)
    key = [
        slice(None) if bound == (0, size, 1) else slice(*bound)
        for bound, size in zip(bounds, sized(args[0].shape), strict=True)
    ]
    return _Operation("GetItem", {}, (*args, key))


def _pad(args: tuple[Any, ...], attributes: dict[str, Any]) -> _Operation | None:
    pads = list(attributes["pads"])
    if any(attributes["interior"]) or any(p < 0 for p in pads):
        return None
    widths = [pads[i : i + 2] for i in range(0, len(pads), 2)]
    options = {"pad_width": widths, "mode": "constant"}
    return _Operation("Pad", options, args, {"constant_values": attributes["value"]})


def _take(args: tuple[Any, ...], attributes: dict[str, Any]) -> _Operation | None:
    if attributes.get("batch_dims", 0):
        return None
    return _Operation("Take", {"axis": attributes["axis"]}, args)


def _tile(args: tuple[Any, ...], attributes: dict[str, Any]) -> _Operation | None:
    """An array broadcast to a shape of its own rank."""
    sizes, target = sized(args[0].shape), list(attributes["shape"])
    if len(args) > 1 or len(sizes) != len(target) or 0 in sizes:
        return None
    repeats = [wide // narrow for narrow, wide in zip(sizes, target, strict=True)]
    return _Operation("Tile", {"repeats": repeats}, args)


_CONVERTERS: dict[str, _Converter] = {
    **{to_snake_case(name): _with_options(name, lambda _: {}) for name in _PLAIN},
    "divide": _with_options("TrueDivide", lambda _: {}),
    "round": _with_options("Round", lambda _: {"decimals": 0}),
    "sum": _with_options("Sum", _reduced),
    "mean": _with_options("Mean", _reduced),
    "max": _with_options("Max", _reduced),
    "min": _with_options("Min", _reduced),
    "prod": _with_options("Prod", _reduced),
    "argmax": _with_options("Argmax", lambda a: {"axis": a["axis"]}),
    "argmin": _with_options("Argmin", lambda a: {"axis": a["axis"]}),
    "reshape": _with_options("Reshape", lambda a: {"newshape": list(a["shape"])}),
    "transpose": _with_options("Transpose", lambda a: {"axes": list(a["perm"])}),
    "flip": _with_options("Flip", _flipped),
    "cast": _with_options("Cast", lambda a: {"dtype": a["dtype"]}),
    "one_hot": _with_options("OneHot", lambda a: {"num_classes": a["depth"], "dtype": "float32"}),
    "softmax": _with_options("Softmax", lambda _: {"axis": -1}),
    "log_softmax": _with_options("LogSoftmax", lambda _: {"axis": -1}),
    "leaky_relu": _with_options("LeakyRelu", lambda a: {"negative_slope": a["negative_slope"]}),
    "elu": _with_options("Elu", lambda a: {"alpha": a["alpha"]}),
    "dense": _dense,
    "matmul": _matmul,
    "concatenate": _concatenate,
    "slice": _get_item,
    "pad": _pad,
    "take": _take,
    "broadcast_to": _tile,
}


def operation_config(layer: OpLayer, calls: Sequence[Call]) -> tuple[dict[str, Any], list[Call]]:
    """The configuration of an operation between layers and the arguments of its calls: Keras's
    where Keras has the operation, else those of an ``OpLayer``, which fastconv alone can read."""
    if isinstance(layer, FunctionOp):
        return _config(layer, layer.module, layer.class_name, layer.attributes), list(calls)
    convert = _CONVERTERS.get(layer.op)
    found = [convert(args, layer.attributes) for args, _ in calls] if convert else []
    operations = [o for o in found if o is not None]
    first = operations[0] if operations else None
    if first is None or [o.options for o in operations] != [first.options] * len(calls):
        config: dict[str, Any] = serialize_keras_object(layer)
        return {**config, "module": "fastconv.layers", "registered_name": None}, list(calls)
    module = _MODULES.get(first.class_name, _NUMPY)
    config = _config(layer, module, first.class_name, first.options)
    return config, [(o.args, o.kwargs) for o in operations]


def _config(
    layer: OpLayer, module: str, class_name: str, options: dict[str, Any]
) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": layer.name, **options},
        "registered_name": class_name,
    }


def operation_from_config(item: dict[str, Any]) -> Layer | None:
    """The layer of one of Keras's operations, None where ``item`` is something else.

    Raises:
        ValueError: if fastconv has no such operation.
    """
    name = item["class_name"]
    module = item.get("module") or _module_in_old_files(item)
    if not module.startswith(("keras.src.ops.", "keras.src.activations.")):
        return None
    function = function_of(name)
    if function is None:
        raise ValueError(f"the model uses Keras's operation {name!r}, which fastconv does not have")
    options = _options(function, item["config"])
    return FunctionOp(module, name, options, name=item["config"].get("name"))


def _options(function: Callable[..., Any], config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``function`` in a configuration of Keras's.

    What says nothing is dropped: switches that are off, a name, a policy.
    """
    known = inspect.signature(function).parameters
    return {
        k: v
        for k, v in config.items()
        if k in known or not (v is None or v is False or k in ("name", "dtype"))
    }


def _module_in_old_files(item: dict[str, Any]) -> str:
    """``.h5`` files name no modules, but layers tell whether they are trainable and operations
    do not."""
    name = item["class_name"]
    if "trainable" in item["config"] or name == "InputLayer" or function_of(name) is None:
        return ""
    return _MODULES.get(name, _NUMPY)
