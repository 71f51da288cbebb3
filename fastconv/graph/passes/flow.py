"""The form that passes work on: a list of steps between values, cheap to rewire.

A program's nodes are immutable history; a flow is a copy of them that passes may change. A value
knows who makes it and who reads it, so every rewrite is local.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.graph.primitive import PRIMITIVES
from fastconv.graph.tensor import Array, Shape, Variable


@dataclass(slots=True, eq=False)
class Value:
    """A tensor of a flow. ``source`` is the variable or the constant that it stands for."""

    shape: Shape
    dtype: str
    source: Variable | Array | None = None
    is_input: bool = False
    maker: Step | None = None
    users: dict[Step, int] = field(default_factory=dict)  # and how often each reads it
    pins: int = 0  # times it is an output or the new value of a variable
    home: Value | None = None  # the value whose storage it is written to

    @property
    def batched(self) -> bool:
        return bool(self.shape) and self.shape[0] is None

    @property
    def row_size(self) -> int:
        """Elements, or elements for each row of the batch."""
        return int(np.prod([d for d in self.shape if d is not None], dtype=np.int64))

    @property
    def is_leaf(self) -> bool:
        return self.maker is None

    @property
    def constant(self) -> Array | None:
        return None if self.source is None or isinstance(self.source, Variable) else self.source

    @property
    def scalar(self) -> float | None:
        """The number that a constant of one element holds."""
        array = self.constant
        return float(array.reshape(())) if array is not None and array.size == 1 else None

    @property
    def storage(self) -> Value:
        """The value whose bytes these are."""
        value = self
        while True:
            if value.home is not None:
                value = value.home
            elif value.maker is not None and value.maker.name == "reshape":
                value = value.maker.inputs[0]
            else:
                return value


@dataclass(slots=True, eq=False)
class Step:
    """One step. ``position`` orders steps; ``parts`` names what was fused into it."""

    name: str
    inputs: list[Value]
    outputs: list[Value]
    attrs: dict[str, Any]
    scope: str = ""
    position: float = 0.0
    parts: list[str] = field(default_factory=list)
    dead: bool = False

    @property
    def pointwise(self) -> bool:
        """Whether it can be an instruction of a pointwise step."""
        if self.name == "broadcast_to":
            return True
        op = PRIMITIVES.get(self.name)
        return op is not None and op.pointwise


class Flow:
    """Steps in an order that respects what they read, and what must come out of them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.updates: list[tuple[Variable, Value]] = []
        self.tensors: dict[int, Value] = {}  # the value of a program's tensor, by its id
        self._replaced: dict[Value, Value] = {}
        self._other: set[Value] = set()  # no more what tensors of the program stood for
        self._leaves: dict[int, tuple[Variable, Value]] = {}

    # ---- leaves

    def variable(self, variable: Variable) -> Value:
        """The value a variable has before the step."""
        known = self._leaves.get(id(variable))
        if known is None:
            value = Value(variable.shape, variable.dtype, source=variable)
            self._leaves[id(variable)] = known = (variable, value)
        return known[1]

    def pin_output(self, value: Value) -> None:
        self.outputs.append(value)
        value.pins += 1

    def pin_update(self, variable: Variable, value: Value) -> None:
        self.updates.append((variable, value))
        value.pins += 1

    # ---- edits

    def add(
        self,
        name: str,
        inputs: Sequence[Value],
        specs: Iterable[tuple[Shape, str]],
        attrs: dict[str, Any],
        *,
        scope: str = "",
        position: float | None = None,
    ) -> Step:
        """A new step with new outputs; without a position it comes last."""
        step = Step(name, [], [], attrs, scope)
        step.position = float(len(self.steps)) if position is None else position
        step.outputs = [Value(shape, dtype, maker=step) for shape, dtype in specs]
        self.set_inputs(step, inputs)
        self.steps.append(step)
        return step

    def set_inputs(self, step: Step, inputs: Sequence[Value]) -> None:
        for value in step.inputs:
            self._drop_use(value, step)
        step.inputs = list(inputs)
        for value in step.inputs:
            value.users[step] = value.users.get(step, 0) + 1

    def set_output(self, step: Step, index: int, value: Value) -> None:
        """Let ``step`` make ``value``, which another step made before."""
        step.outputs[index] = value
        value.maker = step

    def remove(self, step: Step) -> None:
        for value in step.inputs:
            self._drop_use(value, step)
        step.inputs = []
        step.dead = True

    @staticmethod
    def _drop_use(value: Value, step: Step) -> None:
        left = value.users[step] - 1
        if left:
            value.users[step] = left
        else:
            del value.users[step]

    def replace(self, value: Value, by: Value) -> None:
        """Let everyone who reads ``value`` read ``by``."""
        for user in list(value.users):
            self.set_inputs(user, [by if v is value else v for v in user.inputs])
        by.pins += value.pins
        value.pins = 0
        self._replaced[value] = by

    def becomes_other(self, value: Value) -> None:
        """Note that ``value`` is from now on another number than the program's tensor was."""
        self._other.add(value)

    def only_user(self, value: Value) -> Step | None:
        """The single step that reads ``value``, if nothing else needs it."""
        if value.pins or len(value.users) != 1:
            return None
        return next(iter(value.users))

    # ---- order

    def reaches(self, start: Step, goal: Step | None, limit: int = 256) -> bool:
        """Whether ``goal`` may need a result of ``start``; in doubt (``limit`` steps), True."""
        if goal is None or goal.position < start.position:
            return False
        seen, stack = {goal}, [goal]
        while stack:
            step = stack.pop()
            if step is start:
                return True
            for value in step.inputs:
                maker = value.maker
                if maker is None or maker in seen or maker.position < start.position:
                    continue
                seen.add(maker)
                stack.append(maker)
            if len(seen) > limit:
                return True
        return False

    def settle(self, rank: Callable[[Step], int] | None = None) -> None:
        """Drop steps that nobody needs; sort the rest so that makers come first.

        Of the steps that could come next, the one of the lowest ``rank`` does, and of these the one
        that came first before.
        """
        self._resolve()
        self._drop_dead()
        waiting: dict[Step, int] = {}
        ready: list[tuple[int, float, int, Step]] = []

        def push(step: Step) -> None:
            key = rank(step) if rank is not None else 0
            heapq.heappush(ready, (key, step.position, serial[step], step))

        serial = {step: i for i, step in enumerate(self.steps)}
        for step in self.steps:
            makers = {v.maker for v in step.inputs if v.maker is not None}
            waiting[step] = len(makers)
            if not makers:
                push(step)
        order: list[Step] = []
        while ready:
            step = heapq.heappop(ready)[3]
            order.append(step)
            for user in {u: None for v in step.outputs for u in v.users}:
                waiting[user] -= 1
                if not waiting[user]:
                    push(user)
        if len(order) != len(self.steps):
            raise RuntimeError("the steps of a program depend on each other in a circle")
        for i, step in enumerate(order):
            step.position = float(i)
        self.steps = order

    def _resolve(self) -> None:
        def final(value: Value) -> Value:
            while value in self._replaced:
                value = self._replaced[value]
            return value

        if self._replaced or self._other:
            self.tensors = {
                tensor: final(v) for tensor, v in self.tensors.items() if v not in self._other
            }
            self._other.clear()
        if self._replaced:
            self.outputs = [final(v) for v in self.outputs]
            self.updates = [(variable, final(v)) for variable, v in self.updates]
            self._replaced.clear()

    def _drop_dead(self) -> None:
        pending = [s for s in self.steps if not s.dead]
        while pending:
            step = pending.pop()
            if step.dead or any(v.users or v.pins for v in step.outputs):
                continue
            makers = {v.maker for v in step.inputs if v.maker is not None}
            self.remove(step)
            pending.extend(makers)
        self.steps = [s for s in self.steps if not s.dead]
