"""Batches gathered from arrays of every dtype, converted and scaled."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastconv import _core
from fastconv.reference.pointwise import cast

Array = npt.NDArray[Any]

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
]


def copy_plan(shape: tuple[int, ...], dtype: str, batch: int) -> _core.Plan:
    tensors: list[tuple[str, Any, bool, str, None]] = [
        (dtype, (batch, *shape), True, "input", None),
        (dtype, (batch, *shape), True, "temp", None),
    ]
    return _core.Plan(tensors, [("copy", [0], [1], {}, "copy")], [0], [1], batch)


def gather(
    array: Array, dtype: str, order: Array | None, scale: float = 1, offset: float = 0
) -> Array:
    count = len(array) if order is None else len(order)
    batch = 7
    plan = copy_plan(array.shape[1:], dtype, batch)
    results = []
    for threads in (1, 2, 5):
        _core.set_num_threads(threads)
        out = np.ones((count, *array.shape[1:]), dtype)
        source = [(0, array, scale, offset)]
        plan.run_epoch(source, order, count, batch, [], [out])
        results.append(out)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
    return results[0]


def some_array(dtype: str, shape: tuple[int, ...]) -> Array:
    rng = np.random.default_rng(len(dtype))
    if dtype.startswith("float"):
        return np.asarray(rng.standard_normal(shape) * 100, dtype)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -(2**31)), min(limits.max, 2**31 - 1)
    return rng.integers(low, high, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (15,), (16,), (5, 7), (130, 140)], ids=str)
def test_every_dtype(dtype: str, shape: tuple[int, ...]) -> None:
    array = some_array(dtype, (6, *shape))
    order = np.array([3, 3, 5, 0, 1, 4, 2, 5])
    for rows in (None, order):
        picked = array if rows is None else array[rows]
        np.testing.assert_array_equal(gather(array, "float32", rows), picked.astype(np.float32))
        scaled = gather(array, "float32", rows, 1 / 255, -0.5)
        expected = picked.astype(np.float64) * np.float32(1 / 255) - 0.5
        np.testing.assert_allclose(scaled, expected, rtol=1e-6, atol=1e-6)
        whole = picked.astype(np.int32)
        np.testing.assert_array_equal(gather(array, "int32", rows), whole)
        np.testing.assert_array_equal(gather(array, "uint8", rows), whole.clip(0, 255))
        np.testing.assert_array_equal(gather(array, "bool", rows), picked != 0)


def test_all_half_floats() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(16, 4096)
    np.testing.assert_array_equal(gather(halves, "float32", None), halves.astype(np.float32))


def test_rows_apart_and_backwards() -> None:
    array = some_array("float32", (30, 20))
    order = np.array([4, 0, 2])
    np.testing.assert_array_equal(gather(array[::3], "float32", order), array[::3][order])
    np.testing.assert_array_equal(gather(array[::-1], "float32", order), array[::-1][order])


def test_floats_beyond_int32() -> None:
    array = np.array([3e9, -3e9, 1.9, -1.9, np.nan, np.inf])
    limits = np.iinfo(np.int32)
    expected = [limits.max, limits.min, 1, -1, limits.min, limits.max]
    for dtype in ("float32", "float64"):
        np.testing.assert_array_equal(gather(array.astype(dtype), "int32", None), expected)
        np.testing.assert_array_equal(cast(array.astype(dtype), dtype="int32"), expected)
        bytes_ = gather(array.astype(dtype), "uint8", None)
        np.testing.assert_array_equal(bytes_, [255, 0, 1, 0, 0, 255])
        np.testing.assert_array_equal(gather(array.astype(dtype), "bool", None), [True] * 6)


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64"])
def test_integers_beyond_int32(dtype: str) -> None:
    """They become its limits: an index out of range must not turn into another one."""
    limits = np.iinfo(dtype)
    array = np.array([limits.max, 2**31, 2**31 - 1, 5, limits.min], dtype)
    expected = [2**31 - 1] * 3 + [5, max(limits.min, -(2**31))]
    np.testing.assert_array_equal(gather(array, "int32", None), expected)
    np.testing.assert_array_equal(cast(array, dtype="int32"), expected)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_rows_beyond_4_gigabytes(dtype: str) -> None:
    """Sizes that 32 bits cannot hold; the memory of rows that nobody reads is never touched."""
    size = 2**20 // np.dtype(dtype).itemsize
    try:
        array = np.zeros((4100, size), dtype)
    except MemoryError:
        pytest.skip("needs address space")
    order = np.array([4099, 0, 2047, 4096, 2048, 4095, 1])
    array[order] = 1 + order[:, None] % 200
    for found, row in zip(gather(array, "float32", order), order, strict=True):
        assert (found == 1 + row % 200).all()
