"""Optimizer rules of all variables in one step, in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph.passes.flow import Flow, Step, Value
from fastconv.graph.passes.simplify import freeze
from fastconv.graph.primitives.update import RULES
from fastconv.graph.tensor import Variable


def fuse_penalties(flow: Flow) -> None:
    """Gradients of L1 and L2 penalties, added to a gradient just before its optimizer rule, become
    numbers of the rule: ``l1 * sign(w) + 2 * l2 * w``."""
    for step in [s for s in flow.steps if s.name in RULES]:
        w, gradient = step.inputs[:2]
        terms = _terms(flow, gradient)
        penalties = [_penalty(t, w) for t in terms]
        kept = [t for t, p in zip(terms, penalties, strict=True) if p is None]
        if len(kept) == len(terms) or not kept:
            continue
        for penalty in penalties:
            if penalty is not None:
                kind, strength = penalty
                step.attrs = {**step.attrs, kind: step.attrs.get(kind, 0.0) + strength}
        total = kept[0]
        for term in kept[1:]:
            spec = (total.shape, total.dtype)
            add = flow.add("add", [total, term], [spec], {}, position=step.position - 0.5)
            total = add.outputs[0]
        flow.set_inputs(step, [w, total, *step.inputs[2:]])
    flow.settle()


def _terms(flow: Flow, total: Value) -> list[Value]:
    """What a sum adds up, where the partial sums are used for nothing else."""
    terms: list[Value] = []
    stack = [total]
    while stack:
        value = stack.pop()
        add = value.maker
        whole = add is not None and all(v.shape == value.shape for v in add.inputs)
        if add is not None and add.name == "add" and whole and flow.only_user(value):
            stack += reversed(add.inputs)
        else:
            terms.append(value)
    return terms


def _penalty(value: Value, w: Value) -> tuple[str, float] | None:
    """``("l2", c / 2)`` for c * w, ``("l1", c)`` for c * sign(w)."""
    factor = 1.0
    while value is not w:
        maker = value.maker
        if maker is None:
            return None
        if maker.name == "sign" and maker.inputs[0] is w:
            return "l1", factor
        if maker.name != "multiply":
            return None
        a, b = maker.inputs
        number, value = (a.scalar, b) if a.scalar is not None else (b.scalar, a)
        if number is None:
            return None
        factor *= number
    return "l2", factor / 2


def fuse_updates(flow: Flow) -> None:
    """Each rule becomes part of one step for every kind, its settings and its learning rate.

    The step writes where it reads: into the variables, or into copies of what is still read after
    an update, or is not what the variable becomes. A gradient that is itself a variable is copied.
    """
    found = [s for s in flow.steps if s.name in RULES]
    if not found:
        return
    late = _after(found)
    kinds: dict[Any, list[Step]] = {}
    for step in found:
        slots, _, names = RULES[step.name]
        attrs = {k: v for k, v in step.attrs.items() if k in names}
        scalars = step.inputs[2 + len(slots) :]
        key = (step.name, freeze(attrs), *map(id, scalars), id(step) if step in late else None)
        kinds.setdefault(key, []).append(step)
    homes = _Homes(flow, late)
    for steps in kinds.values():
        _emit(flow, steps, homes)
    flow.settle()


def _after(updates: list[Step]) -> set[Step]:
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


def _emit(flow: Flow, steps: list[Step], homes: _Homes) -> None:
    kind = steps[0].name
    slots, timed, names = RULES[kind]
    inputs: list[Value] = list(steps[0].inputs[2 + len(slots) :])
    if not timed:
        inputs.append(Value((), "int32", source=np.asarray(0, np.int32)))
    outputs: list[Value] = []
    for step in steps:
        w, g, *state = step.inputs[: 2 + len(slots)]
        if isinstance(_root(g).source, Variable):
            g = _copied(flow, g, step)
        pairs = zip((w, *state), step.outputs, strict=True)
        w, *state = [homes.place(value, result, step) for value, result in pairs]
        inputs += [w, g, *state]
        for home, result in zip((w, *state), step.outputs, strict=True):
            result.home = home
            outputs.append(result)
    attrs: dict[str, Any] = {"kind": kind, **{n: steps[0].attrs[n] for n in names}}
    for key, of_one in (("weight_decays", "weight_decay"), ("l1", "l1"), ("l2", "l2")):
        numbers = [float(s.attrs.get(of_one, 0.0)) for s in steps]
        if any(numbers):
            attrs[key] = numbers
    fused = flow.add("optimizer_update", inputs, [], attrs, position=max(s.position for s in steps))
    fused.parts = [f"{kind} x{len(steps)}"]
    fused.parts += [key for key in ("l1", "l2") if key in attrs]
    fused.outputs = outputs
    for step in steps:
        flow.remove(step)
    for value in outputs:
        value.maker = fused


class _Homes:
    """Where updates are written: each variable is taken once."""

    def __init__(self, flow: Flow, late: set[Step]) -> None:
        self._flow = flow
        self._late = late
        self._final = {value: variable for variable, value in flow.updates}
        self._claimed: set[Value] = set()

    def place(self, value: Value, result: Value, step: Step) -> Value:
        """``value`` if ``result`` can be written over it, else a copy of it."""
        own = (
            isinstance(value.source, Variable)
            and self._final.get(result) is value.source
            and value not in self._claimed
            and not value.pins
            and not any(u in self._late for u in _readers(value))
            and step not in self._late
        )
        if not own:
            return _copied(self._flow, value, step)
        self._claimed.add(value)
        return value


def _copied(flow: Flow, value: Value, step: Step) -> Value:
    """A copy, made before ``step``."""
    copy = flow.add("copy", [value], [(value.shape, value.dtype)], {}, position=step.position - 0.5)
    return copy.outputs[0]


def _root(value: Value) -> Value:
    """What a value is a reshape of."""
    while value.maker is not None and value.maker.name == "reshape":
        value = value.maker.inputs[0]
    return value


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
