"""Bounds on gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops
from fastconv.utils.arguments import number


def check_clips(owner: str, **clips: float | None) -> None:
    """Refuse more than one bound, and one that is not positive.

    Raises:
        ValueError: naming the optimizer and the argument.
    """
    given = {k: v for k, v in clips.items() if v is not None}
    if len(given) > 1:
        raise ValueError(f"{owner}: at most one of {', '.join(clips)} can be given, got {given}")
    for key, value in given.items():
        if number(owner, key, value) <= 0:
            raise ValueError(f"{owner}: {key} must be > 0, got {value}")


def clipped(
    grads: Sequence[Any],
    *,
    clipvalue: float | None,
    clipnorm: float | None,
    global_clipnorm: float | None,
) -> list[Any]:
    """The gradients within the bound that is given: of each entry, of the L2 norm of each gradient,
    or of all together."""
    if clipvalue is not None:
        bound = float(clipvalue)
        return [ops.minimum(ops.maximum(g, -bound), bound) for g in grads]
    if clipnorm is not None:
        return [_scaled(g, ops.sum(ops.square(g)), clipnorm) for g in grads]
    if global_clipnorm is not None and grads:
        squares = ops.sum(ops.square(grads[0]))
        for g in grads[1:]:
            squares = squares + ops.sum(ops.square(g))
        return [_scaled(g, squares, global_clipnorm) for g in grads]
    return list(grads)


def _scaled(gradient: Any, squares: Any, bound: float) -> Any:
    return gradient * (float(bound) / ops.maximum(ops.sqrt(squares), float(bound)))
