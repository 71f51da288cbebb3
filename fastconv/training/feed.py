"""Checked data beside the signature of the program that takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastconv.graph.primitive import tracing
from fastconv.graph.tensor import Array, Tensor
from fastconv.training.arguments import DEFAULT_BATCH
from fastconv.training.batches import Batches
from fastconv.training.data import (
    Group,
    Rows,
    Spec,
    as_rows,
    check_finite,
    class_weights,
    fit_to_spec,
    is_in_memory,
    target_dtype,
)
from fastconv.training.programs import Signature

RowSource = tuple[int, Array, float, float]
Place = tuple[int, int]  # where the next epoch begins in the data, and what their order came from


@dataclass(slots=True)
class Piece:
    """Rows that one call of a plan runs through."""

    signature: Signature
    sources: list[RowSource]
    order: Array | None
    count: int
    batch: int
    capacity: int  # rows that a plan for it should take

    @property
    def steps(self) -> int:
        return -(-self.count // self.batch)

    def after(self, steps: int) -> Piece:
        """What is left of it when so many steps are done."""
        start = min(steps * self.batch, self.count)
        order = np.arange(self.count) if self.order is None else self.order
        return replace(self, order=order[start:], count=self.count - start)


@dataclass(slots=True)
class ArrayFeed:
    """Arrays in memory, cut into batches."""

    signature: Signature
    sources: list[RowSource]
    rows: Rows
    batch: int
    capacity: int
    position: int = 0  # where the next epoch of so many steps begins
    begun: int = 0  # seed[1] of the epoch that began this pass through the rows

    @property
    def count(self) -> int:
        return self.rows.count

    def steps(self, limit: int | None) -> int:
        left = -(-(self.count - self.position) // self.batch)
        return left if limit is None else min(limit, left)

    def pieces(
        self,
        limit: int | None,
        seed: tuple[int, int] | None,
        span: int | None,
        *,
        onward: bool = False,
        skip: int = 0,
    ) -> Iterator[Piece]:
        """One epoch, in a random order with ``seed``, without its first ``skip`` batches; in one
        piece, or in pieces that end after every ``span`` batches.

        ``limit`` batches are the first ones, or with ``onward`` those after the last epoch's in the
        same order: fewer, where the rows end, and the next epoch begins another pass.
        """
        start = self.position if onward else 0
        order = None
        if seed is not None:
            self.begun = self.begun if start else seed[1]
            order = shuffled(self.count, (seed[0], self.begun))
        count = self.count
        if limit is not None:
            stop = min(start + limit * self.batch, self.count)
            self.position = stop % self.count if onward else 0
            order = np.arange(start, stop) if order is None else order[start:stop]
            count = stop - start
        if span is None and skip == 0:
            yield Piece(self.signature, self.sources, order, count, self.batch, self.capacity)
            return
        start = skip * self.batch
        while start < count:
            stop = count if span is None else (start // self.batch // span + 1) * span * self.batch
            stop = min(stop, count)
            part = np.arange(start, stop) if order is None else order[start:stop]
            size = stop - start
            yield Piece(self.signature, self.sources, part, size, self.batch, self.capacity)
            start = stop

    def place(self) -> Place:
        """Where the next epoch begins, for :meth:`resume`."""
        return self.position, self.begun

    def resume(self, epochs: int, steps: int | None, place: Place | None = None) -> None:
        """Go on as after so many epochs; ``place`` is what :meth:`place` gave then, if they went
        onward."""
        del epochs, steps
        self.position, self.begun = place or (0, 0)


@dataclass(slots=True)
class BatchFeed:
    """Batches that come one by one."""

    batches: Batches
    prepare: Callable[[Rows], ArrayFeed]
    check: Callable[[ArrayFeed], None] | None = None  # of each batch before it is used

    def steps(self, limit: int | None) -> int | None:
        return self.batches.steps(limit)

    def pieces(
        self,
        limit: int | None,
        seed: tuple[int, int] | None,
        span: int | None,
        *,
        onward: bool = False,
        skip: int = 0,
    ) -> Iterator[Piece]:
        del span
        for rows in self.batches.epoch(limit, seed or (0, 0), skip, onward=onward):
            feed = self.prepare(rows)
            if self.check is not None:
                self.check(feed)
            count = feed.count
            yield Piece(feed.signature, feed.sources, None, count, count, count)

    def place(self) -> Place:
        return self.batches.position, self.batches.begun

    def resume(self, epochs: int, steps: int | None, place: Place | None = None) -> None:
        self.batches.pass_over(epochs, steps, onward=place is not None)
        self.batches.position, self.batches.begun = place or (0, 0)


Feed = ArrayFeed | BatchFeed


def shuffled(count: int, seed: tuple[int, int]) -> Array:
    """A permutation that follows from the seed and the first step of the epoch alone."""
    generator = np.random.Generator(np.random.Philox(key=np.array(seed, np.uint64)))
    return generator.permutation(count)


def input_specs(model: Any, x: Group) -> list[Spec]:
    """What the model takes, or, where that is not declared, what the data looks like."""
    declared = getattr(model, "inputs", None)
    if declared:
        names = input_names(model) or [f"input_{i}" for i in range(len(declared))]
        if len(declared) != len(x.arrays):
            raise ValueError(
                f"model {model.name!r} takes {len(declared)} inputs "
                f"({', '.join(map(repr, names))}), x holds {len(x.arrays)} arrays"
            )
        for tensor, array, name in zip(declared, x.arrays, names, strict=True):
            if tensor.dtype == "uint8":
                _check_bytes(array, name)
        return [
            Spec((None, *t.shape[1:]), t.dtype, n) for t, n in zip(declared, names, strict=True)
        ]
    names = x.keys or [f"input_{i + 1}" for i in range(len(x.arrays))]
    return [Spec((None, *a.shape[1:]), "float32", n) for a, n in zip(x.arrays, names, strict=True)]


def _check_bytes(array: Array, name: str) -> None:
    if array.dtype == np.uint8 or array.size == 0:
        return
    low, high = array.min(), array.max()
    if low < 0 or high > 255:
        wrong = low if low < 0 else high
        raise ValueError(f"input {name!r} is uint8, from 0 to 255: x holds {wrong}")


def build_for(model: Any, x: Group) -> None:
    """Give a model its weights, from the shapes of the data, where it has none yet."""
    if getattr(model, "built", False):
        return
    with tracing():
        tensors = [Tensor((None, *a.shape[1:]), "float32") for a in x.arrays]
        model(x.pack(tensors), training=False)


def _arrangement(model: Any, x: Group) -> tuple[tuple[str, ...] | None, bool]:
    """How the model wants its inputs: as a dictionary with keys, alone, or in a list."""
    if not getattr(model, "inputs", None):
        return None if x.keys is None else tuple(x.keys), x.single
    declared = model.input
    if isinstance(declared, Mapping):
        return tuple(str(k) for k in declared), False
    return None, not isinstance(declared, (list, tuple))


def _keys(group: Group | None) -> tuple[str, ...] | None:
    return None if group is None or group.keys is None else tuple(group.keys)


def input_names(model: Any) -> list[str] | None:
    declared: Sequence[Tensor] | None = getattr(model, "inputs", None)
    if not declared:
        return None
    names = getattr(model, "input_names", None)
    if names is not None and len(names) == len(declared):
        return [str(n) for n in names]
    return [t.name or f"input_{i + 1}" for i, t in enumerate(declared)]


def output_names(model: Any) -> list[str] | None:
    names = getattr(model, "output_names", None)
    return None if not names else [str(n) for n in names]


def feed_of(
    model: Any, rows: Rows, batch: int | None, class_weight: Mapping[Any, float] | None = None
) -> ArrayFeed:
    """Check rows against the model and note the signature of their program. Without ``batch``, all
    rows are one batch.

    Raises:
        ValueError: for shapes that do not fit, NaN or infinity.
    """
    if class_weight is not None:
        weights = class_weights(class_weight, rows.y)
        if rows.weight is not None:
            given = rows.weight.arrays[0].astype(np.float32)
            weights = given * weights.reshape(-1, *[1] * (given.ndim - 1))
        rows.weight = Group([weights])
    build_for(model, rows.x)
    specs = input_specs(model, rows.x)
    arrays = [fit_to_spec(a, s, model.name) for a, s in zip(rows.x.arrays, specs, strict=True)]
    rows.x = Group(arrays, rows.x.keys, rows.x.single)
    check_finite(rows.x, "x")
    check_finite(rows.y, "y")
    check_finite(rows.weight, "sample_weight")
    y = rows.y.arrays if rows.y is not None else []
    weight = rows.weight.arrays if rows.weight is not None else []
    keys, single = _arrangement(model, rows.x)
    signature = Signature(
        x=tuple(specs),
        y=tuple(Spec((None, *a.shape[1:]), target_dtype(a), f"y_{i + 1}") for i, a in enumerate(y)),
        weight=tuple(
            Spec((None, *a.shape[1:]), "float32", f"sample_weight_{i + 1}")
            for i, a in enumerate(weight)
        ),
        keys=keys,
        single=single,
        y_keys=_keys(rows.y),
        weight_keys=_keys(rows.weight),
    )
    sources = [(i, a, 1.0, 0.0) for i, a in enumerate((*arrays, *y, *weight))]
    if batch is None:
        return ArrayFeed(signature, sources, rows, rows.count, rows.count)
    # Small data of varying size shares plans: their sizes are powers of two up to the batch.
    capacity = min(batch, 1 << (rows.count - 1).bit_length())
    return ArrayFeed(signature, sources, rows, min(batch, rows.count), capacity)


def make_feed(
    model: Any,
    x: Any,
    y: Any,
    sample_weight: Any,
    batch: int | None,
    steps: int | None = None,
    *,
    shuffle: bool = False,
    inputs_only: bool = False,
    class_weight: Mapping[Any, float] | None = None,
) -> Feed:
    """A feed of arrays, or of whatever yields batches.

    Arrays are cut into batches of ``batch`` rows; without it, into ``steps`` batches or else into
    those of 32 rows.

    Raises:
        ValueError: if targets are given beside something that yields them itself.
    """
    names = input_names(model), output_names(model)
    if is_in_memory(x):
        rows = as_rows(x, y, sample_weight, input_names=names[0], output_names=names[1])
        if batch is None:
            batch = DEFAULT_BATCH if steps is None else -(-rows.count // steps)
        return feed_of(model, rows, batch, class_weight)
    if y is not None or sample_weight is not None:
        raise ValueError(
            f"x is a {type(x).__name__} that yields batches: targets and weights must come in "
            "them, not as y or sample_weight"
        )
    batches = Batches(x, names[0], names[1], shuffle, inputs_only)
    return BatchFeed(batches, lambda rows: feed_of(model, rows, None, class_weight))
