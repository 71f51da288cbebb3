"""Finding things by name: an unknown name is answered with the nearest known ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def suggestion(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'adam'?``, or an empty string where nothing is near.

    >>> suggestion("adm", ["adam", "sgd"])
    " Did you mean 'adam'?"
    """
    import difflib

    by_lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=2, cutoff=0.6)
    if not near:
        return ""
    return " Did you mean " + " or ".join(repr(by_lower[n]) for n in near) + "?"


def by_name(name: str, known: Mapping[str, T], kind: str) -> T:
    """The entry called ``name``, in any case; raises ValueError that suggests close names."""
    if name in known:
        return known[name]
    for key, value in known.items():
        if key.lower() == name.lower():
            return value
    hint = suggestion(name, known) or " Known: " + ", ".join(sorted(known, key=str.lower)) + "."
    raise ValueError(f"unknown {kind} {name!r}.{hint}")
