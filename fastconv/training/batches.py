"""Batches from generators, sequences and loaders, made ahead by a thread."""

from __future__ import annotations

import _thread
import queue
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from fastconv.training.data import Rows, as_rows, unpack
from fastconv.utils.image_dataset_utils import ImageDataset

AHEAD = 2  # batches kept ready


class Batches:
    """Data that comes batch by batch.

    ``source`` is a sequence of batches (``len`` and indexing: a `PyDataset`, a `Sequence`), which
    is read in a new order each epoch with ``shuffle``, but for an `ImageDataset`, which has an
    order of its own; an iterator, which goes on from epoch to epoch; or anything else that can be
    iterated again for each epoch.
    """

    def __init__(
        self,
        source: Any,
        input_names: list[str] | None,
        output_names: list[str] | None,
        shuffle: bool = False,
        inputs_only: bool = False,
    ) -> None:
        self.source = source
        self.input_names = input_names
        self.output_names = output_names
        self.shuffle = shuffle and not isinstance(source, ImageDataset)
        self.inputs_only = inputs_only  # targets and weights that come along are left out
        self.indexed = hasattr(source, "__getitem__") and self._length() is not None
        self._iterator: Iterator[Any] | None = None
        self._peeked: list[Any] = []
        if not (self.indexed or isinstance(source, Iterable) or hasattr(source, "__next__")):
            raise TypeError(
                f"data must be arrays or something that yields batches, got {type(source).__name__}"
            )

    def _length(self) -> int | None:
        try:
            given = getattr(self.source, "num_batches", None)
            length = given if isinstance(given, int) else len(self.source)
        except (TypeError, NotImplementedError, AttributeError):
            return None
        return int(length)

    @property
    def steps(self) -> int | None:
        """Batches of an epoch, where that is known."""
        return self._length()

    def first(self) -> Rows:
        """The first batch, which will still be given by :meth:`epoch`."""
        if self.indexed:
            if self._length() == 0:
                raise ValueError("the data is empty: the sequence has 0 batches")
            return self._rows(self.source[0])
        iterator = self._current()
        if not self._peeked:
            try:
                self._peeked.append(next(iterator))
            except StopIteration:
                raise ValueError("the data is empty: the generator gave no batch") from None
        return self._rows(self._peeked[0])

    def epoch(
        self, steps: int | None, order_seed: tuple[int, int], skip: int = 0
    ) -> Iterator[Rows]:
        """Batches of one epoch: ``steps`` of them, or as many as there are; without the first
        ``skip``, which have been used before."""
        self._begin_epoch()
        if self.indexed:
            length = self._length() or 0
            order = np.arange(length)
            if self.shuffle:
                key = np.array(order_seed, np.uint64)
                np.random.Generator(np.random.Philox(key=key)).shuffle(order)
            if steps is not None:
                order = np.resize(order, steps)
            raw: Iterator[Any] = self._in_order(order, length, skip)
        else:
            raw = islice(self._take(steps), skip, None)
        yield from ahead(self._rows(batch) for batch in raw)
        self._end_epoch()

    def pass_over(self, epochs: int, steps: int | None) -> None:
        """Bring the source to where so many epochs leave it.

        Sources with numbered batches are told of the beginnings and ends of epochs. Of others, all
        batches are read again; but where each epoch is an iteration of its own, only the first of
        each.
        """
        for _ in range(epochs):
            self._begin_epoch()
            if self.indexed:
                length = self._length() or 0
                for _ in self._in_order(range(steps or length), length, skip=steps or length):
                    pass
            elif steps is None and not hasattr(self.source, "__next__"):
                for _ in islice(self._take(None), 1):
                    pass
                self._iterator = None
            else:
                for _ in self._take(steps):
                    pass
            self._end_epoch()

    def _begin_epoch(self) -> None:
        if hasattr(self.source, "on_epoch_begin"):
            self.source.on_epoch_begin()

    def _end_epoch(self) -> None:
        if hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()

    def _in_order(self, order: Any, length: int, skip: int = 0) -> Iterator[Any]:
        """The batches of these numbers but for the first ``skip``; a pass after the first begins as
        an epoch does."""
        for count, index in enumerate(order):
            if count and count % length == 0:
                self._end_epoch()
                self._begin_epoch()
            if count >= skip:
                yield self.source[int(index)]

    def _current(self) -> Iterator[Any]:
        if self._iterator is None:
            self._iterator = iter(self.source) if hasattr(self.source, "__iter__") else self.source
        return self._iterator

    def _take(self, steps: int | None) -> Iterator[Any]:
        taken = 0
        restarted = False
        while steps is None or taken < steps:
            if self._peeked:
                batch = self._peeked.pop()
            else:
                try:
                    batch = next(self._current())
                except StopIteration:
                    again = not hasattr(self.source, "__next__")
                    self._iterator = None if again else self._iterator
                    if steps is None or not again or restarted:
                        return
                    restarted = True
                    continue
            restarted = False
            taken += 1
            yield batch

    def _rows(self, batch: Any) -> Rows:
        x, y, weight = unpack(batch)
        if self.inputs_only:
            y = weight = None
        return as_rows(x, y, weight, input_names=self.input_names, output_names=self.output_names)


def ahead(batches: Iterator[Rows], size: int = AHEAD) -> Iterator[Rows]:
    """The same batches, made by a thread while the one before is being used."""
    # Within a Queue, an Event or Thread.start an interrupt can leave a lock taken for ever, or turn
    # into an error of its own. These are C.
    ready: queue.SimpleQueue[tuple[Rows | None, BaseException | None]] = queue.SimpleQueue()
    room: queue.SimpleQueue[None] = queue.SimpleQueue()
    done: queue.SimpleQueue[None] = queue.SimpleQueue()
    working = stopped = False

    def work() -> None:
        nonlocal working
        working = True
        try:
            while True:
                room.get()
                if stopped:
                    return
                batch = next(batches, None)
                ready.put((batch, None))
                if batch is None:
                    return
        except BaseException as error:
            ready.put((None, error))
        finally:
            done.put(None)

    try:
        _thread.start_new_thread(work, ())
        for _ in range(size):
            room.put(None)
        while True:
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is None:
                return
            room.put(None)
            yield batch
    finally:
        stopped = True
        room.put(None)
        # A thread that begins now takes no batch; one that is left when Python ends never returns.
        if working and not sys.is_finalizing():
            done.get()
