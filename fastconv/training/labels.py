"""Targets that a loss could not use, found before anything has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import losses
from fastconv.graph.tensor import Array, Shape
from fastconv.training.objective import Compiled


def check_labels(
    compiled: Compiled, targets: Sequence[Array | None], output_shapes: Sequence[Shape]
) -> None:
    """Raises ValueError where integer labels are not among the classes of their output."""
    for term in compiled.terms:
        options = getattr(term.loss, "options", {})
        target = targets[term.output]
        if getattr(term.loss, "fn", None) is not losses.sparse_categorical_crossentropy:
            continue
        classes = output_shapes[term.output][-1]
        if target is None or target.size == 0 or classes is None:
            continue
        _check(target, classes, options.get("ignore_class"), compiled.names[term.output])


def _check(labels: Array, classes: int, ignored: Any, name: str) -> None:
    if ignored is not None:
        labels = labels[labels != ignored]
        if labels.size == 0:
            return
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise ValueError(
            f"output {name!r} has {classes} classes, so labels must be from 0 to {classes - 1}; "
            f"y holds {wrong:g}"
        )
    if labels.dtype.kind == "f" and np.any(labels != np.floor(labels)):
        raise ValueError(f"labels of output {name!r} must be whole numbers")
