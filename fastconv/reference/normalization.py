"""Batch normalization in NumPy (Ioffe and Szegedy, 2015)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array


def _rows(x: Array) -> Any:
    return x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])


def _batch_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float) -> Any:
    rows = _rows(x)
    n = rows.dtype.type(max(1, len(rows)))
    mean = rows.sum(axis=0) / n
    centered = rows - mean
    variance = np.square(centered).sum(axis=0) / n
    y = centered * (gamma / np.sqrt(variance + x.dtype.type(epsilon))) + beta
    return y.reshape(x.shape), mean, variance


def _batch_norm_grad(
    dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, *, epsilon: float
) -> Any:
    inverse = 1 / np.sqrt(variance + x.dtype.type(epsilon))
    normal = (_rows(x) - mean) * inverse
    rows = _rows(dy)
    n = rows.dtype.type(max(1, len(rows)))
    dbeta = rows.sum(axis=0)
    dgamma = (rows * normal).sum(axis=0)
    dx = (gamma * inverse) * (rows - dbeta / n - normal * (dgamma / n))
    return dx.reshape(x.shape), dgamma, dbeta


EVAL: dict[str, Callable[..., Any]] = {
    "batch_norm": _batch_norm,
    "batch_norm_grad": _batch_norm_grad,
}
