"""The functions of fastconv.ops: values, eager and in programs; names; messages."""

import math

import numpy as np
import pytest

from fastconv import ops
from fastconv.graph import Program, Tensor, Variable, gradients, tracing
from fastconv.layers import Input
from fastconv.models import Model
from fastconv.reference import run_program

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 5, 6)).astype(np.float32)
Y = RNG.standard_normal((4, 5, 6)).astype(np.float32)
P = RNG.uniform(0.5, 2.0, (4, 5, 6)).astype(np.float32)
K = RNG.integers(0, 5, (4, 3)).astype(np.int32)
M = RNG.standard_normal((6, 7)).astype(np.float32)
ROWS = Tensor((None, 4))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


CASES = {
    "add": (ops.add, (X, Y), X + Y),
    "subtract": (ops.subtract, (X, Y[0]), X - Y[0]),
    "multiply a number": (lambda x: ops.multiply(x, 2.5), (X,), X * 2.5),
    "divide": (ops.true_divide, (X, P), X / P),
    "integers divide to floats": (ops.divide, (K, K + 1), K / (K + 1)),
    "negative": (ops.negative, (X,), -X),
    "abs": (ops.abs, (X,), np.abs(X)),
    "exp": (ops.exp, (X,), np.exp(X)),
    "log": (ops.log, (P,), np.log(P)),
    "log1p": (ops.log1p, (P,), np.log1p(P)),
    "expm1": (ops.expm1, (X,), np.expm1(X)),
    "sqrt": (ops.sqrt, (P,), np.sqrt(P)),
    "rsqrt": (ops.rsqrt, (P,), 1 / np.sqrt(P)),
    "square": (ops.square, (X,), X * X),
    "power": (ops.power, (P, Y), P**Y),
    "maximum": (ops.maximum, (X, Y), np.maximum(X, Y)),
    "minimum": (ops.minimum, (X, Y), np.minimum(X, Y)),
    "softmax of two axes": (lambda x: ops.softmax(x, axis=(1, 2)), (X,), softmax(X, (1, 2))),
    "concatenate floats and integers": (
        lambda x, k: ops.concatenate([x, k], axis=-1),
        (X[..., 0], K),
        np.concatenate([X[..., 0], K], axis=-1),
    ),
    "two new axes": (
        lambda x: ops.expand_dims(x, (1, -1)),
        (X,),
        X[:, None, ..., None],
    ),
    "clip": (lambda x: ops.clip(x, -0.5, 1.0), (X,), np.clip(X, -0.5, 1.0)),
    "sign": (ops.sign, (X,), np.sign(X)),
    "floor": (ops.floor, (X,), np.floor(X)),
    "ceil": (ops.ceil, (X,), np.ceil(X)),
    "round": (ops.round, (X * 4,), np.round(X * 4)),
    "sin": (ops.sin, (X,), np.sin(X)),
    "cos": (ops.cos, (X,), np.cos(X)),
    "where": (lambda x, y: ops.where(ops.greater(x, y), x, 0.0), (X, Y), np.where(X > Y, X, 0)),
    "greater_equal": (ops.greater_equal, (X, Y), X >= Y),
    "not_equal": (ops.not_equal, (K, 3), K != 3),
    "logical_and": (ops.logical_and, (K > 1, K < 4), (K > 1) & (K < 4)),
    "cast to int": (lambda x: ops.cast(x, "int32"), (X * 5,), (X * 5).astype(np.int32)),
    "sum": (lambda x: ops.sum(x, axis=(1, 2)), (X,), X.sum(axis=(1, 2))),
    "sum of everything": (ops.sum, (X,), X.sum()),
    "sum of integers": (lambda k: ops.sum(k, axis=-1), (K,), K.sum(axis=-1)),
    "mean": (lambda x: ops.mean(x, axis=0), (X,), X.mean(axis=0)),
    "max": (lambda x: ops.max(x, -1, keepdims=True), (X,), X.max(-1, keepdims=True)),
    "min": (lambda x: ops.min(x, axis=(0, 2)), (X,), X.min(axis=(0, 2))),
    "prod": (lambda x: ops.prod(x, axis=1), (P,), P.prod(axis=1)),
    "var": (lambda x: ops.var(x, axis=(0, 1)), (X,), X.var(axis=(0, 1))),
    "std": (lambda x: ops.std(x, axis=-1), (X,), X.std(axis=-1)),
    "any": (lambda k: ops.any(k, axis=1), (K > 3,), (K > 3).any(axis=1)),
    "all": (lambda k: ops.all(k, axis=1), (K < 4,), (K < 4).all(axis=1)),
    "argmax": (lambda x: ops.argmax(x, axis=-1), (X,), X.argmax(axis=-1)),
    "argmin": (lambda x: ops.argmin(x, axis=1, keepdims=True), (X,), X.argmin(1)[:, None]),
    "reshape": (lambda x: ops.reshape(x, (-1, 3, 10)), (X,), X.reshape(4, 3, 10)),
    "reshape, two unknown": (lambda x: ops.reshape(x, (-1, 15, 2)), (X,), X.reshape(4, 15, 2)),
    "transpose": (lambda x: ops.transpose(x, (0, 2, 1)), (X,), X.transpose(0, 2, 1)),
    "moveaxis": (lambda x: ops.moveaxis(x, -1, 1), (X,), np.moveaxis(X, -1, 1)),
    "swapaxes": (lambda x: ops.swapaxes(x, 1, 2), (X,), X.swapaxes(1, 2)),
    "expand_dims": (lambda x: ops.expand_dims(x, -2), (X,), X[:, :, None]),
    "squeeze": (lambda x: ops.squeeze(ops.expand_dims(x, 1), 1), (X,), X),
    "flatten": (ops.flatten, (X,), X.reshape(4, -1)),
    "concatenate": (lambda x, y: ops.concatenate([x, y], -1), (X, Y), np.concatenate([X, Y], -1)),
    "stack": (lambda x, y: ops.stack([x, y], axis=1), (X, Y), np.stack([X, Y], axis=1)),
    "split": (lambda x: ops.split(x, 3, axis=2)[1], (X,), X[:, :, 2:4]),
    "split at": (lambda x: ops.split(x, [1, 4], axis=2)[1], (X,), X[:, :, 1:4]),
    "slice": (lambda x: ops.slice(x, (0, 1, 2), (-1, 3, 2)), (X,), X[:, 1:4, 2:4]),
    "pad": (
        lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 3)), constant_values=2.0),
        (X,),
        np.pad(X, ((0, 0), (1, 2), (0, 3)), constant_values=2.0),
    ),
    "pad reflect": (
        lambda x: ops.pad(x, ((0, 0), (2, 2), (0, 3)), "reflect"),
        (X,),
        np.pad(X, ((0, 0), (2, 2), (0, 3)), "reflect"),
    ),
    "pad symmetric": (
        lambda x: ops.pad(x, ((0, 0), (2, 2), (0, 3)), "symmetric"),
        (X,),
        np.pad(X, ((0, 0), (2, 2), (0, 3)), "symmetric"),
    ),
    "flip": (lambda x: ops.flip(x, (1, 2)), (X,), X[:, ::-1, ::-1]),
    "take": (lambda k: ops.take(M, k, axis=0), (K,), M[K]),
    "one_hot": (lambda k: ops.one_hot(k, 4), (K,), (K[..., None] == np.arange(4)) * 1.0),
    "one_hot first": (
        lambda k: ops.one_hot(k, 4, axis=1),
        (K,),
        (K[:, None] == np.arange(4)[:, None]) * 1.0,
    ),
    "repeat": (lambda x: ops.repeat(x, 3, axis=1), (X,), X.repeat(3, axis=1)),
    "tile": (lambda x: ops.tile(x, (1, 2, 3)), (X,), np.tile(X, (1, 2, 3))),
    "zeros_like": (ops.zeros_like, (X,), np.zeros_like(X)),
    "ones_like": (lambda k: ops.ones_like(k, dtype="float32"), (K,), np.ones((4, 3))),
    "matmul": (
        lambda x, y: ops.matmul(x, ops.transpose(y, (0, 2, 1))),
        (X, Y),
        X @ Y.swapaxes(1, 2),
    ),
    "matmul by a matrix": (lambda x: ops.matmul(x, M), (X,), X @ M),
    "matmul by a vector": (lambda x: ops.matmul(x, M[:, 0]), (X,), X @ M[:, 0]),
    "dot": (lambda x: ops.dot(x, M), (X,), X @ M),
    "tensordot": (
        lambda x: ops.tensordot(x, RNG_W, axes=[[1, 2], [2, 0]]),
        (X,),
        lambda: np.tensordot(X, RNG_W, axes=[[1, 2], [2, 0]]),
    ),
    "dense": (lambda x: ops.dense(x, M, np.ones(7)), (X,), X @ M + 1),
    "relu": (ops.relu, (X,), np.maximum(X, 0)),
    "relu6": (ops.relu6, (X * 9,), np.clip(X * 9, 0, 6)),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 0.3), (X,), np.where(X > 0, X, 0.3 * X)),
    "elu": (ops.elu, (X,), np.where(X > 0, X, np.expm1(X))),
    "selu": (ops.selu, (X,), 1.0507009873554805 * np.where(X > 0, X, 1.6732632 * np.expm1(X))),
    "gelu": (
        ops.gelu,
        (X,),
        0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3))),
    ),
    "gelu exact": (
        lambda x: ops.gelu(x, approximate=False),
        (X,),
        0.5 * X * (1 + np.vectorize(math.erf)(X / math.sqrt(2))),
    ),
    "silu": (ops.silu, (X,), X * sigmoid(X)),
    "softplus": (ops.softplus, (X,), np.log1p(np.exp(X))),
    "softsign": (ops.softsign, (X,), X / (1 + np.abs(X))),
    "hard_sigmoid": (ops.hard_sigmoid, (X * 4,), np.clip(X * 4 / 6 + 0.5, 0, 1)),
    "sigmoid": (ops.sigmoid, (X,), sigmoid(X)),
    "tanh": (ops.tanh, (X,), np.tanh(X)),
    "softmax": (ops.softmax, (X,), softmax(X)),
    "softmax along another axis": (lambda x: ops.softmax(x, axis=1), (X,), softmax(X, 1)),
    "log_softmax": (ops.log_softmax, (X,), np.log(softmax(X))),
    "batch_normalization": (
        lambda x: ops.batch_normalization(x, M[:, 0], P[0, 0], -1, M[:, 1], P[0, 1]),
        (X,),
        (X - M[:, 0]) / np.sqrt(P[0, 0] + 1e-3) * P[0, 1] + M[:, 1],
    ),
    "batch_normalization of another axis": (
        lambda x: ops.batch_normalization(x, M[:5, 0], P[0, :, 0], 1),
        (X,),
        (X - M[:5, :1]) / np.sqrt(P[0, :, :1] + 1e-3),
    ),
}
RNG_W = RNG.standard_normal((6, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_values(name) -> None:
    """On arrays, and as a program whose first axis is the batch."""
    function, arguments, expected = CASES[name]
    expected = expected() if callable(expected) else np.asarray(expected)
    now = function(*arguments)
    assert isinstance(now, np.ndarray)
    assert now.dtype != np.float64
    np.testing.assert_allclose(now, expected, rtol=3e-5, atol=3e-6)
    symbolic = [
        Tensor((None, *a.shape[1:]), str(a.dtype)) if np.shape(a)[:1] == (4,) else a
        for a in arguments
    ]
    made = function(*symbolic)
    inputs = [t for t in symbolic if isinstance(t, Tensor)]
    feeds = [a for t, a in zip(symbolic, arguments, strict=True) if isinstance(t, Tensor)]
    later = run_program(Program.of(inputs, [made]), feeds)[0]
    assert later.dtype == made.dtype == now.dtype
    assert later.shape == tuple(4 if d is None else d for d in made.shape)
    np.testing.assert_allclose(later, expected, rtol=3e-5, atol=3e-6)


# Indexing

KEYS = {
    "column": np.s_[:, 2],
    "last": np.s_[..., -1],
    "slices": np.s_[:, 1:4:2, ::-1],
    "backwards by two": np.s_[:, ::-2],
    "new axis": np.s_[:, None, 1],
    "array": np.s_[:, [3, 0, 0]],
    "empty": np.s_[:, 3:1],
    "ellipsis": np.s_[..., 1:3],
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_indexing(key) -> None:
    x = Tensor((None, 5, 6))
    made = x[key]
    assert made.shape == (None, *X[key].shape[1:])
    np.testing.assert_array_equal(run_program(Program.of([x], [made]), [X])[0], X[key])
    variable = Variable(X)
    np.testing.assert_array_equal(variable[key], X[key])


def test_indexing_that_cannot_be() -> None:
    x = Tensor((None, 5, 6))
    with pytest.raises(ValueError, match="batch axis"):
        x[0]
    with pytest.raises(ValueError, match="batch axis"):
        x[1:]
    with pytest.raises(IndexError, match="out of range for axis 1"):
        x[:, 5]
    with pytest.raises(IndexError, match="4 indices"):
        x[:, 0, 0, 0]


def test_an_array_is_never_a_view_of_a_variable() -> None:
    variable = Variable(np.ones((2, 3)))
    parts = [ops.reshape(variable, (3, 2)), variable[0], ops.stop_gradient(variable)]
    variable.assign(np.zeros((2, 3)))
    assert all(part.all() for part in parts)


def test_numpy_functions_take_the_value_of_a_variable() -> None:
    variable = Variable(np.array([1.0, -2.0]))
    assert np.sum(variable) == -1
    assert np.abs(variable).tolist() == [1, 2]
    assert (np.array([3.0, 4.0]) - variable).tolist() == [2, 6]
    assert (np.array([3.0, -4.0]) < variable).tolist() == [False, True]
    with tracing():
        assert isinstance(np.array([3.0, 4.0]) * variable, Tensor)
        with pytest.raises(TypeError, match=r"use fastconv\.ops"):
            np.square(variable)
    with pytest.raises(TypeError, match=r"use fastconv\.ops"):
        np.add(variable, Tensor((2,)))


def test_an_operator_after_an_array_is_one_of_the_tensor() -> None:
    x, flags = Tensor((None, 2)), Tensor((None, 2), "bool")
    for operator in ("+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!="):
        for left in (np.ones(2, "float32"), np.float32(2)):
            result = eval(f"left {operator} x", {"left": left, "x": x})
            assert isinstance(result, Tensor), operator
            assert result.shape == (None, 2)
    assert (np.ones((4, 2), "float32") @ Tensor((2, 3))).shape == (4, 3)
    assert (np.array([True, False]) & flags).dtype == (np.array([True]) | flags).dtype == "bool"
    total = np.zeros(2, "float32")
    total += x
    assert isinstance(total, Tensor)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.conv(X[..., None], np.ones((3, 3, 2, 4))), "no multiple of the kernel's 2"),
        (lambda: ops.conv(X[..., None], np.ones((3, 3, 4))), "kernel of 4 axes"),
        (lambda: ops.conv(X[..., None], np.ones((3, 3, 1, 4)), padding="full"), "'full'"),
        (lambda: ops.conv(X[..., None], np.ones((3, 3, 1, 4)), strides=0), "strides .* got 0"),
        (lambda: ops.conv(X[..., None], np.ones((3, 3, 1, 4)), data_format="NHWC"), "'NHWC'"),
        (lambda: ops.depthwise_conv(X[..., None], np.ones((3, 3, 2, 1))), "with 2 channels"),
        (lambda: ops.conv_transpose(X[..., None], np.ones((3, 3, 4, 2))), "with 2 channels"),
        (lambda: ops.max_pool(M, 2), "max_pool: inputs must be"),
        (lambda: ops.max_pool(X[..., None], (2, 2, 2)), "pool_size"),
        (lambda: ops.reshape(X, (7, -1)), "cannot turn"),
        (lambda: ops.squeeze(X, 1), "must have size 1"),
        (lambda: ops.split(X, 4, axis=1), "does not divide into 4"),
        (lambda: ops.sum(X, axis=3), "axis 3 is out of range"),
        (lambda: ops.sum(X, axis=(1, 1)), "twice"),
        (lambda: ops.pad(X, 1, mode="mean"), "'mean'"),
        (lambda: ops.dot(X[0, 0], M[:3, 0]), "one length"),
        (lambda: ops.tensordot(X, M, axes=1 + 1), "do not match"),
        (lambda: ops.zeros((None, 3)), "symbolic batch size"),
        (lambda: ops.categorical_crossentropy(X, Y[0]), "one shape"),
        (lambda: ops.sparse_categorical_crossentropy(K, X), "target must have shape"),
        (lambda: ops.binary_crossentropy(X, Y[0]), "one shape"),
        (lambda: ops.roll(ROWS, 1, axis=0), "the batch axis .* cannot be moved"),
        (lambda: ops.split(ROWS, 2, axis=0), "the batch axis .* cannot be cut"),
        (lambda: ops.pad(ROWS, 1), "the batch axis .* cannot be padded"),
        (lambda: ops.repeat(ROWS, 2, axis=0), "cannot repeat the batch axis"),
        (lambda: ops.sort(ROWS, axis=0), "the batch axis .* cannot be sorted"),
        (lambda: ops.cumsum(ROWS, axis=0), "the batch axis .* cannot be run along"),
        (lambda: ops.cumprod(ROWS), "a symbolic tensor needs an axis"),
        (lambda: ops.take_along_axis(ROWS, ROWS, axis=0), "cannot take from the batch axis"),
        (lambda: ops.slice_update(ROWS, (1, 0), ROWS), "batch axis can only be replaced whole"),
        (lambda: ops.slice_update(M, (3, 3), M), "does not fit into"),
        (lambda: ops.scatter_update(ROWS, [[0]], M, "max"), "'max' works on arrays only"),
        (lambda: ops.scatter_update(ROWS, Tensor((1, 1), "int32"), M), "must be known numbers"),
        (lambda: ops.scatter_update(M, [[0]], M[:1], "mean"), "got 'mean'"),
        (lambda: ops.segment_sum(ROWS, Tensor((None,), "int32")), "num_segments is needed"),
        (lambda: ops.map(lambda x: x, ROWS), "one known size"),
        (lambda: ops.rot90(X, axes=(1, 1)), r"axes must differ, got \(1, 1\)"),
        (lambda: ops.unstack(X, num=3, axis=1), "does not have 3 slices"),
        (lambda: ops.meshgrid(M[0], indexing="yx"), "'xy' or 'ij', got 'yx'"),
        (lambda: ops.rearrange(X, "a (b c) d -> a b c d", b=3), "cannot split 5"),
        (lambda: ops.searchsorted(M[0], M, side="middle"), "got 'middle'"),
        (lambda: ops.quantile(X, 0.5, method="mean"), "method 'mean' is not known"),
        (lambda: ops.median(X[:0]), r"no elements over axes \[0, 1, 2\]"),
        (lambda: ops.bincount(K, sparse=True), "sparse=True is not supported"),
        (lambda: ops.norm(X, axis=(0, 1, 2)), "one axis or two"),
        (lambda: ops.norm(M, "fro", axis=1), "'fro' is not one of vectors"),
        (lambda: ops.norm(M, 3, axis=(0, 1)), "3 is not one of matrices"),
        (lambda: ops.qr(M, mode="raw"), "got 'raw'"),
        (lambda: ops.cross(X, X), "must have 3 elements"),
        (lambda: ops.einsum("ij,jk->il", M, M.T), "a result that the operands do not give"),
        (lambda: ops.einsum("ii", X[0]), "axes 0 and 1 .* differ"),
        (lambda: ops.einsum("ij,kj->ik", M, M[:, :2]), "index 'j' has sizes of"),
        (lambda: ops.pad(X, 1, mode="reflect", constant_values=2.0), "goes with mode 'constant'"),
        (lambda: ops.image.resize(X, (2, 2), antialias=True), "antialias=True"),
        (lambda: ops.image.affine_transform(X, M[:1, :1], fill_mode="edge"), "got 'edge'"),
        (lambda: ops.roll(M, (1, 2), 0), "2 shifts do not fit 1 axes"),
        (lambda: ops.rearrange(M, "(a b) c -> a b c", a=0), "at least 1"),
        (lambda: ops.slice_update(M, (1,), M[:2, :2]), "an axis for each of"),
    ],
)
def test_bad_arguments(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# Shapes with a batch


def test_shape_knows_the_batch() -> None:
    assert ops.shape(X) == (4, 5, 6)
    x = Tensor((None, 5))
    batch, features = ops.shape(x)
    assert features == 5
    filled = ops.full((batch, 2), 3.0)
    noise = ops.random.normal((batch, 2))
    total = ops.sum(x) / batch
    flat = ops.reshape(x, (batch, 5, 1))
    assert filled.shape == noise.shape == (None, 2)
    assert flat.shape == (None, 5, 1)
    results = run_program(Program.of([x], [filled, noise, total]), [X[:, :, 0]])
    assert results[0].tolist() == [[3.0, 3.0]] * 4
    assert results[1].shape == (4, 2)
    assert float(results[2]) == pytest.approx(float(X[:, :, 0].sum() / 4), rel=1e-5)


def test_creation() -> None:
    assert ops.zeros((2, 3)).tolist() == [[0.0] * 3] * 2
    assert ops.ones(2, dtype="int32").dtype == np.int32
    assert ops.arange(2, 8, 3).tolist() == [2, 5]
    assert ops.arange(0.0, 1.0, 0.25).dtype == np.float32
    assert ops.convert_to_tensor([1.0, 2.0]).dtype == np.float32
    assert ops.convert_to_tensor([1, 2]).dtype == np.int32
    assert ops.convert_to_tensor(((1,), (2,))).dtype == np.int32
    assert ops.convert_to_tensor([1, 2**40]).tolist() == [1, 2**40]
    assert ops.convert_to_tensor(np.array([1, 2])).dtype == np.int64
    assert ops.add(np.array([1, 2]), [1, 2]).dtype == np.int64
    assert ops.convert_to_tensor([1, 2], dtype="float32").dtype == np.float32
    assert ops.convert_to_numpy(Variable([1.0])).tolist() == [1.0]
    with pytest.raises(TypeError, match="symbolic"):
        ops.convert_to_numpy(Tensor((2,)))


# Cross-entropies

LOGITS = RNG.standard_normal((4, 6)).astype(np.float32)
TARGETS = softmax(RNG.standard_normal((4, 6))).astype(np.float32)
LABELS = np.array([0, 5, 2, 2], np.int32)


def test_crossentropies_agree_from_logits_and_probabilities() -> None:
    log_p = np.log(softmax(LOGITS))
    expected = -(TARGETS * log_p).sum(axis=-1)
    for value in (
        ops.categorical_crossentropy(TARGETS, LOGITS, from_logits=True),
        ops.categorical_crossentropy(TARGETS, softmax(LOGITS)),
        ops.categorical_crossentropy(TARGETS, 3 * softmax(LOGITS)),
        ops.categorical_crossentropy(TARGETS.T, softmax(LOGITS).T, axis=0),
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-5)
    expected = -log_p[np.arange(4), LABELS]
    for labels in (LABELS, LABELS[:, None], LABELS.astype(np.int64), LABELS.astype(np.float32)):
        for value in (
            ops.sparse_categorical_crossentropy(labels, LOGITS, from_logits=True),
            ops.sparse_categorical_crossentropy(labels, softmax(LOGITS)),
        ):
            np.testing.assert_allclose(value, expected, rtol=1e-5)
    z, p = TARGETS, sigmoid(LOGITS)
    expected = -(z * np.log(p) + (1 - z) * np.log(1 - p))
    for value in (
        ops.binary_crossentropy(z, LOGITS, from_logits=True),
        ops.binary_crossentropy(z, p),
    ):
        np.testing.assert_allclose(value, expected, rtol=2e-5)


def test_probabilities_are_clipped() -> None:
    sure = np.array([[1.0, 0.0]], np.float32)
    assert float(ops.categorical_crossentropy(sure[:, ::-1], sure)[0]) == pytest.approx(
        16.118, abs=1e-3
    )
    assert float(ops.binary_crossentropy([1.0], [0.0])[0]) == pytest.approx(16.118, abs=1e-3)


@pytest.mark.parametrize(
    ("activation", "loss", "target"),
    [
        (ops.softmax, ops.categorical_crossentropy, TARGETS),
        (ops.softmax, ops.sparse_categorical_crossentropy, LABELS),
        (ops.sigmoid, ops.binary_crossentropy, TARGETS),
    ],
)
def test_a_last_activation_is_computed_with_its_loss(activation, loss, target) -> None:
    """With logits of +-200 probabilities are 0 and 1, the loss and its gradient still exact."""
    x = Tensor((None, 6))
    y = Tensor((None, *target.shape[1:]), str(target.dtype))
    with tracing():
        value = loss(y, activation(x))
        (grad,) = gradients(ops.sum(value), [x])
    assert grad is not None
    logits = 200 * np.sign(LOGITS)
    exact = loss(target, logits, from_logits=True)
    result, slope = run_program(Program.of([x, y], [value, grad]), [logits, target])
    np.testing.assert_allclose(result, exact, rtol=1e-6)
    assert result.max() > 100
    p = softmax(logits) if activation is ops.softmax else sigmoid(logits.astype(np.float64))
    wanted = (np.arange(6) == target[:, None]) if target.ndim == 1 else target
    np.testing.assert_allclose(slope, p - wanted, atol=1e-6)


def test_zero_logits_have_the_middle_gradient() -> None:
    x, y = Tensor((None, 1)), Tensor((None, 1))
    with tracing():
        (grad,) = gradients(ops.sum(ops.binary_crossentropy(y, x, from_logits=True)), [x])
    assert grad is not None
    zeros = np.zeros((1, 1), np.float32)
    assert float(run_program(Program.of([x, y], [grad]), [zeros, zeros])[0][0, 0]) == 0.5


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x == 2.0,
        lambda x: x != np.float32([[2.0, 3.0]]),
        lambda x: x // 2.0,
        lambda x: 7.0 // (x + 5.0),
        lambda x: x % 3.0,
        lambda x: (x > 1.0) & (x < 3.0),
        lambda x: (x > 2.0) | (x == 1.0),
        lambda x: ~(x > 1.0),
    ],
)
def test_operators_of_tensors_mean_what_they_mean_for_arrays(call):
    values = np.float32([[1, 2], [2, 3], [-4, 2]])
    inputs = Input((2,))
    model = Model(inputs, call(inputs))
    np.testing.assert_array_equal(model.predict(values), call(values))
    variable = Variable(values)
    with tracing():
        traced = call(variable)
    assert traced.dtype == str(call(values).dtype)


def test_tensors_are_compared_with_numbers_only():
    x = Input((2,))
    assert (x == None) is False  # noqa: E711
    assert (x == "x") is False
    assert x in [x, "x"]
    with pytest.raises(TypeError, match="are for booleans, got float32"):
        x & x
