"""Gradients of a model's loss beside finite differences, in double precision."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fastconv import random
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array, Variable
from fastconv.reference import run_program
from fastconv.training.feed import ArrayFeed
from fastconv.training.programs import gradient_step

STEP = 1e-6  # of a weight, relative to it where it is above 1
TOLERANCE = 1e-5  # of the largest entry of a gradient
_EPSILON = 2.0**-52


@dataclass(slots=True)
class VariableCheck:
    """What was found for some entries of one variable's gradient."""

    path: str
    shape: tuple[int, ...]
    entries: int = 0  # compared
    kinks: int = 0  # left out: the loss has a corner within the step, as ReLU has
    difference: float = 0.0  # the largest, relative to the largest entry

    @property
    def ok(self) -> bool:
        return self.difference <= TOLERANCE


@dataclass(slots=True)
class GradientCheck:
    """What :func:`check_gradients` found."""

    variables: list[VariableCheck]
    loss: float

    @property
    def ok(self) -> bool:
        return all(v.ok for v in self.variables)

    def __str__(self) -> str:
        """A table in 80 columns."""
        table = Table(box=SIMPLE_HEAD, padding=(0, 0), title=f"loss {self.loss:.6g}")
        table.title_justify = table.caption_justify = "left"
        table.add_column("variable", overflow="fold")
        for name in ("shape", "entries", "kinks", "difference", ""):
            table.add_column(name, justify="right", no_wrap=True)
        for v in self.variables:
            shape = "x".join(map(str, v.shape))
            mark = "" if v.ok else "TOO FAR"
            table.add_row(v.path, shape, str(v.entries), str(v.kinks), f"{v.difference:.1e}", mark)
        table.caption = f"{'ok' if self.ok else 'NOT OK'}; differences up to {TOLERANCE:g} are"
        out = io.StringIO()
        Console(file=out, width=80, color_system=None, force_terminal=False).print(table)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def check_gradients(
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    entries: int = 8,
) -> GradientCheck:
    """Compare the gradients of a compiled model's loss with finite differences.

    Both are computed by the NumPy reference in double precision, as in training (dropout drops the
    same places each time), so that what is tested is the mathematics: layers and losses of one's
    own, above all. Nothing of the model is changed.

    Args:
        model: a compiled model.
        x, y, sample_weight: as in `fit`; all rows are one batch, some are enough.
        entries: how many entries of each weight are looked at, drawn at random.

    Returns:
        A report: ``report.ok``, ``report.variables``, and a table with ``print(report)``.

    Raises:
        RuntimeError: before `compile`.
        ValueError, TypeError: as `fit`.

    >>> import numpy as np
    >>> from fastconv import layers, models
    >>> model = models.Sequential([layers.Input((3,)), layers.Dense(1, activation="tanh")])
    >>> model.compile(loss="mse")
    >>> check_gradients(model, np.ones((4, 3)), np.zeros((4, 1))).ok
    True
    """
    compiled = model._require_compiled("check_gradients")
    feed = model._batch("train", x, y, sample_weight)
    assert isinstance(feed, ArrayFeed)
    variables: list[Variable] = model.trainable_weights
    program = gradient_step(model, compiled, feed.signature, variables)
    feeds = [
        np.ascontiguousarray(array).astype(tensor.dtype)
        for tensor, (_, array, _, _) in zip(program.inputs, feed.sources, strict=True)
    ]
    seed, step = random.get_seed(), int(compiled.optimizer.steps_made)
    store: dict[Variable, Array] = {v: v.numpy().astype(np.float64) for v in variables}
    loss, *gradients = run_program(program, feeds, store, seed=seed, step=step, dtype="float64")
    alone = Program.of(program.inputs, program.outputs[:1])

    def at(variable: Variable, place: tuple[int, ...], value: float) -> float:
        before = store[variable][place]
        store[variable][place] = value
        try:
            (found,) = run_program(alone, feeds, store, seed=seed, step=step, dtype="float64")
        finally:
            store[variable][place] = before
        return float(found)

    rng = np.random.default_rng(0)
    found = GradientCheck([], float(loss))
    for variable, gradient in zip(variables, gradients, strict=True):
        check = VariableCheck(variable.path, variable.shape)
        found.variables.append(check)
        scale = float(np.abs(gradient).max(initial=0.0))
        for flat in rng.choice(variable.size, min(entries, variable.size), replace=False):
            place = tuple(int(i) for i in np.unravel_index(flat, variable.shape))
            value = float(store[variable][place])
            h = STEP * max(1.0, abs(value))
            up, down = at(variable, place, value + h), at(variable, place, value - h)
            right, left = (up - float(loss)) / h, (float(loss) - down) / h
            noise = 16 * _EPSILON * abs(float(loss)) / h
            if abs(right - left) > 1e-3 * max(scale, abs(right), abs(left)) + 4 * noise:
                check.kinks += 1
                continue
            apart = max(abs((up - down) / (2 * h) - float(gradient[place])) - noise, 0.0)
            check.entries += 1
            check.difference = max(
                check.difference, apart / max(scale, abs(right), abs(left), 1e-30)
            )
    return found
