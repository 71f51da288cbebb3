"""Optimizer rules of all variables in one step, in place."""

from __future__ import annotations

from typing import Any

from fastconv.graph.passes.flow import Flow, Step, Value
from fastconv.graph.passes.simplify import freeze
from fastconv.graph.primitives.update import RULES
from fastconv.graph.tensor import Variable


def fuse_updates(flow: Flow) -> None:
    """Each rule becomes part of one step for every kind, its settings and its learning rate.

    The step writes where it reads: into the variables, or into copies of what is still read after
    an update.
    """
    found = [s for s in flow.steps if s.name in RULES]
    if not found:
        return
    late = _after(flow, found)
    kinds: dict[Any, list[Step]] = {}
    for step in found:
        slots, timed, _ = RULES[step.name]
        attrs = {k: v for k, v in step.attrs.items() if k != "weight_decay"}
        scalars = step.inputs[2 + len(slots) :]
        key = (step.name, freeze(attrs), *map(id, scalars), id(step) if step in late else None)
        kinds.setdefault(key, []).append(step)
    claimed: set[Value] = set()
    for steps in kinds.values():
        _emit(flow, steps, late, claimed)
    flow.settle()


def _after(flow: Flow, updates: list[Step]) -> set[Step]:
    """Steps that need the result of an update."""
    result: set[Step] = set()
    stack = list(updates)
    while stack:
        for value in stack.pop().outputs:
            for user in value.users:
                if user not in result:
                    result.add(user)
                    stack.append(user)
    return result


def _emit(flow: Flow, steps: list[Step], late: set[Step], claimed: set[Value]) -> None:
    kind = steps[0].name
    slots, timed, names = RULES[kind]
    scalars = steps[0].inputs[2 + len(slots) :]
    inputs: list[Value] = list(scalars)
    outputs: list[Value] = []
    for step in steps:
        w, g, *state = step.inputs[: 2 + len(slots)]
        w, *state = [_place(flow, v, step, late, claimed) for v in (w, *state)]
        inputs += [w, g, *state]
        for home, result in zip((w, *state), step.outputs, strict=True):
            result.home = home
            outputs.append(result)
    attrs: dict[str, Any] = {"kind": kind, **{n: steps[0].attrs[n] for n in names}}
    attrs["weight_decays"] = [float(s.attrs.get("weight_decay", 0.0)) for s in steps]
    fused = flow.add(
        "optimizer_update", inputs, [], attrs, position=max(s.position for s in steps)
    )
    fused.parts = [f"{kind} of {len(steps)}"]
    fused.outputs = outputs
    for step in steps:
        flow.remove(step)
    for value in outputs:
        value.maker = fused


def _place(
    flow: Flow, value: Value, step: Step, late: set[Step], claimed: set[Value]
) -> Value:
    """``value`` if it can be written over, else a copy of it."""
    own = (
        isinstance(value.source, Variable)
        and value not in claimed
        and not any(u in late for u in _readers(value))
        and step not in late
    )
    if own:
        claimed.add(value)
        return value
    copy = flow.add(
        "copy", [value], [(value.shape, value.dtype)], {}, position=step.position - 0.5
    )
    return copy.outputs[0]


def _readers(value: Value) -> list[Step]:
    """Steps that read the value or a reshape of it."""
    found: list[Step] = []
    stack = [value]
    while stack:
        for user in stack.pop().users:
            if user.name == "reshape":
                stack.append(user.outputs[0])
            else:
                found.append(user)
    return found
