"""The order of steps: short lifetimes first, updates last."""

from __future__ import annotations

from fastconv.graph.passes.flow import Flow, Step
from fastconv.graph.primitives.update import RULES


def schedule(flow: Flow) -> None:
    """Sums over the batch (weight gradients, metrics) as soon as they can be had: they let go of
    large operands for small results. Updates when nothing else is left that could read the old
    values. The rest in the order of the program."""
    flow.settle(_rank)


def _rank(step: Step) -> int:
    if step.name in RULES or step.name == "optimizer_update":
        return 2
    sums = any(v.batched for v in step.inputs) and not any(v.batched for v in step.outputs)
    return 0 if sums else 1
