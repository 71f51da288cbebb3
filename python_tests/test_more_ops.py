"""Functions of ``fastconv.ops`` against NumPy: at once, in a program, and their gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from real_keras import import_keras, to_numpy

from fastconv import ops
from fastconv.graph import Program, Tensor, gradients
from fastconv.graph.lower import lower
from fastconv.reference import run_program

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

RNG = np.random.default_rng(0)


def draw(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return RNG.uniform(low, high, shape).astype(np.float32)


X, Y = draw(3, 4, 5), draw(3, 4, 5)
M = draw(4, 4) + 3 * np.eye(4, dtype=np.float32)
S = (M @ M.T / 8).astype(np.float32)
RANK_ONE = np.outer(np.arange(1, 6), np.arange(1, 5)).astype(np.float32) * np.float32(0.1)
POSITIVE = draw(3, 4, 5, low=0.2, high=3.0)
UNIT = draw(3, 4, 5, low=-0.9, high=0.9)
WITH_NAN = np.where(draw(3, 4, 5) > 1.2, np.nan, X).astype(np.float32)
ODD = np.array([0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan], np.float32)
LARGE = np.float32([-np.inf, -3e38, -1e20, -1e10, -5, 1e5, 1e10, 1e20, 3e38, np.inf, np.nan])
NUMBERS = RNG.integers(0, 30, (3, 4)).astype(np.int32)
SMALL = RNG.integers(1, 5, (3, 4)).astype(np.int32)

Row = tuple[str, tuple[Any, ...], dict[str, Any], Callable[..., Any] | None]


def np_(name: str) -> Callable[..., Any]:
    return getattr(np, name)


def rows() -> list[Row]:
    """(function, arguments, options, what NumPy says; None: the function of this name)."""
    found: list[Row] = []

    def add(
        name: str, *args: Any, reference: Callable[..., Any] | None = None, **options: Any
    ) -> None:
        found.append((name, args, options, reference))

    for name in (
        "tan",
        "arctan",
        "sinh",
        "cosh",
        "arcsinh",
        "exp2",
        "cbrt",
        "sinc",
        "deg2rad",
        "rad2deg",
    ):
        add(name, X)
    for name in ("arctan", "isinf", "isposinf", "isneginf", "signbit", "nan_to_num", "sinh"):
        add(name, ODD)
    for name in ("arcsin", "arccos", "arctanh"):
        add(name, UNIT)
    add("arccosh", POSITIVE + 1.0)
    add("log2", POSITIVE)
    add("log10", POSITIVE)
    add("erfc", X, reference=lambda x: np.vectorize(math.erfc)(x))
    add("i0", X)
    add("trunc", X * 3)
    for name in (
        "arctan2",
        "logaddexp",
        "logaddexp2",
        "hypot",
        "fmod",
        "fmax",
        "fmin",
        "nextafter",
    ):
        add(name, X, Y)
    add("fmax", WITH_NAN, Y)
    for name in ("arcsinh", "arccosh"):
        add(name, LARGE)
    for name in ("sinh", "cosh"):
        add(name, np.float32([-89, 89, np.inf]))
    for name in ("arctan2", "hypot", "logaddexp", "logaddexp2"):
        add(name, *np.meshgrid(ODD, ODD))
    add("arctan2", np.float32([0.0, 1.0, -1.0, 1.0, -1.0]), np.float32([1.0, 0.0, 0.0, -1.0, -1.0]))
    add(
        "divide_no_nan",
        X,
        np.where(Y > 0, Y, 0),
        reference=lambda a, b: np.where(b == 0, 0, a / np.where(b == 0, 1, b)),
    )
    add("ldexp", X, np.float32(3.0), reference=lambda x, n: x * 8)
    add("heaviside", np.float32([-1.0, 0.0, 2.0]), np.float32(0.5))
    add("logical_xor", X > 0, Y > 0)
    add("isclose", X, X + np.where(Y > 0, 1e-7, 0.1).astype(np.float32))
    add("isclose", ODD, ODD, equal_nan=True)
    add("allclose", X, X)
    add("isreal", X)
    add("isin", NUMBERS, np.int32([3, 4, 5, 6, 7]))
    add("isin", NUMBERS, np.int32([3, 4]), invert=True)
    for axis in (None, 1):
        add("count_nonzero", NUMBERS * (NUMBERS > 9), axis=axis)
    add("select", [X > 1, X > 0], [X, Y], 7.0)
    for name in (
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "left_shift",
        "right_shift",
        "gcd",
        "lcm",
    ):
        add(name, NUMBERS, SMALL)
    add("bitwise_not", NUMBERS)
    for axis in (1, None):
        for name in (
            "cumsum",
            "cumprod",
            "sort",
            "median",
            "ptp",
            "nansum",
            "nanmean",
            "nanmax",
            "nanmin",
            "nanvar",
            "nanstd",
            "nanprod",
            "nancumsum",
            "nancumprod",
        ):
            add(name, WITH_NAN if name.startswith("nan") else X, axis=axis)
        add("argsort", X, axis=axis)
    add("nanmedian", WITH_NAN, axis=1)
    add("nanquantile", WITH_NAN, 0.3, axis=1)
    add("nanpercentile", WITH_NAN, 30.0, axis=1)
    add("nanargmax", WITH_NAN, axis=1)
    add("nanargmin", WITH_NAN, axis=1)
    add("cumsum", NUMBERS, axis=1)
    add("diff", X, n=2, axis=1)
    add("trapezoid", X, dx=0.5, axis=1)
    add("trapezoid", X, np.sort(draw(4)), axis=1)
    add("trapezoid", X, np.sort(draw(3, 4, 5), axis=1), axis=1)
    add("cumsum", NUMBERS > 9, axis=1)
    add("cumsum", NUMBERS, axis=1, dtype="float32")
    add("vander", draw(4), 3)
    for method in ("linear", "lower", "higher", "midpoint", "nearest"):
        add("quantile", X, [0.0, 0.3, 1.0], axis=1, method=method)
    add("quantile", X, 0.7, axis=(1, 2), keepdims=True)
    add("quantile", WITH_NAN, [0.0, 0.3], axis=1)
    add("median", WITH_NAN, axis=(0, 2), keepdims=True)
    add("percentile", X, 35.0, axis=2)
    add("logsumexp", X * 50, axis=1, reference=lambda x, axis: np.logaddexp.reduce(x, axis=axis))
    add(
        "logsumexp",
        X,
        axis=(1, 2),
        keepdims=True,
        reference=lambda x, axis, keepdims: np.log(np.exp(x).sum(axis, keepdims=True)),
    )
    add("average", X, axis=1, weights=draw(4, low=0.1))
    add("average", X, weights=POSITIVE)
    for name in ("amax", "amin", "max", "min"):
        add(name, X, axis=1, initial=0.5)
    add("prod", X, axis=1)
    add("round", X * 3, 2)
    add("take_along_axis", X, np.argsort(X, 1)[:, :2], axis=1)
    add("take_along_axis", X, np.argsort(X, 2), axis=-1)
    add("take_along_axis", X, np.argsort(X, 0), axis=0)
    add("searchsorted", np.sort(draw(9)), X)
    add("searchsorted", np.int32([1, 3, 3, 7]), NUMBERS, side="right")
    add("digitize", X, np.sort(draw(4)))
    add("roll", X, 2, axis=1)
    add("roll", X, (1, -2), axis=(1, 2))
    add("roll", X, 7)
    for k in (0, 1, 2, 3):
        add("rot90", X, k, axes=(1, 2))
    add("fliplr", X)
    add("flipud", X)
    add("append", X, Y, axis=1)
    for name in ("hstack", "vstack", "dstack"):
        add(name, [X, Y])
        add(name, [X[0, 0], Y[0, 0]])
    add("array_split", X, 3, axis=2)
    add("hsplit", X, 2)
    add("dsplit", X, [1, 3])
    add("vsplit", X, 3)
    add("meshgrid", draw(3), draw(4))
    add("meshgrid", draw(3), draw(4), indexing="ij")
    for k in (-1, 0, 2):
        add("tril", X, k)
        add("triu", X, k)
        add("diag", M, k)
        add("diag", M[0], k)
        add("trace", M, k)
        add("diagonal", X, k, axis1=1, axis2=2)
        add("eye", 3, 4, k)
        add("tri", 3, 4, k)
    add("diagflat", X[0, :2, :2])
    add("unravel_index", NUMBERS, (5, 6), reference=np.unravel_index)
    add("outer", X[0], Y[0])
    add("inner", X[0], Y[0])
    add("vdot", X[0, 0], Y[0, 0])
    add("kron", X[0], M)
    add("cross", X[:, :, :3], Y[:, :, :3])
    add("cross", X, Y, axis=0)
    for order in (None, 1, 2, 3, np.inf, -np.inf, 0):
        add("norm", X, order, axis=1, reference=np.linalg.norm)
    for order in (None, "fro", 1, -1, 2, -2, np.inf, "nuc"):
        add("norm", X, order, axis=(1, 2), keepdims=True, reference=np.linalg.norm)
        add("norm", X, order, axis=(0, 2), reference=np.linalg.norm)
    add("norm", X, reference=np.linalg.norm)
    add("corrcoef", M)
    for term in (
        "ij,jk->ik",
        "ij,jk",
        "ij->ji",
        "ij->",
        "ii->i",
        "ii",
        "ij,ij->ij",
        "ij,ij->",
        "ij,kj->ik",
    ):
        add("einsum", term, *([M] if "," not in term else [M, S]))
    add("einsum", "bij,bkj->bik", X, Y)
    add("einsum", "bij,jk->bik", X, draw(5, 2))
    add("einsum", "...ij,...jk->...ik", X, np.swapaxes(Y, 1, 2))
    add("einsum", "bij,bij,j->bi", X, Y, draw(5))
    add("einsum", "...i->...", X)
    add("einsum", "ij,jk->ik", draw(3, 1), draw(4, 2))
    add("einsum", "bij,bjk->bk", X, draw(1, 5, 2))
    add("inv", M, reference=np.linalg.inv)
    add("det", M, reference=np.linalg.det)
    add("slogdet", M, reference=np.linalg.slogdet)
    add("logdet", S, reference=lambda a: np.linalg.slogdet(a)[1])
    add("solve", M, draw(4, 2), reference=np.linalg.solve)
    add(
        "solve_triangular",
        M,
        draw(4, 2),
        lower=True,
        reference=lambda a, b, lower: np.linalg.solve(np.tril(a), b),
    )
    add("cholesky", S, reference=np.linalg.cholesky)
    add("pinv", X[0], reference=np.linalg.pinv)
    add("pinv", RANK_ONE, reference=lambda a: np.linalg.pinv(a, rcond=1e-6))
    add("lstsq", X[0].T, draw(5, 2), reference=lambda a, b: np.linalg.lstsq(a, b, None)[0])
    add("matrix_rank", np.float32([[1, 2], [2, 4]]), reference=np.linalg.matrix_rank)
    add("svd", X[0], compute_uv=False, reference=np.linalg.svd)
    add("cdist", X, Y, reference=lambda a, b: np.linalg.norm(a[:, :, None] - b[:, None], axis=-1))
    add(
        "normalize",
        X,
        axis=1,
        reference=lambda x, axis: x / np.linalg.norm(x, axis=axis, keepdims=True),
    )
    add(
        "psnr",
        X,
        Y,
        2.0,
        reference=lambda a, b, m: 20 * np.log10(m) - 10 * np.log10(np.mean((a - b) ** 2)),
    )
    add("linspace", 0, 1, 7)
    add("linspace", np.float32([0, 1]), np.float32([1, 5]), 3, endpoint=False, axis=1)
    add("logspace", 0, 2, 5)
    add("geomspace", 1.0, 8.0, 4)
    for name in ("bartlett", "blackman", "hamming", "hanning"):
        add(name, 8)
    add("kaiser", 8, 3.0)
    add("identity", 3)
    add("bincount", NUMBERS[0], minlength=40)
    add("bincount", NUMBERS[0], weights=draw(4))
    add("nonzero", NUMBERS * (NUMBERS > 9))
    add("unique", NUMBERS[0])
    add("unique", SMALL[[0, 1, 0]], axis=0)
    add("histogram", X, 5, range=(-1, 1))
    add(
        "scatter_update",
        M,
        np.int32([[0, 1], [2, 2]]),
        np.float32([9, 8]),
        reference=lambda a, at, v: _put(a, at, v),
    )
    add(
        "slice_update",
        M,
        [1, 1],
        np.ones((2, 2), np.float32),
        reference=lambda a, at, v: _box(a, at, v),
    )
    return found


def _put(a: Any, at: Any, v: Any) -> Any:
    a = a.copy()
    a[tuple(at.T)] = v
    return a


def _box(a: Any, at: Any, v: Any) -> Any:
    a = a.copy()
    a[at[0] : at[0] + v.shape[0], at[1] : at[1] + v.shape[1]] = v
    return a


ROWS = rows()
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(ROWS)]


def flat(value: Any) -> list[Any]:
    return [v for x in value for v in flat(x)] if isinstance(value, (list, tuple)) else [value]


def arrays_of(args: Any) -> list[np.ndarray]:
    return [a for a in flat(args) if isinstance(a, np.ndarray)]


def rebuilt(args: Any, values: list[Any]) -> Any:
    """The arguments with the next values in place of the arrays."""
    if isinstance(args, (list, tuple)):
        return type(args)(rebuilt(a, values) for a in args)
    return values.pop(0) if isinstance(args, np.ndarray) else args


def same(result: Any, expected: Any, tolerance: float = 3e-5) -> None:
    found, wanted = flat(result), flat(expected)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        a, b = np.asarray(one), np.asarray(other)
        assert a.shape == b.shape
        assert a.dtype != np.float64
        finite = b[np.isfinite(b)] if b.dtype.kind == "f" else np.empty(0)
        scale = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize(("name", "args", "options", "reference"), ROWS, ids=IDS)
def test_at_once(name: str, args: tuple, options: dict, reference: Any) -> None:
    with np.errstate(all="ignore"):
        expected = (reference or getattr(np, name))(*args, **options)
    same(getattr(ops, name)(*args, **options), expected)


ARRAYS_ONLY = {
    *("bincount", "histogram", "nonzero", "unique"),
    *("nanmedian", "nanquantile", "nanpercentile"),
}
MAKERS = {"linspace", "logspace", "geomspace"}
SYMBOLIC = [
    i
    for i, (name, args, *_) in enumerate(ROWS)
    if name not in ARRAYS_ONLY | MAKERS and arrays_of(args)
]


@pytest.mark.parametrize("row", SYMBOLIC, ids=[IDS[i] for i in SYMBOLIC])
def test_in_a_program(row: int) -> None:
    """The plan and the interpreter give what was given at once, and gradients are right."""
    name, args, options, _ = ROWS[row]
    if name == "scatter_update":  # positions are known numbers
        args = (
            args[0],
            *(a.tolist() if a.dtype == np.int32 else a for a in map(np.asarray, args[1:])),
        )
    given = [a.astype(np.int32) if a.dtype == np.int64 else a for a in arrays_of(args)]
    given = [np.ascontiguousarray(a) for a in given]
    inputs = [Tensor(a.shape, str(a.dtype)) for a in given]
    made = flat(getattr(ops, name)(*rebuilt(args, list(inputs)), **options))
    program = Program.of(inputs, made)
    expected = flat(getattr(ops, name)(*args, **options))
    with np.errstate(all="ignore"):
        same(run_program(program, given), expected)
        same(lower(program, 1).run(given, 1), expected)
    check_gradients(name, inputs, made, given)


KINKS = {"divide_no_nan", "fmod", "cholesky"}  # or one triangle alone is read


def check_gradients(
    name: str, inputs: list[Tensor], made: list[Any], given: list[np.ndarray]
) -> None:
    """Along a random direction, against differences in float64."""
    sources = [i for i, x in enumerate(inputs) if x.dtype == "float32"]
    target = next((y for y in made if y.dtype == "float32"), None)
    if name in KINKS or target is None or not all(np.isfinite(given[i]).all() for i in sources):
        return
    weights = np.random.default_rng(1).standard_normal(target.shape).astype(np.float32)
    total = ops.sum(target * weights)
    found = gradients(total, [inputs[i] for i in sources])
    pairs = [(i, g) for i, g in zip(sources, found, strict=True) if g is not None]
    if not pairs:
        return
    given64 = [g.astype(np.float64) if g.dtype == np.float32 else g for g in given]
    grads = run_program(Program.of(inputs, [g for _, g in pairs]), given64, dtype="float64")
    rng, h = np.random.default_rng(2), 1e-6
    directions = [rng.standard_normal(given[i].shape) for i, _ in pairs]
    value = Program.of(inputs, [total])
    sides = []
    for sign in (1, -1):
        moved = list(given64)
        for (i, _), d in zip(pairs, directions, strict=True):
            moved[i] = moved[i] + sign * h * d
        sides.append(float(run_program(value, moved, dtype="float64")[0]))
    products = [g * d for g, d in zip(grads, directions, strict=True)]
    slope = sum(float(p.sum()) for p in products)
    size = sum(float(np.abs(p).sum()) for p in products)
    assert abs(slope - (sides[0] - sides[1]) / (2 * h)) <= 2e-3 * max(size, 0.1)


KERAS_DIFFERS = {
    "ldexp": "takes integers only",
    "average": "weights along an axis",
    "amax": "no initial",
    "amin": "no initial",
    "linspace": "no axis on torch",
    "nonzero": "one array on torch",
    "histogram": "vectors only",
    "cross": "of axis 0 on torch",
}


@pytest.mark.parametrize(("name", "args", "options", "reference"), ROWS, ids=IDS)
def test_as_keras(name: str, args: tuple, options: dict, reference: Any) -> None:
    keras = import_keras()
    if name in KERAS_DIFFERS:
        pytest.skip(KERAS_DIFFERS[name])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        theirs = getattr(keras.ops, name)(*args, **options)
    found = [np.asarray(to_numpy(v)) for v in flat(theirs)]
    found = [v.astype(np.float32) if v.dtype == np.float64 else v for v in found]
    same(getattr(ops, name)(*args, **options), found, 2e-4)


AT_EDGES: list[tuple[str, list[float], list[float]]] = [
    ("sinh", [0.0], [1.0]),
    ("fmod", [0.0, 2.0], [1.0, 0.0]),
    ("fmod", [-5.0, 2.0], [1.0, 2.0]),
    ("sinh", [89.0], [math.cosh(89.0)]),
    ("cosh", [89.0], [math.sinh(89.0)]),
    ("arccosh", [1.0], [math.inf]),
    ("arctan2", [1.0, 0.0], [0.0, -1.0]),
    ("arctan2", [0.0, 0.0], [0.0, 0.0]),
    ("hypot", [1.0, 1.0], [math.sqrt(0.5)] * 2),
    ("hypot", [0.0, 0.0], [0.0, 0.0]),
    ("logaddexp", [1.0, 1.0], [0.5, 0.5]),
    ("logaddexp2", [1.0, 1.0], [0.5, 0.5]),
]


@pytest.mark.parametrize(("name", "at", "expected"), AT_EDGES)
def test_gradients_at_edges(name: str, at: list[float], expected: list[float]) -> None:
    """Where differences tell nothing: at signs, ties and very large numbers; as PyTorch has it."""
    inputs = [Tensor((2,)), *[Tensor((1,)) for _ in at[1:]]]  # the second is broadcast
    found = gradients(ops.sum(getattr(ops, name)(*inputs)), inputs)
    program = Program.of(inputs, found)
    given = [np.full(x.shape, v, np.float32) for x, v in zip(inputs, at, strict=True)]
    wanted = [np.full(x.shape, g) for x, g in zip(inputs, expected, strict=True)]
    wanted[1:] = [2 * g for g in wanted[1:]]
    with np.errstate(divide="ignore"):
        same(run_program(program, given), wanted)
    same(lower(program, 1).run(given, 1), wanted)


def test_the_gradient_of_cholesky_along_symmetric_directions() -> None:
    x = Tensor((4, 4), "float32")
    y = ops.cholesky(x, upper=True)
    weights = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)
    total = ops.sum(y * weights)
    program = Program.of([x], [total, *gradients(total, [x])])
    step = np.random.default_rng(2).standard_normal((4, 4))
    step, h, at = step + step.T, 1e-6, S.astype(np.float64)
    above, below = (run_program(program, [at + s * h * step], dtype="float64")[0] for s in (1, -1))
    slope = np.sum(run_program(program, [at], dtype="float64")[1] * step)
    assert slope == pytest.approx((above - below) / (2 * h), rel=1e-4)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.float32([3, np.nan, 1, 3]), [1, 0, 3]),
        (np.int64([2**60, 2**60 + 1, 2**60]), [1, 0, 2]),
        (np.uint8([0, 255, 3]), [1, 2, 0]),
        (np.array([False, True, True]), [1, 2, 0]),
    ],
)
def test_the_largest_of_any_dtype(x: np.ndarray, expected: list[int]) -> None:
    values, positions = ops.top_k(x, 3)
    np.testing.assert_array_equal(positions, expected)
    np.testing.assert_array_equal(values, x[expected])
    if x.dtype != np.int64:  # models compute with int32
        line = Tensor(x.shape, str(x.dtype))
        program = Program.of([line], list(ops.top_k(line, 3)))
        same(lower(program, 1).run([x], 1), [values, positions])


def test_a_score_of_nan_counts_against_the_target() -> None:
    scores = np.float32([[0.1, np.nan, 0.3], [0.1, 0.2, 0.3]])
    targets = np.int32([2, 2])
    assert ops.in_top_k(targets, scores, 1).tolist() == [False, True]
    assert ops.in_top_k(targets, scores, 2).tolist() == [True, True]


def test_as_many_different_elements_as_asked_for() -> None:
    x = np.float32([3, 1, 3, 2])
    values, inverse, counts = ops.unique(x, return_inverse=True, return_counts=True, size=2)
    assert (values.tolist(), counts.tolist()) == ([1, 2], [1, 1])
    assert inverse.tolist() == [2, 0, 2, 1]
    values, counts = ops.unique(x, return_counts=True, size=5, fill_value=-1)
    assert (values.tolist(), counts.tolist()) == ([1, 2, 3, -1, -1], [1, 1, 2, 0, 0])
    rows = ops.unique(np.float32([[2, 1], [0, 1], [2, 1]]), axis=0, size=3)
    np.testing.assert_array_equal(rows, [[0, 1], [2, 1], [0, 0]])


@pytest.mark.parametrize(
    ("reduction", "expected"), [("add", 8), ("mul", 12), ("max", 6), ("min", 0)]
)
def test_updates_that_meet_are_combined(reduction: str, expected: float) -> None:
    at = np.int32([[1], [1]])
    given = {"add": [4, 3], "mul": [4, 3], "max": [6, 3], "min": [0, 3]}[reduction]
    found = ops.scatter_update(np.float32([5, 1, 7]), at, np.float32(given), reduction)
    np.testing.assert_array_equal(found, [5, expected, 7])


PLACES = np.int32([[1, -1], [0, 2], [-1, 2]])  # the first and the last are one place


@pytest.mark.parametrize(("reduction", "expected"), [("add", 5), (None, 4)])
def test_places_are_counted_from_the_end_of_each_axis(
    reduction: str | None, expected: float
) -> None:
    zeros, given = np.zeros((2, 3), np.float32), np.float32([1, 2, 4])
    wanted = np.float32([[0, 0, 2], [0, 0, expected]])
    np.testing.assert_array_equal(ops.scatter_update(zeros, PLACES, given, reduction), wanted)
    inputs = [Tensor(zeros.shape), Tensor(given.shape)]
    made = ops.scatter_update(inputs[0], PLACES, inputs[1], reduction)
    same(lower(Program.of(inputs, [made]), 1).run([zeros, given], 1), [wanted])


def test_places_out_of_range_are_no_other_places() -> None:
    """Arrays are refused as by NumPy; what a model computes has no place, or NaN."""
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for axis, n in enumerate(x.shape):
        bad = np.zeros(x.shape, np.int32)
        bad[0, 0, 0], bad[0, 0, 1] = n, -n
        with pytest.raises(IndexError, match=f"index {n} is out of range for an axis of size {n}"):
            ops.take_along_axis(x, bad, axis)
        places = Tensor(x.shape, "int32")
        program = Program.of([places], [ops.take_along_axis(x, places, axis)])
        expected = np.take_along_axis(x, np.where(bad == n, 0, bad), axis)
        expected[0, 0, 0] = np.nan
        same(lower(program, 1).run([bad], 1), expected)
    with pytest.raises(IndexError, match="index 5 is out of range for an axis of size 3"):
        ops.scatter([[0, 5]], [1.0], (2, 3))
    places = Tensor((3, 2), "int32")
    program = Program.of([places], [ops.scatter(places, np.float32([1, 2, 4]), (2, 3))])
    found = lower(program, 1).run([np.int32([[0, 5], [-3, 0], [1, -1]])], 1)
    same(found, np.float32([[0, 0, 0], [0, 0, 4]]))


def test_small_integers_are_places_on_long_axes() -> None:
    x = np.arange(600, dtype=np.float32).reshape(2, 300)
    at = np.uint8([[255], [7]])
    np.testing.assert_array_equal(ops.take_along_axis(x, at, 1), [[255], [307]])
    found = ops.scatter(np.uint8([[1, 255]]), np.float32([3]), (2, 300))
    assert found[1, 255] == found.sum() == 3


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_rows_of_no_segment_are_left_out(dtype: str) -> None:
    x, numbers = M, np.array([0, -1, 5, 1], dtype)
    expected = M[[0, 3]]
    np.testing.assert_array_equal(ops.segment_sum(x, numbers, num_segments=2), expected)
    inputs = [Tensor(x.shape), Tensor(numbers.shape, "int32")]
    program = Program.of(inputs, [ops.segment_sum(*inputs, num_segments=2)])
    same(lower(program, 1).run([x, numbers.astype(np.int32)], 1), [expected])


def test_a_box_of_every_row_is_replaced() -> None:
    x, box = Tensor((None, 4)), Tensor((None, 2))
    program = Program.of([x, box], [ops.slice_update(x, (0, 1), box)])
    (found,) = lower(program, 4).run([M, -M[:, :2]], 4)
    expected = M.copy()
    expected[:, 1:3] = -M[:, :2]
    np.testing.assert_array_equal(found, expected)
