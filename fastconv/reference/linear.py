"""Matrix products and convolutions in NumPy: im2col, then one product for each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from fastconv.graph.tensor import Array
from fastconv.reference.bfloat16 import round_to_bfloat16


def _matmul(a: Array, b: Array, *, transpose_a: int = 0, transpose_b: int = 0) -> Any:
    left = a.swapaxes(-1, -2) if transpose_a else a
    right = b.swapaxes(-1, -2) if transpose_b else b
    return left @ right


def _rows(x: Array) -> Any:
    return x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])


def _dense(x: Array, w: Array, *bias: Array) -> Any:
    y = (_rows(x) @ w).reshape(*x.shape[:-1], w.shape[1])
    return y + bias[0] if bias else y


def _dense_input_grad(dy: Array, w: Array) -> Any:
    return (_rows(dy) @ w.T).reshape(*dy.shape[:-1], w.shape[0])


def _dense_weight_grad(x: Array, dy: Array, *, bias: int = 0) -> Any:
    rows = _rows(dy)
    dw = _rows(x).T @ rows
    return (dw, rows.sum(axis=0)) if bias else dw


def pad_image(x: Array, padding: Sequence[int], value: float = 0.0) -> Any:
    if not any(padding):
        return x
    top, bottom, left, right = padding
    n, h, w, c = x.shape
    padded = np.full((n, h + top + bottom, w + left + right, c), value, x.dtype)
    padded[:, top : top + h, left : left + w] = x
    return padded


def windows(
    x: Array,
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int] = (1, 1),
    value: float = 0.0,
) -> Any:
    """A view of every window: (N, OH, OW, kh, kw, C)."""
    x = np.ascontiguousarray(pad_image(x, padding, value))
    n, h, w, c = x.shape
    counts = [
        (size - d * (k - 1) - 1) // s + 1
        for size, k, s, d in zip((h, w), kernel, strides, dilation, strict=True)
    ]
    sn, sh, sw, sc = x.strides
    # A stride beyond the image leads to no second window, and may be no number that NumPy takes.
    step_y, step_x = (min(s, size) for s, size in zip(strides, (h, w), strict=True))
    return as_strided(
        x,
        (n, *counts, *kernel, c),
        (sn, sh * step_y, sw * step_x, sh * dilation[0], sw * dilation[1], sc),
        writeable=False,
    )


def add_windows(
    view: Array,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    input_shape: Sequence[int],
) -> Any:
    """The transpose of ``windows``: (N, OH, OW, kh, kw, C) added up to (N, H, W, C)."""
    n, oh, ow, kh, kw, c = view.shape
    top, bottom, left, right = padding
    h, w = input_shape
    image = np.zeros((n, h + top + bottom, w + left + right, c), view.dtype)
    for ky in range(kh):
        for kx in range(kw):
            y, x = ky * dilation[0], kx * dilation[1]
            image[
                :,
                y : y + (oh - 1) * strides[0] + 1 : strides[0],
                x : x + (ow - 1) * strides[1] + 1 : strides[1],
            ] += view[:, :, :, ky, kx]
    return image[:, top : top + h, left : left + w]


def _im2col(
    x: Array,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Any:
    view = windows(x, kernel_shape, strides, padding, dilation)
    return view.reshape(*view.shape[:3], int(np.prod(view.shape[3:])))


def _col2im(
    cols: Array,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    input_shape: Sequence[int],
) -> Any:
    channels = cols.shape[3] // (kernel_shape[0] * kernel_shape[1])
    view = cols.reshape(*cols.shape[:3], *kernel_shape, channels)
    return add_windows(view, strides, padding, dilation, input_shape)


def _grouped_columns(view: Array, groups: int) -> Any:
    """Windows as matrices, one for each group: (groups, positions, kh * kw * C / groups)."""
    n, oh, ow, kh, kw, c = view.shape
    if groups == 1:
        return view.reshape(1, n * oh * ow, kh * kw * c)
    split = view.reshape(n, oh, ow, kh, kw, groups, c // groups)
    return split.transpose(5, 0, 1, 2, 3, 4, 6).reshape(
        groups, n * oh * ow, kh * kw * (c // groups)
    )


def _grouped_kernel(w: Array, groups: int) -> Any:
    """(groups, kh * kw * C / groups, filters / groups)."""
    kh, kw, depth, filters = w.shape
    split = w.reshape(kh * kw * depth, groups, filters // groups)
    return split.transpose(1, 0, 2)


def _grouped_rows(dy: Array, groups: int) -> Any:
    """(groups, positions, filters / groups)."""
    positions = int(np.prod(dy.shape[:3]))
    return dy.reshape(positions, groups, dy.shape[3] // groups).transpose(1, 0, 2)


def _conv2d(
    x: Array,
    w: Array,
    *bias: Array,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Any:
    view = windows(x, w.shape[:2], strides, padding, dilation)
    y = _grouped_columns(view, groups) @ _grouped_kernel(w, groups)
    y = y.transpose(1, 0, 2).reshape(*view.shape[:3], w.shape[3])
    return y + bias[0] if bias else y


def _conv2d_input_grad(
    dy: Array,
    w: Array,
    *,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    input_shape: Sequence[int],
    groups: int = 1,
) -> Any:
    kh, kw, depth, _ = w.shape
    n, oh, ow, _ = dy.shape
    cols = _grouped_rows(dy, groups) @ _grouped_kernel(w, groups).swapaxes(1, 2)
    split = cols.reshape(groups, n, oh, ow, kh, kw, depth).transpose(1, 2, 3, 4, 5, 0, 6)
    view = split.reshape(n, oh, ow, kh, kw, groups * depth)
    return add_windows(view, strides, padding, dilation, input_shape)


def _conv2d_weight_grad(
    x: Array,
    dy: Array,
    *,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    kernel_shape: Sequence[int],
    groups: int = 1,
    bias: int = 0,
) -> Any:
    view = windows(x, kernel_shape, strides, padding, dilation)
    dw = _grouped_columns(view, groups).swapaxes(1, 2) @ _grouped_rows(dy, groups)
    depth = x.shape[3] // groups
    dw = dw.transpose(1, 0, 2).reshape(*kernel_shape, depth, dy.shape[3])
    return (dw, dy.sum(axis=(0, 1, 2))) if bias else dw


def _of_precision(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` with its two factors rounded where the attribute says so."""

    def product(a: Array, b: Array, *bias: Array, precision: str = "float32", **attrs: Any) -> Any:
        if precision == "bfloat16":
            a, b = round_to_bfloat16(a), round_to_bfloat16(b)
        return f(a, b, *bias, **attrs)

    return product


EVAL: dict[str, Callable[..., Any]] = {
    "matmul": _matmul,
    "dense": _of_precision(_dense),
    "dense_input_grad": _of_precision(_dense_input_grad),
    "dense_weight_grad": _of_precision(_dense_weight_grad),
    "conv2d": _of_precision(_conv2d),
    "conv2d_input_grad": _of_precision(_conv2d_input_grad),
    "conv2d_weight_grad": _of_precision(_conv2d_weight_grad),
    "im2col": _im2col,
    "col2im": _col2im,
}
