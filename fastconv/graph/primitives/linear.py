"""Matrix products and convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.primitive import Node, Spec, bind, primitive
from fastconv.graph.primitives.common import (
    broadcast_shapes,
    need_float,
    need_rank,
    need_shape,
    unbroadcast,
)
from fastconv.graph.tensor import Tensor

Cotangents = list[Tensor | None]


# Matrix products


def _matmul_rule(a: Tensor, b: Tensor, *, transpose_a: int = 0, transpose_b: int = 0) -> Spec:
    need_float("matmul", a=a, b=b)
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"matmul: operands need at least 2 axes, got {a.shape} and {b.shape}")
    m, k = (a.shape[-1], a.shape[-2]) if transpose_a else (a.shape[-2], a.shape[-1])
    k2, n = (b.shape[-1], b.shape[-2]) if transpose_b else (b.shape[-2], b.shape[-1])
    if k != k2:
        flags = f"transpose_a={int(transpose_a)}, transpose_b={int(transpose_b)}"
        raise ValueError(f"matmul: inner dimensions differ, got {a.shape} and {b.shape} ({flags})")
    if n is None or (m is None and max(a.ndim, b.ndim) > 2):
        raise ValueError(
            f"matmul: the batch must be the first axis of the result, got {a.shape} and {b.shape}"
        )
    leading = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    return (*leading, m, n), a.dtype


def _matmul_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    a, b = node.inputs
    ta, tb = (int(node.attrs.get(k, 0)) for k in ("transpose_a", "transpose_b"))
    dy = cotangents[0]
    if ta:
        da = bind("matmul", b, dy, transpose_a=tb, transpose_b=1)
    else:
        da = bind("matmul", dy, b, transpose_a=0, transpose_b=1 - tb)
    if tb:
        db = bind("matmul", dy, a, transpose_a=1, transpose_b=ta)
    else:
        db = bind("matmul", a, dy, transpose_a=1 - ta, transpose_b=0)
    return [unbroadcast(da, a), unbroadcast(db, b)]


# Dense layers and convolutions can read their operands as bfloat16: precision="bfloat16".
PRECISIONS = ("float32", "bfloat16")


def _precision(node: Node) -> dict[str, str]:
    return {k: v for k, v in node.attrs.items() if k == "precision"}


def check_precision(name: str, precision: str) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"{name}: precision must be one of {PRECISIONS}, got {precision!r}")


def _dense_rule(x: Tensor, w: Tensor, *bias: Tensor, precision: str = "float32") -> Spec:
    check_precision("dense", precision)
    need_float("dense", inputs=x, kernel=w)
    need_rank("dense", "kernel", w, 2, "(inputs, units)")
    if x.ndim < 1 or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"dense: the kernel of shape {w.shape} needs inputs (..., {w.shape[0]}), got {x.shape}"
        )
    for b in bias:
        need_shape("dense", "bias", b, w.shape[1:])
    return (*x.shape[:-1], w.shape[1]), x.dtype


def _dense_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    x, w = node.inputs[:2]
    dy = cotangents[0]
    precision = _precision(node)
    dx = bind("dense_input_grad", dy, w, **precision)
    if len(node.inputs) == 3:
        return [dx, *bind("dense_weight_grad", x, dy, bias=1, **precision)]
    return [dx, bind("dense_weight_grad", x, dy, **precision)]


def _dense_input_grad_rule(dy: Tensor, w: Tensor, *, precision: str = "float32") -> Spec:
    check_precision("dense_input_grad", precision)
    need_float("dense_input_grad", dy=dy, kernel=w)
    need_rank("dense_input_grad", "kernel", w, 2, "(inputs, units)")
    if dy.ndim < 1 or dy.shape[-1] != w.shape[1]:
        raise ValueError(f"dense_input_grad: dy {dy.shape} does not fit a kernel {w.shape}")
    return (*dy.shape[:-1], w.shape[0]), dy.dtype


def _dense_input_grad_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    dy, w = node.inputs
    ct = cotangents[0]
    precision = _precision(node)
    return [bind("dense", ct, w, **precision), bind("dense_weight_grad", ct, dy, **precision)]


def _dense_weight_grad_rule(
    x: Tensor, dy: Tensor, *, bias: int = 0, precision: str = "float32"
) -> Spec | list[Spec]:
    check_precision("dense_weight_grad", precision)
    need_float("dense_weight_grad", x=x, dy=dy)
    if x.shape[:-1] != dy.shape[:-1]:
        raise ValueError(f"dense_weight_grad: x {x.shape} does not go with dy {dy.shape}")
    dw = ((x.shape[-1], dy.shape[-1]), x.dtype)
    return [dw, (dy.shape[-1:], x.dtype)] if bias else dw


def _dense_weight_grad_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    x, dy = node.inputs
    ct, ct_bias = cotangents[0], cotangents[-1] if node.attrs.get("bias") else None
    precision = _precision(node)
    dx = None if ct is None else bind("dense_input_grad", dy, ct, **precision)
    ddy = None if ct is None else bind("dense", x, ct, **precision)
    return [dx, _plus_row(ddy, ct_bias, dy)]


def _plus_row(y: Any, row: Any, like: Tensor) -> Any:
    """y + row broadcast to the shape of ``like``; either may be None."""
    if row is None:
        return y
    if y is not None:
        return bind("add", y, row)
    return bind("add", bind("multiply", like, 0.0), row)


primitive("matmul", _matmul_rule, _matmul_vjp)
primitive("dense", _dense_rule, _dense_vjp)
primitive("dense_input_grad", _dense_input_grad_rule, _dense_input_grad_vjp)
primitive("dense_weight_grad", _dense_weight_grad_rule, _dense_weight_grad_vjp)


# Convolutions: NHWC inputs, HWIO kernels with I = channels / groups


def check_window(
    name: str, strides: Sequence[int], dilation: Sequence[int], padding: Sequence[int]
) -> None:
    if len(strides) != 2 or min(strides) < 1:
        raise ValueError(f"{name}: strides must be two positive integers, got {list(strides)}")
    if len(dilation) != 2 or min(dilation) < 1:
        raise ValueError(f"{name}: dilation must be two positive integers, got {list(dilation)}")
    if len(padding) != 4 or min(padding) < 0:
        raise ValueError(
            f"{name}: padding must be [top, bottom, left, right], none negative, "
            f"got {list(padding)}"
        )


def window_counts(
    name: str,
    size: Sequence[int | None],
    kernel: Sequence[int | None],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
) -> tuple[int, int]:
    """Output height and width of a window that slides over ``size``."""
    check_window(name, strides, dilation, padding)
    counts = []
    for i in range(2):
        n, k = size[i], kernel[i]
        assert n is not None
        assert k is not None
        reach = dilation[i] * (k - 1) + 1
        padded = n + padding[2 * i] + padding[2 * i + 1]
        if k < 1 or padded < reach:
            raise ValueError(
                f"{name}: a window of {tuple(kernel)} with dilation {tuple(dilation)} does not fit "
                f"an image of {tuple(size)} with padding {list(padding)}"
            )
        counts.append((padded - reach) // strides[i] + 1)
    return counts[0], counts[1]


def _conv2d_rule(
    x: Tensor,
    w: Tensor,
    *bias: Tensor,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
    precision: str = "float32",
) -> Spec:
    check_precision("conv2d", precision)
    need_float("conv2d", inputs=x, kernel=w)
    need_rank("conv2d", "inputs", x, 4, "(batch, height, width, channels)")
    need_rank("conv2d", "kernel", w, 4, "(height, width, channels / groups, filters)")
    kh, kw, depth, filters = w.shape
    assert depth is not None
    assert filters is not None
    if groups < 1 or depth * groups != x.shape[3]:
        raise ValueError(
            f"conv2d: a kernel of shape {w.shape} with groups={groups} needs inputs with "
            f"{depth * groups} channels, got {x.shape}"
        )
    if filters % groups:
        raise ValueError(f"conv2d: {filters} filters do not divide into groups={groups}")
    for b in bias:
        need_shape("conv2d", "bias", b, (filters,))
    oh, ow = window_counts("conv2d", x.shape[1:3], (kh, kw), strides, dilation, padding)
    return (x.shape[0], oh, ow, filters), x.dtype


def _geometry(node: Node) -> dict[str, Any]:
    """The attributes that a convolution shares with its gradients."""
    shared = {k: node.attrs[k] for k in ("strides", "padding", "dilation", "groups")}
    return shared | _precision(node)


def _conv2d_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    x, w = node.inputs[:2]
    dy, geometry = cotangents[0], _geometry(node)
    dx = bind("conv2d_input_grad", dy, w, **geometry, input_shape=list(x.shape[1:3]))
    kernel_shape = list(w.shape[:2])
    if len(node.inputs) == 3:
        grads = bind("conv2d_weight_grad", x, dy, **geometry, kernel_shape=kernel_shape, bias=1)
        return [dx, *grads]
    return [dx, bind("conv2d_weight_grad", x, dy, **geometry, kernel_shape=kernel_shape)]


def _conv2d_input_grad_rule(
    dy: Tensor,
    w: Tensor,
    *,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    input_shape: Sequence[int],
    groups: int = 1,
    precision: str = "float32",
) -> Spec:
    name = "conv2d_input_grad"
    check_precision(name, precision)
    need_float(name, dy=dy, kernel=w)
    need_rank(name, "dy", dy, 4, "(batch, height, width, filters)")
    need_rank(name, "kernel", w, 4, "(height, width, channels / groups, filters)")
    depth = w.shape[2]
    assert depth is not None
    counts = window_counts(name, input_shape, w.shape[:2], strides, dilation, padding)
    if dy.shape[1:] != (*counts, w.shape[3]):
        raise ValueError(
            f"{name}: dy must have shape (batch, {counts[0]}, {counts[1]}, {w.shape[3]}), "
            f"got {dy.shape}"
        )
    return (dy.shape[0], *input_shape, depth * groups), dy.dtype


def _conv2d_input_grad_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    dy, w = node.inputs
    ct, geometry = cotangents[0], _geometry(node)
    return [
        bind("conv2d", ct, w, **geometry),
        bind("conv2d_weight_grad", ct, dy, **geometry, kernel_shape=list(w.shape[:2])),
    ]


def _conv2d_weight_grad_rule(
    x: Tensor,
    dy: Tensor,
    *,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    kernel_shape: Sequence[int],
    groups: int = 1,
    bias: int = 0,
    precision: str = "float32",
) -> Spec | list[Spec]:
    name = "conv2d_weight_grad"
    check_precision(name, precision)
    need_float(name, x=x, dy=dy)
    need_rank(name, "x", x, 4, "(batch, height, width, channels)")
    need_rank(name, "dy", dy, 4, "(batch, height, width, filters)")
    counts = window_counts(name, x.shape[1:3], kernel_shape, strides, dilation, padding)
    if dy.shape[:3] != (x.shape[0], *counts):
        raise ValueError(
            f"{name}: dy must have shape ({x.shape[0]}, {counts[0]}, {counts[1]}, filters), "
            f"got {dy.shape}"
        )
    channels = x.shape[3]
    assert channels is not None
    dw = ((*kernel_shape, channels // groups, dy.shape[3]), x.dtype)
    return [dw, (dy.shape[3:], x.dtype)] if bias else dw


def _conv2d_weight_grad_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    x, dy = node.inputs
    geometry = _geometry(node)
    ct, ct_bias = cotangents[0], cotangents[-1] if node.attrs.get("bias") else None
    dx = ddy = None
    if ct is not None:
        dx = bind("conv2d_input_grad", dy, ct, **geometry, input_shape=list(x.shape[1:3]))
        ddy = bind("conv2d", x, ct, **geometry)
    return [dx, _plus_row(ddy, ct_bias, dy)]


def _im2col_rule(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Spec:
    need_float("im2col", inputs=x)
    need_rank("im2col", "inputs", x, 4, "(batch, height, width, channels)")
    oh, ow = window_counts("im2col", x.shape[1:3], kernel_shape, strides, dilation, padding)
    channels = x.shape[3]
    assert channels is not None
    return (x.shape[0], oh, ow, kernel_shape[0] * kernel_shape[1] * channels), x.dtype


def _im2col_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    size = list(node.inputs[0].shape[1:3])
    return [bind("col2im", cotangents[0], **node.attrs, input_shape=size)]


def _col2im_rule(
    cols: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    input_shape: Sequence[int],
) -> Spec:
    need_float("col2im", columns=cols)
    need_rank("col2im", "columns", cols, 4, "(batch, height, width, kernel size * channels)")
    counts = window_counts("col2im", input_shape, kernel_shape, strides, dilation, padding)
    taps, depth = kernel_shape[0] * kernel_shape[1], cols.shape[3]
    assert depth is not None
    if cols.shape[1:3] != counts or depth % taps:
        raise ValueError(
            f"col2im: columns must have shape (batch, {counts[0]}, {counts[1]}, "
            f"{taps} * channels), got {cols.shape}"
        )
    return (cols.shape[0], *input_shape, depth // taps), cols.dtype


def _col2im_vjp(node: Node, cotangents: Cotangents) -> Cotangents:
    attrs = {k: v for k, v in node.attrs.items() if k != "input_shape"}
    return [bind("im2col", cotangents[0], **attrs)]


primitive("conv2d", _conv2d_rule, _conv2d_vjp)
primitive("conv2d_input_grad", _conv2d_input_grad_rule, _conv2d_input_grad_vjp)
primitive("conv2d_weight_grad", _conv2d_weight_grad_rule, _conv2d_weight_grad_vjp)
primitive("im2col", _im2col_rule, _im2col_vjp)
primitive("col2im", _col2im_rule, _col2im_vjp)
