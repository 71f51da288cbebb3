"""Nested lists, tuples and dictionaries of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The same nesting with every leaf replaced by ``function(leaf)``.

    >>> map_structure(str, {"a": [1, (2, 3)]})
    {'a': ['1', ('2', '3')]}
    """
    if isinstance(structure, dict):
        return {k: map_structure(function, v) for k, v in structure.items()}
    if type(structure) in (list, tuple):
        return type(structure)(map_structure(function, v) for v in structure)
    return function(structure)


def flatten(structure: Any) -> list[Any]:
    """The leaves, in order.

    >>> flatten({"a": [1, (2, 3)]})
    [1, 2, 3]
    """
    leaves: list[Any] = []
    map_structure(leaves.append, structure)
    return leaves
