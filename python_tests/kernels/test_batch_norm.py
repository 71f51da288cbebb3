"""Batch normalisation and its gradient against float64 NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]

SHAPES = [
    (1, 3),
    (2, 1),
    (5, 7, 6, 3),
    (32, 8),
    (9, 5, 5, 20),
    (4, 64),
    (70, 9, 9, 16),
    (3, 2, 130),
]
EPSILON = 1e-3


def rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1]).astype(np.float64)


def forward(
    run_op: RunOp, x: Array, gamma: Array, beta: Array, *extra: Array, **attrs: Any
) -> list[Array]:
    row = ((x.shape[-1],), "float32")
    return run_op(
        "batch_norm",
        [x, gamma, beta, *extra],
        [(x.shape, "float32"), row, row],
        batch=x.shape[0],
        static={1, 2},
        static_outputs={1, 2},
        epsilon=EPSILON,
        **attrs,
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mean", [0.0, 300.0])
def test_batch_norm(run_op: RunOp, shape: tuple[int, ...], mean: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape, np.float32) + np.float32(mean)
    gamma, beta = rng.standard_normal((2, shape[-1])).astype(np.float32)
    y, got_mean, got_variance = forward(run_op, x, gamma, beta)
    expected_mean, expected_variance = rows(x).mean(0), rows(x).var(0)
    np.testing.assert_allclose(got_mean, expected_mean, rtol=1e-6, atol=3e-7)
    np.testing.assert_allclose(got_variance, expected_variance, rtol=2e-6, atol=1e-9)
    # The mean is a float32: the distance of x to it has that much error.
    tolerance = 1e-5 + abs(mean) * 1e-7 * np.abs(gamma / np.sqrt(expected_variance + EPSILON)).max()
    expected = (rows(x) - expected_mean) / np.sqrt(expected_variance + EPSILON) * gamma + beta
    np.testing.assert_allclose(rows(y), expected, rtol=1e-5, atol=tolerance)


def test_statistics_beside_a_large_mean(run_op: RunOp) -> None:
    rng = np.random.default_rng(2)
    x = (rng.standard_normal((130, 20, 19, 5)) * 0.01 + 100).astype(np.float32)
    x[..., 1] = 7  # constant
    x[0, 0, 0, 2] = -3000  # the value that this channel is shifted by
    _, mean, variance = forward(run_op, x, np.ones(5, np.float32), np.zeros(5, np.float32))
    np.testing.assert_allclose(mean, rows(x).mean(0), rtol=3e-7)
    np.testing.assert_allclose(variance, rows(x).var(0), rtol=2e-6)
    assert variance[1] == 0


def test_nan_stays(run_op: RunOp) -> None:
    x = np.ones((4, 2), np.float32)
    x[2, 1] = np.nan
    y, mean, variance = forward(run_op, x, np.ones(2, np.float32), np.zeros(2, np.float32))
    for result in (y, mean, variance):
        assert np.isfinite(result[..., 0]).all()
        assert np.isnan(result[..., 1]).all()


def test_empty_batch(run_op: RunOp) -> None:
    x = np.zeros((0, 3, 3, 8), np.float32)
    y, mean, variance = forward(run_op, x, np.ones(8, np.float32), np.zeros(8, np.float32))
    assert y.shape == x.shape
    assert not mean.any()
    assert not variance.any()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_epilogues(run_op: RunOp, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    x, other = rng.standard_normal((2, *shape)).astype(np.float32)
    gamma, beta = rng.standard_normal((2, shape[-1])).astype(np.float32)
    plain = forward(run_op, x, gamma, beta)[0]
    relu = forward(run_op, x, gamma, beta, epilogue="relu %0")[0]
    np.testing.assert_array_equal(relu, np.maximum(plain, 0))
    sum_relu = forward(run_op, x, gamma, beta, other, epilogue="add %0 %1; relu %2", extra=1)[0]
    np.testing.assert_array_equal(sum_relu, np.maximum(plain + other, 0))
    relu_sum = forward(run_op, x, gamma, beta, other, epilogue="relu %0; add %2 %1", extra=1)[0]
    np.testing.assert_array_equal(relu_sum, np.maximum(plain, 0) + other)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mask", [0, 1, 2])
def test_batch_norm_grad(run_op: RunOp, shape: tuple[int, ...], mask: int) -> None:
    rng = np.random.default_rng(4)
    x, dy, y = rng.standard_normal((3, *shape)).astype(np.float32)
    x += 2
    gamma = rng.standard_normal(shape[-1]).astype(np.float32)
    mean, variance = rows(x).mean(0), rows(x).var(0)
    d = rows(dy) * (rows(y) > 0) if mask else rows(dy)
    normal = (rows(x) - mean) / np.sqrt(variance + EPSILON)
    dgamma, dbeta = (d * normal).sum(0), d.sum(0)
    n = len(d)
    dx = gamma / np.sqrt(variance + EPSILON) * (d - dbeta / n - normal * dgamma / n)

    row = ((shape[-1],), "float32")
    statistics = [mean.astype(np.float32), variance.astype(np.float32)]
    outputs = [(shape, "float32"), row, row]
    attrs: dict[str, Any] = {"epsilon": EPSILON}
    if mask:
        attrs["mask"] = "relu"
    if mask == 2:
        attrs["masked_dy"] = 1
        outputs.append((shape, "float32"))
    results = run_op(
        "batch_norm_grad",
        [dy, x, gamma, *statistics, *([y] if mask else [])],
        outputs,
        batch=shape[0],
        static={2, 3, 4},
        static_outputs={1, 2},
        **attrs,
    )
    scale = np.sqrt(n) * 2e-6
    np.testing.assert_allclose(results[1], dgamma, rtol=1e-5, atol=scale)
    np.testing.assert_allclose(results[2], dbeta, rtol=1e-5, atol=scale)
    spread = np.abs(gamma / np.sqrt(variance + EPSILON)).max()
    np.testing.assert_allclose(rows(results[0]), dx, rtol=1e-5, atol=2e-6 * max(1, spread))
    if mask == 2:
        np.testing.assert_array_equal(results[3], np.where(y > 0, dy, 0))


CONVOLUTIONS = [  # image, kernel, channels, filters, stride, padding, algorithm
    ((9, 11, 7), 3, 16, 20, 1, 1, "winograd"),
    ((3, 8, 8), 3, 64, 48, 1, 0, "winograd"),
    ((5, 9, 6), 3, 4, 7, 1, 1, "direct"),
    ((4, 9, 8), 3, 16, 24, 2, 1, "direct"),
    ((4, 6, 5), 1, 8, 40, 1, 0, "auto"),
    ((4, 6, 5), 5, 3, 8, 1, 2, "im2col"),
    ((3, 190, 187), 3, 3, 20, 1, 1, "winograd"),  # summed up block by block from here on
    ((3, 190, 187), 3, 2, 20, 1, 1, "direct"),
    ((1, 393, 391), 3, 4, 56, 2, 1, "direct"),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_moments_of_a_convolution(run_op: RunOp, case: Any, mean: float) -> None:
    """The result is the same as without them, and they are accurate whoever sums them up."""
    (batch, height, width), kernel, channels, filters, stride, pad, algorithm = case
    out_height, out_width = ((n + 2 * pad - kernel) // stride + 1 for n in (height, width))
    rng = np.random.default_rng(5)
    x = rng.standard_normal((batch, height, width, channels), np.float32)
    w = rng.standard_normal((kernel, kernel, channels, filters), np.float32)
    bias = np.full(filters, mean, np.float32)
    outputs: list[Any] = [((batch, out_height, out_width, filters), "float32")]
    attrs: dict[str, Any] = {
        "strides": [stride] * 2,
        "dilation": [1, 1],
        "padding": [pad] * 4,
        "groups": 1,
        "bias": 1,
        "algorithm": algorithm,
        "batch": batch,
        "static": {1, 2},
    }
    (plain,) = run_op("conv2d", [x, w, bias], outputs, **attrs)
    row = ((filters,), "float32")
    outputs += [row, row]
    y, middle, variance = run_op(
        "conv2d", [x, w, bias], outputs, **attrs, static_outputs={1, 2}, moments=1
    )
    np.testing.assert_array_equal(y, plain)
    deviation = rows(y).std(0).max()
    np.testing.assert_allclose(middle, rows(y).mean(0), rtol=1e-6, atol=2e-7 * deviation)
    np.testing.assert_allclose(variance, rows(y).var(0), rtol=2e-6)


def test_given_moments(run_op: RunOp) -> None:
    shape = (6, 7, 5, 20)
    rng = np.random.default_rng(6)
    x, other = rng.standard_normal((2, *shape)).astype(np.float32)
    gamma, beta = rng.standard_normal((2, 20)).astype(np.float32)
    attrs = {"epilogue": "add %0 %1; relu %2", "extra": 1}
    y, *moments = forward(run_op, x, gamma, beta, other, **attrs)
    (again,) = run_op(
        *("batch_norm", [x, gamma, beta, *moments, other], [(shape, "float32")]),
        batch=shape[0],
        static={1, 2, 3, 4},
        epsilon=EPSILON,
        given=1,
        **attrs,
    )
    np.testing.assert_array_equal(again, y)
