"""Convolutions and pools."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastconv import layers, ops
from onnx_nodes.node import OutOfScopeError, operator


def planes(x: Any) -> int:
    axes = x.ndim - 2
    if axes not in (1, 2):
        raise OutOfScopeError(f"has no windows over {axes} axes")
    return int(axes)


def last(x: Any) -> Any:
    return ops.moveaxis(x, 1, -1)


def first(x: Any) -> Any:
    return ops.moveaxis(x, -1, 1)


def borders(
    a: Any, size: Any, kernel: Any, strides: Any, dilation: Any, *, ceil: bool = False
) -> list[int]:
    """[before, after] of each axis."""
    mode = a.get("auto_pad", "NOTSET")
    n = len(size)
    pads = a.get("pads", [0] * (2 * n))
    result = []
    for i in range(n):
        reach = (kernel[i] - 1) * dilation[i] + 1
        if mode.startswith("SAME"):
            total = max(0, (math.ceil(size[i] / strides[i]) - 1) * strides[i] + reach - size[i])
            small, large = total // 2, total - total // 2
            result += [small, large] if mode == "SAME_UPPER" else [large, small]
            continue
        before, after = (0, 0) if mode == "VALID" else (pads[i], pads[i + n])
        if ceil:
            steps = math.ceil((size[i] + before + after - reach) / strides[i])
            if steps * strides[i] >= size[i] + before:  # a window must start inside
                steps -= 1
            after = max(after, steps * strides[i] + reach - size[i] - before)
        result += [before, after]
    return result


def four(pads: list[int]) -> list[int]:
    return pads if len(pads) == 4 else [0, 0, *pads]


@operator("Conv")
def conv(a: Any, x: Any, w: Any, bias: Any = None) -> Any:
    n = planes(x)
    kernel, strides = w.shape[2:], a.get("strides", [1] * n)
    dilation = a.get("dilations", [1] * n)
    pads = borders(a, x.shape[2:], kernel, strides, dilation)
    order = (*range(2, n + 2), 1, 0)
    return first(
        ops.conv(
            last(x), ops.transpose(w, order), strides=strides, padding=four(pads),
            dilation_rate=dilation, bias=bias,
        )
    )  # fmt: skip


@operator("ConvTranspose")
def conv_transpose(a: Any, x: Any, w: Any, bias: Any = None) -> Any:
    n = planes(x)
    strides, dilation = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    extra = a.get("output_padding", [0] * n)
    mode, shape = a.get("auto_pad", "NOTSET"), a.get("output_shape")
    if mode.startswith("SAME"):
        shape = shape or [d * s for d, s in zip(x.shape[2:], strides, strict=True)]
    pads = a.get("pads", [0] * (2 * n))
    sides = [[pads[i], pads[i + n]] for i in range(n)]
    if shape is not None:
        shape = shape[-n:]
        for i in range(n):
            reach = (w.shape[2 + i] - 1) * dilation[i] + 1
            total = (x.shape[2 + i] - 1) * strides[i] + extra[i] + reach - shape[i]
            if total < 0:  # rows that no window reaches
                extra[i], total = extra[i] - total, 0
            small, large = total // 2, total - total // 2
            sides[i] = [small, large] if mode == "SAME_UPPER" else [large, small]
    order = (*range(2, n + 2), 1, 0)
    y = ops.conv_transpose(
        last(x), ops.transpose(w, order), strides=strides,
        padding=four([p for side in sides for p in side]), output_padding=extra,
        dilation_rate=dilation, groups=a.get("group", 1), bias=bias,
    )  # fmt: skip
    return first(y)


def window(a: Any, x: Any) -> tuple[Any, Any, list[int]]:
    n = planes(x)
    if any(d != 1 for d in a.get("dilations", [1])):
        raise OutOfScopeError("has no pooling windows with gaps")
    kernel, strides = a["kernel_shape"], a.get("strides", [1] * n)
    ceil = bool(a.get("ceil_mode", 0))
    return kernel, strides, borders(a, x.shape[2:], kernel, strides, [1] * n, ceil=ceil)


@operator("MaxPool")
def max_pool(a: Any, x: Any) -> Any:
    if len([o for o in a.outputs if o]) > 1:
        raise OutOfScopeError("has no positions of maxima")
    kernel, strides, pads = window(a, x)
    return first(ops.max_pool(last(x), kernel, strides, four(pads))).astype(x.dtype)


@operator("AveragePool")
def average_pool(a: Any, x: Any) -> Any:
    kernel, strides, pads = window(a, x)
    y = last(x)
    if not a.get("count_include_pad", 0):
        return first(ops.average_pool(y, kernel, strides, four(pads)))
    inside = dict(a, ceil_mode=0)
    own = borders(inside, x.shape[2:], kernel, strides, [1] * len(kernel))
    zeros = [(0, 0), *zip(own[::2], own[1::2], strict=True), (0, 0)]
    more = [p - q for p, q in zip(pads, own, strict=True)]
    return first(ops.average_pool(ops.pad(y, zeros), kernel, strides, four(more)))


@operator("LpPool")
def lp_pool(a: Any, x: Any) -> Any:
    kernel, strides, pads = window(a, x)
    p = a.get("p", 2)
    zeros = [(0, 0), *zip(pads[::2], pads[1::2], strict=True), (0, 0)]
    powers = ops.pad(ops.power(ops.abs(last(x)), p), zeros)
    total = ops.average_pool(powers, kernel, strides) * float(np.prod(kernel))
    return first(ops.power(total, 1.0 / p))


def _global(kind: str, x: Any) -> Any:
    layer = getattr(layers, f"Global{kind}Pooling{planes(x)}D")
    return layer(data_format="channels_first", keepdims=True)(x)


@operator("GlobalAveragePool")
def global_average_pool(a: Any, x: Any) -> Any:
    return _global("Average", x)


@operator("GlobalMaxPool")
def global_max_pool(a: Any, x: Any) -> Any:
    return _global("Max", x)


@operator("Col2Im")
def col2im(a: Any, columns: Any, size: Any, block: Any) -> Any:
    if len(size) != 2:
        raise OutOfScopeError(f"has no windows over {len(size)} axes")
    kernel = [int(k) for k in block]
    strides, dilation = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    pads = a.get("pads", [0] * 4)
    area = kernel[0] * kernel[1]
    n, depth, _ = columns.shape
    sides = [pads[0], pads[2], pads[1], pads[3]]
    steps = [
        (int(size[i]) + sides[2 * i] + sides[2 * i + 1] - (kernel[i] - 1) * dilation[i] - 1)
        // strides[i] + 1
        for i in (0, 1)
    ]  # fmt: skip
    rows = ops.reshape(columns, (n, depth // area, area, *steps))
    rows = ops.reshape(ops.transpose(rows, (0, 3, 4, 2, 1)), (n, *steps, depth))
    return first(ops.col2im(rows, [int(s) for s in size], kernel, strides, sides, dilation))


@operator("DepthToSpace")
def depth_to_space(a: Any, x: Any) -> Any:
    b, c = a["blocksize"], x.shape[1]
    y = last(x)
    if a.get("mode", "DCR") == "CRD":
        parts = ops.reshape(y, (*y.shape[:3], c // (b * b), b * b))
        y = ops.reshape(ops.swapaxes(parts, 3, 4), y.shape)
    return first(ops.depth_to_space(y, b))


@operator("SpaceToDepth")
def space_to_depth(a: Any, x: Any) -> Any:
    b, c = a["blocksize"], x.shape[1]
    y = ops.space_to_depth(last(x), b)
    if a.get("mode", "DCR") == "CRD":
        parts = ops.reshape(y, (*y.shape[:3], b * b, c))
        y = ops.reshape(ops.swapaxes(parts, 3, 4), y.shape)
    return first(y)
