"""A call on an array and a small predict run one plan, and notice whatever changes the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Model, Sequential, layers, ops
from fastconv.graph import tracing


def images(n: int = 3) -> Any:
    return np.random.default_rng(0).standard_normal((n, 8, 8, 2)).astype(np.float32)


def net() -> Any:
    stack = [
        layers.Input((8, 8, 2)),
        layers.Conv2D(4, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dense(70, activation="tanh"),
        layers.Dense(5),
    ]
    return Sequential(stack)


def layer_by_layer(model: Any, x: Any) -> Any:
    for layer in model.layers:
        x = layer(x)
    return x


@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_call_and_predict_agree_with_the_layers(rows: int) -> None:
    model, x = net(), images(rows)
    expected = layer_by_layer(model, x)
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)
    assert model(x).tobytes() == model.predict(x).tobytes()
    assert (
        model.predict(x, batch_size=7).tobytes() == model(x).tobytes()
    )  # in several steps, or one


def test_results_are_arrays_of_their_own() -> None:
    model, x = net(), images()
    first = model(x)
    kept = first.copy()
    model(-x)
    model.predict(-x)
    assert first.tobytes() == kept.tobytes()
    first[...] = 0
    assert model(x).tobytes() == kept.tobytes()


def test_new_values_of_weights_are_seen() -> None:
    model, x = net(), images()
    model(x)
    model.set_weights([w + 0.1 for w in model.get_weights()])
    np.testing.assert_allclose(model(x), layer_by_layer(model, x), rtol=1e-4, atol=1e-5)
    model.layers[-1].kernel.data[...] = 0
    before = model(x)
    np.testing.assert_array_equal(before, np.broadcast_to(model.layers[-1].bias.numpy(), (3, 5)))
    model.compile("sgd", "mse")
    model.fit(x, np.ones((3, 5), np.float32), verbose=0)
    assert np.all(model(x) != before)
    np.testing.assert_allclose(model.predict(x), layer_by_layer(model, x), rtol=1e-4, atol=1e-5)


def test_another_weight_is_seen() -> None:
    model, x = net(), images()
    model(x)
    head = model.layers[-1]
    head.bias = fastconv.Variable(np.full(5, 7.0, np.float32), name="bias")
    np.testing.assert_allclose(model(x), layer_by_layer(model, x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(x), layer_by_layer(model, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "arranged",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: x[::-1][::-1],
    ],
    ids=["float64", "big-endian", "fortran", "every second", "reversed twice"],
)
def test_layouts_of_the_input(arranged: Any) -> None:
    model, x = net(), images()
    expected = model(x)
    np.testing.assert_allclose(model(arranged(x)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(arranged(x)), expected, rtol=1e-5, atol=1e-6)


def test_bad_input_is_refused_as_ever() -> None:
    model, x = net(), images()
    model(x)
    model.predict(x)
    with pytest.raises(ValueError, match="shape"):
        model(x[:, :4])
    with pytest.raises(ValueError, match="shape"):
        model.predict(x[:, :4])
    with pytest.raises(ValueError, match="empty"):
        model.predict(x[:0])
    x[1, 2, 3, 0] = np.nan
    with pytest.raises(ValueError, match="x holds nan"):
        model.predict(x)


def test_callbacks_of_predict_are_called() -> None:
    seen = []

    class Log(fastconv.callbacks.Callback):
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

    model, x = net(), images()
    model.predict(x)
    model.predict(x, batch_size=2, callbacks=[Log()])
    assert seen == [0, 1]


def test_a_call_inside_a_trace_is_traced() -> None:
    model, x = net(), images()
    model(x)
    with tracing():
        assert not isinstance(model(x), np.ndarray)


def test_losses_added_later_are_collected() -> None:
    inputs = layers.Input((4,))
    outputs = layers.Dense(2)(inputs)
    model = Model(inputs, outputs)
    x = np.ones((2, 4), np.float32)
    model(x)
    model.add_loss(ops.sum(outputs))
    y = model(x)
    np.testing.assert_allclose(float(model.losses[0]), y.sum(), rtol=1e-5)


def test_a_wide_product_with_few_rows() -> None:
    """Weights that are read in several tasks, kept packed, also transposed."""
    rng = np.random.default_rng(1)
    w = fastconv.Variable(rng.standard_normal((300, 700)).astype(np.float32))
    x = layers.Input((700,))
    model = Model(x, layers.Lambda(lambda v: ops.matmul(v, ops.transpose(w)))(x))
    for rows in (1, 3, 65):
        data = rng.standard_normal((rows, 700)).astype(np.float32)
        for _ in range(2):
            np.testing.assert_allclose(model(data), data @ w.numpy().T, rtol=1e-4, atol=1e-3)
            w.assign(w.numpy() * 0.5)


def test_a_call_keeps_the_losses_that_layers_add() -> None:
    class Penalty(layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(ops.sum(x))
            return x

    model = Sequential([layers.Input((1,)), Penalty()])
    for _ in range(2):
        model(np.ones((2, 1), np.float32))
        assert [float(loss) for loss in model.losses] == [2.0]
