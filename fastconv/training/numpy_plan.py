"""The NumPy backend: the same programs, run by the reference interpreter."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph.primitive import Node
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array

RowSource = tuple[int, Array, float, float]


class NumpyPlan:
    """Runs a program as a native plan does, with NumPy alone."""

    def __init__(self, program: Program, max_batch: int) -> None:
        self.program = program
        self.max_batch = max_batch
        self.finding = ""

    def clear_finding(self) -> None:
        self.finding = ""

    def run_epoch(
        self,
        rows_sources: Sequence[RowSource],
        order: Array | None,
        n_rows: int,
        batch_size: int,
        step_values: Sequence[tuple[int, Array]],
        outputs: Sequence[Array] | None = None,
        seed: int = 0,
        first_step: int = 0,
        tick: Callable[[int], bool | None] | None = None,
        interval: float = 0.05,
        watch: str = "",
    ) -> int:
        """Run batch after batch; returns the number of steps done. ``tick`` may stop it."""
        step = first_step

        def look(node: Node, made: Sequence[Array]) -> None:
            place = [x.dtype.kind == "f" and not np.isfinite(x).all() for x in made]
            if any(place) and not self.finding:
                value = "NaN" if np.isnan(made[place.index(True)]).any() else "infinity"
                where = f"{node.op.name} of {node.scope}" if node.scope else node.op.name
                self.finding = f"{where} made {value} in batch {step + 1}"
                if watch == "raise":
                    finding, self.finding = self.finding, ""
                    raise FloatingPointError(finding)

        from fastconv.reference import run_program
        from fastconv.reference.pointwise import cast

        feeds: list[Any] = [None] * len(self.program.inputs)
        done = 0
        last_tick = time.perf_counter()
        for start in range(0, n_rows, batch_size):
            stop = min(start + batch_size, n_rows)
            rows = slice(start, stop) if order is None else order[start:stop]
            for index, array, scale, offset in rows_sources:
                dtype = np.dtype(self.program.inputs[index].dtype)
                batch = cast(array[rows], dtype=str(dtype))
                if (scale, offset) != (1.0, 0.0):
                    batch = batch * dtype.type(scale) + dtype.type(offset)
                feeds[index] = batch
            for index, values in step_values:
                feeds[index] = values[done]
            step = first_step + done
            results = run_program(
                self.program, feeds, seed=seed, step=step, look=look if watch else None
            )
            for target, result in zip(outputs or (), results, strict=True):
                target[start:stop] = result
            done += 1
            now = time.perf_counter()
            if tick is not None and now - last_tick >= interval:
                if tick(done) is False:
                    break
                last_tick = now
        return done

    def summary(self) -> list[dict[str, Any]]:
        """The operations of the program, in order."""
        return [
            {"name": node.op.name, "label": node.scope, "algorithm": "numpy", "flops": 0}
            for node in self.program.nodes
        ]
