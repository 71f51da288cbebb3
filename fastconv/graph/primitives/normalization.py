"""Batch normalization with the statistics of the batch, over every axis but the last."""

from __future__ import annotations

from typing import Any

from fastconv.graph.primitive import Node, Spec, bind, primitive
from fastconv.graph.primitives.common import (
    broadcast_like,
    need_float,
    need_shape,
    not_differentiable,
)
from fastconv.graph.tensor import Tensor


def _check(name: str, x: Tensor, epsilon: float, **rows: Tensor) -> None:
    need_float(name, inputs=x, **rows)
    if x.ndim < 2:
        raise ValueError(f"{name}: inputs must have shape (batch, ..., channels), got {x.shape}")
    if not epsilon > 0:
        raise ValueError(f"{name}: epsilon must be positive, got {epsilon}")
    for argument, row in rows.items():
        need_shape(name, argument, row, x.shape[-1:])


def _batch_norm_rule(x: Tensor, gamma: Tensor, beta: Tensor, *, epsilon: float) -> list[Spec]:
    _check("batch_norm", x, epsilon, gamma=gamma, beta=beta)
    row = (x.shape[-1:], gamma.dtype)
    return [(x.shape, x.dtype), row, row]


def _batch_norm_vjp(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    x, gamma, _beta = node.inputs
    _y, mean, variance = node.outputs
    dy, dmean, dvariance = cotangents
    dx: Any = None
    dgamma = dbeta = None
    if dy is not None:
        dx, dgamma, dbeta = bind("batch_norm_grad", dy, x, gamma, mean, variance, **node.attrs)
    count = bind("count", x, axes=list(range(x.ndim - 1)))
    if dmean is not None:
        part = broadcast_like(dmean / count, x)
        dx = part if dx is None else dx + part
    if dvariance is not None:
        part = (x - mean) * (dvariance * 2.0 / count)
        dx = part if dx is None else dx + part
    return [dx, dgamma, dbeta]


def _batch_norm_grad_rule(
    dy: Tensor, x: Tensor, gamma: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float
) -> list[Spec]:
    _check("batch_norm_grad", x, epsilon, gamma=gamma, mean=mean, variance=variance)
    need_shape("batch_norm_grad", "dy", dy, x.shape)
    row = (x.shape[-1:], gamma.dtype)
    return [(x.shape, x.dtype), row, row]


primitive("batch_norm", _batch_norm_rule, _batch_norm_vjp)
primitive("batch_norm_grad", _batch_norm_grad_rule, not_differentiable)
