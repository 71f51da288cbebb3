"""What is asked of weights after a step, and what it costs them to be large."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastconv import constraints, layers, regularizers
from fastconv.models import Sequential

W = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
NORMS = np.linalg.norm(W, axis=0)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (constraints.NonNeg(), np.maximum(W, 0)),
        (constraints.UnitNorm(), W / NORMS),
        (constraints.UnitNorm(axis=[0, 1]), W / np.linalg.norm(W)),
        (constraints.MaxNorm(1.5), W * np.minimum(1, 1.5 / NORMS)),
        (constraints.MinMaxNorm(1.9, 2.1), W * np.clip(NORMS, 1.9, 2.1) / NORMS),
        (
            constraints.MinMaxNorm(0, 1, rate=0.25, axis=1),
            W * (0.75 + 0.25 * np.minimum(1, 1 / np.linalg.norm(W, axis=1, keepdims=True))),
        ),
    ],
)
def test_weights_are_moved_to_where_they_are_allowed(constraint: Any, expected: Any) -> None:
    np.testing.assert_allclose(constraint(W), expected, rtol=1e-5, atol=1e-6)
    config = constraints.serialize(constraint)
    for again in (constraints.deserialize(config), constraints.get(config)):
        assert type(again) is type(constraint)
        assert again.get_config() == constraint.get_config()


@pytest.mark.parametrize("name", ["max_norm", "MaxNorm", constraints.MaxNorm])
def test_names_and_classes(name: Any) -> None:
    assert constraints.get(name).get_config() == {"max_value": 2, "axis": 0}
    assert constraints.get(abs) is abs
    assert constraints.get(None) is None


def test_a_constraint_of_ones_own_is_applied_after_every_step() -> None:
    class Rounded(constraints.Constraint):
        def __call__(self, w: Any) -> Any:
            return np.round(w)

    with pytest.raises(NotImplementedError):
        constraints.Constraint()(W)
    assert isinstance(Rounded.from_config(Rounded().get_config()), Rounded)
    model = Sequential([layers.Input((5,)), layers.Dense(4, kernel_constraint="unit_norm")])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 5)), np.ones((8, 4)), verbose=0)
    np.testing.assert_allclose(np.linalg.norm(model.get_weights()[0], axis=0), 1, rtol=1e-5)


def test_rows_or_columns_are_made_orthogonal() -> None:
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    products = np.abs(unit @ unit.T) - np.eye(5)
    found = regularizers.OrthogonalRegularizer(0.1)(W)
    assert float(found) == pytest.approx(0.1 * products.sum() / 20, rel=1e-4)
    turned = regularizers.OrthogonalRegularizer(0.1, mode="columns")(W.T)
    assert float(turned) == pytest.approx(float(found), rel=1e-5)


@pytest.mark.parametrize("kind", [regularizers.L1, regularizers.L2, regularizers.L1L2])
def test_regularizers_come_back_from_their_configuration(kind: Any) -> None:
    one = regularizers.get(kind)
    assert regularizers.get(regularizers.serialize(one)).get_config() == one.get_config()
    assert float(regularizers.L1L2()(W)) == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constraints.get("max_nrom"), "unknown constraint 'max_nrom'; known: max_norm"),
        (lambda: constraints.get(3), "3 is not a constraint"),
        (lambda: regularizers.get(3), "3 is not a regularizer"),
        (lambda: regularizers.L1("a"), "l1 must be a number, got 'a'"),
        (lambda: regularizers.L2(-0.1), "l2 must be finite and not negative"),
        (
            lambda: regularizers.OrthogonalRegularizer(mode="axis"),
            "'rows' or 'columns', got 'axis'",
        ),
        (lambda: regularizers.OrthogonalRegularizer()(W[0]), "needs a matrix"),
    ],
)
def test_errors(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
