"""Convolutions in three directions, by every algorithm, against sums over taps in float64."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastconv import _core

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]

ALGORITHMS = ("auto", "im2col", "direct", "winograd", "fast winograd")

# batch, height, width, channels, filters, kernel, strides, dilation, padding, groups
FIXED: list[tuple[Any, ...]] = [
    (2, 8, 9, 128, 150, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),  # several panels
    (2, 4, 5, 160, 130, (3, 3), (2, 2), (1, 1), (0, 1, 0, 1), 1),  # weights above 512 KB
    (2, 10, 11, 32, 16, (5, 5), (1, 1), (1, 1), (4, 4, 4, 4), 1),  # more padding than is clipped
    (2, 14, 14, 6, 16, (5, 5), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    (3, 28, 28, 1, 6, (5, 5), (1, 1), (1, 1), (2, 2, 2, 2), 1),
    (2, 9, 24, 3, 1, (3, 5), (1, 1), (1, 1), (1, 1, 2, 2), 1),  # pixels side by side: few filters
    (3, 7, 25, 5, 2, (4, 3), (2, 2), (1, 1), (0, 3, 0, 1), 1),  # ... with a stride and no right end
    (2, 5, 30, 20, 4, (3, 6), (1, 3), (2, 1), (1, 0, 3, 7), 1),
    (0, 6, 16, 2, 3, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    (2, 9, 8, 16, 32, (1, 1), (2, 2), (1, 1), (0, 0, 0, 0), 1),
    (2, 9, 8, 20, 33, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    (24, 20, 19, 24, 40, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),  # many blocks of rows
    (9, 20, 19, 32, 48, (1, 1), (2, 1), (1, 1), (0, 0, 0, 0), 1),  # several bands
    (2, 13, 12, 17, 5, (3, 2), (3, 2), (2, 3), (1, 2, 3, 0), 1),  # stride and dilation together
    (2, 12, 13, 16, 16, (3, 3), (2, 2), (2, 2), (2, 2, 2, 2), 1),
    (2, 7, 9, 24, 24, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 24),
    (2, 9, 9, 5, 15, (3, 5), (2, 2), (1, 1), (1, 1, 2, 2), 5),
    (2, 7, 6, 24, 40, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 4),
    (2, 8, 8, 64, 32, (3, 3), (1, 1), (1, 2), (1, 1, 2, 2), 2),
    (2, 2, 2, 32, 32, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    (2, 6, 7, 48, 16, (3, 3), (1, 1), (1, 1), (2, 2, 2, 2), 1),
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    (1, 1, 1, 3, 4, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    (0, 6, 6, 16, 16, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    (0, 6, 6, 3, 4, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 1),
    (33, 6, 6, 16, 16, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    (2, 15, 15, 17, 20, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),  # tiles of 5x5
    (96, 4, 4, 64, 16, (9, 1), (1, 1), (1, 1), (4, 4, 0, 0), 1),  # taps that see no pixel, bands
    (2, 20, 14, 32, 33, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 1),  # tiles of 6x6
    (1, 4, 384, 16, 16, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),  # fewer rows than parts of a sum
]


def random_case(seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)

    def pick(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    groups = pick(2, 4) if pick(0, 3) == 0 else 1
    if pick(0, 1):
        channels, filters = groups * pick(1, 20), groups * pick(1, 40)
    else:
        channels, filters = 16 * groups * pick(1, 3), 16 * groups * pick(1, 3)
    kernel = (pick(1, 5), pick(1, 5)) if pick(0, 1) else (3, 3)
    strides = (pick(1, 3), pick(1, 3)) if pick(0, 1) else (1, 1)
    dilation = (pick(1, 3), pick(1, 3)) if pick(0, 3) == 0 else (1, 1)
    padding = tuple(pick(0, 3) for _ in range(4)) if pick(0, 1) else (1, 1, 1, 1)
    smallest = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    height = max(pick(1, 14), smallest[0] - padding[0] - padding[1], 1)
    width = max(pick(1, 20), smallest[1] - padding[2] - padding[3], 1)
    size = (pick(1, 3), height, width, channels, filters)
    return (*size, kernel, strides, dilation, padding, groups)


class Convolution:
    """One case with its arrays and what should come of them."""

    def __init__(self, case: tuple[Any, ...]) -> None:
        self.n, self.h, self.w, self.c, self.k = case[:5]
        self.kernel, self.strides, self.dilation, self.padding, self.groups = case[5:]
        top, bottom, left, right = self.padding
        reach = [(k - 1) * d for k, d in zip(self.kernel, self.dilation, strict=True)]
        self.oh = (self.h + top + bottom - reach[0] - 1) // self.strides[0] + 1
        self.ow = (self.w + left + right - reach[1] - 1) // self.strides[1] + 1
        rng = np.random.default_rng(7)

        def normal(*shape: int) -> Array:
            return rng.standard_normal(shape).astype(np.float32)

        self.x = normal(self.n, self.h, self.w, self.c)
        self.weights = normal(*self.kernel, self.c // self.groups, self.k)
        self.bias = normal(self.k)
        self.dy = normal(self.n, self.oh, self.ow, self.k)
        self.y = np.zeros(self.dy.shape)
        self.dx = np.zeros((self.n, self.h + top + bottom, self.w + left + right, self.c))
        self.dw = np.zeros(self.weights.shape)
        self.db = self.dy.sum((0, 1, 2), dtype=np.float64)
        self._sum_over_taps()
        self.dx = self.dx[:, top : top + self.h, left : left + self.w]

    def _sum_over_taps(self) -> None:
        top, bottom, left, right = self.padding
        x = np.pad(self.x.astype(np.float64), ((0, 0), (top, bottom), (left, right), (0, 0)))
        ci, ki = self.c // self.groups, self.k // self.groups
        for ky, kx in np.ndindex(*self.kernel):
            y0, x0 = ky * self.dilation[0], kx * self.dilation[1]
            rows = slice(y0, y0 + (self.oh - 1) * self.strides[0] + 1, self.strides[0])
            columns = slice(x0, x0 + (self.ow - 1) * self.strides[1] + 1, self.strides[1])
            for g in range(self.groups):
                i, o = slice(g * ci, (g + 1) * ci), slice(g * ki, (g + 1) * ki)
                tap = self.weights[ky, kx, :, o].astype(np.float64)
                self.y[..., o] += x[:, rows, columns, i] @ tap
                self.dx[:, rows, columns, i] += self.dy[..., o] @ tap.T
                self.dw[ky, kx, :, o] = np.tensordot(
                    x[:, rows, columns, i],
                    self.dy[..., o].astype(np.float64),
                    ((0, 1, 2), (0, 1, 2)),
                )

    def attrs(self, algorithm: str) -> dict[str, Any]:
        return {
            "strides": list(self.strides),
            "dilation": list(self.dilation),
            "padding": list(self.padding),
            "groups": self.groups,
            "algorithm": algorithm,
        }


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> Iterator[str]:
    """The attribute for each algorithm, with the precision of the process set for it."""
    name: str = request.param
    _core.set_conv_precision("fast" if name.startswith("fast") else "default")
    yield name.removeprefix("fast ")
    _core.set_conv_precision("default")


def close(actual: Array, expected: Array) -> None:
    assert actual.shape == expected.shape
    if expected.size:
        bound = 4e-5 if _core.conv_precision() == "fast" else 1e-5
        bound *= max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("case", [*FIXED, *map(random_case, range(16))], ids=str)
def test_three_directions(run_op: RunOp, case: tuple[Any, ...], algorithm: str) -> None:
    c = Convolution(case)
    attrs = c.attrs(algorithm)
    (y,) = run_op(
        "conv2d",
        [c.x, c.weights, c.bias],
        [(c.y.shape, "float32")],
        batch=c.n,
        static=(1, 2),
        bias=1,
        **attrs,
    )
    close(y, c.y + c.bias)
    (dx,) = run_op(
        "conv2d_input_grad",
        [c.dy, c.weights],
        [(c.dx.shape, "float32")],
        batch=c.n,
        static=(1,),
        input_shape=[c.h, c.w],
        **attrs,
    )
    close(dx, c.dx)
    dw, db = run_op(
        "conv2d_weight_grad",
        [c.x, c.dy],
        [(c.dw.shape, "float32"), (c.db.shape, "float32")],
        batch=c.n,
        static_outputs=(0, 1),
        kernel_shape=list(c.kernel),
        bias=1,
        **attrs,
    )
    close(dw, c.dw)
    close(db, c.db)


EPILOGUES = [FIXED[i] for i in (0, 2, 3, 4, 5, 6, 10, 11, 13, 15, 17, 20)]


@pytest.mark.parametrize("case", EPILOGUES, ids=str)
def test_epilogues(run_op: RunOp, case: tuple[Any, ...], algorithm: str) -> None:
    c = Convolution(case)
    attrs = c.attrs(algorithm)
    rng = np.random.default_rng(1)
    like_y = rng.standard_normal(c.y.shape).astype(np.float32)
    like_x = rng.standard_normal(c.x.shape).astype(np.float32)
    biased = c.y + c.bias
    forward = [
        ("relu %0", [], np.maximum(biased, 0)),
        ("relu %0; add %2 %1", [like_y], np.maximum(biased, 0) + like_y),
        ("relu_grad %0 %1", [like_y], np.where(like_y > 0, biased, 0)),
        ("add %0 %1; relu %2; multiply %3 0.5", [like_y], np.maximum(biased + like_y, 0) * 0.5),
    ]
    for epilogue, extra, expected in forward:
        (y,) = run_op(
            "conv2d",
            [c.x, c.weights, c.bias, *extra],
            [(c.y.shape, "float32")],
            batch=c.n,
            static=(1, 2),
            bias=1,
            epilogue=epilogue,
            extra=len(extra),
            **attrs,
        )
        close(y, expected)
    backward = [
        ("relu_grad %0 %1", np.where(like_x > 0, c.dx, 0)),
        ("relu_grad %0 %1; multiply %2 2.0", np.where(like_x > 0, c.dx, 0) * 2),
        ("add %0 %1", c.dx + like_x),
    ]
    for epilogue, expected in backward:
        (dx,) = run_op(
            "conv2d_input_grad",
            [c.dy, c.weights, like_x],
            [(c.dx.shape, "float32")],
            batch=c.n,
            static=(1,),
            input_shape=[c.h, c.w],
            epilogue=epilogue,
            extra=1,
            **attrs,
        )
        close(dx, expected)


def pooled(
    run_op: RunOp, c: Convolution, inputs: list[Array], attrs: dict[str, Any]
) -> list[Array]:
    """The maxima of 2x2 windows of a convolution's result, and their places."""
    shape = (c.n, c.oh // 2, c.ow // 2, c.k)
    outputs = [(shape, "float32"), (shape, "uint8")]
    return run_op("conv2d", inputs, outputs, batch=c.n, static=(1, 2), pool=[2, 2], **attrs)


@pytest.mark.parametrize("epilogue", ["", "relu %0", "relu %0; negative %1", "relu_grad %0 %1"])
@pytest.mark.parametrize("case", [c for c in FIXED if c[0] and min(c[1:3]) > 4], ids=str)
def test_fused_pool(run_op: RunOp, case: tuple[Any, ...], epilogue: str, algorithm: str) -> None:
    c = Convolution(case)
    if min(c.oh, c.ow) < 2:
        pytest.skip("no whole window")
    mask = np.random.default_rng(1).standard_normal(c.y.shape).astype(np.float32)
    extra = [mask] if "%1" in epilogue and "grad" in epilogue else []
    attrs = {**c.attrs(algorithm), "bias": 1, "epilogue": epilogue, "extra": len(extra)}
    inputs = [c.x, c.weights, c.bias, *extra]
    (y,) = run_op("conv2d", inputs, [(c.y.shape, "float32")], batch=c.n, static=(1, 2), **attrs)
    maximum, index = pooled(run_op, c, inputs, attrs)
    windows = y[:, : c.oh // 2 * 2, : c.ow // 2 * 2].reshape(c.n, c.oh // 2, 2, c.ow // 2, 2, c.k)
    windows = windows.transpose(0, 1, 3, 5, 2, 4).reshape(*maximum.shape, 4)
    close(maximum, windows.max(-1))
    chosen = np.take_along_axis(windows, index[..., None].astype(np.int64), -1)[..., 0]
    close(chosen, maximum)
    if epilogue == "relu %0":  # a window without a positive element: the first of its zeros
        assert (index[maximum == 0] == 0).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (0, 0, 0, 0), (0, 2, 2, 1)], ids=str)
@pytest.mark.parametrize("size", [7, 8, 10, 16, 30])
def test_windows_of_zeros_are_the_bias(
    run_op: RunOp, algorithm: str, size: int, padding: tuple[int, ...], precision: str
) -> None:
    """Exactly, so that a ReLU behind a bias of 0 passes no gradient there."""
    c = Convolution((2, size, size, 16, 20, (3, 3), (1, 1), (1, 1), padding, 1))
    x, bias = c.x.copy(), c.bias.copy()
    x[0, 1:6, 2:7] = 0
    x[1, :, size // 2 :] = 0
    bias[::2] = 0
    attrs = {**c.attrs(algorithm), "bias": 1, "epilogue": "relu %0", "precision": precision}
    inputs = [x, c.weights, bias]
    (y,) = run_op("conv2d", inputs, [(c.y.shape, "float32")], batch=c.n, static=(1, 2), **attrs)
    top, bottom, left, right = padding
    seen = np.pad(np.abs(x).max(-1), ((0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(seen, (3, 3), (1, 2))
    zeros = windows.max((-1, -2)) == 0
    assert zeros.any()
    np.testing.assert_array_equal(y[zeros], np.broadcast_to(np.maximum(bias, 0), y[zeros].shape))
    maximum, index = pooled(run_op, c, inputs, attrs)
    four = zeros[:, : c.oh // 2 * 2, : c.ow // 2 * 2].reshape(c.n, c.oh // 2, 2, c.ow // 2, 2)
    whole = four.all((2, 4))
    row = np.broadcast_to(np.maximum(bias, 0), maximum[whole].shape)
    np.testing.assert_array_equal(maximum[whole], row)
    assert not index[whole].any()
    mixed = four.any((2, 4)) & ~whole  # what comes of a window of zeros is the bias here too
    chosen = np.take_along_axis(
        four.transpose(0, 1, 3, 2, 4).reshape(*maximum.shape[:3], 4)[mixed], index[mixed], -1
    )
    row = np.broadcast_to(np.maximum(bias, 0), maximum[mixed].shape)
    np.testing.assert_array_equal(maximum[mixed][chosen], row[chosen])


@pytest.mark.parametrize("case", [c for c in FIXED if c[-1] == 1], ids=str)
def test_im2col_and_its_transpose(run_op: RunOp, case: tuple[Any, ...]) -> None:
    c = Convolution(case)
    attrs = {k: v for k, v in c.attrs("auto").items() if k in ("strides", "padding", "dilation")}
    attrs["kernel_shape"] = list(c.kernel)
    shape = (c.n, c.oh, c.ow, c.kernel[0] * c.kernel[1] * c.c)
    (cols,) = run_op("im2col", [c.x], [(shape, "float32")], batch=c.n, **attrs)
    close((cols @ c.weights.reshape(-1, c.k)).reshape(c.y.shape), c.y)
    (image,) = run_op(
        "col2im",
        [c.dy @ c.weights.reshape(-1, c.k).T],
        [(c.x.shape, "float32")],
        batch=c.n,
        input_shape=[c.h, c.w],
        **attrs,
    )
    close(image, c.dx)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strides": [0, 1]}, "conv2d: strides must be at least 1, got 0"),
        ({"strides": [1]}, "conv2d: strides must have 2 elements, got 1"),
        ({"padding": [-1, 0, 0, 0]}, "conv2d: padding must be at least 0, got -1"),
        ({"dilation": [2**31, 1]}, "conv2d: dilation must be at most 2147483647, got 2147483648"),
        ({"groups": 3}, "conv2d: weights .* in 3 groups do not fit 4 channels"),
        ({"algorithm": "fft"}, "conv2d: algorithm must be auto, im2col, direct or winograd"),
        ({"dilation": [4, 1]}, "conv2d: the kernel is larger than the padded image of 6 x 6"),
        ({"padding": [1, 1, 1, 1]}, "conv2d: the output must be"),
        ({"pool": [3, 3]}, "conv2d: "),
    ],
)
def test_what_does_not_fit_is_refused(run_op: RunOp, change: dict[str, Any], message: str) -> None:
    attrs = Convolution((1, 6, 6, 4, 4, (3, 3), (1, 1), (1, 1), (0, 0, 0, 0), 1)).attrs("auto")
    x, w = np.zeros((1, 6, 6, 4), np.float32), np.zeros((3, 3, 4, 4), np.float32)
    with pytest.raises(ValueError, match=message):
        run_op("conv2d", [x, w], [((1, 4, 4, 4), "float32")], **{**attrs, **change})


def test_the_algorithm_is_reported() -> None:
    def chosen(op: str, shapes: list[tuple[int, ...]], wanted: str, **attrs: Any) -> str:
        tensors = [("float32", shape, False, "input", None) for shape in shapes[:2]]
        tensors.append(("float32", shapes[2], False, "temp", None))
        geometry = {"strides": [1, 1], "dilation": [1, 1], "padding": [1, 1, 1, 1], "groups": 1}
        step = (op, [0, 1], [2], {**geometry, "algorithm": wanted, **attrs}, "conv")
        plan = _core.Plan(tensors, [step], [0, 1], [2], 1)
        return str(plan.summary()[0]["algorithm"])

    wide: list[tuple[int, ...]] = [(1, 8, 8, 32), (3, 3, 32, 32), (1, 8, 8, 32)]
    thin: list[tuple[int, ...]] = [(1, 8, 8, 3), (3, 3, 3, 32), (1, 8, 8, 32)]
    each: list[tuple[int, ...]] = [(1, 8, 8, 32), (3, 3, 1, 32), (1, 8, 8, 32)]
    assert chosen("conv2d", wide, "auto").startswith("winograd")
    assert chosen("conv2d", wide, "direct") == "direct"
    assert chosen("conv2d", wide, "im2col") == "im2col"
    assert chosen("conv2d", thin, "auto") == "direct"
    assert chosen("conv2d", each, "auto", groups=32) == "depthwise"
    _core.set_conv_precision("fast")
    try:
        for size, name in ((8, "F4"), (10, "F5"), (16, "F4"), (30, "F6")):
            shapes = [(1, size, size, 32), (3, 3, 32, 32), (1, size, size, 32)]
            assert chosen("conv2d", shapes, "auto") == f"winograd {name}"
    finally:
        _core.set_conv_precision("default")


def test_few_filters_with_an_infinite_image_and_an_operand_of_bytes(run_op: RunOp) -> None:
    c = Convolution(FIXED[4])
    x = c.x.copy()
    x[1, 11, 13, 0] = np.inf
    chosen = np.random.default_rng(2).random(c.y.shape) < 0.5
    y, plain = (
        run_op(
            "conv2d",
            [x, c.weights, c.bias, chosen],
            [(c.y.shape, "float32")],
            batch=c.n,
            static=(1, 2),
            bias=1,
            epilogue="where %1 %0 7.0",
            extra=1,
            **c.attrs(algorithm),
        )[0]
        for algorithm in ("auto", "direct")
    )
    np.testing.assert_array_equal(y[1], plain[1])
    np.testing.assert_array_equal(y == 7.0, ~chosen)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_few_filters_keep_nan_and_infinity_where_they_are(run_op: RunOp, bad: float) -> None:
    """Pixels that are computed side by side do not meddle with each other, nor do images."""
    c = Convolution(FIXED[4])
    x = c.x.copy()
    x[1, 11, 13, 0] = bad
    extra = np.random.default_rng(2).standard_normal(c.y.shape).astype(np.float32)

    def run(images: Array, algorithm: str) -> Array:
        (y,) = run_op(
            "conv2d",
            [images, c.weights, c.bias, extra],
            [(c.y.shape, "float32")],
            batch=c.n,
            static=(1, 2),
            bias=1,
            epilogue="add %0 %1; relu %2",
            extra=1,
            **c.attrs(algorithm),
        )
        return y

    clean, y, plain = run(c.x, "auto"), run(x, "auto"), run(x, "direct")
    close(clean, np.maximum(c.y + c.bias + extra, 0))
    np.testing.assert_array_equal(y[[0, 2]], clean[[0, 2]])
    np.testing.assert_array_equal(y[1], plain[1])
    touched = np.zeros((28, 28), bool)
    touched[9:14, 11:16] = True
    assert np.isfinite(y[1, ~touched]).all()
    assert not np.isfinite(y[1, touched]).all()
