"""A plan's training steps beside the NumPy reference in double precision, step by step.

A plan is made again that keeps the results of all of its steps. What each step should have made is
computed by the reference from what the steps before it did make, so that every step answers for
itself. How far apart the two may be follows from the computation: the reference is run again with
all of its numbers changed at random in the last bit of their precision, and what that does to the
result, times a factor, is the bound. (Monte Carlo arithmetic: Parker, 1997.)
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fastconv import _core
from fastconv.graph.lower import Lowered
from fastconv.graph.precision import BFLOAT16, as_run
from fastconv.graph.primitive import Node
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array, Tensor, Variable, aligned_empty
from fastconv.reference import run_node
from fastconv.training.feed import Piece

EPSILON = 2.0**-23
COARSE = 2.0**-11  # of the factors of convolutions in bfloat16, which round after transforms
SAMPLES = 3  # runs with changed last bits
FACTOR = 64.0  # rounding errors beyond those of the samples
SHARE = 1e-3  # of integers that may differ: the place of a maximum among equals


@dataclass(slots=True)
class StepCheck:
    """The largest difference of one step's results, and what it may be."""

    step: int
    layer: str
    op: str
    shape: tuple[int | None, ...]
    difference: float = 0.0
    bound: float = 0.0
    excess: float = 0.0  # the largest of difference / bound
    checked: bool = False

    @property
    def ok(self) -> bool:
        return self.excess <= 1.0


@dataclass(slots=True)
class Verification:
    """What :meth:`Model.verify` found.

    Attributes:
        checks: a :class:`StepCheck` for each step of the plan.
        steps: training steps that were replayed.
        same_bits: whether the plan as it is trained with gave the same bits as the one that keeps
            everything.
    """

    checks: list[StepCheck]
    steps: int = 0
    same_bits: bool = True

    @property
    def ok(self) -> bool:
        return self.same_bits and all(c.ok for c in self.checks)

    def __str__(self) -> str:
        """A table in 80 columns."""
        count = sum(c.checked for c in self.checks)
        table = Table(
            title=f"{self.steps} training steps, {count} of {len(self.checks)} plan steps compared",
            box=SIMPLE_HEAD,
            padding=(0, 0),
        )
        table.title_justify = table.caption_justify = "left"
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("layer", max_width=13, overflow="ellipsis", no_wrap=True)
        table.add_column("op", overflow="fold", min_width=20)
        for name in ("output", "difference", "bound", ""):
            table.add_column(name, justify="right", no_wrap=True)
        for c in self.checks:
            shape = "x".join(str(d) for d in c.shape if d is not None)
            layer = c.layer.split(", ")[0].split("/")[-1]
            numbers = [f"{c.difference:.1e}", f"{c.bound:.1e}"] if c.checked else ["-", "-"]
            mark = "" if c.ok else "TOO FAR"
            table.add_row(str(c.step), layer, c.op, shape, *numbers, mark)
        bits = "the same bits" if self.same_bits else "OTHER BITS"
        table.caption = f"{'ok' if self.ok else 'NOT OK'}; {bits} as in fit"
        out = io.StringIO()
        Console(file=out, width=80, color_system=None, force_terminal=False).print(table)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def verify_training(
    plan: Lowered,
    program: Program,
    piece: Piece,
    optimizer: Any,
    seed: int,
    steps: int,
) -> Verification:
    """Replay training steps on copies of all variables; the variables stay as they are."""
    checks = [StepCheck(i, s.label, s.title, s.result) for i, s in enumerate(plan.steps)]
    found = Verification(checks)
    replay = _Replay(plan, program)
    first = int(optimizer.steps_made)
    plain, plain_copies = _copied(plan, plan.outputs)
    for k in range(steps):
        chosen = np.arange(k * piece.batch, (k + 1) * piece.batch) % piece.count
        feeds: list[Array] = [
            np.ascontiguousarray(array[chosen]).astype(program.inputs[i].dtype)
            for i, array, _, _ in piece.sources
        ]
        feeds += [value[0].reshape(()) for value in optimizer.step_values(first + k, 1)]
        replay.run(feeds, len(chosen), seed, first + k)
        plain.run(feeds, len(chosen), seed=seed, step=first + k)
        for check in checks:
            replay.compare(check)
        found.steps += 1
    found.same_bits = all(
        a.tobytes() == plain_copies[number].tobytes() for number, a in replay.copies.items()
    )
    return found


def _copied(plan: Lowered, outputs: Sequence[int]) -> tuple[Any, dict[int, Array]]:
    """The plan with other outputs, on copies of its variables."""
    copies: dict[int, Array] = {}
    tensors = list(plan.tensors)
    for number, (dtype, shape, batched, kind, array) in enumerate(plan.tensors):
        if kind == "variable":
            copies[number] = aligned_empty(array.shape, array.dtype)
            copies[number][...] = array
            tensors[number] = (dtype, shape, batched, kind, copies[number])
    steps = [(s.name, s.inputs, s.outputs, s.attrs, s.label) for s in plan.steps]
    made = _core.Plan(tensors, steps, plan.inputs, list(outputs), plan.max_batch, False)
    return made, copies


class _Replay:
    """A plan that keeps every result, and the program that says what they should be."""

    def __init__(self, plan: Lowered, program: Program) -> None:
        self.program = program
        self.steps = plan.steps
        self.kinds = [entry[3] for entry in plan.tensors]
        self.roots = list(range(len(plan.tensors)))
        for number, entry in enumerate(plan.tensors):
            if entry[3] == "alias":
                self.roots[number] = self.roots[entry[4]]
        self.places = plan.places
        self.made_at: dict[int, int] = {}
        for i, step in enumerate(plan.steps):
            for number in step.outputs:
                self.made_at.setdefault(number, i)
        self.kept = [
            n for n in self.made_at if self.kinds[n] == "temp" and plan.tensors[n][0] != BFLOAT16
        ]
        self.plan, self.copies = _copied(plan, self.kept)
        self.numbers = {
            id(entry[4]): n for n, entry in enumerate(plan.tensors) if entry[3] == "variable"
        }
        self.targets = self._find_targets()
        self.random = np.random.default_rng(0)

    def _find_targets(self) -> list[list[tuple[int, Tensor]]]:
        """For each step, the numbers of its results with the tensors that they stand for."""
        standing: dict[int, Tensor] = {}
        for node in self.program.nodes:
            for tensor in node.outputs:
                number = self.places.get(id(tensor))
                if number is not None and self.kinds[number] == "temp":
                    standing.setdefault(number, tensor)
        for variable, tensor in self.program.updates.items():
            number = self.numbers.get(id(variable._data))
            if number is not None and tensor.node is not None:
                standing[number] = tensor
        return [
            [(n, standing[n]) for n in step.outputs if n in standing and self.made_at[n] == i]
            for i, step in enumerate(self.steps)
        ]

    def run(self, feeds: list[Array], batch: int, seed: int, step: int) -> None:
        self.batch, self.seed, self.step = batch, seed, step
        self.feeds = {id(t): f for t, f in zip(self.program.inputs, feeds, strict=True)}
        self.before = {number: array.copy() for number, array in self.copies.items()}
        results = self.plan.run(feeds, batch, seed=seed, step=step)
        self.results = dict(zip(self.kept, results, strict=True))

    def compare(self, check: StepCheck) -> None:
        targets = self.targets[check.step]
        if not targets:
            return
        tensors = [tensor for _, tensor in targets]
        nodes, leaves = self._behind(tensors, check.step)
        with np.errstate(all="ignore"):
            exact = self._evaluate(nodes, leaves, tensors, noise=False)
            samples = [self._evaluate(nodes, leaves, tensors, noise=True) for _ in range(SAMPLES)]
        for i, (number, _) in enumerate(targets):
            made = self.copies[number] if number in self.copies else self.results[number]
            made = made.reshape(exact[i].shape)
            difference = _difference(made, exact[i])
            spread = max(_difference(sample[i], exact[i]) for sample in samples)
            bound = FACTOR * spread + _least(exact[i])
            excess = difference / bound if bound > 0 else float(difference > 0) * np.inf
            check.checked = True
            if np.isnan(excess) or excess >= check.excess:
                check.difference, check.bound = difference, bound
                check.excess = np.inf if np.isnan(excess) else excess

    def _known(self, tensor: Tensor, step: int) -> Array | None:
        """The value that a tensor had when ``step`` ran, if the plan kept one."""
        if id(tensor) in self.feeds:
            return self.feeds[id(tensor)]
        if isinstance(tensor.source, Variable):
            number = self.numbers.get(id(tensor.source._data))
            return tensor.source.numpy() if number is None else self.before[number]
        if tensor.source is not None:
            return np.asarray(tensor.source)
        number = self.places.get(id(tensor))
        if number is None:
            return None
        number = self.roots[number]
        kept = self.results.get(number)
        if kept is None or self.made_at[number] >= step:
            return None
        shape = [self.batch if d is None else d for d in tensor.shape]
        return np.asarray(kept.reshape(shape))

    def _behind(self, targets: list[Tensor], step: int) -> tuple[list[Node], dict[int, Array]]:
        """The nodes between what is known and the targets, makers first, and what is known."""
        leaves: dict[int, Array] = {}
        order: list[Node] = []
        seen: set[int] = set()
        stack: list[tuple[Node, bool]] = [(t.node, False) for t in targets if t.node is not None]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                order.append(node)
                continue
            if id(node) in seen:
                continue
            seen.add(id(node))
            stack.append((node, True))
            for tensor in node.inputs:
                known = self._known(tensor, step)
                if known is not None:
                    leaves[id(tensor)] = known
                elif tensor.node is not None:
                    stack.append((tensor.node, False))
        return order, leaves

    def _evaluate(
        self, nodes: list[Node], leaves: dict[int, Array], targets: list[Tensor], noise: bool
    ) -> list[Array]:
        values = {key: self._changed(_double(array), noise) for key, array in leaves.items()}
        for node in nodes:
            coarse = node.op.name.startswith("conv2d") and "precision" in as_run(node)[0]
            scale = COARSE if coarse else 0.0
            inputs = [self._changed(values[id(t)], noise, scale) for t in node.inputs]
            made = run_node(node, inputs, seed=self.seed, step=self.step, dtype="float64")
            for tensor, value in zip(node.outputs, made, strict=True):
                if id(tensor) not in leaves:
                    values[id(tensor)] = self._changed(value, noise)
        return [values[id(t)] for t in targets]

    def _changed(self, array: Array, noise: bool, scale: float = EPSILON) -> Array:
        if not noise or scale == 0 or array.dtype.kind != "f":
            return array
        return array * (1.0 + scale * self.random.uniform(-1.0, 1.0, array.shape))


def _double(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _difference(a: Array, b: Array) -> float:
    """The largest difference, or the share of integers that differ; NaN for NaN on one side."""
    if a.size == 0:
        return 0.0
    if b.dtype.kind != "f":
        return float(np.mean(a != b))
    with np.errstate(invalid="ignore", over="ignore"):
        a = a.astype(np.float64)
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(np.nan if np.isnan(apart).any() else apart.max())


def _least(exact: Array) -> float:
    """What single precision may always be off by."""
    if exact.dtype.kind != "f":
        return SHARE
    finite = np.abs(exact[np.isfinite(exact)])
    return float(8 * EPSILON * finite.max(initial=0.0)) + 1e-37
