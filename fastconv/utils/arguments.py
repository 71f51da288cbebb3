"""Numbers that users give to constructors, checked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def number(
    owner: str,
    argument: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    below: bool = False,
) -> float:
    """``value`` as a float from ``low`` to ``high``, less than ``high`` with ``below``.

    Raises:
        ValueError: naming the class and the argument.
    """
    known = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if known and low <= value <= high and not (below and value == high):
        return float(value)
    expected = "a number"
    if high < math.inf:
        expected = f"in [{low}, {high}{')' if below else ']'}"
    elif low > -math.inf:
        expected = f">= {low}"
    raise ValueError(f"{owner}: {argument} must be {expected}, got {value!r}")


def is_whole(value: Any) -> bool:
    """Whether ``value`` is a number without a fraction, also as a float."""
    if isinstance(value, (float, np.floating)):
        return float(value).is_integer()
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def whole(owner: str, argument: str, value: Any, low: int = 1) -> int:
    """``value`` as a whole number, at least ``low``.

    Raises:
        ValueError: naming the class and the argument.
    """
    if is_whole(value) and value >= low:
        return int(value)
    raise ValueError(f"{owner}: {argument} must be a whole number, at least {low}, got {value!r}")
