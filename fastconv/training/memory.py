"""Whether a plan fits into the memory that this process may use."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.graph.lower import Lowered, lower
from fastconv.graph.program import Program

SMALL = 64 << 20  # plans below this are not looked at
SHARE = 0.9  # of the available memory that is proposed to be used


def available(root: str = "/") -> tuple[int, str] | None:
    """Bytes that can still be had, and what sets the limit; None where that cannot be known.

    The least of what the system has (MemAvailable), what the control groups of the process leave,
    and its limit of address space. ``root`` is where /proc and /sys are.
    """
    base = Path(root)
    found: list[tuple[int, str]] = []
    sizes = _fields(base / "proc/meminfo")
    if "MemAvailable:" in sizes:
        found.append((sizes["MemAvailable:"] * 1024, "free memory"))
    group = _of_groups(base)
    if group is not None:
        found.append((group, "the limit of the control group"))
    space = _of_address_space(base)
    if space is not None:
        found.append((space, "the limit of address space"))
    return min(found) if found else None


def _fields(path: Path) -> dict[str, int]:
    """The first two words of the lines of a file, where the second is a number."""
    found = {}
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text().splitlines():
            words = line.split()
            if len(words) >= 2 and words[1].isdigit():
                found[words[0]] = int(words[1])
    return found


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _of_groups(base: Path) -> int | None:
    """What the control groups (version 2, or the memory controller of version 1) leave."""
    lines: list[str] = []
    with suppress(OSError, UnicodeDecodeError):
        lines = (base / "proc/self/cgroup").read_text().splitlines()
    left: list[int] = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            top, limit = "sys/fs/cgroup", "memory.max"
            usage, cache = "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, limit = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
            usage, cache = "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        folder = base / top
        parts = [p for p in path.split("/") if p not in ("", "..")]
        for depth in range(len(parts) + 1):
            place = folder.joinpath(*parts[:depth])
            most, used = _number(place / limit), _number(place / usage)
            if most is not None and used is not None and most < 1 << 60:
                given_back = _fields(place / "memory.stat").get(cache, 0)
                left.append(max(most - used + given_back, 0))
    return min(left, default=None)


def _of_address_space(base: Path) -> int | None:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _fields(base / "proc/self/status").get("VmSize:")
    if soft == resource.RLIM_INFINITY or used is None:
        return None
    return max(soft - used * 1024, 0)


def require_memory(plan: Lowered, program: Program, mode: str) -> None:
    """Raise MemoryError if the plan needs more than there is: how much, what for, and which batch
    size would do."""
    need = plan.plan.arena_bytes
    if need < SMALL:
        return
    limit = available()
    if limit is None or need <= limit[0]:
        return
    have, reason = limit
    sizes = [_result_bytes(plan, i) for i in range(len(plan.steps))]
    index = sizes.index(max(sizes))
    step = plan.steps[index]
    layer = f" of {step.label.split(', ')[0]}" if step.label else ""
    fitting = _fitting(plan, program, have)
    advice = (
        f"Batches of {fitting} rows would fit" if fitting else "Not even batches of 1 row would fit"
    )
    raise MemoryError(
        f"the {mode} plan for batches of {plan.max_batch} rows needs {_size(need)}, "
        f"{_size(have)} can be had ({reason}). The largest result is that of step {index}, "
        f"{step.title}{layer}: {_size(sizes[index])}. {advice}"
    )


def _result_bytes(plan: Lowered, step: int) -> int:
    entries = [plan.tensors[number] for number in plan.steps[step].outputs]
    return sum(
        math.prod(shape) * np.dtype(dtype).itemsize
        for dtype, shape, _, kind, _ in entries
        if kind == "temp"
    )


def _fitting(plan: Lowered, program: Program, have: int) -> int:
    """The largest batch, roughly, whose plan needs no more than ``have`` bytes; 0 without one."""

    def need(batch: int) -> int:
        bytes_: Any = lower(program, batch, frozen=plan.frozen).plan.arena_bytes
        return int(bytes_)

    one = need(1)
    if one > have:
        return 0
    of_row = max((plan.plan.arena_bytes - one) / max(plan.max_batch - 1, 1), 1.0)
    batch = max(min(int((SHARE * have - one) / of_row) + 1, plan.max_batch - 1), 1)
    while batch > 1 and need(batch) > have:
        batch //= 2
    return batch


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
