"""Matrix products and dense layers against NumPy in float64, over sizes around every block."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]

# rows, inputs, outputs
SIZES = [
    (0, 4, 3),
    (1, 1, 1),
    (1, 300, 64),
    (3, 7, 5),
    (28, 16, 16),
    (32, 8, 12),
    (32, 12, 1),
    (33, 257, 65),
    (50, 513, 10),
    (128, 84, 96),
    (128, 400, 120),
    (130, 64, 200),
    (257, 31, 33),
    (3000, 9, 7),  # summed in chunks of rows
]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng((seed, *shape)).standard_normal(shape).astype(np.float32)


def close(actual: Array, expected: Array, terms: int) -> None:
    assert actual.shape == expected.shape
    if expected.size:
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=2e-6 * max(1, terms) ** 0.5)


@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_dense_and_its_gradients(run_op: RunOp, m: int, k: int, n: int) -> None:
    x, w, b, dy = normal(m, k), normal(k, n), normal(n), normal(m, n, seed=1)
    exact = x.astype(np.float64) @ w
    (y,) = run_op("dense", [x, w], [((m, n), "float32")], batch=m, static=(1,))
    close(y, exact, k)
    (y,) = run_op(
        "dense",
        [x, w, b],
        [((m, n), "float32")],
        batch=m,
        static=(1, 2),
        bias=1,
        epilogue="relu %0",
    )
    close(y, np.maximum(exact + b, 0), k)
    (dx,) = run_op("dense_input_grad", [dy, w], [((m, k), "float32")], batch=m, static=(1,))
    close(dx, dy.astype(np.float64) @ w.T, n)
    dw, db = run_op(
        "dense_weight_grad",
        [x, dy],
        [((k, n), "float32"), ((n,), "float32")],
        batch=m,
        static_outputs=(0, 1),
        bias=1,
    )
    close(dw, x.T.astype(np.float64) @ dy, m)
    close(db, dy.sum(0, dtype=np.float64), m)


@pytest.mark.parametrize(("m", "k", "n"), [(5, 9, 7), (130, 64, 200)])
def test_epilogues_run_on_every_block(run_op: RunOp, m: int, k: int, n: int) -> None:
    x, w, other, row = normal(m, k), normal(k, n), normal(m, n), normal(n)
    exact = x.astype(np.float64) @ w
    for epilogue, extra, expected in [
        ("relu %0; add %2 %1", other, np.maximum(exact, 0) + other),
        ("multiply %0 %1; add %2 1.0", row, exact * row + 1),
        ("relu_grad %0 %1", other, np.where(other > 0, exact, 0)),
        ("relu_grad %0 %1; negative %2", other, -np.where(other > 0, exact, 0)),
    ]:
        (y,) = run_op(
            "dense",
            [x, w, extra],
            [((m, n), "float32")],
            batch=m,
            static=(1,) if extra.ndim == 2 else (1, 2),
            epilogue=epilogue,
            extra=1,
        )
        close(y, expected, k)


def test_rows_may_have_several_dimensions(run_op: RunOp) -> None:
    x, w, dy = normal(3, 4, 5, 6), normal(6, 7), normal(3, 4, 5, 7)
    (y,) = run_op("dense", [x, w], [(dy.shape, "float32")], batch=3, static=(1,))
    close(y, x.astype(np.float64) @ w, 6)
    (dw,) = run_op(
        "dense_weight_grad", [x, dy], [((6, 7), "float32")], batch=3, static_outputs=(0,)
    )
    close(dw, np.tensordot(x.astype(np.float64), dy, ((0, 1, 2), (0, 1, 2))), 60)


@pytest.mark.parametrize("transpose_a", [0, 1])
@pytest.mark.parametrize("transpose_b", [0, 1])
@pytest.mark.parametrize(
    ("lead_a", "lead_b"), [((), ()), ((3,), (3,)), ((2, 1), (3,)), ((), (2, 2)), ((4, 1), (4, 1))]
)
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (5, 7, 4), (40, 33, 70), (300, 270, 20)])
def test_matmul_broadcasts(
    run_op: RunOp,
    lead_a: tuple[int, ...],
    lead_b: tuple[int, ...],
    m: int,
    k: int,
    n: int,
    transpose_a: int,
    transpose_b: int,
) -> None:
    a = normal(*lead_a, *((k, m) if transpose_a else (m, k)))
    b = normal(*lead_b, *((n, k) if transpose_b else (k, n)), seed=1)
    left = np.swapaxes(a, -1, -2) if transpose_a else a
    right = np.swapaxes(b, -1, -2) if transpose_b else b
    expected = left.astype(np.float64) @ right
    (c,) = run_op(
        "matmul",
        [a, b],
        [(expected.shape, "float32")],
        transpose_a=transpose_a,
        transpose_b=transpose_b,
    )
    close(c, expected, k)


def test_matmul_over_the_batch(run_op: RunOp) -> None:
    a, b = normal(9, 4, 5), normal(9, 5, 6, seed=1)
    (c,) = run_op("matmul", [a, b], [((9, 4, 6), "float32")], batch=9)
    close(c, a.astype(np.float64) @ b, 5)
    gram, other = normal(70, 5), normal(70, 6, seed=1)
    (c,) = run_op(
        "matmul",
        [gram, other],
        [((5, 6), "float32")],
        batch=70,
        static_outputs=(0,),
        transpose_a=1,
    )
    close(c, gram.T.astype(np.float64) @ other, 70)


@pytest.mark.parametrize(
    ("op", "shapes", "result", "message"),
    [
        ("dense", [(2, 3), (4, 5)], (2, 5), "dense: the input's last dimension must be 4"),
        ("dense", [(2, 3), (3, 5)], (2, 6), "dense: the result of .* is not"),
        ("dense", [(3,), (3, 5)], (5,), "dense: the input must have at least 2 dimensions"),
        ("dense", [(2, 3), (3,)], (2, 3), "dense: weights must be"),
        ("dense", [(2, 3)], (2, 3), "dense: expected 2 inputs, got 1"),
        ("dense_weight_grad", [(2, 3), (4, 5)], (3, 5), "dense_weight_grad: x and dy must agree"),
        ("matmul", [(2, 3), (4, 5)], (2, 5), "matmul: the product of"),
        ("matmul", [(3,), (3, 5)], (5,), "matmul: matrices need at least 2 dimensions"),
    ],
)
def test_what_does_not_fit_is_refused(
    run_op: RunOp, op: str, shapes: list[tuple[int, ...]], result: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_op(op, [np.zeros(s, np.float32) for s in shapes], [(result, "float32")])
