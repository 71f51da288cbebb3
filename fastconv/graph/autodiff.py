"""Reverse-mode differentiation of a program, from the vjps of its primitives."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np

from fastconv.graph.precision import dtype_as_run
from fastconv.graph.primitive import bind, current_trace
from fastconv.graph.program import nodes_behind
from fastconv.graph.tensor import Tensor


def gradients(
    target: Tensor, sources: Sequence[Tensor], cotangent: Tensor | None = None
) -> list[Tensor | None]:
    """d target / d source for each source; None where the target does not depend on it.

    ``target`` is a scalar unless ``cotangent`` (of its shape) is given. Only nodes between the
    sources and the target are differentiated: the first layer's input gradient is never made.
    """
    if cotangent is None:
        if target.shape != ():
            raise ValueError(f"gradients need a scalar target, got shape {target.shape}")
        cotangent = Tensor((), target.dtype, source=np.ones((), dtype_as_run(target.dtype)))
    wanted = {id(s) for s in sources}
    order = nodes_behind([target])
    active: set[int] = set(wanted)
    for node in order:
        if any(id(t) in active for t in node.inputs):
            active.update(id(t) for t in node.outputs)
    found: dict[int, Tensor] = {id(target): cotangent} if id(target) in active else {}
    trace = current_trace()
    for node in reversed(order):
        cotangents = [found.get(id(t)) for t in node.outputs]
        if all(c is None for c in cotangents) or not any(id(t) in active for t in node.inputs):
            continue
        if node.op.vjp is None:
            continue
        with trace.named(node.scope) if trace is not None and node.scope else nullcontext():
            partial = node.op.vjp(node, cotangents)
        for tensor, grad in zip(node.inputs, partial, strict=True):
            if grad is None or id(tensor) not in active:
                continue
            known = found.get(id(tensor))
            found[id(tensor)] = grad if known is None else bind("add", known, grad)
    return [found.get(id(s)) for s in sources]
