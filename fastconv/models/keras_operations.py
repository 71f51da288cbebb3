"""Operations between layers as Keras writes them: ``keras.src.ops.numpy.Add`` and the like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastconv.layers.layer import Layer
from fastconv.layers.op_layer import FunctionOp, OpLayer, function_of
from fastconv.saving.registry import serialize_keras_object

_NUMPY = "keras.src.ops.numpy"
_CLASSES = {  # of the modules other than _NUMPY
    "keras.src.activations.activations": "Mish ReLU",
    "keras.src.ops.core": (
        "Cast ConvertToTensor SaturateCast Scatter ScatterUpdate Slice SliceUpdate StopGradient "
        "Unstack"
    ),
    "keras.src.ops.image": "AffineTransform Resize",
    "keras.src.ops.linalg": (
        "Cholesky CholeskyInverse Det Eigh Inv Lstsq MatrixRank Norm Pinv Qr SVD Solve "
        "SolveTriangular"
    ),
    "keras.src.ops.math": (
        "Erf Erfc Erfinv InTopK Logdet Logsumexp Rsqrt SegmentMax SegmentMin SegmentProd "
        "SegmentSum TopK"
    ),
    "keras.src.ops.nn": (
        "AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm BinaryCrossentropy "
        "CategoricalCrossentropy Celu Conv ConvTranspose DepthToSpace DepthwiseConv Elu Gelu Glu "
        "HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax "
        "MaxPool Moments MultiHot Normalize OneHot PSNR RMSNorm Relu Relu6 Selu SeparableConv "
        "Sigmoid Silu SoftShrink Softmax Softplus Softsign SpaceToDepth "
        "SparseCategoricalCrossentropy SparsePlus SparseSigmoid Sparsemax Squareplus TanhShrink "
        "Threshold"
    ),
}
_MODULES = {name: module for module, names in _CLASSES.items() for name in names.split()}


def operation_config(layer: OpLayer) -> dict[str, Any]:
    """The configuration of an operation between layers: Keras's where Keras has the operation,
    else that of an ``OpLayer``, which fastconv alone can read."""
    class_name = layer.class_name
    if class_name is None:
        config: dict[str, Any] = serialize_keras_object(layer)
        return {**config, "module": "fastconv.layers", "registered_name": None}
    module = layer.module if isinstance(layer, FunctionOp) else None
    return {
        "module": module or module_of(class_name),
        "class_name": class_name,
        "config": {"name": layer.name, **layer.attributes},
        "registered_name": class_name,
    }


def module_of(class_name: str) -> str:
    """Keras's module of the class of an operation."""
    return _MODULES.get(class_name, _NUMPY)


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
    return FunctionOp(name, options, module, name=item["config"].get("name"))


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
    return module_of(name)
