"""Old names, old paths and old methods of Keras."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_keras import import_keras

import fastconv as keras
from fastconv import backend as K  # noqa: N812
from fastconv.compat.check import Problem, check
from fastconv.compat.modules import NotCoveredError, answered, is_module
from fastconv.compat.paths import MODULES, NAMES

X = np.linspace(-1, 1, 96, dtype=np.float32).reshape(32, 3)
Y = (X.sum(axis=1) > 0).astype(np.int32)


def small_model(units: int = 1, activation: str = "sigmoid") -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation=activation)])
    model.compile(keras.optimizers.SGD(lr=0.1), "mse")
    return model


def batches() -> Iterator[tuple[Any, Any]]:
    while True:
        for i in range(0, 32, 8):
            yield X[i : i + 8], Y[i : i + 8, None]


def test_generators_by_their_old_methods_do_what_fit_does() -> None:
    keras.utils.set_random_seed(3)
    model = small_model()
    start = model.get_weights()
    history = model.fit_generator(batches(), steps_per_epoch=4, epochs=2, verbose=0, workers=2)
    by_generator = model.get_weights()
    model.set_weights(start)
    same = model.fit(X, Y[:, None], batch_size=8, epochs=2, verbose=0, shuffle=False)
    assert history.history == same.history
    for a, b in zip(by_generator, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.evaluate_generator(batches(), steps=4) == pytest.approx(
        model.evaluate(X, Y[:, None], verbose=0)
    )
    inputs = (x for x, _ in batches())
    np.testing.assert_allclose(
        model.predict_generator(inputs, steps=4), model.predict(X, verbose=0), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("fit_generator", "steps_per_epoch"),
        ("evaluate_generator", "steps"),
        ("predict_generator", "steps"),
    ],
)
def test_an_endless_generator_needs_a_number_of_steps(method: str, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{method} needs {argument}: a generator"):
        getattr(small_model(), method)(batches())


def test_an_endless_validation_needs_a_number_of_steps() -> None:
    with pytest.raises(ValueError, match="fit_generator needs validation_steps"):
        small_model().fit_generator(batches(), 1, validation_data=batches(), verbose=0)


def test_fit_takes_the_arguments_of_worker_pools() -> None:
    model = small_model()
    options = {"max_queue_size": 2, "workers": 4, "use_multiprocessing": True}
    model.fit(batches(), steps_per_epoch=2, verbose=0, **options)
    assert model.evaluate(X, Y[:, None], verbose=0, **options) > 0
    assert model.predict(X, **options).shape == (32, 1)


def test_classes_are_thresholds_or_the_largest() -> None:
    model = small_model()
    np.testing.assert_array_equal(model.predict_proba(X), model.predict(X))
    classes = model.predict_classes(X)
    assert classes.shape == (32, 1)
    assert classes.dtype == np.int32
    np.testing.assert_array_equal(classes, model.predict(X) > 0.5)
    many = small_model(4, "softmax")
    np.testing.assert_array_equal(many.predict_classes(X), many.predict(X).argmax(axis=1))


def test_a_learning_rate_goes_by_its_old_name() -> None:
    model = small_model()
    assert K.get_value(model.optimizer.lr) == pytest.approx(0.1)
    K.set_value(model.optimizer.lr, 0.5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.5)


@pytest.mark.parametrize("path", ["keras.callbacks", "tensorflow.keras.callbacks"])
def test_callbacks_with_their_old_arguments(path: str, tmp_path: Path) -> None:
    old = answered(path)
    saver = old.ModelCheckpoint(
        str(tmp_path / "{epoch}.weights.h5"), "loss", 0, False, True, period=3
    )
    slower = old.ReduceLROnPlateau("loss", patience=1, epsilon=10.0)
    model = small_model()
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[saver, slower])
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[saver])
    assert sorted(f.name for f in tmp_path.iterdir()) == ["2.weights.h5", "3.weights.h5"]
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    with pytest.raises(ValueError, match="period must be at least 1 epoch, got 0"):
        old.ModelCheckpoint("m.keras", period=0)
    assert check("import keras\nkeras.callbacks.ModelCheckpoint('m.keras', period=2)") == []
    assert len(check("import keras\nkeras.callbacks.ModelCheckpoint('m.keras', perod=2)")) == 1


def test_a_variational_autoencoder_trains() -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    codes = rng.random((256, 1), np.float32)
    data = np.concatenate([codes, 1 - codes, codes**2, np.ones_like(codes)], axis=1)

    def sampling(args: Any) -> Any:
        mean, log_var = args
        noise = K.random_normal(shape=(K.shape(mean)[0], K.int_shape(mean)[1]))
        return mean + K.exp(0.5 * log_var) * noise

    layers = keras.layers
    inputs = layers.Input(shape=(4,), name="encoder_input")
    hidden = layers.Dense(16, activation="relu")(inputs)
    z_mean = layers.Dense(2, name="z_mean")(hidden)
    z_log_var = layers.Dense(2, name="z_log_var")(hidden)
    z = layers.Lambda(sampling, output_shape=(2,), name="z")([z_mean, z_log_var])
    encoder = keras.Model(inputs, [z_mean, z_log_var, z], name="encoder")
    codes_in = layers.Input(shape=(2,), name="z_sampling")
    hidden = layers.Dense(16, activation="relu")(codes_in)
    decoder = keras.Model(codes_in, layers.Dense(4, activation="sigmoid")(hidden), name="decoder")
    outputs = decoder(encoder(inputs)[2])
    vae = keras.Model(inputs, outputs, name="vae")

    reconstruction = keras.losses.binary_crossentropy(K.flatten(inputs), K.flatten(outputs))
    reconstruction *= 4
    divergence = 1 + z_log_var - K.square(z_mean) - K.exp(z_log_var)
    divergence = -0.5 * K.sum(divergence, axis=-1)
    vae.add_loss(K.mean(reconstruction + divergence))
    vae.compile(optimizer="adam")
    history = vae.fit(data, epochs=30, batch_size=32, validation_data=(data, None), verbose=0)
    loss = history.history["loss"]
    assert loss[-1] < 0.85 * loss[0]
    assert set(history.history) == {"loss", "val_loss"}
    mean, log_var, sample = encoder.predict(data, batch_size=64)
    assert mean.shape == log_var.shape == sample.shape == (256, 2)
    again = encoder.predict(data, batch_size=64)
    np.testing.assert_array_equal(mean, again[0])
    assert (sample != again[2]).any()
    expected = K.mean(-0.5 * K.sum(1 + log_var - mean**2 - K.exp(log_var), axis=-1))
    p = np.clip(decoder.predict(sample), 1e-7, 1 - 1e-7)
    cross = -(data * np.log(p) + (1 - data) * np.log(1 - p)).sum(axis=1).mean()
    assert vae.evaluate(data, verbose=0) == pytest.approx(float(expected) + cross, rel=0.05)


def test_several_outputs_share_a_trunk() -> None:
    keras.utils.set_random_seed(0)
    trunk = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, activation="relu")])
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    both = keras.layers.Concatenate()([trunk(a), trunk(b)])
    which = keras.layers.Dense(1, activation="sigmoid", name="which")(both)
    total = keras.layers.Dense(1, name="total")(both)
    model = keras.Model(inputs=[a, b], outputs=[which, total])
    model.compile(
        keras.optimizers.Adam(0.02),
        loss={"which": "binary_crossentropy", "total": "mse"},
        loss_weights={"which": 1.0, "total": 0.5},
        metrics={"which": "accuracy"},
    )
    other = X[::-1]
    targets = {"which": (X.sum(axis=1) > other.sum(axis=1)).astype(int), "total": X.sum(axis=1)}
    history = model.fit({"a": X, "b": other}, targets, epochs=40, verbose=0).history
    assert set(history) == {"loss", "which_loss", "total_loss", "which_accuracy"}
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["loss"][-1] == pytest.approx(
        history["which_loss"][-1] + 0.5 * history["total_loss"][-1], rel=1e-4
    )
    assert len(trunk.weights) == 2
    assert len(model.weights) == 2 + 4


@pytest.mark.parametrize("path", sorted(MODULES))
def test_every_path_is_answered(path: str) -> None:
    name = f"keras.{path}" if path else "keras"
    if not is_module(name):
        pytest.fail(f"{name}: there is no {MODULES[path]}")
    module = answered(name)
    assert module.__all__
    for attribute in set(module.__all__) - set(module.children) | set(NAMES.get(path, {})):
        assert getattr(module, attribute) is not None


def test_what_is_not_covered_is_named() -> None:
    layers = answered("tensorflow.keras.layers")
    assert layers.Dense is keras.layers.Dense
    with pytest.raises(AttributeError, match=r"tensorflow\.keras\.layers\.LSTM is not covered"):
        layers.LSTM  # noqa: B018
    with pytest.raises(NotCoveredError, match=r"keras\.wrappers is not covered"):
        answered("keras.wrappers")


@pytest.mark.parametrize(
    ("module", "net"),
    [
        ("mobilenet", "MobileNet"),
        ("resnet", "ResNet101"),
        ("resnet50", "ResNet50"),
        ("vgg16", "VGG16"),
        ("vgg19", "VGG19"),
    ],
)
def test_a_net_has_a_module_of_its_own(module: str, net: str) -> None:
    import_keras()
    theirs = import_module(f"keras.applications.{module}")
    found = answered(f"tensorflow.keras.applications.{module}")
    assert getattr(found, net) is getattr(keras.applications, net)
    x = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype("float32")
    expected = theirs.preprocess_input(x.copy())
    np.testing.assert_allclose(found.preprocess_input(x), expected, atol=1e-4)
    with pytest.raises(AttributeError, match=rf"{module}\.decode_predictions is not covered"):
        found.decode_predictions  # noqa: B018


def test_weights_to_download_are_not_covered() -> None:
    source = """\
from keras.applications import resnet50, vgg16
from keras.applications.vgg16 import VGG16, decode_predictions
VGG16(weights=None, classes=2)
VGG16(weights="imagenet")
vgg16.VGG16()
resnet50.preprocess_input(0)
resnet50.ResNet50(**{})
"""
    assert check(source) == [
        Problem(2, "keras.applications.vgg16.decode_predictions is not covered"),
        Problem(4, "keras.applications.vgg16.VGG16(weights='imagenet') is not covered"),
        Problem(
            5, "keras.applications.vgg16.VGG16(weights='imagenet'), its default, is not covered"
        ),
    ]
