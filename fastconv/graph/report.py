"""Plans as tables: what each step computes, how, and what it costs."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import lru_cache
from html import escape
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from fastconv import _core
from fastconv.graph.lower import Lowered
from fastconv.graph.tensor import Array, Shape

WIDTH = 80


class Report:
    """A table as text of 80 columns, the same in a terminal and in a file, or for notebooks."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __repr__(self) -> str:
        out = io.StringIO()
        console = Console(file=out, width=WIDTH, color_system=None, force_terminal=False)
        console.print(self.table)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

    def _repr_html_(self) -> str:
        columns = self.table.columns
        rows = zip(*(map(str, column.cells) for column in columns), strict=True)
        parts = [
            f"<caption>{escape(str(self.table.title))}</caption>",
            _html_row("th", [str(column.header) for column in columns]),
            *(_html_row("td", cells) for cells in rows),
        ]
        note = f"<p>{escape(str(self.table.caption))}</p>" if self.table.caption else ""
        return f"<table>{''.join(parts)}</table>{note}"


def _html_row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def plan_table(lowered: Lowered) -> Report:
    """The steps of a plan: layer, op with its fused parts, algorithm, shape of the
    result (without the batch), MFLOP, and the MB that it reads and writes and that the arena holds
    meanwhile, all for the plan's largest batch."""
    rows = _rows(lowered)
    table = _table(f"{len(rows)} steps, batch {lowered.max_batch}")
    for name in ("MFLOP", "MB", "arena"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *_names(row),
            _number(row["flops"] / 1e6),
            _number(row["bytes"] / 1e6),
            _number(row["live_bytes"] / 1e6),
        )
    table.add_section()
    table.add_row(
        *("", "", "total", "", ""),
        _number(sum(r["flops"] for r in rows) / 1e6),
        _number(sum(r["bytes"] for r in rows) / 1e6),
        _number(lowered.plan.arena_bytes / 1e6),
    )
    return Report(table)


def profile_table(lowered: Lowered, nanoseconds: Array, steps: int, batch: int) -> Report:
    """Measured times beside the steps of a plan.

    Args:
        lowered: the plan.
        nanoseconds: summed time of each of its steps, as ``run_epoch`` adds them up.
        steps: runs of the plan behind these sums.
        batch: rows in each of these runs.
    """
    rows = _rows(lowered, batch)
    if len(nanoseconds) != len(rows):
        raise ValueError(f"the plan has {len(rows)} steps, got {len(nanoseconds)} times")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    gflops, gbytes = peaks(_core.num_threads())
    times = np.asarray(nanoseconds, np.float64) / steps
    table = _table(f"{len(rows)} steps, batch {batch}, {_core.num_threads()} threads")
    for name in ("us", "%", "GFLOP/s", "GB/s", "peak"):
        table.add_column(name, justify="right", no_wrap=True)

    def cells(time: float, flops: float, size: float) -> list[str]:
        rate, speed = (flops / time, size / time) if time > 0 else (0.0, 0.0)
        peak = max(rate / gflops, speed / gbytes)
        part = time / times.sum() if times.sum() > 0 else 0.0
        return [
            *(_number(time / 1e3), f"{part:.0%}", _number(rate), _number(speed)),
            f"{peak:.0%}",
        ]

    for row, time in zip(rows, times, strict=True):
        table.add_row(*_names(row, shape=False), *cells(time, row["flops"], row["bytes"]))
    table.add_section()
    total = cells(
        float(times.sum()),
        sum(r["flops"] for r in rows),
        sum(r["bytes"] for r in rows),
    )
    table.add_row("", "", "total", "", *total)
    table.caption = (
        f"peak: of {gflops:.0f} GFLOP/s or {gbytes:.0f} GB/s as measured here, whichever is nearer;"
        " FLOPs are those of the plain sums, which Winograd's are fewer than"
    )
    return Report(table)


@lru_cache(maxsize=8)
def peaks(threads: int) -> tuple[float, float]:
    """GFLOP/s of float32 multiply-adds and GB/s of memory, measured once."""
    found = _core.measure_peaks(threads)
    return found["gflops"], found["gbytes_per_second"]


def _rows(lowered: Any, batch: int | None = None) -> list[dict[str, Any]]:
    if not isinstance(lowered, Lowered):
        raise ValueError(
            "only plans of the native backend have steps to report; this model was compiled with "
            'backend="numpy"'
        )
    return lowered.describe(batch)


def _table(title: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 0))
    table.title_justify = table.caption_justify = "left"
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("layer", max_width=11, overflow="ellipsis", no_wrap=True)
    table.add_column("op", overflow="fold", min_width=20)
    table.add_column("algorithm", max_width=11)
    if "threads" not in title:
        table.add_column("output", no_wrap=True)
    return table


def _names(row: dict[str, Any], *, shape: bool = True) -> list[str]:
    first, *others = row["label"].split(", ")
    label = first.split("/")[-1] + (" ..." if others else "")
    names = [str(row["step"]), label, row["op"], row["algorithm"]]
    return [*names, _dims(row["shape"])] if shape else names


def _dims(shape: Shape) -> str:
    return "x".join(str(d) for d in shape if d is not None)


def _number(value: float) -> str:
    """Three figures, or all that come before the point."""
    if value == 0:
        return "0"
    if value >= 100:
        return f"{value:.0f}"
    if value < 0.01:
        return "<.01"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
