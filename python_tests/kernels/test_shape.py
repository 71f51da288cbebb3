"""Ops that move elements, against NumPy: the bits must be the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]
DTYPES = ["float32", "int32", "uint8", "bool"]


def array(shape: tuple[int, ...], dtype: str = "float32") -> Array:
    values = np.random.default_rng(0).integers(0, 250, shape)
    return (values % 2 if dtype == "bool" else values).astype(dtype)


def moved(run_op: RunOp, name: str, expected: Array, *inputs: Array, **attrs: Any) -> None:
    [y] = run_op(name, inputs, [(expected.shape, expected.dtype.name)], **attrs)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "perm"),
    [
        ((300, 70), (1, 0)),
        ((17, 16), (1, 0)),
        ((3, 9, 8, 65), (0, 3, 1, 2)),
        ((3, 65, 9, 8), (0, 2, 3, 1)),
        ((2, 3, 4, 5, 6), (4, 2, 0, 1, 3)),
        ((4, 5, 33), (1, 0, 2)),
        ((5, 1, 7), (2, 1, 0)),
        ((3, 0, 2), (2, 0, 1)),
        ((5,), (0,)),
        ((), ()),
    ],
    ids=str,
)
def test_transpose(
    run_op: RunOp, shape: tuple[int, ...], perm: tuple[int, ...], dtype: str
) -> None:
    x = array(shape, dtype)
    moved(run_op, "transpose", x.transpose(perm), x, perm=list(perm))


@pytest.mark.parametrize("batch", [0, 1, 6])
def test_batches(run_op: RunOp, batch: int) -> None:
    x = array((batch, 5, 6, 20))
    b = {"batch": batch, "max_batch": 9}
    moved(run_op, "transpose", x.transpose(0, 3, 1, 2), x, perm=[0, 3, 1, 2], **b)
    moved(run_op, "reshape", x.reshape(batch, 600), x, shape=[-1, 600], **b)
    cut = {"starts": [0, 1, 0, 3], "stops": [-1, 5, 6, 19], "steps": [1, 2, 1, 4]}
    moved(run_op, "slice", x[:, 1:5:2, :, 3:19:4], x, **cut, **b)
    moved(run_op, "flip", x[:, :, ::-1], x, axes=[2], **b)
    moved(run_op, "concatenate", np.concatenate([x, x], 3), x, x, axis=3, **b)
    padded = np.pad(x, ((0, 0), (1, 2), (0, 0), (0, 1)), constant_values=7)
    pads = {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "interior": [0, 0, 0, 0], "value": 7.0}
    moved(run_op, "pad", padded, x, **pads, **b)
    row, wide = array((6, 1)), (batch, 5, 6, 20)
    expected = np.broadcast_to(row, wide)
    shape = [-1, 5, 6, 20]
    moved(run_op, "broadcast_to", expected, row, x, shape=shape, static=(0,), **b)
    indices = array((batch, 3), "int32") % 6
    moved(run_op, "take", row[indices], row, indices, axis=0, static=(0,), **b)
    moved(run_op, "one_hot", np.eye(8, dtype=np.float32)[indices], indices, depth=8, **b)


@pytest.mark.parametrize("dtype", DTYPES)
def test_slices(run_op: RunOp, dtype: str) -> None:
    x = array((40, 30, 21), dtype)
    for cut in (
        (slice(0, 40, 1), slice(0, 30, 1), slice(3, 10, 1)),
        (slice(5, 40, 3), slice(1, 1, 1), slice(0, 21, 2)),
        (slice(1, 39, 1), slice(2, 29, 2), slice(0, 21, 1)),
        (slice(7, 8, 1), slice(0, 30, 29), slice(20, 21, 1)),
    ):
        attrs = {f"{k}s": [getattr(s, k) for s in cut] for k in ("start", "stop", "step")}
        moved(run_op, "slice", x[cut], x, **attrs)
    for axes in ((0,), (1,), (2,), (0, 2), (0, 1, 2)):
        moved(run_op, "flip", np.flip(x, axes), x, axes=list(axes))


@pytest.mark.parametrize("dtype", DTYPES)
def test_padding(run_op: RunOp, dtype: str) -> None:
    x = array((4, 5, 3), dtype)
    expected = np.zeros((4 + 3, 1 + 9, 3 + 2 * 2 + 1), dtype)
    expected[2:6, 1::2, 0:7:3] = x
    pads = {"pads": [2, 1, 1, 0, 0, 1], "interior": [0, 1, 2], "value": 0.0}
    moved(run_op, "pad", expected, x, **pads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_joining(run_op: RunOp, dtype: str) -> None:
    for axis in (0, 1, 2, -1):
        parts = []
        for size in (3, 0, 1, 40):
            shape = [6, 7, 5]
            shape[axis] = size
            parts.append(array(tuple(shape), dtype))
        moved(run_op, "concatenate", np.concatenate(parts, axis), *parts, axis=axis)


@pytest.mark.parametrize("dtype", DTYPES)
def test_broadcasting(run_op: RunOp, dtype: str) -> None:
    for shape in ((), (1,), (20,), (30, 1), (40, 1, 1), (40, 1, 20), (1, 30, 20), (40, 30, 20)):
        x = array(shape, dtype)
        target = (40, 30, 20)
        moved(run_op, "broadcast_to", np.broadcast_to(x, target), x, shape=list(target))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64"])
def test_lookups(run_op: RunOp, dtype: str) -> None:
    rng = np.random.default_rng(1)
    for shape, axis in (((50, 8), 0), ((4, 50), 1), ((3, 50, 70), 1), ((200, 700), 0)):
        x = rng.normal(size=shape).astype(np.float32)
        indices = rng.integers(0, 50, (6, 5)).astype(dtype)
        expected = np.take(x, indices, axis)
        moved(run_op, "take", expected, x, indices, axis=axis)
        total = np.zeros(shape, np.float32)
        where: Any = (slice(None),) * axis + (indices,)
        np.add.at(total, where, expected)
        [y] = run_op(
            "scatter_add", [expected, indices], [(shape, "float32")], axis=axis, shape=list(shape)
        )
        np.testing.assert_allclose(y, total, 1e-6, 1e-6)
    moved(run_op, "one_hot", np.eye(50, dtype=np.float32)[indices], indices, depth=50)


def test_indices_out_of_range(run_op: RunOp) -> None:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    indices = np.array([-1, 3, -4, 2**31 - 1, 1], np.int32)
    nan = [np.nan, np.nan]
    expected = np.array([x[2], nan, nan, nan, x[1]], np.float32)
    moved(run_op, "take", expected, x, indices, axis=0)
    updates = np.ones((5, 2), np.float32)
    moved(
        run_op,
        "scatter_add",
        np.array([[0, 0], [1, 1], [1, 1]], np.float32),
        updates,
        indices,
        axis=0,
        shape=[3, 2],
    )
    hot = np.zeros((5, 3), np.float32)
    hot[4, 1] = 1
    moved(run_op, "one_hot", hot, indices, depth=3)


def test_bad_arguments(run_op: RunOp) -> None:
    x = array((4, 5))
    with pytest.raises(ValueError, match="perm is not a permutation"):
        run_op("transpose", [x], [((4, 4), "float32")], perm=[0, 0])
    with pytest.raises(ValueError, match=r"slice: 0:9:1 of axis 1 of shape \(4, 5\)"):
        run_op("slice", [x], [((4, 9), "float32")], starts=[0, 0], stops=[4, 9], steps=[1, 1])
    with pytest.raises(ValueError, match="does not join"):
        run_op("concatenate", [x, x.T.copy()], [((8, 5), "float32")], axis=0)
    with pytest.raises(ValueError, match="indices must be integers, got float32"):
        run_op("take", [x, x], [((4, 5, 5), "float32")], axis=0)
