"""Looking inside: the plans of a model, and what takes how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import random
from fastconv.training.arguments import limit, positive
from fastconv.training.compiling import METHODS, Compiling
from fastconv.training.feed import ArrayFeed
from fastconv.training.loop import timed_piece
from fastconv.training.numpy_plan import NumpyPlan
from fastconv.utils.notebooks import notebook_display

if TYPE_CHECKING:
    from fastconv.graph.report import Report
    from fastconv.training.verification import Verification


class Inspection(Compiling):
    """Tables of plans."""

    def plan_summary(
        self, mode: str = "train", print_fn: Callable[[str], object] | None = None
    ) -> None:
        """Print the steps of a plan as a table: what is computed how, with its size.

        Args:
            mode: ``"train"``, ``"test"`` or ``"predict"``.
            print_fn: what takes the text; by default it is printed, and in a notebook shown.

        Raises:
            ValueError: for a plan that has not been made yet: fit, evaluate or predict first.
        """
        from fastconv.graph.report import plan_table

        _show(plan_table(self._made_plan(mode)), print_fn)

    def profile(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        mode: str = "train",
        print_fn: Callable[[str], object] | None = None,
    ) -> None:
        """Run over the data once and print, as a table, what took how long.

        A first step is not counted: it gets the plan its memory from the system. The model and its
        optimizer are left as they were.

        Args:
            x, y, sample_weight: as in :meth:`fit`.
            batch_size: rows of a step, 32 by default.
            mode: ``"train"``, ``"test"`` or ``"predict"``.
            print_fn: what takes the text; by default it is printed, and in a notebook shown.

        Raises:
            ValueError, TypeError: as :meth:`fit`.
        """
        from fastconv.graph.report import profile_table

        if mode not in METHODS:
            raise ValueError(f"mode must be 'train', 'test' or 'predict', got {mode!r}")
        batch = limit("batch_size", batch_size)
        feed = self._feed(mode, x, y, sample_weight, batch=batch)
        if not isinstance(feed, ArrayFeed):
            raise TypeError("profile needs arrays")
        (piece,) = feed.pieces(None, None, None)
        plan = self._plan(mode, piece.signature, piece.capacity)
        _native(plan, "profile")
        state = list(self.weights)
        if self._compiled is not None:
            state += [*self._metric_variables(), *self._compiled.optimizer.variables]
        saved = [v.numpy() for v in state]
        nanoseconds = np.zeros(len(plan.steps), np.float64)
        first = replace(piece, count=min(piece.batch, piece.count))
        optimizer = self.optimizer if mode == "train" else None
        try:
            timed_piece(plan, optimizer, first, np.zeros_like(nanoseconds))
            steps = timed_piece(plan, optimizer, piece, nanoseconds)
        finally:
            for variable, value in zip(state, saved, strict=True):
                variable.assign(value)
        _show(profile_table(plan, nanoseconds, steps, piece.batch), print_fn)

    def verify(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        steps: int = 2,
    ) -> Verification:
        """Compare training on these data with the NumPy reference in double precision.

        A few training steps are made on copies of all variables, and every step of the plan is
        compared with what the reference makes of the same operands. The model and its optimizer
        are left as they were.

        Args:
            x, y, sample_weight: as in :meth:`fit`; the reference is slow, some rows are enough.
            batch_size: rows of a step, 32 by default.
            steps: training steps.

        Returns:
            A report: ``report.ok``, ``report.checks`` for each step of the plan, and a table with
            ``print(report)``.

        Raises:
            ValueError, TypeError: as :meth:`fit`.
        """
        from fastconv.training.verification import verify_training

        batch = limit("batch_size", batch_size)
        steps = positive("steps", steps, 2)
        compiled = self._require_compiled("verify")
        feed = self._feed("train", x, y, sample_weight, batch=batch)
        if not isinstance(feed, ArrayFeed):
            raise TypeError("verify needs arrays")
        (piece,) = feed.pieces(None, None, None)
        plan = self._plan("train", piece.signature, piece.capacity)
        _native(plan, "verify")
        program = self._known_step("train", piece.signature).program
        return verify_training(plan, program, piece, compiled.optimizer, random.get_seed(), steps)

    def first_not_finite(self) -> str:
        """The step of the plan, and its layer, that made the first NaN or infinity in the latest
        `fit` with a :class:`~fastconv.callbacks.TerminateOnNaN`; empty if there was none."""
        return self._current_plans().finding("train")

    def _made_plan(self, mode: str) -> Any:
        if mode not in METHODS:
            raise ValueError(f"mode must be 'train', 'test' or 'predict', got {mode!r}")
        plan = self._current_plans().latest(mode)
        if plan is None:
            raise ValueError(
                f"model {self.name!r} has no {mode} plan yet: call {METHODS[mode]}() first"
            )
        _native(plan, "plan_summary")
        return plan


def _show(report: Report, print_fn: Callable[[str], object] | None) -> None:
    display = notebook_display()
    if print_fn is None and display is not None:
        display.display(report)
    else:
        (print_fn or print)(str(report))


def _native(plan: Any, method: str) -> None:
    if isinstance(plan, NumpyPlan):
        raise ValueError(f"{method} needs backend='native', the model is compiled for 'numpy'")
