"""Tapes of pointwise instructions against NumPy: accuracy, broadcasting, dtypes, in-place runs."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastconv import _core
from fastconv.reference.philox import keep_mask
from fastconv.reference.pointwise import cast

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]

SPECIAL = [0.0, -0.0, 1, -1, math.inf, -math.inf, math.nan, 1e-45, -1e-45, 1e-40, 3e38, -3e38]
SPECIAL += [88.7, 88.8, -87.4, -103, -104, 0.5, -0.5, 2.5, 3.5, -2.5, 1e-7, -1e-7, 1e6, 8388607.5]


def _erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x])


def _sigmoid(x: Array) -> Array:
    z = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, z) / (1 + z))


UNARY: dict[str, tuple[Callable[[Array], Array], float]] = {
    "negative": (np.negative, 0),
    "absolute": (np.abs, 0),
    "exp": (np.exp, 2),
    "expm1": (np.expm1, 3),
    "log": (np.log, 2),
    "log1p": (np.log1p, 3),
    "sqrt": (np.sqrt, 0.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 2),
    "square": (np.square, 0.5),
    "reciprocal": (np.reciprocal, 0.5),
    "sign": (np.sign, 0),
    "tanh": (np.tanh, 4),
    "sigmoid": (_sigmoid, 4),
    "relu": (lambda x: np.maximum(x, 0), 0),
    "erf": (_erf, 4),
    "sin": (np.sin, 3),
    "cos": (np.cos, 3),
    "floor": (np.floor, 0),
    "ceil": (np.ceil, 0),
    "round": (np.round, 0),
    "isnan": (lambda x: 1.0 * np.isnan(x), 0),
    "isfinite": (lambda x: 1.0 * np.isfinite(x), 0),
    "logical_not": (lambda x: 1.0 * (x == 0), 0),
    "softplus": (lambda x: np.logaddexp(x, 0), 4),
    "stop_gradient": (lambda x: x, 0),
}

BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "floor_divide": np.floor_divide,
    "mod": np.mod,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "relu_grad": lambda dy, y: np.where(y > 0, dy, 0),
    "tanh_grad": lambda dy, y: dy * (1 - y * y),
    "sigmoid_grad": lambda dy, y: dy * y * (1 - y),
}


def assert_ulps(actual: Array, exact: Array, ulps: float) -> None:
    """`actual` is within some units in the last place of `exact`, which has more digits."""
    with np.errstate(all="ignore"):
        expected = exact.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    infinite = np.isinf(expected) | np.isinf(actual)
    np.testing.assert_array_equal(actual[infinite], expected[infinite])
    finite = np.isfinite(expected)
    error = np.abs(actual[finite] - exact[finite]) / np.spacing(np.abs(expected[finite]))
    assert error.max(initial=0) <= ulps


def pointwise(run_op: RunOp, code: str, *inputs: Array, dtype: str = "float32") -> Array:
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    last = len(inputs) + code.count(";")
    return run_op("pointwise", inputs, [(shape, dtype)], code=code, results=[last])[0]


def numbers(seed: int, n: int = 20_000) -> Array:
    rng = np.random.default_rng(seed)
    spread = [rng.normal(size=n) * scale for scale in (0.1, 1, 10, 100)]
    with np.errstate(invalid="ignore"):
        bits = rng.integers(0, 2**32, 5 * n, dtype=np.uint32).view(np.float32)
        return np.concatenate([SPECIAL, *spread, bits]).astype(np.float32)


@pytest.mark.parametrize("name", UNARY)
def test_unary(run_op: RunOp, name: str) -> None:
    x = numbers(0, 3000)
    function, ulps = UNARY[name]
    with np.errstate(all="ignore"):
        exact = function(x.astype(np.float64))
    assert_ulps(pointwise(run_op, f"{name} %0", x), exact, ulps)


@pytest.mark.parametrize("name", BINARY)
def test_binary(run_op: RunOp, name: str) -> None:
    rng = np.random.default_rng(1)
    n = len(SPECIAL)
    a = np.concatenate([np.repeat(SPECIAL, n), 3 * rng.normal(size=9999)]).astype(np.float32)
    b = np.concatenate([np.tile(SPECIAL, n), 3 * rng.normal(size=9999)]).astype(np.float32)
    with np.errstate(all="ignore"):
        if name in ("floor_divide", "mod"):  # exact remainders depend on the precision
            exact = BINARY[name](a, b).astype(np.float64)
        else:
            exact = 1.0 * BINARY[name](a.astype(np.float64), b.astype(np.float64))
    if name.endswith("_grad"):
        finite = np.isfinite(a) & np.isfinite(b) & (np.abs(b) < 1e6) & (np.abs(a) < 1e30)
        a, b, exact = a[finite], b[finite], exact[finite]
        np.testing.assert_allclose(pointwise(run_op, f"{name} %0 %1", a, b), exact, 1e-4, 1e-30)
    else:
        assert_ulps(pointwise(run_op, f"{name} %0 %1", a, b), exact, 1)


def test_ternary_and_constants(run_op: RunOp) -> None:
    rng = np.random.default_rng(2)
    c, a, b = (rng.normal(size=1003).astype(np.float32) for _ in range(3))
    keep = c > 0
    where = pointwise(run_op, "greater %0 0; where %3 %1 %2", c, a, b)
    np.testing.assert_array_equal(where, np.where(keep, a, b))
    for code, expected in {
        "where %0 1.5 %1": np.where(c != 0, np.float32(1.5), a),
        "greater %0 0; where %2 %1 -0.25": np.where(keep, a, np.float32(-0.25)),
        "greater %0 0; where %2 3 inf": np.where(keep, 3, np.inf),
        "leaky_relu %0 0.25; add %2 %1": np.where(keep, c, c / 4) + a,
        "leaky_relu_grad %0 %1 0.5": np.where(a > 0, c, c / 2),
        "subtract 1 %0; add %2 %1": (1 - c) + a,
        "maximum %1 0; add %0 %2": c + np.maximum(a, 0),
    }.items():
        np.testing.assert_array_equal(pointwise(run_op, code, c, a), expected.astype(np.float32))
    np.testing.assert_allclose(
        pointwise(run_op, "elu %0 1.5", c), np.where(keep, c, 1.5 * np.expm1(c)), 1e-6
    )
    np.testing.assert_allclose(
        pointwise(run_op, "elu_grad %0 %1 1.5", c, a), np.where(a > 0, c, c * (a + 1.5)), 1e-6
    )
    for exponent, function in {"2": np.square, "1": np.positive, "-1": np.reciprocal}.items():
        np.testing.assert_array_equal(pointwise(run_op, f"power %0 {exponent}", c), function(c))
    np.testing.assert_allclose(pointwise(run_op, "power %0 3.0", c), c**3, 1e-6)


SHAPES = [
    [(4, 5, 6, 7), (4, 5, 6, 7)],
    [(4, 5, 6, 7), (7,)],
    [(3, 9, 9, 64), (64,)],
    [(50, 33, 3), (3,)],
    [(5, 1000), (1000,)],
    [(5, 600), (5, 1)],
    [(700, 3), (700, 1)],
    [(40, 30, 20), (40, 1, 1)],
    [(40, 30, 20), (40, 1, 20)],
    [(40, 30, 20), (1, 30, 1)],
    [(40, 30, 20), (30, 1), (20,), ()],
    [(4, 1, 3), (1, 5, 1)],
    [(2000, 1), (1, 17)],
    [(1, 1), (1,)],
    [(3, 0, 2), (2,)],
    [(), ()],
    [(70_001,), (1,)],
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_broadcasting(run_op: RunOp, shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(3)
    inputs = [rng.normal(size=s).astype(np.float32) for s in shapes]
    n = len(inputs)
    code = "; ".join(
        f"subtract %{i if i == 1 else n + i - 2} %{i if i > 1 else 0}" for i in range(1, n)
    )
    expected = inputs[1] - inputs[0]
    for x in inputs[2:]:
        expected = expected - x
    np.testing.assert_array_equal(pointwise(run_op, code, *inputs), expected)
    # The same with every input read twice, so that blocks of the workspace come in.
    twice = f"{code}; multiply %{2 * n - 2} %1; add %{2 * n - 1} %0; square %{2 * n}"
    np.testing.assert_allclose(
        pointwise(run_op, twice, *inputs),
        np.square(expected * inputs[1] + inputs[0]),
        1e-5,
        1e-5,
    )


@pytest.mark.parametrize("batch", [0, 1, 3, 50])
def test_batches(run_op: RunOp, batch: int) -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(batch, 6, 5)).astype(np.float32)
    column = rng.normal(size=(batch, 1, 1)).astype(np.float32)
    row, one = rng.normal(size=5).astype(np.float32), np.array(2.5, np.float32)
    [y] = run_op(
        "pointwise",
        [x, column, row, one],
        [(x.shape, "float32")],
        batch=batch,
        static=(2, 3),
        max_batch=64,
        code="multiply %0 %1; add %4 %2; divide %5 %3",
        results=[6],
    )
    np.testing.assert_allclose(y, (x * column + row) / one, 1e-6, 1e-6)


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool"])
def test_dtypes(run_op: RunOp, dtype: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(0, 100, (300, 7)).astype(np.int32)
    u = rng.integers(0, 100, (300, 7)).astype(np.uint8)
    b = rng.integers(0, 2, 7).astype(bool)
    y = pointwise(run_op, "add %0 %1; multiply %3 %2", x, u, b, dtype=dtype)
    np.testing.assert_array_equal(y, ((x + u) * b).astype(dtype))
    f = (rng.normal(size=999) * 50).astype(np.float32)
    shifted = pointwise(run_op, "cast %0 int32; add %1 0.5", f)
    np.testing.assert_array_equal(shifted, np.trunc(f) + np.float32(0.5))
    np.testing.assert_array_equal(pointwise(run_op, "cast %0 bool", f, dtype="bool"), f != 0)


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_a_cast_in_between_is_what_it_is_at_the_end(run_op: RunOp, dtype: str) -> None:
    limit = np.float32(2**31)
    x = np.float32([300, -7, -0.3, 1.9, 3e9, -3e9, limit, -limit, np.nan, np.inf, -np.inf])
    x = np.concatenate([x, np.linspace(-600, 600, 50, dtype=np.float32)])
    expected = cast(x, dtype=dtype)
    np.testing.assert_array_equal(pointwise(run_op, f"cast %0 {dtype}", x, dtype=dtype), expected)
    between = pointwise(run_op, f"cast %0 {dtype}; multiply %1 1.0", x)
    np.testing.assert_array_equal(between, expected.astype(np.float32))
    assert not np.signbit(between[expected == 0]).any()


def test_several_results(run_op: RunOp) -> None:
    rng = np.random.default_rng(6)
    a, b = (rng.normal(size=(33, 70)).astype(np.float32) for _ in range(2))
    results = run_op(
        "pointwise",
        [a, b],
        [(a.shape, "float32"), (a.shape, "bool"), (a.shape, "float32"), (a.shape, "float32")],
        code="add %0 %1; greater %2 0; multiply %2 2; exp %1",
        results=[2, 3, 4, 0],
    )
    for result, expected in zip(results, [a + b, a + b > 0, 2 * (a + b), a], strict=True):
        np.testing.assert_array_equal(result, expected)


def _plan(
    variables: Sequence[Array], outputs: Sequence[int], code: str, results: list[int]
) -> None:
    tensors = [(v.dtype.name, v.shape, False, "variable", v) for v in variables]
    step = ("pointwise", list(range(len(variables))), list(outputs))
    plan = _core.Plan(tensors, [(*step, {"code": code, "results": results}, "")], [], [], 1)
    plan.run([], 1)


def test_in_place() -> None:
    """Variables that are both read and written, also read again after they are due."""
    rng = np.random.default_rng(7)
    a, b = (rng.normal(size=5000).astype(np.float32) for _ in range(2))
    x, y = a.copy(), b.copy()
    _plan([x, y], [0, 1], "add %0 %1; subtract %0 %1", [2, 3])
    np.testing.assert_array_equal(x, a + b)
    np.testing.assert_array_equal(y, a - b)
    x, y = a.copy(), b.copy()
    _plan([x, y], [1, 0], "identity %0; multiply %1 3", [2, 3])
    np.testing.assert_array_equal(x, b * 3)
    np.testing.assert_array_equal(y, a)
    x = a.copy()
    _plan([x], [0], "multiply %0 0.5; exp %1; add %2 %0", [3])
    np.testing.assert_allclose(x, np.exp(a / 2) + a, 1e-6, 1e-6)


@pytest.mark.parametrize("shape", [(3, 7), (1000, 64), (70_001,), (33, 96)])
@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 1.0])
def test_dropout(run_op: RunOp, shape: tuple[int, ...], rate: float) -> None:
    x = np.random.default_rng(8).normal(size=shape).astype(np.float32)
    row = np.ones(shape[-1], np.float32)
    y = pointwise(run_op, f"multiply %0 %1; dropout %2 {rate} 9", x, row)
    keep = keep_mask(x.size, rate, seed=0, stream=9, step=0).reshape(shape) & (rate < 1)
    scale = np.float32(1 / (1 - rate)) if rate < 1 else np.float32(0)
    np.testing.assert_array_equal(y, np.where(keep, x * scale, 0))


def test_long_code(run_op: RunOp) -> None:
    """More intermediates alive than blocks of full length fit in the workspace."""
    x = np.random.default_rng(9).normal(size=3000).astype(np.float32)
    n = 60
    code = "; ".join(f"add %0 {i}" for i in range(n))
    code += "; add %1 %2" + "".join(f"; add %{n + i + 1} %{i + 3}" for i in range(n - 2))
    y = pointwise(run_op, code, x)
    np.testing.assert_allclose(y, n * x + n * (n - 1) / 2, 1e-5)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("add %0", "expected 2 operands"),
        ("frobnicate %0", "no such instruction"),
        ("add %0 %5", "register 5 of 1"),
        ("add %0 banana", "'banana' is not a number"),
        ("dropout %0 1.5 0", "from 0 to 1"),
        ("cast %0 complex64", "cannot cast"),
    ],
)
def test_bad_code(run_op: RunOp, code: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pointwise(run_op, code, np.zeros(3, np.float32))


def test_bad_shapes(run_op: RunOp) -> None:
    a, b = np.zeros((3, 4), np.float32), np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"shape \(3,\) does not broadcast to \(3, 4\)"):
        run_op("pointwise", [a, b], [((3, 4), "float32")], code="add %0 %1", results=[2])


@pytest.mark.parametrize("shape", [(1, 3), (33, 10), (70, 96), (300, 515)])
@pytest.mark.parametrize(
    "code",
    [
        "relu %0",
        "relu %0; add %5 %1",
        "relu %0; add %5 %0",
        "relu_grad %0 %1",
        "relu_grad %0 %1; multiply %5 0.5; add %6 %2",
        "multiply %0 %2; dropout %5 0.5 3; add %6 %0",
        "add %0 %3; multiply %5 %4; tanh %6; subtract %7 %1; maximum %8 %2",
    ],
)
def test_epilogue(run_op: RunOp, code: str, shape: tuple[int, int]) -> None:
    """A tape in a product's epilogue is the product, then the tape."""
    rng = np.random.default_rng(10)
    rows, columns = shape
    x = rng.normal(size=(rows, 20)).astype(np.float32)
    w = rng.normal(size=(20, columns)).astype(np.float32)
    extras = [rng.normal(size=s).astype(np.float32) for s in (shape, (columns,), (), (rows, 1))]
    out: list[Any] = [(shape, "float32")]
    [product] = run_op("dense", [x, w], out)
    [fused] = run_op("dense", [x, w, *extras], out, epilogue=code, extra=len(extras))
    np.testing.assert_array_equal(fused, pointwise(run_op, code, product, *extras))


@pytest.mark.parametrize("code", ["multiply %0 %1", "negative %1", "add %0 2", "identity %0"])
def test_scalars_fill_a_large_result(run_op: RunOp, code: str) -> None:
    a, b = np.float32(3).reshape(1, 1), np.float32(0.5).reshape(1, 1)
    y = run_op("pointwise", [a, b], [((300, 1001), "float32")], code=code, results=[2])[0]
    value = {"multiply %0 %1": 1.5, "negative %1": -0.5, "add %0 2": 5, "identity %0": 3}[code]
    np.testing.assert_array_equal(y, np.full((300, 1001), value, np.float32))
