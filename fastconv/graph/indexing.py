"""``tensor[...]`` in terms of slice, flip, take and reshape."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph.operation import operation
from fastconv.graph.primitive import as_tensor, bind, current_trace
from fastconv.graph.primitives.common import sized
from fastconv.graph.tensor import Tensor, Variable


@operation
def getitem(x: Any, key: Any) -> Any:
    """NumPy's basic indexing, and one array of integers.

    The batch axis of a symbolic tensor can only be taken whole.
    """
    if isinstance(x, Variable):
        if current_trace() is None:
            return np.array(x._data[key])
        x = as_tensor(x)
    keys = _expand(x, key if isinstance(key, tuple) else (key,))
    starts, stops, steps = [0] * x.ndim, sized(x.shape), [1] * x.ndim
    flips: list[int] = []
    taken: tuple[int, Any] | None = None
    shape: list[int] = []
    axis = 0
    for item in keys:
        if item is None:
            shape.append(1)
            continue
        d = x.shape[axis]
        if isinstance(item, slice):
            if d is None:
                if item not in (slice(None), slice(0, None), slice(None, None, 1)):
                    raise ValueError(f"the batch axis of {x!r} can only be taken whole, got {item}")
                shape.append(-1)
            else:
                starts[axis], stops[axis], steps[axis], backwards = _forward(item, d)
                if backwards:
                    flips.append(axis)
                shape.append(-(-(stops[axis] - starts[axis]) // steps[axis]))
        elif isinstance(item, (int, np.integer)):
            if d is None:
                raise ValueError(f"the batch axis of {x!r} can only be taken whole, got {item}")
            if not -d <= item < d:
                raise IndexError(f"index {item} is out of range for axis {axis} of shape {x.shape}")
            starts[axis] = int(item) % d
            stops[axis] = starts[axis] + 1
        else:
            if taken is not None:
                raise TypeError("only one array of indices is supported: use fastconv.ops.take")
            indices = item if isinstance(item, Tensor) else np.asarray(item)
            taken = (axis, indices)
            shape += [-1 if n is None else n for n in indices.shape]
        axis += 1
    if (starts, stops, steps) != ([0] * x.ndim, sized(x.shape), [1] * x.ndim):
        x = bind("slice", x, starts=starts, stops=stops, steps=steps)
    if flips:
        x = bind("flip", x, axes=flips)
    if taken is not None:
        x = bind("take", x, taken[1], axis=taken[0])
    return x if sized(x.shape) == shape else bind("reshape", x, shape=shape)


def _expand(x: Any, keys: tuple[Any, ...]) -> list[Any]:
    """The keys with the ellipsis written out, one for each axis of x (and the Nones)."""
    used = sum(k is not None and k is not Ellipsis for k in keys)
    if used > x.ndim:
        raise IndexError(f"{used} indices for a tensor of shape {x.shape}")
    rest = [slice(None)] * (x.ndim - used)
    at = next((i for i, k in enumerate(keys) if k is Ellipsis), len(keys))
    if any(k is Ellipsis for k in keys[at + 1 :]):
        raise IndexError("an index can have only one ellipsis")
    return [*keys[:at], *rest, *keys[at + 1 :]]


def _forward(item: slice, size: int) -> tuple[int, int, int, bool]:
    """start, stop and a positive step that choose the same elements, and whether to flip them."""
    start, stop, step = item.indices(size)
    if step > 0:
        return min(start, stop), stop if stop > start else min(start, stop), step, False
    n = max(0, -(-(start - stop) // -step))
    if n == 0:
        return 0, 0, 1, False
    first = start + (n - 1) * step
    return first, start + 1, -step, True
