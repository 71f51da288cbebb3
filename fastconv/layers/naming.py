"""Automatic names: ``dense``, ``dense_1``, ``dense_2``, one counter for each class name."""

from __future__ import annotations

from collections import Counter

from fastconv.saving.registry import to_snake_case

_counts: Counter[str] = Counter()


def unique_name(class_name: str) -> str:
    """The next free automatic name for an object of a class."""
    stem = to_snake_case(class_name)
    number = _counts[stem]
    _counts[stem] += 1
    return f"{stem}_{number}" if number else stem


def reset_names() -> None:
    """Start every counter over, as for a new process."""
    _counts.clear()
