"""Labels of classes and indices of rows, before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastconv.graph.primitive import Indices
from fastconv.graph.tensor import Array, Tensor
from fastconv.layers.embedding import check_rows


@dataclass(frozen=True, slots=True)
class IndexCheck:
    """What one array of a batch must hold: labels of an output's classes, or rows of a layer."""

    place: int  # of the array, inputs before targets
    owner: str
    count: int
    ignored: int | None
    labels: bool


def index_checks(
    noted: Sequence[Indices],
    inputs: Sequence[Tensor],
    y_true: Sequence[Tensor | None] = (),
    names: Sequence[str] = (),
) -> list[IndexCheck]:
    """What a program's arrays must hold, from what was noted when it was traced.

    Args:
        noted: the tensors that must be indices.
        inputs: those that stand for the arrays of inputs and targets.
        y_true: the target of each output, if it has any.
        names: of the outputs.
    """
    places = {id(t): i for i, t in enumerate(inputs)}
    outputs = {id(t): name for t, name in zip(y_true, names, strict=True)}
    found = []
    for indices in noted:
        given = indices.tensor
        while (
            given.node is not None
            and given.node.op.name in ("cast", "autocast", "identity", "reshape")
            and given.dtype in ("int32", "float32")
        ):
            given = given.node.inputs[0]
        labels = indices.layer is None
        owner = outputs.get(id(given)) if labels else indices.layer
        if id(given) in places and owner is not None:
            place = places[id(given)]
            found.append(IndexCheck(place, owner, indices.count, indices.ignored, labels))
    return list(dict.fromkeys(found))


def check_indices(checks: Sequence[IndexCheck], arrays: Sequence[Array]) -> None:
    """Raises ValueError where a label has no class or an index no row."""
    for check in checks:
        if check.labels:
            _check_labels(check, arrays[check.place])
        else:
            check_rows(arrays[check.place], check.owner, check.count)


def _check_labels(check: IndexCheck, labels: Array) -> None:
    if check.ignored is not None:
        labels = labels[labels != check.ignored]
    if labels.size == 0:
        return
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= check.count:
        wrong = low if low < 0 else high
        raise ValueError(
            f"output {check.owner!r} has {check.count} classes, so labels must be from 0 to "
            f"{check.count - 1}; y holds {wrong:g}"
        )
    if labels.dtype.kind == "f" and np.any(labels != np.floor(labels)):
        raise ValueError(f"labels of output {check.owner!r} must be whole numbers")
