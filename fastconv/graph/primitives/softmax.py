"""Softmax over the last axis, and its cross-entropies."""

from __future__ import annotations

from typing import Any

from fastconv.graph.primitive import Node, Spec, bind, primitive
from fastconv.graph.primitives.common import (
    is_float,
    need_float,
    need_shape,
    not_differentiable,
    sized,
)
from fastconv.graph.tensor import Tensor

Cotangents = list[Tensor | None]


def _rule(name: str) -> Any:
    def rule(x: Tensor) -> Spec:
        need_float(name, inputs=x)
        if x.ndim < 1 or x.shape[-1] in (0, None):
            raise ValueError(f"{name}: inputs must have shape (..., classes), got {x.shape}")
        return x.shape, x.dtype

    return rule


def _grad_rule(name: str) -> Any:
    def rule(dy: Tensor, y: Tensor) -> Spec:
        need_float(name, dy=dy, y=y)
        need_shape(name, "dy", dy, y.shape)
        return y.shape, y.dtype

    return rule


def _dot(a: Any, b: Any) -> Any:
    """Sum over the last axis of the product, kept."""
    return bind("sum", a * b, axes=[a.ndim - 1], keepdims=1)


def _softmax_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    return [bind("softmax_grad", cotangents[0], node.outputs[0])]


def _softmax_grad_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    dy, y = node.inputs
    ct: Any = cotangents[0]
    return [bind("softmax_grad", ct, y), ct * (dy - _dot(dy, y)) - dy * _dot(ct, y)]


def _log_softmax_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    return [bind("log_softmax_grad", cotangents[0], node.outputs[0])]


def _log_softmax_grad_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    """dx = dy - exp(y) * sum(dy)."""
    dy, y = node.inputs
    ct: Any = cotangents[0]
    p = bind("exp", y)
    total = bind("sum", dy, axes=[dy.ndim - 1], keepdims=1)
    return [ct - _dot(ct, p), -ct * p * total]


def _softmax_cross_entropy_rule(logits: Tensor, targets: Tensor) -> list[Spec]:
    name = "softmax_cross_entropy"
    need_float(name, logits=logits, targets=targets)
    if logits.ndim < 1 or logits.shape[-1] in (0, None):
        raise ValueError(f"{name}: logits must have shape (..., classes), got {logits.shape}")
    need_shape(name, "targets", targets, logits.shape)
    return [(logits.shape[:-1], logits.dtype), (logits.shape, logits.dtype)]


def _column(x: Any) -> Any:
    return bind("reshape", x, shape=[*sized(x.shape), 1])


def _softmax_cross_entropy_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    """For any targets t: d logits = (p * sum(t) - t) * d loss."""
    logits, targets = node.inputs
    p: Any = node.outputs[1]
    dloss, dp = cotangents
    dlogits = dtargets = None
    if dloss is not None:
        column = _column(dloss)
        total = bind("sum", targets, axes=[targets.ndim - 1], keepdims=1)
        dlogits = (p * total - targets) * column
        dtargets = bind("log_softmax", logits) * -column
    if dp is not None:
        part = bind("softmax_grad", dp, p)
        dlogits = part if dlogits is None else dlogits + part
    return [dlogits, dtargets]


def _sparse_rule(logits: Tensor, labels: Tensor) -> list[Spec]:
    name = "sparse_softmax_cross_entropy"
    need_float(name, logits=logits)
    if is_float(labels.dtype) or labels.dtype == "bool":
        raise TypeError(f"{name}: labels must be integers, got {labels.dtype}")
    if logits.ndim < 1 or logits.shape[-1] in (0, None):
        raise ValueError(f"{name}: logits must have shape (..., classes), got {logits.shape}")
    need_shape(name, "labels", labels, logits.shape[:-1])
    return [(logits.shape[:-1], logits.dtype), (logits.shape, logits.dtype)]


def _sparse_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    labels, p = node.inputs[1], node.outputs[1]
    dloss, dp = cotangents
    dlogits = None
    if dloss is not None:
        dlogits = bind("sparse_softmax_cross_entropy_grad", dloss, p, labels)
    if dp is not None:
        part = bind("softmax_grad", dp, p)
        dlogits = part if dlogits is None else dlogits + part
    return [dlogits, None]


def _sparse_grad_rule(dloss: Tensor, probabilities: Tensor, labels: Tensor) -> Spec:
    name = "sparse_softmax_cross_entropy_grad"
    need_shape(name, "dloss", dloss, probabilities.shape[:-1])
    need_shape(name, "labels", labels, probabilities.shape[:-1])
    return probabilities.shape, probabilities.dtype


primitive("softmax", _rule("softmax"), _softmax_vjp)
primitive("log_softmax", _rule("log_softmax"), _log_softmax_vjp)
primitive("softmax_grad", _grad_rule("softmax_grad"), _softmax_grad_vjp)
primitive("log_softmax_grad", _grad_rule("log_softmax_grad"), _log_softmax_grad_vjp)
primitive("softmax_cross_entropy", _softmax_cross_entropy_rule, _softmax_cross_entropy_vjp)
primitive("sparse_softmax_cross_entropy", _sparse_rule, _sparse_vjp)
primitive("sparse_softmax_cross_entropy_grad", _sparse_grad_rule, not_differentiable)
