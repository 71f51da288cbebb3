"""Dense layers whose weights stay the same: packed once, and on some CPUs multiplied by Winograd's
inner product. On the others the same holds for plain sums."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import _core

Array = npt.NDArray[Any]

# rows, inputs, outputs: around tiles, tasks, blocks of terms, panels and the smallest of each
SIZES = [
    (0, 96, 256),
    (1, 96, 256),
    (1, 784, 512),
    (9, 97, 272),
    (10, 98, 304),
    (11, 99, 380),
    (33, 144, 256),
    (64, 264, 505),
    (65, 265, 256),
    (130, 529, 272),
    (257, 784, 512),
]


@pytest.fixture(autouse=True)
def settings_after() -> Iterator[None]:
    threads = _core.num_threads()
    yield
    _core.set_num_threads(threads)
    _core.set_conv_precision("default")


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(np.float32)


def plan_of(w: Array, bias: Array | None, rows: int, epilogue: str = "", extra: int = 0) -> Any:
    """A frozen plan of one dense layer; `extra` inputs of the epilogue follow x."""
    k, n = w.shape
    tensors: list[Any] = [("float32", [rows, k], True, "input", None)]
    tensors += [("float32", [rows, n], True, "input", None)] * extra
    tensors.append(("float32", [k, n], False, "variable", w))
    own = [0, 1 + extra]
    if bias is not None:
        tensors.append(("float32", [n], False, "variable", bias))
        own.append(2 + extra)
    tensors.append(("float32", [rows, n], True, "temp", None))
    y = len(tensors) - 1
    attrs: dict[str, Any] = {"bias": int(bias is not None)}
    if epilogue:
        attrs |= {"epilogue": epilogue, "extra": extra}
    given = list(range(1, 1 + extra))
    return _core.Plan(
        tensors, [("dense", own + given, [y], attrs, "dense")], [0, *given], [y], rows, True
    )


def dense(
    x: Array, w: Array, bias: Array | None = None, epilogue: str = "", extra: tuple[Array, ...] = ()
) -> Array:
    """x w + bias: the same bits for 1, 2 and 5 threads and in a larger plan, on what was packed in
    the run before, whose inputs were NaN."""
    results = []
    for threads, most in ((1, len(x)), (2, len(x) + 3), (5, len(x))):
        _core.set_num_threads(threads)
        plan = plan_of(w, bias, max(1, most), epilogue, len(extra))
        for inputs in ([np.full_like(x, np.nan), *extra], [x, *extra]):
            (y,) = plan.run(inputs, len(x), version=1)
        results.append(np.array(y))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].view(np.uint32), other.view(np.uint32))
    return results[0]


def norms(x: Array, w: Array) -> Array:
    """What errors of a product are relative to: lengths of rows times lengths of columns."""
    rows = np.linalg.norm(x.astype(np.float64), axis=1)
    return rows[:, None] * np.linalg.norm(w.astype(np.float64), axis=0)


def close(y: Array, x: Array, w: Array, expected: Array) -> None:
    assert y.shape == expected.shape
    assert np.all(np.abs(y - expected) <= 1e-6 * norms(x, w) + 1e-6 * np.abs(expected) + 1e-44)


@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_products(m: int, k: int, n: int) -> None:
    x, w, b, other = normal(m, k), normal(k, n), normal(n), normal(m, n)
    exact = x.astype(np.float64) @ w
    close(dense(x, w), x, w, exact)
    close(dense(x, w, b, "relu %0"), x, w, np.maximum(exact + b, 0))
    y = dense(x, w, b, "relu %0; add %2 %1", (other,))
    close(y, x, w, np.maximum(exact + b, 0) + other)


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(0, 150),
    k=st.integers(90, 600),
    n=st.integers(250, 520),
    power=st.integers(-60, 60),
    seed=st.integers(0, 99),
)
def test_any_shape(m: int, k: int, n: int, power: int, seed: int) -> None:
    x, w, b = normal(m, k, seed=seed) * np.float32(2.0**power), normal(k, n, seed=seed), normal(n)
    x = np.maximum(x, 0)
    close(dense(x, w, b), x, w, x.astype(np.float64) @ w + b)


def test_a_row_is_the_same_in_any_batch() -> None:
    x, w, b = normal(137, 300), normal(300, 256), normal(256)
    together = dense(x, w, b)
    for rows in (slice(0, 1), slice(5, 14), slice(60, 137)):
        np.testing.assert_array_equal(dense(x[rows], w, b), together[rows])


def test_rows_and_columns_of_any_size() -> None:
    """Each is as exact as if all were of one size."""
    x, w = normal(40, 300), normal(300, 256)
    rows, columns = 2.0 ** np.arange(-60, 60, 3), 2.0 ** (np.arange(256) % 41 - 20)
    scaled = dense((x * rows[:, None]).astype(np.float32), (w * columns).astype(np.float32))
    np.testing.assert_array_equal(scaled / rows[:, None] / columns, dense(x, w))


def test_zeros_are_exact() -> None:
    x, w, b = normal(20, 300), normal(300, 272), normal(272)
    x[[0, 7, 19]] = 0
    w[:, [0, 31, 32, 271]] = 0
    y = dense(x, w, b)
    np.testing.assert_array_equal(y[[0, 7, 19]], np.broadcast_to(b, (3, 272)))
    columns = [0, 31, 32, 271]
    np.testing.assert_array_equal(y[:, columns], np.broadcast_to(b[columns], (20, 4)))


def test_whole_numbers_are_exact() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (30, 264)).astype(np.float32)
    w = rng.integers(-3, 4, (264, 256)).astype(np.float32)
    np.testing.assert_array_equal(dense(x, w), x @ w)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spoils_its_row_alone(value: float) -> None:
    x, w = normal(12, 300), normal(300, 256)
    expected = dense(x, w)
    x[5, 17] = value
    y = dense(x, w)
    assert not np.isfinite(y[5]).any()
    others = np.arange(12) != 5
    np.testing.assert_array_equal(y[others], expected[others])


def test_the_largest_and_the_smallest_numbers() -> None:
    x, w = normal(4, 300), normal(300, 256)
    x *= np.float32([[1e36], [1e25], [1e-25], [1e-35]])
    y = dense(x, w)
    close(y, x, w, x.astype(np.float64) @ w)
    w[:, 0] *= np.float32(1e-38)  # subnormal weights
    close(dense(x, w), x, w, x.astype(np.float64) @ w)


@pytest.mark.parametrize("relu", [False, True])
def test_errors_are_those_of_plain_sums(relu: bool) -> None:
    """At most twice as large."""
    x, w = normal(100, 784), normal(784, 256)
    x = np.maximum(x, 0) if relu else x
    exact = x.astype(np.float64) @ w
    errors = {}
    for precision in ("default", "high"):
        _core.set_conv_precision(precision)
        errors[precision] = np.sqrt(np.mean((dense(x, w) - exact) ** 2))
    assert errors["default"] <= 2 * errors["high"]


def test_pointwise_convolutions_are_dense_layers() -> None:
    x, w, b = normal(3, 5, 7, 128), normal(1, 1, 128, 256), normal(256)
    tensors: list[Any] = [
        ("float32", [3, 5, 7, 128], True, "input", None),
        ("float32", [1, 1, 128, 256], False, "variable", w),
        ("float32", [256], False, "variable", b),
        ("float32", [3, 5, 7, 256], True, "temp", None),
    ]
    attrs: dict[str, Any] = {"strides": [1, 1], "dilation": [1, 1], "padding": [0] * 4, "groups": 1}
    attrs |= {"bias": 1, "epilogue": "relu %0"}
    plan = _core.Plan(tensors, [("conv2d", [0, 1, 2], [3], attrs, "c")], [0], [3], 3, True)
    (y,) = plan.run([x], 3, version=1)
    rows = dense(x.reshape(-1, 128), w[0, 0], b, "relu %0")
    np.testing.assert_array_equal(y.reshape(-1, 256), rows)


def test_which_products_it_takes() -> None:
    def algorithm(k: int, n: int) -> str:
        return str(plan_of(normal(k, n), None, 8).summary()[0]["algorithm"])

    chosen = "inner product" if _core.isa() == "zen4" else "gemm"
    assert algorithm(784, 512) == chosen
    assert algorithm(95, 512) == algorithm(784, 255) == algorithm(784, 257) == "gemm"
    _core.set_conv_precision("high")
    assert algorithm(784, 512) == "gemm"
