"""Weights, programs and plans are made by one thread at a time, weights all of them or none."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastconv.layers.layer import Layer

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


@contextmanager
def building(layer: Layer) -> Iterator[None]:
    """Inside, no other thread builds a layer. After an error ``layer``, and the layers inside it,
    are what they were before, where they had not been built."""
    with by_one_thread():
        before = [_Attributes(inner) for inner in layer._flatten_layers() if not inner.built]
        try:
            yield
        except BaseException:
            for attributes in before:
                attributes.restore()
            raise


class _Attributes:
    """What a layer holds, with what is in its lists."""

    def __init__(self, layer: Layer) -> None:
        self._now = layer.__dict__
        self._then: dict[str, Any] = dict(layer.__dict__)
        self._lists = [(value, list(value)) for value in self._then.values() if type(value) is list]

    def restore(self) -> None:
        for key in self._now.keys() - self._then.keys():
            del self._now[key]
        self._now.update(self._then)
        for held, items in self._lists:
            held[:] = items
