"""How much memory a file may ask for, and what is packed in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import IO

_ALWAYS = 1 << 28
_RATIO = 100
_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


def most_bytes(size: int) -> int:
    """What a file of ``size`` bytes may become in memory; more is taken for damage or an attack.

    >>> most_bytes(10) // 2**20, most_bytes(2**30) // 2**30
    (256, 100)
    """
    return _ALWAYS + _RATIO * size


@contextmanager
def weights_of(size: int) -> Iterator[None]:
    """Inside, the weights that are made together take no more than a file of ``size`` bytes may."""
    token = _left.set([most_bytes(size)])
    try:
        yield
    finally:
        _left.reset(token)


class Unpacked:
    """What a packed file holds, from the start to the end; no more of it than the file may become.

    Raises ValueError when that is exceeded.
    """

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content = content
        self._left = most_bytes(size)

    def read(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise ValueError("it holds far more than its size allows for")
        data = self._content.read(count)
        self._left += count - len(data)
        return data


def spend(shape: Sequence[int]) -> None:
    """Account for a weight that is about to be made.

    Raises:
        ValueError: if a file is being read, and asks for more than it may.
    """
    left = _left.get()
    if left is None:
        return
    left[0] -= 4 * math.prod(shape)
    if left[0] < 0:
        raise ValueError(f"it asks for a weight of shape {tuple(shape)}, far larger than the file")
