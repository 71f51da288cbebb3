"""Softmax and cross-entropy against NumPy in double precision."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]

SHAPES = [(32, 10), (1, 1), (3, 16), (5, 1000), (4, 7, 33), (300, 5), (10,)]


def logits_of(shape: tuple[int, ...]) -> Array:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32) * 5
    x.ravel()[:: max(1, x.size // 7)] += 300  # exp would overflow
    return x


def log_softmax(x: Array) -> Array:
    x = x.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    result: Array = x - np.log(np.exp(x).sum(-1, keepdims=True))
    return result


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax(run_op: RunOp, shape: tuple[int, ...]) -> None:
    x = logits_of(shape)
    log_p = log_softmax(x)
    out = [(shape, "float32")]
    np.testing.assert_allclose(run_op("softmax", [x], out)[0], np.exp(log_p), 1e-4, 1e-30)
    np.testing.assert_allclose(run_op("log_softmax", [x], out)[0], log_p, 1e-6, 1e-4)
    rng = np.random.default_rng(1)
    dy = rng.normal(size=shape).astype(np.float32)
    y = np.exp(log_softmax(rng.normal(size=shape))).astype(np.float32)
    expected = y * (dy - np.sum(dy * y, -1, keepdims=True, dtype=np.float64))
    np.testing.assert_allclose(run_op("softmax_grad", [dy, y], out)[0], expected, 1e-5, 1e-6)
    y = np.log(y)
    expected = dy - np.exp(y) * np.sum(dy, -1, keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(run_op("log_softmax_grad", [dy, y], out)[0], expected, 1e-5, 1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy(run_op: RunOp, shape: tuple[int, ...]) -> None:
    x, log_p = logits_of(shape), log_softmax(logits_of(shape))
    rng = np.random.default_rng(2)
    outs = [(shape[:-1], "float32"), (shape, "float32")]
    targets = rng.dirichlet(np.ones(shape[-1]), shape[:-1]).astype(np.float32)
    loss, p = run_op("softmax_cross_entropy", [x, targets], outs)
    np.testing.assert_allclose(loss, -np.sum(targets * log_p, -1), 1e-5, 1e-5)
    np.testing.assert_allclose(p, np.exp(log_p), 1e-4, 1e-30)

    labels = rng.integers(0, shape[-1], shape[:-1]).astype(np.int32)
    loss, p = run_op("sparse_softmax_cross_entropy", [x, labels], outs)
    chosen = np.take_along_axis(log_p, labels[..., None], -1)[..., 0]
    np.testing.assert_allclose(loss, -chosen, 1e-5, 1e-5)
    np.testing.assert_allclose(p, np.exp(log_p), 1e-4, 1e-30)

    dloss = rng.normal(size=shape[:-1]).astype(np.float32)
    name = "sparse_softmax_cross_entropy_grad"
    [dx] = run_op(name, [dloss, p, labels], [(shape, "float32")])
    hot = np.arange(shape[-1]) == labels[..., None]
    np.testing.assert_allclose(dx, dloss[..., None] * (p - hot), 1e-6, 1e-7)


@pytest.mark.parametrize("batch", [0, 1, 37])
def test_batches(run_op: RunOp, batch: int) -> None:
    x = np.random.default_rng(3).normal(size=(batch, 12)).astype(np.float32)
    labels = np.arange(batch, dtype=np.int32) % 12
    outs = [((batch,), "float32"), (x.shape, "float32")]
    loss, _ = run_op("sparse_softmax_cross_entropy", [x, labels], outs, batch=batch, max_batch=64)
    np.testing.assert_allclose(loss, -log_softmax(x)[np.arange(batch), labels], 1e-5)


def test_hopeless_inputs(run_op: RunOp) -> None:
    """A label out of range, a NaN, minus infinity: no crash, and NaN only where it belongs."""
    x = np.zeros((5, 3), np.float32)
    x[3, 1], x[4, 2] = np.nan, -np.inf
    labels = np.array([3, -1, 0, 0, 0], np.int32)
    outs = [((5,), "float32"), ((5, 3), "float32")]
    loss, p = run_op("sparse_softmax_cross_entropy", [x, labels], outs)
    np.testing.assert_array_equal(np.isnan(loss), [True, True, False, True, False])
    np.testing.assert_array_equal(np.isnan(p).all(-1), [False, False, False, True, False])
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
    loss, _ = run_op("softmax_cross_entropy", [x, targets], outs)
    np.testing.assert_allclose(loss[[0, 1, 2, 4]], np.log([3, 3, 3, 2]), 1e-6)
    [dx] = run_op(
        "sparse_softmax_cross_entropy_grad",
        [np.ones(5, np.float32), p, labels],
        [((5, 3), "float32")],
    )
    np.testing.assert_array_equal(dx[:2], p[:2])


def test_bad_arguments(run_op: RunOp) -> None:
    x, outs = np.zeros((5, 3), np.float32), [((5,), "float32"), ((5, 3), "float32")]
    with pytest.raises(ValueError, match="labels must be int32, got float32"):
        run_op("sparse_softmax_cross_entropy", [x, np.zeros(5, np.float32)], outs)
    with pytest.raises(ValueError, match="shapes do not agree"):
        run_op("softmax_cross_entropy", [x, x[:, :2]], outs)
