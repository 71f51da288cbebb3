"""Pointwise steps of one shape gather into steps of many instructions and several results."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastconv.graph.passes import tape
from fastconv.graph.passes.flow import Flow, Step, Value
from fastconv.graph.tensor import Shape

_MOST_INPUTS, _MOST_INSTRUCTIONS = 16, 32
_DISTANCE = 64  # steps between neighbours that merely read the same tensor
# Rows of channels and single numbers: what a step costs is the call, so gather more of them.
_SMALL = 4096
_MOST_SMALL_INPUTS, _MOST_SMALL_INSTRUCTIONS = 48, 96


@dataclass(slots=True, eq=False)
class _Group:
    """Steps that will run at the place of the last of them. It is open while no other step has read
    a result, so that nothing yet depends on where it runs."""

    shape: Shape
    small: bool
    steps: list[Step] = field(default_factory=list)
    inputs: set[Value] = field(default_factory=set)
    made: set[Value] = field(default_factory=set)
    open: bool = True
    merged: _Group | None = None  # into which it went

    def fits(self, steps: list[Step], inputs: set[Value]) -> bool:
        made = self.made.union(s.outputs[0] for s in steps)
        most_inputs = _MOST_SMALL_INPUTS if self.small else _MOST_INPUTS
        most = _MOST_SMALL_INSTRUCTIONS if self.small else _MOST_INSTRUCTIONS
        return (
            len((self.inputs | inputs) - made) <= most_inputs
            and tape.count_instructions(self.steps) + tape.count_instructions(steps) <= most
        )

    def take(self, steps: list[Step], inputs: set[Value]) -> None:
        self.steps += steps
        self.made.update(s.outputs[0] for s in steps)
        self.inputs = (self.inputs | inputs) - self.made


def _now(group: _Group) -> _Group:
    """The group that a group has become."""
    while group.merged is not None:
        group = group.merged
    return group


class _Grouping:
    def __init__(self) -> None:
        self.groups: list[_Group] = []
        self.of: dict[Step, _Group] = {}
        self.reader: dict[Value, _Group] = {}  # the last group that reads a value whole
        self.small: dict[Shape, _Group] = {}

    def place(self, step: Step) -> None:
        """Put a pointwise step into a group that makes or reads its operands, or a new one."""
        out = step.outputs[0]
        small = not out.batched and out.row_size <= _SMALL
        inputs = set(tape.operands([step]))
        group = None
        for candidate in self._candidates(step, small):
            if group is None:
                if candidate.fits([step], inputs):
                    group = candidate
            elif candidate is not group and group.fits(candidate.steps, candidate.inputs):
                self._merge(group, candidate)
        if group is None:
            group = _Group(out.shape, small)
            self.groups.append(group)
        group.take([step], inputs)
        self.of[step] = group
        self.close_makers(step, keep=group)
        for value in step.inputs:
            if value.shape == out.shape:
                self.reader[value] = group
        if small:
            self.small[out.shape] = group

    def _candidates(self, step: Step, small: bool) -> list[_Group]:
        """Open groups of the step's shape: makers of its operands first."""
        shape = step.outputs[0].shape
        found: dict[_Group, None] = {}
        for value in step.inputs:
            if value.maker in self.of:
                found[_now(self.of[value.maker])] = None
        for value in step.inputs:
            if value in self.reader:
                near = _now(self.reader[value])
                if step.position - near.steps[-1].position <= _DISTANCE:
                    found[near] = None
        if small and shape in self.small:
            found[_now(self.small[shape])] = None
        return [g for g in found if g.open and g.shape == shape]

    def _merge(self, group: _Group, other: _Group) -> None:
        group.take(other.steps, other.inputs)
        group.steps.sort(key=lambda s: s.position)
        other.merged = group

    def close_makers(self, step: Step, keep: _Group | None = None) -> None:
        for value in step.inputs:
            made = self.of.get(value.maker) if value.maker is not None else None
            group = None if made is None else _now(made)
            if group is not None and group is not keep:
                group.open = False


def fuse_pointwise(flow: Flow) -> None:
    """Every pointwise step of a flow, alone or in a group, as a step ``pointwise``."""
    grouping = _Grouping()
    for step in flow.steps:
        if step.pointwise:
            grouping.place(step)
        else:
            grouping.close_makers(step)
    for group in grouping.groups:
        if group.merged is None:
            _emit(flow, group)
    flow.settle()


def _emit(flow: Flow, group: _Group) -> None:
    steps = group.steps
    members = set(steps)
    results = [
        s.outputs[0]
        for s in steps
        if s.outputs[0].pins or any(u not in members for u in s.outputs[0].users)
    ]
    inputs = tape.operands(steps)
    code, registers = tape.write(steps, inputs, results)
    scopes = list(dict.fromkeys(s.scope for s in steps if s.scope))
    fused = flow.add(
        "pointwise",
        inputs,
        [],
        {"code": code, "results": registers},
        scope=", ".join(scopes[:2]) + (", ..." if len(scopes) > 2 else ""),
        position=steps[-1].position,
    )
    fused.parts = [s.name for s in steps]
    fused.outputs = results
    for step in steps:
        flow.remove(step)
    for value in results:
        value.maker = fused
