"""Cross-entropies: Keras's order of arguments, the target first.

Probabilities are clipped to [1e-7, 1 - 1e-7]. A symbolic output that a softmax (or sigmoid) made
is not: the loss is then computed from that function's input, exactly, and in one pass.
"""

from __future__ import annotations

from typing import Any

from fastconv.graph import Indices, Tensor, bind, current_trace, operation
from fastconv.graph.primitives.common import is_float, sized
from fastconv.graph.primitives.pointwise import autocast
from fastconv.ops.elementwise import clip
from fastconv.ops.layout import moveaxis
from fastconv.ops.operand import as_float, dtype_of, normalize_axis, operand

EPSILON = 1e-7


def _logits(output: Any, activation: str) -> Any:
    """The input of the activation that made a symbolic output, else None."""
    node = output.node if isinstance(output, Tensor) else None
    while node is not None and node.op.name in ("cast", "autocast"):  # to bfloat16 and back
        node = node.inputs[0].node if is_float(node.inputs[0].dtype) else None
    if node is None or node.op.name != activation:
        return None
    return autocast(node.inputs[0], output.dtype)


def _log_probabilities(output: Any) -> Any:
    """log of probabilities that are first made to sum to 1 along the last axis."""
    total = bind("sum", output, axes=[output.ndim - 1], keepdims=1)
    return bind("log", clip(output / total, EPSILON, 1.0 - EPSILON))


@operation
def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """-sum(target * log(output)) along the axis: (..., classes) twice gives (...).

    >>> round(float(categorical_crossentropy([0.0, 1.0], [0.5, 0.5])), 4)
    0.6931
    """
    target, output = as_float(target), as_float(output)
    if target.shape != output.shape:
        raise ValueError(
            f"categorical_crossentropy: target and output must have one shape, got "
            f"{target.shape} and {output.shape}"
        )
    if normalize_axis("categorical_crossentropy", axis, output.ndim) != output.ndim - 1:
        target, output = moveaxis(target, axis, -1), moveaxis(output, axis, -1)
    logits = output if from_logits else _logits(output, "softmax")
    if logits is not None:
        return bind("softmax_cross_entropy", logits, target)[0]
    terms = target * _log_probabilities(output)
    return bind("negative", bind("sum", terms, axes=[output.ndim - 1], keepdims=0))


def expect_labels(name: str, labels: Any, output: Any, ignored: int | None = None) -> None:
    """Raise ValueError for labels that are not among the classes of an output: now for those in an
    array; of a program's it is noted, for when its data are prepared."""
    classes = output.shape[-1]
    if isinstance(labels, Tensor):
        trace = current_trace()
        if trace is not None and classes is not None:
            trace.indices.append(Indices(labels, classes, ignored))
        return
    if ignored is not None:
        labels = labels[labels != ignored]
    if labels.size:
        low, high = labels.min(), labels.max()
        if low < 0 or high >= classes:
            raise ValueError(f"{name}: labels must be from 0 to {classes - 1}, got {low} to {high}")


@operation
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """-log(output[target]): integer targets (...) or (..., 1), output (..., classes).

    >>> round(float(sparse_categorical_crossentropy(1, [0.5, 0.5])), 4)
    0.6931
    """
    target, output = operand(target), as_float(output)
    if normalize_axis("sparse_categorical_crossentropy", axis, output.ndim) != output.ndim - 1:
        output = moveaxis(output, axis, -1)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = bind("reshape", target, shape=sized(target.shape)[:-1])
    if tuple(target.shape) != tuple(output.shape[:-1]):
        raise ValueError(
            f"sparse_categorical_crossentropy: target must have shape {tuple(output.shape[:-1])} "
            f"for an output of shape {output.shape}, got {target.shape}"
        )
    expect_labels("sparse_categorical_crossentropy", target, output)
    if dtype_of(target) != "int32":
        target = bind("cast", target, dtype="int32")
    logits = output if from_logits else _logits(output, "softmax")
    if logits is None:
        logits = _log_probabilities(output)
    return bind("sparse_softmax_cross_entropy", logits, target)[0]


@operation
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """-(target * log(output) + (1 - target) * log(1 - output)), element by element.

    >>> round(float(binary_crossentropy(1.0, 0.5)), 4)
    0.6931
    """
    target, output = as_float(target), as_float(output)
    if target.shape != output.shape:
        raise ValueError(
            f"binary_crossentropy: target and output must have one shape, got "
            f"{target.shape} and {output.shape}"
        )
    logits = output if from_logits else _logits(output, "sigmoid")
    if logits is not None:
        return bind("softplus", logits) - logits * target
    p = clip(output, EPSILON, 1.0 - EPSILON)
    return -(target * bind("log", p) + (1.0 - target) * bind("log", 1.0 - p))
