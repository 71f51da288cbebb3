"""A user's own check of a net: against the reference, and of its gradients."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from test_same_bits import EXAMPLES, NETS, Net, some

from fastconv import config, layers, ops, utils
from fastconv.models import Model, Sequential
from fastconv.training import verification
from fastconv.utils import check_gradients

RNG = np.random.default_rng(3)
X = RNG.standard_normal((24, 12, 12, 3)).astype(np.float32)
Y = RNG.integers(0, 5, 24)


def net(**options: Any) -> Sequential:
    config.set_random_seed(4)
    model = Sequential(
        [
            layers.Input((12, 12, 3)),
            layers.Conv2D(16, 3, activation="relu", name="first", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.3),
            layers.Conv2D(8, 3, padding="same", activation="relu", name="second"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )
    options = {"optimizer": "adam", "metrics": ["accuracy"], **options}
    model.compile(loss="sparse_categorical_crossentropy", **options)
    return model


def state(model: Model) -> list[np.ndarray]:
    return [*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "nadam", "rmsprop", "adadelta", "adamax"])
def test_a_net_is_as_the_reference_has_it(optimizer: str) -> None:
    model = net(optimizer=optimizer)
    model.fit(X, Y, batch_size=8, verbose=0)
    before = state(model)
    report = model.verify(X, Y, batch_size=10, steps=3)
    assert report.ok, str(report)
    assert report.steps == 3
    assert sum(c.checked for c in report.checks) > 0.8 * len(report.checks)
    for a, b in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(a, b)
    assert max(len(line) for line in str(report).splitlines()) <= 80
    assert "ok; the same bits as in fit" in str(report)


@settings(some, max_examples=EXAMPLES // 2)
@given(NETS)
def test_any_net_is_as_the_reference_has_it(drawn: Net) -> None:
    report = drawn.model().verify(*drawn.data(), batch_size=drawn.batch, steps=1)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", ["conv2d", "dense_weight_grad", "adam", "max_pool2d_grad"])
def test_a_wrong_step_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = verification.run_node

    def wrong(node: Any, *arguments: Any, **options: Any) -> Any:
        made = real(node, *arguments, **options)
        if node.op.name == name:
            made[0] = made[0] + 1e-3 * np.abs(made[0]).max()
        return made

    monkeypatch.setattr(verification, "run_node", wrong)
    report = net().verify(X, Y, batch_size=8)
    bad = [c for c in report.checks if not c.ok]
    assert bad
    assert all(name in c.op for c in bad)
    assert "TOO FAR" in str(report)
    assert "NOT OK" in str(report)


def test_verify_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="native"):
        net(backend="numpy").verify(X, Y)
    with pytest.raises(TypeError, match="arrays"):
        net().verify(iter([(X, Y)]))
    with pytest.raises(RuntimeError, match="compiled before verify"):
        Sequential([layers.Input((3,)), layers.Dense(2)]).verify(X, Y)


def test_gradients_are_those_of_finite_differences() -> None:
    model = net()
    before = model.get_weights()
    report = check_gradients(model, X[:8], Y[:8], entries=3)
    assert report.ok, str(report)
    assert [v.path for v in report.variables] == [v.path for v in model.trainable_weights]
    assert sum(v.entries for v in report.variables) > 15
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert utils.check_gradients is check_gradients


def test_a_wrong_gradient_is_found() -> None:
    """A layer that holds back a part of its gradient."""

    class Wrong(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs + 0.5 * ops.stop_gradient(ops.sin(inputs))

    model = Sequential([layers.Input((4,)), layers.Dense(3), Wrong(), layers.Dense(1)])
    model.compile(loss="mse")
    report = check_gradients(model, X[:8, 0, 0, [0, 1, 2, 0]], Y[:8])
    assert not report.ok
    assert [v.ok for v in report.variables] == [False, False, True, True]
    assert "NOT OK" in str(report)
