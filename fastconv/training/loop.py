"""Running pieces of data through a plan, with the callbacks around them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from fastconv.callbacks import CallbackList
from fastconv.graph.tensor import Array
from fastconv.training.feed import Piece

INTERVAL = 0.05  # seconds between two looks at the progress

RunPiece = Callable[[Piece, int, Any], int]  # piece, steps before it, tick -> steps done


class Keeping(Protocol):
    """Keeps the state of a training during its epochs."""

    def late(self) -> bool:
        """Whether the steps have to be interrupted for it."""

    def due(self, steps: int) -> bool:
        """Whether it is time to, after so many steps of the epoch."""

    def keep(self, steps: int) -> None: ...


def run_pieces(
    mode: str,
    pieces: Iterable[Piece],
    run: RunPiece,
    callbacks: CallbackList,
    logs: Callable[[], dict[str, Any]],
    stopped: Callable[[], bool],
    keep: Keeping | None = None,
    done: int = 0,
) -> int:
    """Run all pieces, after ``done`` steps; returns the number of steps done then.

    Callbacks hear of every batch if one of them wants to, and of the progress now and then.
    ``keep`` is asked whether the state is to be kept, and does it, between two calls of ``run``.
    """
    by_batch = callbacks.watches_batches(mode)
    progress = callbacks.watches_progress(mode)
    last = time.perf_counter()

    def tick(steps: int) -> bool:
        if progress:
            callbacks.call(f"{mode}_progress", done + steps, logs())
        return not (stopped() or (keep is not None and keep.late()))

    for piece in pieces:
        left = piece
        while left.count:
            if by_batch:
                callbacks.call(f"{mode}_batch_begin", done, {})
            steps = run(left, done, tick)
            done += steps
            if by_batch:
                callbacks.call(f"{mode}_batch_end", done - 1, logs())
            now = time.perf_counter()
            if progress and now - last >= INTERVAL:
                callbacks.call(f"{mode}_progress", done, logs())
                last = now
            if stopped():
                return done
            if keep is not None and keep.due(done):
                keep.keep(done)
            if steps == left.steps:
                break
            left = left.after(steps)
    return done


def step_values(optimizer: Any, piece: Piece) -> list[tuple[int, Array]]:
    """What the optimizer feeds to every step of a piece, by the number of the input."""
    values = optimizer.step_values(int(optimizer.steps_made), piece.steps)
    return list(enumerate(values, len(piece.sources)))


def train_piece(
    plan: Any,
    optimizer: Any,
    counter: Any,
    piece: Piece,
    seed: int,
    tick: Any,
    watch: str = "",
) -> int:
    """Train on a piece; the optimizer counts the steps even when they are interrupted. ``watch``
    is what is done about a result that is not finite: nothing, ``"note"`` or ``"raise"``."""
    first = int(optimizer.steps_made)
    counter.data[...] = first
    values = step_values(optimizer, piece)
    try:
        plan.run_epoch(
            piece.sources,
            piece.order,
            piece.count,
            piece.batch,
            values,
            seed=seed,
            first_step=first,
            tick=tick,
            interval=INTERVAL,
            watch=watch,
        )
    finally:
        done = int(counter.data) - first
        optimizer.steps_made.assign(first + done)
    return done


def plain_piece(
    plan: Any,
    piece: Piece,
    outputs: list[Array] | None,
    seed: int,
    first_step: int,
    tick: Any,
    watch: str = "",
) -> int:
    """Evaluate, or predict into ``outputs``."""
    done: int = plan.run_epoch(
        piece.sources,
        piece.order,
        piece.count,
        piece.batch,
        [],
        outputs=outputs,
        seed=seed,
        first_step=first_step,
        tick=tick,
        interval=INTERVAL,
        watch=watch,
    )
    return done


def timed_piece(plan: Any, optimizer: Any, piece: Piece, nanoseconds: Array) -> int:
    """Run a piece (a training one with an optimizer) and add up the times of the plan's steps."""
    values = [] if optimizer is None else step_values(optimizer, piece)
    done: int = plan.run_epoch(
        piece.sources, None, piece.count, piece.batch, values, nanoseconds=nanoseconds
    )
    return done
