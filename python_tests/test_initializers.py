"""Initializers: shapes, spreads, seeds, configurations."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import initializers
from fastconv.config import set_random_seed

NAMES = [
    *("zeros", "ones", "random_uniform", "random_normal", "truncated_normal", "orthogonal"),
    *("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform"),
    *("lecun_normal", "variance_scaling", "constant"),
]


@pytest.mark.parametrize("name", NAMES)
def test_both_names_find_the_class(name: str) -> None:
    made = initializers.get(name)
    camel = type(made).__name__
    assert type(initializers.get(camel)) is type(made)
    values = made((3, 3, 4, 8))
    assert values.shape == (3, 3, 4, 8)
    assert values.dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_configuration_round_trip(name: str) -> None:
    made = initializers.get(name)
    again = initializers.deserialize(initializers.serialize(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()


def test_a_seed_repeats_and_no_seed_follows_the_process() -> None:
    shape = (20, 20)
    one = initializers.HeNormal(seed=5)
    np.testing.assert_array_equal(one(shape), one(shape))
    np.testing.assert_array_equal(one(shape), initializers.HeNormal(seed=5)(shape))
    set_random_seed(1)
    first, second = initializers.get("he_normal")(shape), initializers.get("he_normal")(shape)
    set_random_seed(1)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, initializers.get("he_normal")(shape))


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_normal", 2 / (90 + 180)),
        ("glorot_uniform", 2 / (90 + 180)),
        ("he_normal", 2 / 90),
        ("he_uniform", 2 / 90),
        ("lecun_normal", 1 / 90),
        ("lecun_uniform", 1 / 90),
    ],
)
def test_variance_by_fan(name: str, variance: float) -> None:
    values = initializers.get({"class_name": name, "config": {"seed": 2}})((3, 3, 10, 20 * 100))
    fans = initializers.compute_fans((3, 3, 10, 20))
    assert fans == (90, 180)
    if "glorot" in name:
        variance *= (90 + 180) / (90 + 18000)
    assert values.var() == pytest.approx(variance, rel=0.03)
    if "normal" in name:
        assert np.abs(values).max() <= 2 * np.sqrt(variance) / 0.8796 * 1.001


def test_orthogonal_rows_and_columns() -> None:
    tall = initializers.Orthogonal(gain=2.0, seed=1)((6, 3))
    np.testing.assert_allclose(tall.T @ tall, 4 * np.eye(3), atol=1e-5)
    wide = initializers.Orthogonal(seed=1)((3, 6))
    np.testing.assert_allclose(wide @ wide.T, np.eye(3), atol=1e-5)


def test_fans_of_biases_and_numbers() -> None:
    assert initializers.compute_fans(()) == (1, 1)
    assert initializers.compute_fans((7,)) == (7, 7)
    with pytest.raises(NotImplementedError):
        initializers.Initializer()((2,))
    assert repr(initializers.Constant(3.0)) == "Constant(value=3.0)"


def test_identity_and_constant() -> None:
    np.testing.assert_array_equal(initializers.Identity(3.0)((2, 2)), 3 * np.eye(2))
    np.testing.assert_array_equal(initializers.Constant([1, 2])((3, 2))[2], [1, 2])
    with pytest.raises(ValueError, match="matrices"):
        initializers.Identity()((2, 2, 2))


def test_arrays_and_functions_are_initializers() -> None:
    values = np.arange(4.0)
    np.testing.assert_array_equal(initializers.get(values)((4,)), values)
    assert initializers.get(lambda shape, dtype=None: np.ones(shape))((2,)).sum() == 2
    assert initializers.get(None) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.get("glorot"), "unknown initializer 'glorot'"),
        (lambda: initializers.get(3), "3 is not an initializer"),
        (lambda: initializers.VarianceScaling(scale=-1), "scale must be positive"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode must be"),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), "distribution must be"),
        (lambda: initializers.RandomNormal(seed="a"), "seed"),
        (lambda: initializers.Orthogonal()((3,)), r"at least two dimensions, got \(3,\)"),
    ],
)
def test_errors(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
