"""The table of operators, and running a small graph with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Operator = Callable[..., Any]  # (attributes, *inputs) -> a result or a list of them
OPERATORS: dict[str, Operator] = {}


class OutOfScopeError(Exception):
    """What fastconv, like Keras, has no function for."""


def operator(*names: str) -> Callable[[Operator], Operator]:
    def keep(f: Operator) -> Operator:
        for name in names:
            OPERATORS[name] = f
        return f

    return keep


class Attributes(dict[str, Any]):
    """A node's attributes by name."""

    def __init__(self, node: Any, opset: int) -> None:
        from onnx.helper import get_attribute_value

        super().__init__({a.name: _plain(get_attribute_value(a)) for a in node.attribute})
        self.opset = opset
        self.op = node.op_type
        self.outputs = list(node.output)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if type(value).__name__.startswith("Repeated") else value


def run_graph(model: Any, inputs: list[np.ndarray]) -> list[Any]:
    """The outputs of a model of known operators.

    Raises:
        OutOfScopeError: for an operator or option that there is no function for.
    """
    graph = model.graph
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    values: dict[str, Any] = dict(zip((i.name for i in graph.input), inputs, strict=False))
    for node in graph.node:
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise OutOfScopeError(f"has no {node.op_type}")
        given = [values[name] if name else None for name in node.input]
        made = OPERATORS[node.op_type](Attributes(node, opset), *given)
        made = list(made) if isinstance(made, (list, tuple)) else [made]
        for name, value in zip(node.output, made, strict=False):
            values[name] = value
        for name in node.output[len(made) :]:
            if name:
                raise OutOfScopeError(f"has no output {name!r} of {node.op_type}")
    return [values[o.name] for o in graph.output]
