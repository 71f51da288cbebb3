"""The order of steps: short lifetimes first, updates last."""

from __future__ import annotations

from fastconv.graph.passes.flow import Flow, Step
from fastconv.graph.primitives.update import RULES

_SMALL = 4096


def schedule(flow: Flow) -> None:
    """Sums over the batch (weight gradients, metrics) as soon as they can be had: they let go of
    large operands for small results. Rows of channels too: those that follow from variables alone
    come together at the start. Updates when nothing else is left that could read the old values.
    The rest in the order of the program."""
    flow.settle(_rank)


def _rank(step: Step) -> int:
    if step.name in RULES or step.name == "optimizer_update":
        return 2
    if any(v.batched for v in step.outputs):
        return 1
    if any(v.batched for v in step.inputs):
        return 0
    return 0 if all(len(v.shape) <= 1 and v.row_size <= _SMALL for v in step.outputs) else 1
