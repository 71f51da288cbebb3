"""Frozen layers: no gradients for those at the beginning, and their outputs computed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv as keras
from fastconv import layers, ops
from fastconv.graph.prefix import split_prefix

X = np.random.default_rng(0).integers(0, 256, (50, 12, 12, 1)).astype(np.uint8)
Y = np.random.default_rng(1).integers(0, 3, 50)


def sequential() -> Any:
    features = [
        layers.Rescaling(1 / 255, input_shape=(12, 12, 1)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
    ]
    top = [layers.Dropout(0.25), layers.Flatten(), layers.Dense(3, activation="softmax")]
    return keras.Sequential(features + top), features


def residual() -> Any:
    """A frozen trunk with a shortcut, read in two places; the image itself is read by the top."""
    image = keras.Input((12, 12, 1))
    first = layers.Conv2D(4, 3, padding="same", activation="relu")
    second = layers.Conv2D(4, 3, padding="same")
    x = first(image)
    y = layers.Add()([x, second(x)])
    top = layers.Conv2D(4, 3, padding="same")(layers.Concatenate()([y, image]))
    pooled = layers.GlobalAveragePooling2D()(layers.Concatenate()([top, y]))
    return keras.Model(image, layers.Dense(3, activation="softmax")(pooled)), [first, second]


def trained(make: Any, cache: bool) -> tuple[Any, dict[str, list[float]]]:
    keras.utils.set_random_seed(4)
    model, features = make()
    for layer in features:
        layer.trainable = False
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        X,
        Y,
        batch_size=16,
        epochs=3,
        validation_data=(X[:20], Y[:20]),
        class_weight={0: 1.0, 1: 2.0, 2: 0.5},
        cache_frozen=cache,
        verbose=0,
    )
    return model, history.history


@pytest.mark.parametrize("make", [sequential, residual])
def test_cached_training_is_the_same_training(make: Any) -> None:
    plain, expected = trained(make, cache=False)
    cached, history = trained(make, cache=True)
    assert history == expected
    for a, b in zip(plain.get_weights(), cached.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert cached.evaluate(X[:20], Y[:20], verbose=0)[0] == pytest.approx(history["val_loss"][-1])


def kinds(model: Any) -> list[str]:
    model.train_on_batch(X[:4], Y[:4])
    plans = model._current_plans()
    (step,) = (s for (mode, _), s in plans._steps.items() if mode == "train")
    return [node.op.name for node in step.program.nodes]


def test_a_frozen_prefix_has_no_gradients() -> None:
    model, features = sequential()
    model.compile("sgd", "sparse_categorical_crossentropy")
    free = kinds(model)
    assert free.count("conv2d_weight_grad") == 2
    for layer in features:
        layer.trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    frozen = kinds(model)
    for name in ("conv2d_weight_grad", "conv2d_input_grad", "max_pool2d_grad", "batch_norm_grad"):
        assert name not in frozen
    assert frozen.count("conv2d") == 2
    plans = model._current_plans()
    (step,) = (s for (mode, _), s in plans._steps.items() if mode == "train")
    split = split_prefix(step.program, 1)
    assert split is not None
    assert [n.op.name for n in split.head.nodes].count("conv2d") == 2
    assert "conv2d" not in [n.op.name for n in split.tail.nodes]
    assert [t.shape for t in split.head.outputs] == [(None, 4, 4, 8)]
    assert split.kept == []


class BatchCentred(layers.Layer):
    """What it gives for a row depends on the other rows."""

    def call(self, inputs: Any) -> Any:
        return inputs - ops.mean(inputs, axis=0, keepdims=True)


@pytest.mark.parametrize("begin", [layers.Dropout(0.1), layers.GaussianNoise(0.1), BatchCentred()])
def test_nothing_is_cached_behind_randomness_or_the_other_rows(begin: Any) -> None:
    dense = layers.Dense(4)
    model = keras.Sequential([keras.Input((3,)), begin, dense, layers.Dense(1)])
    dense.trainable = False
    model.compile("sgd", "mse")
    x = np.ones((8, 3), np.float32)
    with pytest.raises(ValueError, match=r"cache_frozen: model .* has no frozen weights before"):
        model.fit(x, x[:, 0], cache_frozen=True, verbose=0)


def test_what_is_trained_or_comes_in_batches_is_not_cached() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((8, 3), np.float32)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"set layer\.trainable = False and compile again"):
        model.fit(x, x[:, 0], cache_frozen=True, verbose=0)
    with pytest.raises(ValueError, match="cache_frozen needs arrays"):
        model.fit(((x, x[:, 0]) for _ in range(2)), cache_frozen=True, verbose=0)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
