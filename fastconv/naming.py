"""Automatic names: ``dense``, ``dense_1``, ``dense_2``, one counter for each class name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastconv.saving.registry import to_snake_case

_counts: Counter[str] = Counter()


def unique_name(class_name: str) -> str:
    """The next free automatic name for an object of a class."""
    stem = to_snake_case(class_name)
    number = _counts[stem]
    _counts[stem] += 1
    return f"{stem}_{number}" if number else stem


def name_of(item: Any) -> str:
    """The name by which Keras reports an object or a function."""
    if hasattr(item, "name"):
        return str(item.name)
    return to_snake_case(getattr(item, "__name__", type(item).__name__))


@contextmanager
def uncounted() -> Iterator[None]:
    """Automatic names that are given inside are free again afterwards."""
    counts = _counts.copy()
    try:
        yield
    finally:
        _counts.clear()
        _counts.update(counts)


def reset_names() -> None:
    """Start every counter over, as for a new process."""
    _counts.clear()
