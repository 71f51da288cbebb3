"""The base class of data sets that hand out one batch at a time."""

from __future__ import annotations

from typing import Any


class PyDataset:
    """Batches by number: subclass with ``__len__`` and ``__getitem__``.

    ``len(dataset)`` is the number of batches of an epoch. ``dataset[i]`` returns batch i as
    ``(x, y)``, ``(x, y, sample_weight)`` or ``(x,)``. ``on_epoch_begin`` is called before each
    epoch and ``on_epoch_end`` after it, for example to shuffle.

    ``workers``, ``use_multiprocessing`` and ``max_queue_size`` are accepted as in Keras, and not
    used: one thread prepares two batches ahead.

    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         return [index], [index**2]
    >>> [y for x, y in Squares()]
    [[0], [1], [4]]
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        if max_queue_size < 1:
            raise ValueError(f"max_queue_size must be at least 1, got {max_queue_size}")
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    @property
    def num_batches(self) -> int:
        return len(self)

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


Sequence = PyDataset
