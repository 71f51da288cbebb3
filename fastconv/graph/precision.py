"""Mixed precision: tensors of dtype bfloat16, and what they are when a program runs.

A bfloat16 is the upper half of a float32. Products (dense layers, convolutions and their
gradients) round what they read to it and sum in float32; everything else computes in float32. So
a program's bfloat16 tensors run as float32 ones, and its products say at which precision they
read them: an ``autocast`` rounds nothing by itself, a ``cast`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastconv.graph.primitive import Node
    from fastconv.graph.tensor import Shape, Variable

BFLOAT16 = "bfloat16"
_PRODUCTS = frozenset(
    {"dense", "dense_input_grad", "dense_weight_grad"}
    | {"conv2d", "conv2d_input_grad", "conv2d_weight_grad"}
)
_COMPUTE: ContextVar[str] = ContextVar("fastconv_compute_dtype", default="float32")


@contextmanager
def computing_in(dtype: str) -> Iterator[None]:
    """Inside, float32 variables are read as ``dtype``, unless they say otherwise."""
    token = _COMPUTE.set(dtype)
    try:
        yield
    finally:
        _COMPUTE.reset(token)


def read_dtype(variable: Variable) -> str:
    """The dtype as which a variable is read here."""
    dtype = variable.dtype
    return _COMPUTE.get() if dtype == "float32" and variable.autocast else dtype


def precision_of(name: str) -> dict[str, str]:
    """What a primitive that is run at once on arrays has to be told here."""
    if name in _PRODUCTS and _COMPUTE.get() == BFLOAT16:
        return {"precision": BFLOAT16}
    return {}


def as_run(node: Node) -> tuple[dict[str, Any], list[tuple[Shape, str]]]:
    """A node's attributes, and the shapes and dtypes of its results, as they are when it runs."""
    attrs = dict(node.attrs)
    if node.op.name in _PRODUCTS and any(t.dtype == BFLOAT16 for t in node.inputs[:2]):
        attrs["precision"] = BFLOAT16
    return attrs, [(t.shape, dtype_as_run(t.dtype)) for t in node.outputs]


def unrounded(x: Any) -> Any:
    """What a symbolic tensor was before it was rounded to bfloat16, else ``x`` itself."""
    node = getattr(x, "node", None)
    if node is None or node.op.name != "cast" or node.attrs["dtype"] != BFLOAT16:
        return x
    return node.inputs[0]


def dtype_as_run(dtype: str) -> str:
    return "float32" if dtype == BFLOAT16 else dtype
