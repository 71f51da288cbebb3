"""Random tensors. In a program each has a stream of its own, so that a rerun repeats it."""

from __future__ import annotations

from itertools import count
from typing import Any

from fastconv.graph import Tensor, bind, current_trace
from fastconv.ops.operand import resolve_shape

_OUTSIDE = count(1 << 20)  # streams of symbolic tensors made outside a trace


def next_stream(*inputs: Any) -> int:
    """The stream of a random operation on these inputs; eager ones draw a new seed instead."""
    trace = current_trace()
    if trace is not None:
        return trace.next_stream()
    return next(_OUTSIDE) if any(isinstance(x, Tensor) for x in inputs) else 0


def uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0) -> Any:
    """Uniform numbers in [minval, maxval); float32.

    The shape may start with a symbolic batch size from ``ops.shape``.
    """
    dims, like = resolve_shape("uniform", shape)
    inputs = [] if like is None else [like]
    u = bind("random_uniform", *inputs, shape=dims, stream=next_stream(*inputs))
    return u if (minval, maxval) == (0.0, 1.0) else u * (maxval - minval) + minval


def normal(shape: Any, mean: float = 0.0, stddev: float = 1.0) -> Any:
    """Normal numbers; float32.

    The shape may start with a symbolic batch size from ``ops.shape``.
    """
    dims, like = resolve_shape("normal", shape)
    inputs = [] if like is None else [like]
    z = bind("random_normal", *inputs, shape=dims, stream=next_stream(*inputs))
    return z if (mean, stddev) == (0.0, 1.0) else z * stddev + mean
