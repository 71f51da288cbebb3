"""From a program to a plan of the core: fused steps over numbered tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastconv import _core
from fastconv.graph.passes import Flow, Step, Value, run_passes
from fastconv.graph.primitives.host import HostFunction
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array, Shape, Variable

# dtype, shape at the largest batch, whether shape[0] is the batch, kind, and the array of a
# variable or constant or the number of the tensor that an alias shares its storage with.
TensorEntry = tuple[str, list[int], bool, str, Any]


@dataclass(frozen=True, slots=True)
class LoweredStep:
    """One step of a plan: the core's op on numbered tensors, and what was fused into it."""

    name: str
    inputs: list[int]
    outputs: list[int]
    attrs: dict[str, Any]
    label: str
    parts: list[str]
    result: Shape  # of the first output

    @property
    def title(self) -> str:
        """The op with its fused parts, in few words."""
        if self.name == "pointwise":
            return " + ".join(_runs(self.parts))
        return " + ".join([self.name, *_runs(self.parts)])


class Lowered:
    """A program made ready to run: ``plan`` takes the program's inputs and gives its outputs, and
    writes its updates into the variables' own arrays.

    A ``frozen`` one keeps what follows from the variables alone (weights in the kernels' own form,
    folded batch norm) until one of them changes.
    """

    _changing: ClassVar[list[Any]] = []  # an entry for each run in progress that updates variables

    def __init__(
        self,
        tensors: list[TensorEntry],
        steps: list[LoweredStep],
        inputs: list[int],
        outputs: list[int],
        max_batch: int,
        *,
        frozen: bool,
        updates: bool,
        places: dict[int, int],
    ) -> None:
        self.tensors = tensors
        self.steps = steps
        self.inputs = inputs
        self.outputs = outputs
        self.max_batch = max_batch
        self.frozen = frozen
        self.updates = updates  # whether running it changes variables
        self.places = places  # numbers of the program's tensors, by id, of those that are left
        self.plan: Any = _core.Plan(
            tensors,
            [(s.name, s.inputs, s.outputs, s.attrs, s.label) for s in steps],
            inputs,
            outputs,
            max_batch,
            frozen,
        )

    def run(
        self, inputs: Sequence[Array], batch: int, *, seed: int = 0, step: int = 0
    ) -> list[Array]:
        """The outputs for ``batch`` rows of every batched input."""
        version = self._begin()
        try:
            results: list[Array] = self.plan.run(
                list(inputs), batch, seed=seed, step=step, version=version
            )
        finally:
            self._end()
        return results

    def run_epoch(self, *args: Any, **options: Any) -> int:
        """Batch after batch without Python: see ``_core.Plan.run_epoch``. Gives the steps done."""
        version = self._begin()
        try:
            done: int = self.plan.run_epoch(*args, **options, version=version)
        finally:
            self._end()
        return done

    @property
    def finding(self) -> str:
        """The first step that ``run_epoch(watch="note")`` saw make a number that is not finite."""
        found: str = self.plan.finding
        return found

    def clear_finding(self) -> None:
        self.plan.clear_finding()

    def _begin(self) -> int:
        """The version of the variables that what is kept must be of; 0 while another thread, or
        this run itself, changes them."""
        if self.updates:
            self._changing.append(self)
        return 0 if self._changing or not self.frozen else Variable.changes + 1

    def _end(self) -> None:
        if self.updates:
            Variable.changes += 1
            self._changing.pop()

    def describe(self, batch: int | None = None) -> list[dict[str, Any]]:
        """A row for each step: ``step label op algorithm shape flops bytes live_bytes``, for a
        batch of so many rows, or the largest; ``live_bytes`` are those of the arena in use during
        the step, always for the largest."""
        return [
            {
                "step": i,
                "label": step.label,
                "op": step.title,
                "name": step.name,
                "algorithm": row["algorithm"],
                "shape": step.result,
                "flops": row["flops"],
                "bytes": row["bytes"],
                "live_bytes": row["live_bytes"],
            }
            for i, (step, row) in enumerate(zip(self.steps, self.plan.summary(batch), strict=True))
        ]


def _runs(parts: Sequence[str]) -> list[str]:
    """Names with repetitions counted: relu, add x3."""
    counts: dict[str, int] = {}
    for part in parts:
        counts[part] = counts.get(part, 0) + 1
    return [name if n == 1 else f"{name} x{n}" for name, n in counts.items()]


def lower(program: Program, max_batch: int, *, frozen: bool = False) -> Lowered:
    """Simplify, fuse and lay out a program for batches of up to ``max_batch`` rows.

    With ``frozen``, what depends on variables and constants alone is computed only when a variable
    may have changed: right for programs that are run many times with the same weights.

    Raises:
        ValueError: the program reads a tensor that it neither takes nor makes, or the core refuses
            a step (the message names its layer).
    """
    if max_batch < 0:
        raise ValueError(f"max_batch must not be negative, got {max_batch}")
    flow = run_passes(program)
    _part_outputs(flow)
    _write_updates(flow)
    flow.steps.sort(key=lambda s: s.position)
    numbering = _Numbering(max_batch)
    inputs = [numbering.of(v) for v in flow.inputs]
    steps = [
        LoweredStep(
            step.name,
            [numbering.of(v) for v in step.inputs],
            [numbering.of(v) for v in step.outputs],
            {k: _plain(v) for k, v in step.attrs.items() if v is not None},
            step.scope,
            step.parts,
            step.outputs[0].shape,
        )
        for step in flow.steps
        if step.name != "reshape"
    ]
    outputs = [numbering.of(v) for v in flow.outputs]
    return Lowered(
        numbering.tensors,
        steps,
        inputs,
        outputs,
        max_batch,
        frozen=frozen,
        updates=bool(program.updates),
        places=numbering.places(flow.tensors),
    )


def _plain(value: Any) -> Any:
    """An attribute as the core takes it."""
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, HostFunction):
        return value.core.number
    if isinstance(value, (bool, np.bool_, np.integer)):
        return int(value)
    return float(value) if isinstance(value, np.floating) else value


class _Numbering:
    """Numbers for the values that steps read and write."""

    def __init__(self, max_batch: int) -> None:
        self.tensors: list[TensorEntry] = []
        self._max_batch = max_batch
        self._known: dict[Value, int] = {}

    def of(self, value: Value) -> int:
        chain = []  # of values that are others' storage seen anew
        while value not in self._known:
            chain.append(value)
            if value.home is not None:
                value = value.home
            elif value.maker is not None and value.maker.name == "reshape":
                value = value.maker.inputs[0]
            else:
                break
        for value in reversed(chain):
            self._known[value] = self._number(value)
        return self._known[chain[0] if chain else value]

    def places(self, tensors: dict[int, Value]) -> dict[int, int]:
        """The numbers of those tensors that have storage of their own."""
        return {
            tensor: self._known[value]
            for tensor, value in tensors.items()
            if value.home is None and value in self._known
        }

    def _number(self, value: Value) -> int:
        if value.home is not None:
            return self._known[value.home]
        shape = [self._max_batch if d is None else d for d in value.shape]
        kind = "temp"
        extra: Any = None
        if value.maker is not None and value.maker.name == "reshape":
            kind, extra = "alias", self._known[value.maker.inputs[0]]
        elif value.is_input:
            kind = "input"
        elif isinstance(value.source, Variable):
            kind, extra = "variable", value.source.data
        elif value.source is not None:
            kind, extra = "constant", value.source
        self.tensors.append((value.dtype, shape, value.batched, kind, extra))
        return len(self.tensors) - 1


def _copy(flow: Flow, value: Value, position: float) -> Value:
    step = flow.add("copy", [value], [(value.shape, value.dtype)], {}, position=position)
    return step.outputs[0]


def _made_at(value: Value) -> float:
    """The position from which a value is there; -1 for leaves."""
    while value.maker is not None and value.maker.name == "reshape":
        value = value.maker.inputs[0]
    return -1.0 if value.maker is None else value.maker.position


def _part_outputs(flow: Flow) -> None:
    """Give every output storage of its own: copies of inputs, variables and constants, taken
    before anything is overwritten, and of outputs that come twice."""
    seen: set[Value] = set()
    for i, value in enumerate(flow.outputs):
        if value.storage.is_leaf or value in seen:
            value.pins -= 1
            value = flow.outputs[i] = _copy(flow, value, _made_at(value) + 0.25)
            value.pins += 1
        seen.add(value)


def _write_updates(flow: Flow) -> None:
    """Bring the new values into the variables: where the step that makes one can write it there,
    by that step, else by a copy at the end."""
    updated = {flow.variable(variable) for variable, _ in flow.updates}
    end = max((s.position for s in flow.steps), default=0.0) + 1.0
    stale = _Readers(flow)
    pending: list[tuple[Value, Value]] = []
    for variable, value in flow.updates:
        home = flow.variable(variable)
        storage = value.storage
        if storage is home:
            continue
        if stale.allow(home, value):
            value.home = home
            continue
        if storage in updated or isinstance(storage.source, Variable):
            value = _copy(flow, value, _made_at(value) + 0.25)
        pending.append((home, value))
    for home, value in pending:
        step = flow.add("copy", [value], [(home.shape, home.dtype)], {}, position=end)
        step.outputs[0].home = home
        step.scope = home.source.path if isinstance(home.source, Variable) else ""


class _Readers:
    """The steps that read each variable's storage."""

    def __init__(self, flow: Flow) -> None:
        self._of: dict[Value, list[tuple[Step, Value]]] = {}
        for step in flow.steps:
            if step.name == "reshape":
                continue
            for value in step.inputs:
                storage = value.storage
                if isinstance(storage.source, Variable):
                    self._of.setdefault(storage, []).append((step, value))

    def allow(self, home: Value, value: Value) -> bool:
        """Whether the pointwise step that makes ``value`` can write it to ``home``: everyone else
        has read the old value by then, and the step itself reads it element by element."""
        maker = value.maker
        if maker is None or maker.name != "pointwise" or value.home is not None or value.pins != 1:
            return False
        if value.shape != home.shape or value.dtype != home.dtype or home.pins:
            return False
        return all(
            step.position < maker.position or (step is maker and read.shape == value.shape)
            for step, read in self._of.get(home, [])
        )
