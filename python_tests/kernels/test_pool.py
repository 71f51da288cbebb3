"""Pooling against loops over windows in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastconv import _core

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]

# batch, height, width, channels, pool, strides, padding
CASES = [
    (3, 8, 8, 64, (2, 2), (2, 2), (0, 0, 0, 0)),
    (2, 9, 7, 16, (2, 2), (2, 2), (0, 0, 0, 0)),
    (2, 9, 7, 5, (2, 2), (2, 2), (0, 1, 0, 1)),
    (1, 7, 9, 3, (3, 3), (2, 2), (1, 1, 1, 1)),
    (2, 10, 11, 70, (3, 3), (2, 2), (0, 1, 0, 1)),
    (2, 6, 6, 24, (3, 3), (1, 1), (1, 1, 1, 1)),
    (2, 7, 8, 1, (2, 3), (2, 3), (0, 1, 0, 1)),
    (2, 7, 8, 9, (3, 2), (1, 3), (2, 0, 0, 1)),
    (1, 20, 19, 4, (17, 16), (2, 1), (3, 2, 0, 5)),
    (1, 5, 6, 33, (1, 1), (2, 2), (0, 0, 0, 0)),
    (2, 4, 4, 17, (4, 4), (4, 4), (0, 0, 0, 0)),
    (2, 6, 7, 2, (2, 2), (3, 3), (1, 1, 0, 0)),
    (300, 4, 4, 8, (2, 2), (2, 2), (0, 0, 0, 0)),
    (0, 4, 4, 8, (2, 2), (2, 2), (0, 0, 0, 0)),
]


class Windows:
    """The windows of one case: where each output looks."""

    def __init__(self, case: tuple[Any, ...]) -> None:
        self.n, self.h, self.w, self.c, self.pool, self.strides, self.padding = case
        top, bottom, left, right = self.padding
        self.oh = (self.h + top + bottom - self.pool[0]) // self.strides[0] + 1
        self.ow = (self.w + left + right - self.pool[1]) // self.strides[1] + 1
        self.shape = (self.n, self.h, self.w, self.c)
        self.out_shape = (self.n, self.oh, self.ow, self.c)
        self.index_dtype = "uint8" if self.pool[0] * self.pool[1] <= 255 else "int32"
        self.attrs = {
            "pool": list(self.pool),
            "strides": list(self.strides),
            "padding": list(self.padding),
        }

    def views(self, x: Array) -> list[tuple[int, int, int, Array]]:
        """(position in the window, oy, ox, x[:, iy, ix]) wherever that lies in the image."""
        found = []
        for ky, kx in np.ndindex(*self.pool):
            for oy, ox in np.ndindex(self.oh, self.ow):
                iy = oy * self.strides[0] + ky - self.padding[0]
                ix = ox * self.strides[1] + kx - self.padding[2]
                if 0 <= iy < self.h and 0 <= ix < self.w:
                    found.append((ky * self.pool[1] + kx, oy, ox, x[:, iy, ix]))
        return found


def max_pool(windows: Windows, x: Array) -> tuple[Array, Array]:
    y = np.zeros(windows.out_shape, np.float32)
    index = np.full(windows.out_shape, -1)
    for position, oy, ox, value in windows.views(x):
        best, at = y[:, oy, ox], index[:, oy, ox]
        wins = (at < 0) | (value > best) | (np.isnan(value) & ~np.isnan(best))
        best[wins], at[wins] = value[wins], position
    return y, index


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_pool(run_op: RunOp, case: tuple[Any, ...]) -> None:
    windows = Windows(case)
    rng = np.random.default_rng(1)
    x = rng.integers(-3, 4, windows.shape).astype(np.float32)  # many ties
    x[rng.random(x.shape) < 0.02] = np.nan
    x[rng.random(x.shape) < 0.02] = -np.inf
    outputs = [(windows.out_shape, "float32"), (windows.out_shape, windows.index_dtype)]
    y, index = run_op("max_pool2d", [x], outputs, batch=windows.n, **windows.attrs)
    expected, expected_index = max_pool(windows, x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(index, expected_index)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_max_pool_grad(run_op: RunOp, case: tuple[Any, ...]) -> None:
    windows = Windows(case)
    rng = np.random.default_rng(2)
    x = rng.standard_normal(windows.shape, np.float32)
    _, index = max_pool(windows, x)
    dy = rng.standard_normal(windows.out_shape, np.float32)
    expected = np.zeros(windows.shape)
    for position, oy, ox, dx in windows.views(expected):
        dx += np.where(index[:, oy, ox] == position, dy[:, oy, ox], 0)
    (dx,) = run_op(
        "max_pool2d_grad",
        [dy, index.astype(windows.index_dtype)],
        [(windows.shape, "float32")],
        batch=windows.n,
        **windows.attrs,
        input_shape=[windows.h, windows.w],
    )
    np.testing.assert_allclose(dx, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_average_pool(run_op: RunOp, case: tuple[Any, ...]) -> None:
    windows = Windows(case)
    rng = np.random.default_rng(3)
    x = rng.standard_normal(windows.shape, np.float32)
    total, count = np.zeros(windows.out_shape), np.zeros(windows.out_shape)
    for _, oy, ox, value in windows.views(x):
        total[:, oy, ox] += value
        count[:, oy, ox] += 1
    (y,) = run_op(
        "average_pool2d",
        [x],
        [(windows.out_shape, "float32")],
        batch=windows.n,
        **windows.attrs,
    )
    np.testing.assert_allclose(y, total / np.maximum(count, 1), rtol=1e-5, atol=1e-6)

    dy = rng.standard_normal(windows.out_shape, np.float32)
    expected = np.zeros(windows.shape)
    for _, oy, ox, value in windows.views(expected):
        value += dy[:, oy, ox] / count[:, oy, ox]
    (dx,) = run_op(
        "average_pool2d_grad",
        [dy],
        [(windows.shape, "float32")],
        batch=windows.n,
        **windows.attrs,
        input_shape=[windows.h, windows.w],
    )
    np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=1e-6)


def test_epilogues(run_op: RunOp) -> None:
    windows = Windows((2, 9, 10, 12, (2, 2), (2, 2), (0, 1, 0, 0)))
    rng = np.random.default_rng(4)
    x, other = (rng.standard_normal(windows.shape, np.float32) for _ in range(2))
    dy, bias = rng.standard_normal(windows.out_shape, np.float32), np.arange(12, dtype=np.float32)
    y, index = run_op(
        "max_pool2d",
        [x],
        [(windows.out_shape, "float32"), (windows.out_shape, "uint8")],
        batch=2,
        **windows.attrs,
    )
    attrs = {**windows.attrs, "input_shape": [9, 10]}
    image = [(windows.shape, "float32")]
    (plain,) = run_op("max_pool2d_grad", [dy, index], image, batch=2, **attrs)
    (fused,) = run_op(
        "max_pool2d_grad",
        [dy, index, other],
        image,
        batch=2,
        **attrs,
        epilogue="relu_grad %0 %1",
        extra=1,
    )
    np.testing.assert_array_equal(fused, np.where(other > 0, plain, 0))
    (plain,) = run_op("average_pool2d_grad", [dy], image, batch=2, **attrs)
    (fused,) = run_op(
        "average_pool2d_grad", [dy, other], image, batch=2, **attrs, epilogue="add %0 %1", extra=1
    )
    np.testing.assert_array_equal(fused, plain + other)
    pooled = [(windows.out_shape, "float32")]
    (plain,) = run_op("average_pool2d", [x], pooled, batch=2, **windows.attrs)
    (fused,) = run_op(
        "average_pool2d",
        [x, y, bias],
        pooled,
        batch=2,
        static={2},
        **windows.attrs,
        epilogue="multiply %0 %2; add %3 %1",
        extra=2,
    )
    np.testing.assert_allclose(fused, plain * bias + y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": [2]}, "pool must have 2 elements"),
        ({"strides": [0, 1]}, "strides must be at least 1, got 0"),
        ({"padding": [2, 0, 0, 0]}, "must be less than the window"),
        ({"pool": [9, 2]}, "larger than the padded image"),
        ({"padding": [1, 1, 0, 0]}, "must have the shape"),
    ],
)
def test_errors(changes: dict[str, list[int]], message: str) -> None:
    attrs: dict[str, Any] = {"pool": [2, 2], "strides": [2, 2], "padding": [0, 0, 0, 0]}
    tensors = [
        ("float32", [1, 8, 8, 4], False, "input", None),
        ("float32", [1, 4, 4, 4], False, "temp", None),
    ]
    with pytest.raises(ValueError, match=f"average_pool2d: .*{message}"):
        _core.Plan(
            tensors, [("average_pool2d", [0], [1], {**attrs, **changes}, "pool")], [0], [1], 1
        )
