"""Programs of primitives: symbolic tensors, tracing, differentiation."""

from fastconv.graph.autodiff import gradients
from fastconv.graph.operation import Operation, operation
from fastconv.graph.primitive import (
    PRIMITIVES,
    Indices,
    Node,
    Primitive,
    Trace,
    as_array,
    as_tensor,
    bind,
    current_trace,
    primitive,
    tracing,
)
from fastconv.graph.program import Program, nodes_behind
from fastconv.graph.tensor import Array, Shape, Tensor, Variable, aligned_empty

from fastconv.graph import primitives  # isort: skip  (registers the primitives)

__all__ = [
    "PRIMITIVES",
    "Array",
    "Indices",
    "Node",
    "Operation",
    "Primitive",
    "Program",
    "Shape",
    "Tensor",
    "Trace",
    "Variable",
    "aligned_empty",
    "as_array",
    "as_tensor",
    "bind",
    "current_trace",
    "gradients",
    "nodes_behind",
    "operation",
    "primitive",
    "primitives",
    "tracing",
]
