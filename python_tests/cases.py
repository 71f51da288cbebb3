"""The table of cases: every primitive on shapes that matter.

The rows drive the tests of the reference, of the gradients and of the C++ kernels, and the
benchmarks of single operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from case import (
    Arg,
    Case,
    Draw,
    below,
    booleans,
    constant,
    distribution,
    fraction,
    normal,
    positive,
    ties,
    wide,
)

from fastconv.graph import PRIMITIVES
from fastconv.graph.primitives.host import HostFunction


def _size(shape: Sequence[int]) -> int:
    return math.prod(shape)


# Pointwise


def _pointwise() -> list[Case]:
    rows: list[Case] = []
    unary: dict[str, tuple[Draw, float, bool]] = {
        "negative": (normal, 0.0, True),
        "absolute": (normal, 0.0, True),
        "exp": (normal, 3e-7, True),
        "expm1": (normal, 3e-7, True),
        "log": (positive, 3e-7, True),
        "log1p": (positive, 3e-7, True),
        "sqrt": (positive, 2e-7, True),
        "rsqrt": (positive, 3e-7, True),
        "square": (normal, 2e-7, True),
        "reciprocal": (positive, 2e-7, True),
        "sign": (ties, 0.0, False),
        "tanh": (normal, 4e-7, True),
        "sigmoid": (wide, 4e-7, True),
        "softplus": (wide, 4e-7, True),
        "relu": (normal, 0.0, True),
        "erf": (normal, 1e-6, True),
        "sin": (wide, 5e-7, True),
        "cos": (wide, 5e-7, True),
        "floor": (wide, 0.0, False),
        "ceil": (wide, 0.0, False),
        "round": (wide, 0.0, False),
        "isnan": (normal, 0.0, False),
        "isfinite": (normal, 0.0, False),
        "logical_not": (ties, 0.0, False),
        "identity": (normal, 0.0, True),
        "stop_gradient": (normal, 0.0, False),
    }
    for name, (draw, bound, smooth) in unary.items():
        for shape in ((3, 5, 7, 11), (1, 1), (2, 1000)):
            rows.append(
                Case(name, (Arg(shape, draw, batched=True),), {}, bound, _size(shape), smooth)
            )
    x = Arg((4, 37), normal, batched=True)
    y = Arg((4, 37), normal, batched=True)
    rows += [
        Case("leaky_relu", (x,), {"negative_slope": 0.3}, 2e-7, 148),
        Case("elu", (x,), {"alpha": 1.5}, 4e-7, 148),
        Case("cast", (Arg((4, 37), ties, True),), {"dtype": "int32"}, 0.0, 148, False),
        Case("cast", (Arg((4, 37), below(9), True),), {"dtype": "float32"}, 0.0, 148, False),
        Case("cast", (Arg((4, 37), ties, True),), {"dtype": "bool"}, 0.0, 148, False),
        Case("cast", (x,), {"dtype": "bfloat16"}, 0.0, 148, False),
        Case("autocast", (x,), {"dtype": "bfloat16"}, 0.0, 148, False),
        Case("dropout", (Arg((5, 300), normal, True),), {"rate": 0.25, "stream": 3}, 2e-7, 1500),
        Case("dropout", (Arg((1, 3), normal, True),), {"rate": 0.5, "stream": 0}, 2e-7, 3),
        Case(
            "dropout", (Arg((3, 7, 7, 19), normal, True),), {"rate": 0.9, "stream": 7}, 2e-7, 2793
        ),
        Case("relu_grad", (x, y), {}, 0.0, 148),
        Case("tanh_grad", (x, Arg((4, 37), fraction, True)), {}, 4e-7, 444),
        Case("sigmoid_grad", (x, Arg((4, 37), fraction, True)), {}, 4e-7, 444),
        Case("leaky_relu_grad", (x, y), {"negative_slope": 0.3}, 2e-7, 148),
        Case("elu_grad", (x, y), {"alpha": 1.0}, 2e-7, 148),
    ]
    pairs = (
        (Arg((3, 5, 8), positive, True), Arg((3, 5, 8), positive, True)),
        (Arg((3, 5, 8), positive, True), Arg((8,), positive)),
        (Arg((3, 5, 8), positive, True), Arg((5, 1), positive)),
        (Arg((), positive), Arg((3, 5, 8), positive, True)),
        (Arg((6, 1), positive, True), Arg((1, 9), positive)),
    )
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        for a, b in pairs:
            rows.append(Case(name, (a, b), {}, 2e-7, 120))
    rows += [
        Case("power", (pairs[0][0], pairs[0][1]), {}, 2e-6, 120),
        Case("power", (x, Arg((), constant(2.0))), {}, 2e-6, 148, False),
        Case("floor_divide", (x, Arg((4, 37), positive, True)), {}, 0.0, 148, False),
        Case("mod", (x, Arg((4, 37), positive, True)), {}, 1e-6, 148),
    ]
    for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"):
        for a, b in (
            (Arg((4, 37), ties, True), Arg((4, 37), ties, True)),
            (Arg((4, 37), below(3), True), Arg((37,), below(3))),
        ):
            rows.append(Case(name, (a, b), {}, 0.0, 148, False))
    for name in ("logical_and", "logical_or"):
        args = (Arg((4, 37), booleans, True), Arg((4, 37), booleans, True))
        rows.append(Case(name, args, {}, 0.0, 148, False))
    rows += [
        Case("where", (Arg((4, 37), booleans, True), x, y), {}, 0.0, 148),
        Case("where", (Arg((4, 1), booleans, True), x, Arg((37,))), {}, 0.0, 148),
    ]
    return rows


# Reductions


def _reductions() -> list[Case]:
    rows: list[Case] = []
    shapes: tuple[tuple[tuple[int, ...], list[int]], ...] = (
        ((5, 7, 3, 9), [0, 1, 2]),
        ((5, 7, 3, 9), [3]),
        ((5, 7, 3, 9), [1, 2]),
        ((5, 7, 3, 9), [0, 1, 2, 3]),
        ((33, 10), [0]),
        ((33, 10), [1]),
        ((4, 1030), [1]),
        ((300, 65), [0]),
        ((1, 1), [0, 1]),
    )
    for name in ("sum", "mean", "max", "min"):
        for shape, axes in shapes:
            for keepdims in (0, 1):
                bound = 0.0 if name in ("max", "min") else 2e-6
                attrs = {"axes": axes, "keepdims": keepdims}
                rows.append(Case(name, (Arg(shape, normal, True),), attrs, bound, _size(shape)))
    rows += [
        Case("max", (Arg((6, 8), ties, True),), {"axes": [1], "keepdims": 0}, 0.0, 48, False),
        Case("prod", (Arg((4, 6, 3), positive, True),), {"axes": [1], "keepdims": 0}, 1e-6, 72),
        Case("prod", (Arg((4, 6), ties, True),), {"axes": [1], "keepdims": 1}, 1e-6, 24),
        Case("count", (Arg((7, 3, 5), normal, True),), {"axes": [0, 2]}, 0.0, 0, False),
    ]
    for name in ("argmax", "argmin"):
        for shape, axis in (((9, 10), 1), ((3, 4, 5), 1), ((9, 10), 0), ((2, 1000), 1)):
            rows.append(
                Case(name, (Arg(shape, normal, True),), {"axis": axis}, 0.0, _size(shape), False)
            )
        rows.append(Case(name, (Arg((8, 12), ties, True),), {"axis": 1}, 0.0, 96, False))
    return rows


# Moving elements


def _moves() -> list[Case]:
    x = Arg((3, 4, 5, 6), normal, True)
    fixed = Arg((3, 4, 5))
    whole = {"starts": [0, 1, 0, 2], "stops": [-1, 4, 5, 6], "steps": [1, 2, 1, 3]}
    return [
        Case("reshape", (x,), {"shape": [-1, 120]}, 0.0),
        Case("reshape", (fixed,), {"shape": [12, 5]}, 0.0),
        Case("transpose", (x,), {"perm": [0, 3, 1, 2]}, 0.0),
        Case("transpose", (x,), {"perm": [0, 2, 1, 3]}, 0.0),
        Case("transpose", (fixed,), {"perm": [2, 0, 1]}, 0.0),
        Case("transpose", (Arg((70, 33)),), {"perm": [1, 0]}, 0.0),
        Case("concatenate", (x, Arg((3, 4, 5, 2), normal, True), x), {"axis": 3}, 0.0),
        Case("concatenate", (x, Arg((3, 1, 5, 6), normal, True)), {"axis": 1}, 0.0),
        Case("concatenate", (fixed, Arg((2, 4, 5))), {"axis": 0}, 0.0),
        Case("slice", (x,), whole, 0.0),
        Case("slice", (fixed,), {"starts": [1, 0, 4], "stops": [3, 4, 5], "steps": [1, 3, 1]}, 0.0),
        Case(
            "pad",
            (x,),
            {"pads": [0, 0, 1, 2, 3, 0, 0, 0], "interior": [0] * 4, "value": 0.0},
            0.0,
        ),
        Case(
            "pad",
            (x,),
            {"pads": [0, 0, 1, 1, 0, 2, 2, 0], "interior": [0, 1, 2, 0], "value": 0.0},
            0.0,
        ),
        Case("pad", (fixed,), {"pads": [1, 1, 0, 0, 2, 0], "interior": [0] * 3, "value": 1.5}, 0.0),
        Case("broadcast_to", (Arg((6,)), x), {"shape": [-1, 4, 5, 6]}, 0.0),
        Case("broadcast_to", (Arg(()), x), {"shape": [-1, 4, 5, 6]}, 0.0),
        Case("broadcast_to", (Arg((3, 1, 5, 1), normal, True),), {"shape": [-1, 4, 5, 6]}, 0.0),
        Case("broadcast_to", (Arg((4, 1)),), {"shape": [2, 4, 3]}, 0.0),
        Case("take", (Arg((10, 6)), Arg((3, 4), below(10), True)), {"axis": 0}, 0.0),
        Case("take", (x, Arg((7,), below(5))), {"axis": 2}, 0.0),
        Case("take", (x, Arg((3, 2, 5), below(4), True)), {"axis": 1, "batch_dims": 1}, 0.0),
        Case(
            "scatter_add",
            (Arg((3, 4, 6), normal, True), Arg((3, 4), below(10), True)),
            {"shape": [10, 6], "axis": 0},
            1e-6,
        ),
        Case(
            "scatter_add",
            (Arg((3, 4, 7, 6), normal, True), Arg((7,), below(5))),
            {"shape": [-1, 4, 5, 6], "axis": 2},
            1e-6,
        ),
        Case(
            "scatter_add",
            (Arg((3, 9, 6), normal, True), Arg((3, 9), below(5), True)),
            {"shape": [-1, 5, 6], "axis": 1, "batch_dims": 1},
            1e-6,
        ),
        Case("one_hot", (Arg((9,), below(12), True),), {"depth": 10}, 0.0, 0, False),
        Case("flip", (x,), {"axes": [2]}, 0.0),
        Case("flip", (x,), {"axes": [1, 3]}, 0.0),
    ]


# Products


def _in_bfloat16(*cases: Case) -> list[Case]:
    """The same with factors rounded to bfloat16: steps, without a gradient by differences."""
    return [
        replace(case, attrs={**case.attrs, "precision": "bfloat16"}, differentiable=False)
        for case in cases
    ]


def _products() -> list[Case]:
    rows: list[Case] = []

    def matmul(a: tuple[int, ...], b: tuple[int, ...], ta: int, tb: int, flops: int) -> Case:
        args = (Arg(a, normal, len(a) > 2), Arg(b, normal, len(b) > 2))
        return Case("matmul", args, {"transpose_a": ta, "transpose_b": tb}, 2e-6, flops)

    for m, k, n in ((5, 7, 3), (1, 1, 1), (64, 33, 65), (17, 300, 9)):
        for ta in (0, 1):
            for tb in (0, 1):
                a, b = (k, m) if ta else (m, k), (n, k) if tb else (k, n)
                rows.append(matmul(a, b, ta, tb, 2 * m * k * n))
    rows += [
        matmul((3, 5, 7), (3, 7, 4), 0, 0, 840),
        matmul((3, 7, 5), (3, 4, 7), 1, 1, 840),
        matmul((3, 2, 5, 7), (3, 1, 7, 4), 0, 0, 1680),
    ]
    for m, k, n in ((32, 784, 10), (1, 8, 12), (7, 5, 1), (3, 1, 4), (70, 130, 50), (5, 600, 256)):
        x, w, b = Arg((m, k), normal, True), Arg((k, n)), Arg((n,))
        dy = Arg((m, n), normal, True)
        flops = 2 * m * k * n
        rows += [
            Case("dense", (x, w), {}, 3e-6, flops),
            Case("dense", (x, w, b), {}, 3e-6, flops + m * n),
            Case("dense_input_grad", (dy, w), {}, 3e-6, flops),
            Case("dense_weight_grad", (x, dy), {}, 3e-6, flops),
            Case("dense_weight_grad", (x, dy), {"bias": 1}, 3e-6, flops + m * n),
            *_in_bfloat16(
                Case("dense", (x, w), {}, 3e-6, flops),
                Case("dense", (x, w, b), {}, 3e-6, flops + m * n),
                Case("dense_input_grad", (dy, w), {}, 3e-6, flops),
                Case("dense_weight_grad", (x, dy), {}, 3e-6, flops),
                Case("dense_weight_grad", (x, dy), {"bias": 1}, 3e-6, flops + m * n),
            ),
        ]
    x3 = Arg((4, 6, 9), normal, True)
    rows += [
        Case("dense", (x3, Arg((9, 5)), Arg((5,))), {}, 2e-6, 2160 + 120),
        Case(
            "dense_weight_grad", (x3, Arg((4, 6, 5), normal, True)), {"bias": 1}, 2e-6, 2160 + 120
        ),
    ]
    return rows


# Convolutions

# batch, height, width, channels, filters, kernel, strides, padding, dilation, groups
CONVOLUTIONS: tuple[tuple[Any, ...], ...] = (
    (2, 8, 8, 3, 8, (3, 3), (1, 1), [1, 1, 1, 1], (1, 1), 1),
    (3, 28, 28, 1, 32, (5, 5), (1, 1), [2, 2, 2, 2], (1, 1), 1),
    (2, 32, 32, 3, 32, (3, 3), (1, 1), [1, 1, 1, 1], (1, 1), 1),
    (2, 16, 16, 32, 64, (3, 3), (1, 1), [1, 1, 1, 1], (1, 1), 1),
    (2, 13, 11, 16, 24, (3, 3), (1, 1), [0, 0, 0, 0], (1, 1), 1),
    (1, 7, 9, 5, 7, (3, 3), (1, 1), [1, 1, 1, 1], (1, 1), 1),
    (2, 15, 15, 8, 16, (3, 3), (2, 2), [0, 1, 0, 1], (1, 1), 1),
    (2, 32, 32, 3, 32, (5, 5), (2, 2), [1, 2, 1, 2], (1, 1), 1),
    (2, 12, 12, 4, 6, (3, 3), (1, 1), [2, 2, 2, 2], (2, 2), 1),
    (2, 11, 14, 3, 5, (2, 3), (3, 2), [0, 1, 1, 0], (1, 2), 1),
    (3, 9, 9, 32, 48, (1, 1), (1, 1), [0, 0, 0, 0], (1, 1), 1),
    (2, 9, 9, 16, 8, (1, 1), (2, 2), [0, 0, 0, 0], (1, 1), 1),
    (2, 10, 10, 8, 12, (3, 3), (1, 1), [1, 1, 1, 1], (1, 1), 4),
    (2, 10, 10, 16, 16, (3, 3), (1, 1), [1, 1, 1, 1], (1, 1), 16),
    (2, 11, 11, 6, 12, (3, 3), (2, 2), [1, 1, 1, 1], (1, 1), 6),
    (2, 10, 10, 12, 12, (5, 5), (1, 1), [2, 2, 2, 2], (1, 1), 12),
    (2, 1, 20, 4, 8, (1, 5), (1, 1), [0, 0, 2, 2], (1, 1), 1),
    (1, 3, 3, 2, 4, (3, 3), (1, 1), [0, 0, 0, 0], (1, 1), 1),
    (2, 7, 7, 3, 4, (7, 7), (1, 1), [3, 3, 3, 3], (1, 1), 1),
    (1, 12, 256, 16, 16, (3, 3), (1, 1), [1, 1, 1, 1], (1, 1), 1),
)


def _convolutions() -> list[Case]:
    rows: list[Case] = []
    for n, h, w, c, f, (kh, kw), s, p, d, g in CONVOLUTIONS:
        oh = (h + p[0] + p[1] - d[0] * (kh - 1) - 1) // s[0] + 1
        ow = (w + p[2] + p[3] - d[1] * (kw - 1) - 1) // s[1] + 1
        geometry = {"strides": list(s), "padding": p, "dilation": list(d), "groups": g}
        x, dy = Arg((n, h, w, c), normal, True), Arg((n, oh, ow, f), normal, True)
        kernel, bias = Arg((kh, kw, c // g, f)), Arg((f,))
        flops = 2 * n * oh * ow * kh * kw * (c // g) * f
        back = {**geometry, "input_shape": [h, w]}
        weight = {**geometry, "kernel_shape": [kh, kw]}
        outputs = n * oh * ow * f
        rows += [
            Case("conv2d", (x, kernel), geometry, 1e-5, flops),
            Case("conv2d", (x, kernel, bias), geometry, 1e-5, flops + outputs),
            Case("conv2d_input_grad", (dy, kernel), back, 1e-5, flops),
            Case("conv2d_weight_grad", (x, dy), weight, 1e-5, flops),
            Case("conv2d_weight_grad", (x, dy), {**weight, "bias": 1}, 1e-5, flops + outputs),
        ]
        # F4 multiplies the rounding error of bfloat16 by about 5.
        winograd = (kh, kw, *s, *d, g) == (3, 3, 1, 1, 1, 1, 1)
        bound = 0.03 if winograd else 1e-5
        rows += _in_bfloat16(
            Case("conv2d", (x, kernel, bias), geometry, bound, flops + outputs),
            Case("conv2d_input_grad", (dy, kernel), back, bound, flops),
            Case("conv2d_weight_grad", (x, dy), {**weight, "bias": 1}, bound, flops + outputs),
        )
        if g == 1:
            window = {k: v for k, v in geometry.items() if k != "groups"}
            window["kernel_shape"] = [kh, kw]
            cols = Arg((n, oh, ow, kh * kw * c), normal, True)
            rows += [
                Case("im2col", (x,), window, 0.0),
                Case("col2im", (cols,), {**window, "input_shape": [h, w]}, 1e-6),
            ]
    return rows


# Pooling

POOLS: tuple[tuple[Any, ...], ...] = (
    (2, 8, 8, 5, (2, 2), (2, 2), [0, 0, 0, 0]),
    (2, 24, 24, 32, (2, 2), (2, 2), [0, 0, 0, 0]),
    (2, 9, 7, 3, (2, 2), (2, 2), [0, 0, 0, 0]),
    (2, 4, 4, 1, (3, 3), (2, 2), [0, 1, 0, 1]),
    (2, 11, 13, 18, (3, 3), (2, 2), [0, 0, 0, 0]),
    (1, 10, 10, 4, (3, 2), (1, 3), [1, 1, 0, 0]),
    (2, 6, 6, 7, (6, 6), (6, 6), [0, 0, 0, 0]),
    (1, 20, 20, 2, (17, 17), (1, 1), [0, 0, 0, 0]),
)


def _pools() -> list[Case]:
    rows: list[Case] = []
    for n, h, w, c, pool, s, p in POOLS:
        oh = (h + p[0] + p[1] - pool[0]) // s[0] + 1
        ow = (w + p[2] + p[3] - pool[1]) // s[1] + 1
        window = {"pool": list(pool), "strides": list(s), "padding": p}
        back = {**window, "input_shape": [h, w]}
        x, dy = Arg((n, h, w, c), normal, True), Arg((n, oh, ow, c), normal, True)
        flops = n * oh * ow * c * pool[0] * pool[1]
        rows += [
            Case("max_pool2d", (x,), window, 0.0, flops),
            Case("max_pool2d_grad", (dy, Arg(dy.shape, below(1), True)), back, 1e-6, flops, False),
            Case("average_pool2d", (x,), window, 1e-6, flops),
            Case("average_pool2d_grad", (dy,), back, 1e-6, flops),
        ]
    tied = Arg((2, 8, 8, 5), ties, True)
    window = {"pool": [3, 3], "strides": [2, 2], "padding": [0, 1, 0, 1]}
    rows.append(Case("max_pool2d", (tied,), window, 0.0, 720, False))
    return rows


# Normalization and softmax


def _normalizations() -> list[Case]:
    rows: list[Case] = []
    for shape in ((6, 5, 5, 8), (32, 20), (3, 9, 7, 33), (2, 16, 16, 64), (40, 1)):
        c = shape[-1]
        x, row, pos = Arg(shape, normal, True), Arg((c,)), Arg((c,), positive)
        rows += [
            Case("batch_norm", (x, pos, row), {"epsilon": 1e-3}, 2e-6, 8 * _size(shape)),
            Case(
                "batch_norm_grad",
                (x, Arg(shape, normal, True), pos, row, pos),
                {"epsilon": 1e-3},
                3e-6,
                10 * _size(shape),
                False,
            ),
        ]
    return rows


def _softmaxes() -> list[Case]:
    rows: list[Case] = []
    for shape in ((32, 10), (5, 1), (3, 4, 17), (2, 1000), (9, 3)):
        x, p = Arg(shape, wide, True), Arg(shape, distribution, True)
        labels = Arg(shape[:-1], below(shape[-1]), True)
        dloss, size = Arg(shape[:-1], normal, True), _size(shape)
        rows += [
            Case("softmax", (x,), {}, 1e-6, 4 * size),
            Case("log_softmax", (x,), {}, 1e-6, 4 * size),
            Case("softmax_grad", (Arg(shape, normal, True), p), {}, 1e-6, 4 * size),
            Case("log_softmax_grad", (Arg(shape, normal, True), x), {}, 2e-6, 4 * size),
            Case("softmax_cross_entropy", (x, p), {}, 2e-6, 6 * size),
            Case("sparse_softmax_cross_entropy", (x, labels), {}, 2e-6, 5 * size),
            Case(
                "sparse_softmax_cross_entropy_grad", (dloss, p, labels), {}, 1e-6, 2 * size, False
            ),
        ]
    return rows


# Random numbers


def _randoms() -> list[Case]:
    like = Arg((5, 3), normal, True)
    return [
        Case("random_uniform", (), {"shape": [7, 33], "stream": 2}, 0.0, 231, False),
        Case("random_uniform", (like,), {"shape": [-1, 50], "stream": 4}, 0.0, 250, False),
        Case("random_normal", (), {"shape": [7, 33], "stream": 2}, 2e-6, 231, False),
        Case("random_normal", (like,), {"shape": [-1, 50], "stream": 4}, 2e-6, 250, False),
    ]


# Optimizer rules


def _updates() -> list[Case]:
    rows: list[Case] = []
    lr, t = Arg((), constant(0.05)), Arg((), constant(3, "int32"))
    adam = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    rms = {"rho": 0.9, "epsilon": 1e-7}
    for shape in ((7, 5), (3, 3, 4, 8), (1001,)):
        w, g = Arg(shape, variable=True), Arg(shape)
        s, pos = Arg(shape, variable=True), Arg(shape, positive, variable=True)
        small = Arg(shape, constant(0.0), variable=True)
        u = Arg((), constant(0.7), variable=True)
        for decay in (0.0, 0.01):
            wd = {"weight_decay": decay}
            n = _size(shape)
            rows += [
                Case("sgd", (w, g, lr), wd, 1e-6, 2 * n),
                Case(
                    "momentum", (w, g, s, lr), {"momentum": 0.9, "nesterov": 0, **wd}, 1e-6, 4 * n
                ),
                Case(
                    "momentum", (w, g, s, lr), {"momentum": 0.9, "nesterov": 1, **wd}, 1e-6, 6 * n
                ),
                Case("rmsprop", (w, g, pos, lr), {**rms, **wd}, 1e-6, 8 * n),
                Case(
                    "rmsprop_momentum",
                    (w, g, pos, s, lr),
                    {**rms, "momentum": 0.9, **wd},
                    1e-6,
                    10 * n,
                ),
                Case("rmsprop_centered", (w, g, pos, small, lr), {**rms, **wd}, 2e-6, 12 * n),
                Case(
                    "rmsprop_centered_momentum",
                    (w, g, pos, small, s, lr),
                    {**rms, "momentum": 0.9, **wd},
                    2e-6,
                    14 * n,
                ),
                Case("adam", (w, g, s, pos, lr, t), {**adam, **wd}, 1e-6, 12 * n),
                Case("adam_amsgrad", (w, g, s, pos, pos, lr, t), {**adam, **wd}, 1e-6, 13 * n),
                Case("adagrad", (w, g, pos, lr), {"epsilon": 1e-7, **wd}, 1e-6, 6 * n),
                Case(
                    "adadelta",
                    (w, g, pos, pos, lr),
                    {"rho": 0.95, "epsilon": 1e-7, **wd},
                    1e-6,
                    14 * n,
                ),
                Case("nadam", (w, g, s, pos, u, lr, t), {**adam, **wd}, 1e-6, 16 * n),
                Case("adamax", (w, g, s, pos, lr, t), {**adam, **wd}, 1e-6, 8 * n),
            ]
    return rows


class _Doubled:
    """A gradient that is twice what comes back."""

    def __repr__(self) -> str:
        return "doubled"

    def __call__(self, dy: Any) -> Any:
        return dy * 2.0


def _hosts() -> list[Case]:
    def ranked(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sort(x * y, axis=-1)

    function = HostFunction(ranked, [((None, 5), "float32")], "ranked")
    x = Arg((3, 5), batched=True)
    return [
        Case("numpy_function", (x, x), {"function": function}),
        Case("custom_gradient", (x, x), {"gradient": _Doubled()}, differentiable=False),
    ]


CASES: list[Case] = [
    *_pointwise(),
    *_reductions(),
    *_moves(),
    *_products(),
    *_convolutions(),
    *_pools(),
    *_normalizations(),
    *_softmaxes(),
    *_randoms(),
    *_updates(),
    *_hosts(),
]
COVERED = {case.op for case in CASES}
UNCOVERED = set(PRIMITIVES) - COVERED
