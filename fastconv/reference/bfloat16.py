"""Rounding to bfloat16, the upper half of a float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph.tensor import Array

_SUBNORMAL = np.uint32(0x00800000)  # the first normal number
_INFINITY = np.uint32(0x7F800000)


def round_to_bfloat16(x: Array) -> Any:
    """The nearest bfloat16 (of two, the one with an even last bit), as an array of x's dtype.

    Subnormal numbers become zero, as in the instructions of AVX512_BF16; NaN stays NaN.

    >>> round_to_bfloat16(np.array([1.0, 1.001, 1.005], np.float32)).tolist()
    [1.0, 1.0, 1.0078125]
    """
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    size = bits & np.uint32(0x7FFFFFFF)
    with np.errstate(over="ignore"):
        near = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    near = np.where(size < _SUBNORMAL, bits & np.uint32(0x80000000), near)
    near = np.where(size > _INFINITY, bits | np.uint32(0x00400000), near)
    return (near & np.uint32(0xFFFF0000)).view(np.float32).reshape(np.shape(x)).astype(x.dtype)
