"""Numbers that users give to `fit` and the like, checked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

DEFAULT_BATCH = 32


def positive(name: str, value: Any, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return int(value)


def count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise ValueError(f"{name} must be an integer >= 0, got {value!r}")
    return int(value)


def limit(name: str, value: Any) -> int | None:
    return None if value is None else positive(name, value, 1)


def verbosity(verbose: Any, automatic: int) -> int:
    if verbose == "auto":
        return automatic
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")
    return int(verbose)


def frequency(name: str, value: Any) -> Any:
    """A positive integer, or integers."""
    if isinstance(value, Collection) and not isinstance(value, (str, bytes)):
        if all(isinstance(v, (int, np.integer)) for v in value):
            return value
        raise ValueError(f"{name} must be a positive integer or a list of them, got {value!r}")
    return positive(name, value, 1)


def validates(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, (int, np.integer)):
        return bool((epoch + 1) % frequency == 0)
    return epoch + 1 in frequency
