"""Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

Bit for bit the numbers of ``csrc/kernels/simd/philox.h``, which also explains the order of
elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
LANES = 16  # neighbouring blocks computed side by side


def philox(seed: int, blocks: Array, stream: int, step: int) -> Array:
    """The four words of each block: (4, blocks) uint32."""
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    c0 = blocks.astype(np.uint64)
    c1, c2, c3 = (
        np.full_like(c0, word) for word in (stream, step & 0xFFFFFFFF, (step >> 32) & 0xFFFFFFFF)
    )
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0 = (p1 >> _HALF) ^ c1 ^ np.uint64(k0)
        c2 = (p0 >> _HALF) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & _LOW, p0 & _LOW
        k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def _words(n: int, per_group: int, seed: int, stream: int, step: int) -> Array:
    """Groups of 16 blocks, enough for n elements: (groups, 4, 16) uint32."""
    groups = -(-n // per_group)
    words = philox(seed, np.arange(groups * LANES), stream, step)
    return words.reshape(4, groups, LANES).transpose(1, 0, 2)


def _unit(words: Array) -> Array:
    """Uniform numbers in [0, 1) with 24 bits."""
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def keep_mask(n: int, rate: float, seed: int, stream: int, step: int) -> Array:
    """Which of n elements dropout keeps: those whose 16 bits are not below the rate."""
    words = _words(n, 8 * LANES, seed, stream, step)
    halves = np.stack([words & np.uint32(0xFFFF), words >> np.uint32(16)], axis=2)
    kept: Array = halves.ravel()[:n] >= np.rint(65536.0 * rate)
    return kept


def dropout(x: Any, *, rate: float, stream: int, seed: int, step: int) -> Any:
    keep = keep_mask(x.size, rate, seed, stream, step).reshape(x.shape)
    return np.where(keep, x * x.dtype.type(np.float32(1.0 / (1.0 - rate))), x.dtype.type(0))


def _dims(like: tuple[Array, ...], shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(like[0].shape[0] if d == -1 else d for d in shape)


def random_uniform(*like: Array, shape: Sequence[int], stream: int, seed: int, step: int) -> Any:
    dims = _dims(like, shape)
    n = math.prod(dims)
    return _unit(_words(n, 4 * LANES, seed, stream, step)).ravel()[:n].reshape(dims)


def random_normal(*like: Array, shape: Sequence[int], stream: int, seed: int, step: int) -> Any:
    """Box-Muller on words (0, 1) and (2, 3) of each block."""
    dims = _dims(like, shape)
    n = math.prod(dims)
    words = _words(n, 4 * LANES, seed, stream, step)
    u = np.float32(1.0) - _unit(words[:, 0::2])
    angle = np.float32(2.0 * np.pi) * _unit(words[:, 1::2])
    radius = np.sqrt(np.float32(-2.0) * np.log(u))
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2)
    return pairs.ravel()[:n].reshape(dims)


EVAL: dict[str, Callable[..., Any]] = {
    "dropout": dropout,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
}
STATEFUL = frozenset(EVAL)
