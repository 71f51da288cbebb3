"""Deep and odd models compile and train."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as keras
from fastconv import layers

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(16, 6)).astype(np.float32)
IMAGES = RNG.normal(size=(16, 8, 8, 3)).astype(np.float32)
LABELS = np.arange(16) % 2


def six_branches() -> tuple[Any, Any, Any, Any]:
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    branches = [layers.Conv2D(4, 1, activation="relu")(x)]
    for size in (3, 5, 7):
        reduced = layers.Conv2D(4, 1, activation="relu")(x)
        branches.append(layers.Conv2D(4, size, padding="same", activation="relu")(reduced))
    branches.append(layers.Conv2D(4, 1)(layers.MaxPooling2D(3, 1, "same")(x)))
    branches.append(layers.Conv2D(4, 1)(layers.AveragePooling2D(3, 1, "same")(x)))
    pooled = layers.GlobalAveragePooling2D()(layers.concatenate(branches))
    model = keras.Model(image, layers.Dense(2, activation="softmax")(pooled))
    return model, IMAGES, LABELS, "sparse_categorical_crossentropy"


def hundred_nested() -> tuple[Any, Any, Any, Any]:
    model = None
    for _ in range(100):
        inputs = keras.Input((6,))
        residual = layers.Dense(6, kernel_initializer=keras.initializers.RandomNormal(0, 0.01))
        x = inputs if model is None else model(inputs)
        model = keras.Model(inputs, layers.add([x, residual(x)]))
    return model, ROWS, np.tanh(ROWS), "mse"


def shared_ten_times() -> tuple[Any, Any, Any, Any]:
    x = inputs = keras.Input((6,))
    dense = layers.Dense(6, activation="tanh")
    for _ in range(10):
        x = dense(x)
    model = keras.Model(inputs, x)
    assert model.count_params() == 42
    return model, ROWS, 0.5 + 0 * ROWS, "mse"


def three_inputs_two_outputs() -> tuple[Any, Any, Any, Any]:
    a, b, c = keras.Input((6,)), keras.Input((8, 8, 3)), keras.Input((6,))
    flat = layers.Flatten()(layers.Conv2D(4, 3, strides=2, activation="relu")(b))
    x = layers.concatenate([layers.Dense(8)(a), flat, layers.Dense(8)(c)])
    outputs = [
        layers.Dense(1, name="sum")(x),
        layers.Dense(2, activation="softmax", name="kind")(x),
    ]
    losses = ["mse", "sparse_categorical_crossentropy"]
    targets = [ROWS.sum(axis=1, keepdims=True), LABELS]
    return keras.Model([a, b, c], outputs), [ROWS, IMAGES, -ROWS], targets, losses


@pytest.mark.parametrize(
    "make", [six_branches, hundred_nested, shared_ten_times, three_inputs_two_outputs]
)
def test_it_trains(make: Any) -> None:
    keras.utils.set_random_seed(0)
    model, x, y, loss = make()
    model.compile(keras.optimizers.Adam(5e-3), loss)
    history = model.fit(x, y, batch_size=16, epochs=40, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
