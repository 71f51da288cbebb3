"""Settings of the process and random numbers."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np
import pytest
from children import printed

import fastconv
from fastconv import config, layers, ops, random
from fastconv.graph import Tensor, tracing
from fastconv.models import Sequential


def test_threads() -> None:
    before = config.num_threads()
    try:
        config.set_num_threads(2)
        assert config.num_threads() == 2
        for bad in (0, -1, 2.0, True, "2"):
            with pytest.raises(ValueError, match="positive integer"):
                config.set_num_threads(bad)
        assert config.num_threads() == 2
    finally:
        config.set_num_threads(before)


def test_convolution_algorithm() -> None:
    assert config.conv_algorithm() == "auto"
    try:
        config.set_conv_algorithm("im2col")
        assert config.conv_algorithm() == "im2col"
        with pytest.raises(ValueError, match=r"'fft'.*im2col"):
            config.set_conv_algorithm("fft")
    finally:
        config.set_conv_algorithm("auto")


def test_convolution_precision() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 12, 12, 64), np.float32)
    w = rng.standard_normal((3, 3, 64, 64), np.float32)

    def result() -> np.ndarray:
        return np.asarray(ops.conv(x, w))

    assert config.conv_precision() == "default"
    fast = result()
    try:
        config.set_conv_precision("high")
        assert config.conv_precision() == "high"
        exact = result()
        config.set_conv_algorithm("direct")
        np.testing.assert_array_equal(result(), exact)
        with pytest.raises(ValueError, match=r"'low'.*high, default, fast"):
            config.set_conv_precision("low")
    finally:
        config.set_conv_algorithm("auto")
        config.set_conv_precision("default")
    assert not np.array_equal(fast, exact)
    np.testing.assert_allclose(fast, exact, rtol=0, atol=1e-5 * np.abs(exact).max())


def test_data_format_is_the_default_of_layers() -> None:
    assert config.image_data_format() == "channels_last"
    try:
        config.set_image_data_format("channels_first")
        layer = layers.Conv2D(2, 3)
        assert layer.data_format == "channels_first"
        assert layer(np.ones((1, 3, 5, 5), "float32")).shape == (1, 2, 3, 3)
    finally:
        config.set_image_data_format("channels_last")
    with pytest.raises(ValueError, match="data_format"):
        config.set_image_data_format("HWC")


def test_float_type_and_epsilon() -> None:
    config.set_floatx("float32")
    with pytest.raises(ValueError, match="float64"):
        config.set_floatx("float64")
    before = config.epsilon()
    try:
        config.set_epsilon(1e-5)
        assert config.epsilon() == 1e-5
        with pytest.raises(ValueError, match="epsilon"):
            config.set_epsilon(0)
    finally:
        config.set_epsilon(before)


def test_one_seed_for_all_generators() -> None:
    def draws() -> tuple:
        return (
            python_random.random(),
            np.random.rand(),  # noqa: NPY002
            random.next_seed(),
            random.normal((3,)).tolist(),
        )

    config.set_random_seed(7)
    first = draws()
    config.set_random_seed(7)
    assert draws() == first
    config.set_random_seed(8)
    assert draws() != first
    for bad in (-1, 2**32, 1.5, "x", True):
        with pytest.raises(ValueError, match="seed"):
            config.set_random_seed(bad)


def test_random_arrays() -> None:
    u = random.uniform((1000,), -2.0, 3.0, seed=1)
    assert u.dtype == np.float32
    assert u.min() >= -2
    assert u.max() < 3
    assert abs(u.mean() - 0.5) < 0.2
    np.testing.assert_array_equal(u, random.uniform((1000,), -2.0, 3.0, seed=1))
    z = random.truncated_normal((5000,), seed=1)
    assert np.abs(z).max() <= 2
    numbers = random.SeedGenerator(3)
    a, b = random.normal((4,), seed=numbers), random.normal((4,), seed=numbers)
    assert not np.array_equal(a, b)
    assert set(random.randint((100,), 0, 3, seed=0)) == {0, 1, 2}


def test_random_tensors_take_the_batch_from_another() -> None:
    with tracing() as trace:
        x = Tensor((None, 3))
        z = random.normal((ops.shape(x)[0], 5))
        u = random.uniform(ops.shape(x))
    assert z.shape == (None, 5)
    assert u.shape == (None, 3)
    assert trace.streams == 2


def test_random_numbers_inside_a_layer_are_drawn_anew() -> None:
    class Drawn(layers.Layer):
        def __init__(self, draw: Any) -> None:
            super().__init__()
            self.draw = draw

        def call(self, x: Any) -> Any:
            return x * 0 + ops.cast(self.draw(x), "float32")

    x = np.arange(8000, dtype=np.float32).reshape(4, 2000)

    def twice(draw: Any) -> list[np.ndarray]:
        model = Sequential([layers.Input((2000,)), Drawn(draw)])
        both = [model.predict(x, verbose=0) for _ in range(2)]
        assert not np.array_equal(*both)
        return both

    whole = np.concatenate(twice(lambda x: random.randint(ops.shape(x), -3, 4)))
    values, counts = np.unique(whole, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert counts.min() > 2000
    (cut, _) = twice(lambda x: random.truncated_normal(ops.shape(x), mean=1, stddev=2))
    assert abs(cut - 1).max() <= 4
    assert cut.std() == pytest.approx(2 * 0.8796, rel=0.05)
    for row in twice(lambda x: random.shuffle(x, axis=1))[0]:
        assert set(np.unique(row % 2000)) == set(range(2000))
    for draw, message in (
        (random.shuffle, "the batch axis of shape"),
        (lambda x: random.randint((2000,), 0, 1 << 25), "too many inside a layer"),
    ):
        with pytest.raises(ValueError, match=message):
            twice(draw)


def test_dropout_function() -> None:
    x = np.ones((50, 4), "float32")
    y = random.dropout(x, 0.5, noise_shape=(50, 1), seed=2)
    assert (y == y[:, :1]).all()
    with pytest.raises(ValueError, match="rate"):
        random.dropout(x, 1.0)
    with pytest.raises(ValueError, match="noise_shape"):
        random.dropout(x, 0.5, noise_shape=(3, 1))


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, fastconv; fastconv.__version__; "
        "print([m for m in ('h5py', 'rich', 'matplotlib', 'fastconv.layers') if m in sys.modules])"
    )
    assert printed("-c", code).strip() == "[]"


def test_the_package_shows_what_it_has() -> None:
    assert {"layers", "Sequential", "Model", "Input"} <= set(dir(fastconv))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fastconv.nonsense  # noqa: B018


@pytest.mark.parametrize("module", [fastconv, fastconv.saving, fastconv.utils])
def test_names_are_offered_before_they_are_imported(module: Any) -> None:
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_seeds_and_orders_repeat() -> None:
    first, second = (random.SeedGenerator(3) for _ in range(2))
    assert [first.next(), first.next()] == [second.next(), second.next()]
    assert first.next() != first.next()
    again = random.SeedGenerator.from_config(second.get_config())
    assert again.next() == random.SeedGenerator(3).next()
    x = np.arange(12).reshape(3, 4)
    shuffled = random.shuffle(x, axis=1, seed=5)
    np.testing.assert_array_equal(shuffled, random.shuffle(x, axis=1, seed=5))
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), x)
    for call, error, message in (
        (lambda: random.SeedGenerator("a"), TypeError, "seed must be an integer or None, got 'a'"),
        (lambda: random.dropout(x, 0.5, noise_shape=(3,)), ValueError, "needs 2 dimensions"),
        (lambda: random.dropout(x, 0.5, noise_shape=(3, 2)), ValueError, "does not broadcast"),
        (lambda: random.normal((3,), dtype="float16"), ValueError, "random numbers are float32"),
    ):
        with pytest.raises(error, match=message):
            call()
