"""Softmax and its cross-entropies in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array


def _softmax(x: Array) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _log_softmax(x: Array) -> Any:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _softmax_grad(dy: Array, y: Array) -> Any:
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def _log_softmax_grad(dy: Array, y: Array) -> Any:
    return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


def _cross_entropy(logits: Array, targets: Array) -> Any:
    return -(targets * _log_softmax(logits)).sum(axis=-1), _softmax(logits)


def _picked(labels: Array, classes: int) -> Any:
    """True at each row's label; nowhere if the label is out of range."""
    return labels[..., None] == np.arange(classes)


def _sparse(logits: Array, labels: Array) -> Any:
    """A label out of range makes the loss NaN."""
    picked = _picked(labels, logits.shape[-1])
    loss = -np.where(picked, _log_softmax(logits), logits.dtype.type(0)).sum(axis=-1)
    return np.where(picked.any(axis=-1), loss, logits.dtype.type(np.nan)), _softmax(logits)


def _sparse_grad(dloss: Array, probabilities: Array, labels: Array) -> Any:
    picked = _picked(labels, probabilities.shape[-1])
    return (probabilities - picked.astype(probabilities.dtype)) * dloss[..., None]


EVAL: dict[str, Callable[..., Any]] = {
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "softmax_grad": _softmax_grad,
    "log_softmax_grad": _log_softmax_grad,
    "softmax_cross_entropy": _cross_entropy,
    "sparse_softmax_cross_entropy": _sparse,
    "sparse_softmax_cross_entropy_grad": _sparse_grad,
}
