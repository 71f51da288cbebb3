"""What frozen layers give for data in memory, computed once instead of in every epoch."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from fastconv.graph.prefix import split_prefix
from fastconv.graph.tensor import Array
from fastconv.training.compiling import METHODS, Compiling
from fastconv.training.data import Spec
from fastconv.training.feed import ArrayFeed, Feed
from fastconv.training.loop import plain_piece
from fastconv.training.programs import Signature, Step, make_plan


def cached(model: Compiling, mode: str, feed: Feed, trained: Signature | None) -> ArrayFeed:
    """A feed of the outputs of a model's frozen first layers instead of its inputs.

    Args:
        model: a compiled model.
        mode: ``"train"`` or ``"test"``.
        feed: what the model would be fed.
        trained: the signature of what it is trained on.

    Raises:
        ValueError: for data that comes batch by batch, or a model that begins with a layer that is
            trained or draws random numbers.
    """
    if not isinstance(feed, ArrayFeed) or trained is None:
        raise ValueError(
            f"{METHODS[mode]}: cache_frozen needs arrays; batches that come one by one may be "
            "others in every epoch"
        )
    step = model._step(mode, feed.signature)
    rows = len(feed.signature.x)
    changing = model._step("train", trained).program.updates
    split = split_prefix(step.program, rows, changing)
    if split is None:
        raise ValueError(
            f"cache_frozen: model {model.name!r} has no frozen weights before the first layer "
            "that is trained or draws random numbers: set layer.trainable = False and compile again"
        )
    features: list[Array] = [
        np.empty(cast(tuple[int, ...], (feed.count, *t.shape[1:])), t.dtype)
        for t in split.head.outputs
    ]
    (piece,) = feed.pieces(None, None, None)
    piece.sources = piece.sources[:rows]
    plan = make_plan(split.head, piece.capacity, model._current_plans().backend, "train")
    plain_piece(plan, piece, features, 0, 0, None)
    names = [f"frozen features {i}" for i in range(len(features))]
    specs = [
        *(Spec(t.shape, t.dtype, n) for t, n in zip(split.head.outputs, names, strict=True)),
        *(feed.signature.x[i] for i in split.kept),
    ]
    signature = Signature(tuple(specs), feed.signature.y, feed.signature.weight)
    arrays: list[tuple[Any, float, float]] = [
        *((a, 1.0, 0.0) for a in features),
        *(feed.sources[i][1:] for i in (*split.kept, *range(rows, len(feed.sources)))),
    ]
    made = Step(split.tail, len(arrays), None)
    model._current_plans().step(mode, signature, lambda: made)
    sources = [(i, *source) for i, source in enumerate(arrays)]
    return ArrayFeed(signature, sources, feed.rows, feed.batch, feed.capacity)
