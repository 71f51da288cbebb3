"""Weights, programs and plans are made by one thread at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def by_one_thread() -> Iterator[None]:
    """Inside, no other thread builds a layer or plans a model."""
    with _lock:
        yield
