"""Batches from generators, sequences and loaders, made ahead by a thread."""

from __future__ import annotations

import _thread
import queue
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.training.data import Rows, as_rows, unpack
from fastconv.utils.image_dataset_utils import ImageDataset

AHEAD = 2  # batches kept ready


class Batches:
    """Data that comes batch by batch.

    ``source`` is a sequence of batches (``len`` and indexing: a `PyDataset`, a `Sequence`), which
    is read in a new order each epoch with ``shuffle``, but for an `ImageDataset`, which has an
    order of its own; an iterator, which goes on from epoch to epoch; or anything else that can be
    iterated again for each epoch.

    Epochs of so many steps can go on through a sequence as well, to its end at most, or beyond that
    where it is an iterator too, as flows of images are. The next one begins at ``position`` of a
    pass whose order came from ``begun``.
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
        self.is_iterator = hasattr(source, "__next__")
        self.position = 0
        self.begun = 0
        self._iterator: Iterator[Any] | None = None
        self._peeked: list[Any] = []
        if not (self.indexed or isinstance(source, Iterable) or self.is_iterator):
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

    def steps(self, limit: int | None) -> int | None:
        """Batches of the next epoch, ``limit`` at most, where that is known."""
        length = self._length()
        if limit is None:
            return length
        if self.indexed and not self.is_iterator and length is not None:
            return min(limit, length - self.position)
        return limit

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
        self,
        steps: int | None,
        order_seed: tuple[int, int],
        skip: int = 0,
        *,
        onward: bool = False,
    ) -> Iterator[Rows]:
        """Batches of one epoch: ``steps`` of them, or as many as there are; without the first
        ``skip``, which have been used before. Those of a sequence are the first ones, or with
        ``onward`` those after the last epoch's."""
        self._begin_epoch()
        if self.indexed:
            raw = self._in_order(self._passes(steps, order_seed, onward), skip)
        else:
            raw = islice(self._take(steps), skip, None)
        yield from ahead(self._rows(batch) for batch in raw)
        self._end_epoch()

    def pass_over(self, epochs: int, steps: int | None, *, onward: bool = False) -> None:
        """Bring the source to where so many epochs leave it.

        Sources with numbered batches are told of the beginnings and ends of epochs. Of others, all
        batches are read again; but where each epoch is an iteration of its own, only the first of
        each.
        """
        for _ in range(epochs):
            self._begin_epoch()
            if self.indexed:
                passes = self._passes(steps, (0, 0), onward)
                for _ in self._in_order(passes, skip=sum(map(len, passes))):
                    pass
            elif steps is None and not self.is_iterator:
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

    def _passes(self, steps: int | None, order_seed: tuple[int, int], onward: bool) -> list[Array]:
        """The numbers of the batches of an epoch, for each pass through the sequence."""
        length = self._length() or 0
        wanted = length if steps is None else steps
        self.position = self.position % length if onward and length else 0
        passes: list[Array] = []
        taken = 0
        while length and taken < wanted:
            if self.position == 0:
                self.begun = order_seed[1] + taken
            order = np.arange(length)
            if self.shuffle:
                key = np.array((order_seed[0], self.begun), np.uint64)
                np.random.Generator(np.random.Philox(key=key)).shuffle(order)
            passes.append(order[self.position :][: wanted - taken])
            taken += len(passes[-1])
            self.position = (self.position + len(passes[-1])) % length
            if not self.is_iterator:
                break
        return passes

    def _in_order(self, passes: list[Array], skip: int) -> Iterator[Any]:
        """The batches of these numbers but for the first ``skip``; a pass after the first begins as
        an epoch does."""
        for i, numbers in enumerate(passes):
            if i:
                self._end_epoch()
                self._begin_epoch()
            for number in numbers[skip:]:
                yield self.source[int(number)]
            skip = max(skip - len(numbers), 0)

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
                    again = not self.is_iterator
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
