"""keras.backend: functions on arrays and symbolic tensors, variables, settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as keras
from fastconv import backend as K  # noqa: N812

A = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: K.pow(x, 2), A**2),
        (lambda x: K.argmax(x), [2, 1]),
        (lambda x: K.argmin(x), [1, 2]),
        (lambda x: K.concatenate([x, x]), np.concatenate([A, A], axis=1)),
        (lambda x: K.expand_dims(x), A[..., None]),
        (lambda x: K.repeat(x, 2), np.stack([A, A], axis=1)),
        (lambda x: K.repeat_elements(x, 2, axis=1), np.repeat(A, 2, axis=1)),
        (lambda x: K.reverse(x, 1), A[:, ::-1]),
        (lambda x: K.permute_dimensions(K.expand_dims(x), (0, 2, 1)), A[:, None, :]),
        (lambda x: K.batch_flatten(K.expand_dims(x)), A),
        (lambda x: K.relu(x, alpha=0.5, max_value=3.0), np.clip(np.where(A > 0, A, A / 2), -1, 3)),
        (lambda x: K.l2_normalize(x, 1), A / np.linalg.norm(A, axis=1, keepdims=True)),
        (lambda x: K.logsumexp(x, 1), np.log(np.exp(A).sum(axis=1))),
        (lambda x: K.logsumexp(x, 1, True), np.log(np.exp(A).sum(axis=1, keepdims=True))),
        (lambda x: K.logsumexp(K.log(0 * x), 1), [-np.inf] * 2),
        (lambda x: K.switch(K.greater(x, 0), x, lambda: -x), np.abs(A)),
        (lambda x: K.in_train_phase(lambda: x, 0 * x), 0 * A),
        (lambda x: K.in_test_phase(x, 0 * x), A),
        (lambda x: K.batch_dot(x, x, axes=1), (A * A).sum(axis=1, keepdims=True)),
        (lambda x: K.bias_add(x, np.ones(3, np.float32)), A + 1),
        (lambda x: K.mean(K.square(x), axis=-1), (A**2).mean(axis=1)),
        (lambda x: K.dot(x, np.eye(3, dtype=np.float32)), A),
        (lambda x: K.cast(K.greater(x, 0), K.floatx()), (A > 0).astype(np.float32)),
        (lambda x: K.one_hot(K.argmax(x), 3), np.eye(3)[[2, 1]]),
        (lambda x: K.identity(x), A),
        (lambda x: K.dropout(x, 0.0), A),
    ],
)
def test_backend_functions_on_arrays_and_in_models(call: Any, expected: Any) -> None:
    np.testing.assert_allclose(call(A), expected, rtol=1e-6)
    x = keras.Input((3,))
    y = call(x)
    traced = K.function([x], [y])([A])[0]
    np.testing.assert_allclose(traced, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "axes", "subscripts"),
    [
        ((4, 2, 3), (4, 3, 5), None, "bij,bjk->bik"),
        ((4, 2, 3), (4, 5, 3), (2, 2), "bij,bkj->bik"),
        ((4, 3, 2), (4, 3, 5), (1, 1), "bji,bjk->bik"),
        ((4, 3), (4, 3, 5), (1, 1), "bj,bjk->bk"),
        ((4, 2, 3), (4, 3), (2, 1), "bij,bj->bi"),
        ((4, 2, 3), (4, 5, 3), -1, "bij,bkj->bik"),
    ],
)
def test_batch_dot_sums_over_one_axis_of_each(x: Any, y: Any, axes: Any, subscripts: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(x, np.float32), rng.random(y, np.float32)
    expected = np.einsum(subscripts, a, b)
    np.testing.assert_allclose(K.batch_dot(a, b, axes), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="over the batch"):
        K.batch_dot(a, b, axes=(0, 1))


def test_flatten_keeps_the_batch_of_symbolic_tensors() -> None:
    np.testing.assert_array_equal(K.flatten(A), A.ravel())
    assert K.flatten(keras.Input((2, 3))).shape == (None, 6)


def test_backend_images() -> None:
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    ones = np.ones((3, 3, 1, 1), np.float32)
    assert float(K.conv2d(image, ones)[0, 0, 0, 0]) == image[0, :3, :3].sum()
    assert float(K.pool2d(image, (2, 2), pool_mode="avg")[0, 0, 0, 0]) == 2.5
    assert K.spatial_2d_padding(image, ((1, 2), (3, 4))).shape == (1, 7, 11, 1)
    first = np.moveaxis(image, 3, 1)
    assert K.spatial_2d_padding(first, ((1, 2), (3, 4)), "channels_first").shape == (1, 1, 7, 11)
    rows = np.zeros((2, 3, 4, 4), np.float32)
    added = K.bias_add(rows, np.float32([1, 2, 3]), "channels_first")
    assert added.mean(axis=(0, 2, 3)).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="needs two or three axes"):
        K.batch_dot(image, image)
    with pytest.raises(ValueError, match="pool_mode must be 'max' or 'avg'"):
        K.pool2d(image, (2, 2), pool_mode="sum")


def test_backend_settings_are_those_of_config() -> None:
    assert (K.image_data_format(), K.floatx(), K.backend()) == (
        "channels_last",
        "float32",
        "fastconv",
    )
    assert K.epsilon() == keras.config.epsilon()
    assert K.get_uid("never used before") == 1
    assert K.get_uid("never used before") == 2
    K.clear_session()
    assert keras.layers.Dense(1).name == "dense"
    assert keras.layers.Dense(1).name == "dense_1"


def test_backend_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    assert K.arange(1, 7, 2).tolist() == [1, 3, 5]
    np.testing.assert_array_equal(K.gather(A, np.int32([1, 1])), A[[1, 1]])
    np.testing.assert_array_equal(K.transpose(A), A.T)
    assert K.print_tensor(A, "it is") is A
    assert capsys.readouterr().out == f"it is {A}\n"
    ones = K.ones((2, 3))
    K.update(ones, K.zeros((2, 3)) + 2.0)
    np.testing.assert_array_equal(K.get_value(ones), np.full((2, 3), 2))
    with pytest.raises(ValueError, match="needs a dense shape, got shape=None, ndim=2"):
        K.placeholder(ndim=2)


def test_backend_variables() -> None:
    v = K.variable([1.0, 2.0])
    K.update_add(v, [1.0, 1.0])
    K.update_sub(v, np.float32([0, 1]))
    np.testing.assert_array_equal(K.eval(v), [2, 2])
    K.batch_set_value([(v, [5, 6])])
    np.testing.assert_array_equal(K.batch_get_value([v])[0], [5, 6])
    assert (K.int_shape(v), K.ndim(v), K.dtype(v), K.count_params(v)) == ((2,), 1, "float32", 2)
    assert K.constant(3, shape=(2, 2)).tolist() == [[3, 3], [3, 3]]
    x = K.placeholder((None, 4))
    assert K.is_keras_tensor(x)
    assert K.int_shape(x) == (None, 4)
    with pytest.raises(TypeError, match="symbolic"):
        K.eval(x)


def test_backend_random_numbers() -> None:
    keras.utils.set_random_seed(1)
    ones = K.random_bernoulli((4000,), 0.25)
    assert set(np.unique(ones)) == {0.0, 1.0}
    assert 0.22 < ones.mean() < 0.28
    assert abs(float(K.mean(K.random_normal((4000,), 2.0, 0.5))) - 2) < 0.05
    uniform = K.random_uniform((4000,), -1.0, 3.0)
    assert (uniform.min() >= -1, uniform.max() < 3) == (True, True)
    assert abs(uniform.mean() - 1) < 0.1
    assert 1.5 < np.abs(K.truncated_normal((4000,))).max() <= 2


def test_functions_take_the_learning_phase() -> None:
    x = keras.Input((3,))
    h = keras.layers.Dropout(0.5)(x)
    f = K.function([x, K.learning_phase()], [h])
    np.testing.assert_array_equal(f([A, 0])[0], A)
    assert (f([np.ones((64, 3), np.float32), 1])[0] == 0).any()
    with pytest.raises(ValueError, match="takes 2 inputs, got 1"):
        f([A])
    with pytest.raises(ValueError, match="updates"):
        K.function([x], [h], updates=[1])
