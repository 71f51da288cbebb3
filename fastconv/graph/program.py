"""A program: what a step computes, as a list of nodes between inputs, outputs and variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fastconv.graph.primitive import Node
from fastconv.graph.tensor import Tensor, Variable


def nodes_behind(tensors: Iterable[Tensor]) -> list[Node]:
    """Every node that the tensors depend on, producers first (no recursion: nets can be deep)."""
    order: list[Node] = []
    seen: set[int] = set()
    for root in tensors:
        if root.node is None or id(root.node) in seen:
            continue
        stack: list[tuple[Node, int]] = [(root.node, 0)]
        seen.add(id(root.node))
        while stack:
            node, i = stack.pop()
            while i < len(node.inputs):
                source = node.inputs[i].node
                i += 1
                if source is not None and id(source) not in seen:
                    seen.add(id(source))
                    stack.append((node, i))
                    stack.append((source, 0))
                    break
            else:
                order.append(node)
    return order


@dataclass(slots=True)
class Program:
    """``updates`` are written after everything has been computed, in order."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    updates: dict[Variable, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        updates: dict[Variable, Tensor] | None = None,
    ) -> Program:
        """The program that computes ``outputs`` and ``updates``; dead nodes are left out."""
        updates = dict(updates or {})
        nodes = nodes_behind([*outputs, *updates.values()])
        return cls(list(inputs), list(outputs), updates, nodes)
