"""Reductions against NumPy in double precision."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]

CASES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((40, 10), (1,)),
    ((40, 10), (0,)),
    ((40, 10), (0, 1)),
    ((7,), (0,)),
    ((1,), (0,)),
    ((100_003,), (0,)),
    ((3, 40_000), (1,)),
    ((5000, 3), (0,)),
    ((5000, 12), (0,)),
    ((3000, 64), (0,)),
    ((33, 5000), (0,)),
    ((2, 8, 8, 70), (1, 2)),
    ((300, 3, 3, 5), (1, 2)),
    ((4, 9, 9, 33), (0, 1, 2)),
    ((6, 5, 40, 3), (0, 2)),
    ((2, 300, 3, 100, 4), (1, 3)),
    ((6, 5, 40, 3), (1, 3)),
    ((50, 5, 400), (0, 2)),
    ((6, 5, 4), (1,)),
    ((6, 1, 4), (1,)),
    ((6, 5, 4), ()),
    ((3, 5, 2000, 7), (0, 1, 2)),
]
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
}


def reduced(run_op: RunOp, name: str, x: Array, axes: tuple[int, ...], dtype: str) -> Array:
    shape = np.sum(x, axis=axes, keepdims=True).shape
    return run_op(name, [x], [(shape, dtype)], axes=list(axes), keepdims=1)[0]


@pytest.mark.parametrize(("shape", "axes"), CASES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_reduction(run_op: RunOp, name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32)
    if name == "prod":
        x = np.exp(x / 1000).astype(np.float32)
    y = reduced(run_op, name, x, axes, "float32")
    exact = FUNCTIONS[name](x.astype(np.float64), axis=axes, keepdims=True)
    if name in ("max", "min"):
        np.testing.assert_array_equal(y, exact)
        return
    # As close as blocks allow: some units of the sum of magnitudes.
    scale = np.sum(np.abs(x), axis=axes, keepdims=True, dtype=np.float64)
    count = x.size / max(exact.size, 1)
    unit = {"sum": scale, "mean": scale / count, "prod": np.abs(exact) * count**0.5}[name]
    assert np.all(np.abs(y - exact) <= 1e-6 * unit)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (1, 2), (0, 1, 2), (2,)])
@pytest.mark.parametrize("batch", [0, 1, 5, 700])
def test_batches(run_op: RunOp, axes: tuple[int, ...], batch: int) -> None:
    x = np.random.default_rng(1).normal(size=(batch, 4, 6)).astype(np.float32)
    shape = x.sum(axis=axes).shape
    static = (0,) if 0 in axes else ()
    args = {"batch": batch, "static_outputs": static, "max_batch": 800, "axes": list(axes)}
    [y] = run_op("sum", [x], [(shape, "float32")], **args)
    np.testing.assert_allclose(y, x.sum(axis=axes, dtype=np.float64), 1e-5, 1e-5)
    args["static_outputs"] = (0,)
    [n] = run_op("count", [x], [((), "float32")], **args)
    assert n == np.prod([x.shape[a] for a in axes])


def test_nothing(run_op: RunOp) -> None:
    x = np.zeros((0, 3), np.float32)
    for name, value in {"sum": 0, "prod": 1, "max": -np.inf, "min": np.inf, "mean": np.nan}.items():
        [y] = run_op(name, [x], [((3,), "float32")], axes=[0])
        np.testing.assert_array_equal(y, np.full(3, value, np.float32))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_wins(run_op: RunOp, name: str) -> None:
    x = np.random.default_rng(2).normal(size=(70, 90)).astype(np.float32)
    x[3, 40] = x[69, 89] = x[50, 0] = np.nan
    for axes in ((0,), (1,), (0, 1)):
        y = reduced(run_op, name, x, axes, "float32")
        np.testing.assert_array_equal(np.isnan(y), np.isnan(x.sum(axis=axes, keepdims=True)))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_other_dtypes(run_op: RunOp, dtype: str) -> None:
    x = np.random.default_rng(3).integers(0, 2, (6, 5, 4)).astype(dtype)
    for axes in ((0,), (1,), (0, 2)):
        y = reduced(run_op, "sum", x, axes, "int32")
        np.testing.assert_array_equal(y, x.sum(axis=axes, keepdims=True))
        y = reduced(run_op, "mean", x, axes, "float32")
        np.testing.assert_array_equal(y, x.mean(axis=axes, keepdims=True).astype(np.float32))
        y = reduced(run_op, "max", x, axes, dtype)
        np.testing.assert_array_equal(y, x.max(axis=axes, keepdims=True))


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((40, 10), 1), ((40, 10), 0), ((5, 300), 1), ((300, 5), 0), ((4, 9, 33), 1), ((7,), 0)],
)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions(run_op: RunOp, name: str, shape: tuple[int, ...], axis: int) -> None:
    x = np.random.default_rng(4).integers(0, 9, shape).astype(np.float32)  # with ties
    function = np.argmax if name == "argmax" else np.argmin
    for values in (x, x.astype(np.int32)):
        expected = function(values, axis=axis)
        [y] = run_op(name, [values], [(expected.shape, "int32")], axis=axis)
        np.testing.assert_array_equal(y, expected)
    x[x == 4] = np.nan
    expected = function(x, axis=axis)
    [y] = run_op(name, [x], [(expected.shape, "int32")], axis=axis)
    np.testing.assert_array_equal(y, expected)


def test_bad_axes(run_op: RunOp) -> None:
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ValueError, match="sum: axis 2 of a tensor of rank 2"):
        run_op("sum", [x], [((3,), "float32")], axes=[2])
    with pytest.raises(ValueError, match="sum: the output has 4 elements, expected 3"):
        run_op("sum", [x], [((4,), "float32")], axes=[1])
