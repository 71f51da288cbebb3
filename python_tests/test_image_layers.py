"""Layers that resize, normalize and randomly change images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from real_keras import import_keras, to_numpy

import fastconv
from fastconv import layers, ops

RANDOM = [
    ("RandomFlip", {"mode": "horizontal"}),
    ("RandomFlip", {}),
    ("RandomCrop", {"height": 4, "width": 5}),
    ("RandomRotation", {"factor": 0.1}),
    ("RandomZoom", {"height_factor": 0.3}),
    ("RandomTranslation", {"height_factor": 0.3, "width_factor": 0.2, "fill_mode": "constant"}),
    ("RandomContrast", {"factor": 0.5}),
    ("RandomBrightness", {"factor": 0.2}),
    ("RandomErasing", {"factor": (0.8, 1.0)}),
    ("RandomErasing", {"fill_value": (9.0, 3.0, 300.0), "scale": 0.5}),
    ("RandomInvert", {"factor": 0.5}),
]
FIXED = [  # ranges of one value: nothing is left to chance
    ("RandomTranslation", {"height_factor": (0.3, 0.3), "width_factor": (-0.2, -0.2)}),
    ("RandomTranslation", {"height_factor": (1, 1), "width_factor": (0, 0), "fill_mode": "wrap"}),
    ("RandomZoom", {"height_factor": (0.3, 0.3), "width_factor": (-0.2, -0.2)}),
    ("RandomZoom", {"height_factor": (-0.3, -0.3), "interpolation": "nearest"}),
    ("RandomRotation", {"factor": (0.13, 0.13), "fill_mode": "constant", "fill_value": 9.0}),
    ("RandomRotation", {"factor": (0.13, 0.13), "fill_mode": "nearest"}),
    ("RandomContrast", {"factor": (0, 0)}),
    ("RandomBrightness", {"factor": (0.1, 0.1)}),
    ("RandomInvert", {"factor": (1, 1), "value_range": (0, 9)}),
    ("RandomErasing", {"factor": (1, 1), "scale": (1, 1), "fill_value": 300.0}),
    ("RandomErasing", {"factor": (0, 0)}),
    ("CenterCrop", {"height": 4, "width": 5}),
    ("CenterCrop", {"height": 8, "width": 5}),
    ("Resizing", {"height": 4, "width": 5}),
    ("Resizing", {"height": 12, "width": 18, "pad_to_aspect_ratio": True}),
    ("Resizing", {"height": 20, "width": 12, "pad_to_aspect_ratio": True}),
    ("Resizing", {"height": 7, "width": 7, "crop_to_aspect_ratio": True}),
    ("Resizing", {"height": 9, "width": 4, "interpolation": "nearest"}),
    ("UpSampling2D", {"size": (2, 3), "interpolation": "bilinear"}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(FIXED)]

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def images(n: int = 4) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (n, 6, 9, 3)).astype("float32")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("name", "options"), FIXED, ids=IDS)
def test_layer_computes_what_keras_computes(
    name: str, options: dict[str, Any], data_format: str
) -> None:
    keras = import_keras()
    options = {**options, "data_format": data_format}
    x = images() if data_format == "channels_last" else images().transpose(0, 3, 1, 2)
    theirs, ours = getattr(keras.layers, name)(**options), getattr(layers, name)(**options)
    expected = to_numpy(theirs(x.copy()))
    result = ours(x)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-3)
    if name != "UpSampling2D":
        np.testing.assert_allclose(ours(x[0]), result[0], atol=1e-3)
    assert tuple(ours.compute_output_shape((None, *x.shape[1:]))) == (None, *expected.shape[1:])


@pytest.mark.parametrize(("name", "options"), RANDOM + FIXED)
def test_configurations_are_exchanged_with_keras(name: str, options: dict[str, Any]) -> None:
    keras = import_keras()
    ours = getattr(layers, name)(**options, seed=3) if "Random" in name else None
    ours = ours or getattr(layers, name)(**options)
    theirs = keras.layers.deserialize(layers.serialize(ours))
    back = layers.deserialize(keras.layers.serialize(theirs))
    assert back.get_config() == ours.get_config()
    assert set(ours.get_config()) == set(theirs.get_config())


@pytest.mark.parametrize(("name", "options"), RANDOM)
def test_images_change_in_training_only_each_in_its_own_way(
    name: str, options: dict[str, Any]
) -> None:
    fastconv.config.set_random_seed(1)
    layer = getattr(layers, name)(**options)
    one = images(1)
    x = np.repeat(one, 64, axis=0)
    changed = layer(x, training=True)
    assert len(np.unique(changed.reshape(64, -1).round(2), axis=0)) > 1
    assert not np.array_equal(layer(x, training=True), changed)
    np.testing.assert_array_equal(layer(x).shape, changed.shape)
    still = layer(x, training=False)
    assert still.shape == changed.shape
    if name != "RandomCrop":
        np.testing.assert_array_equal(still, x)


@pytest.mark.parametrize(("name", "options"), RANDOM)
def test_the_same_in_a_program(name: str, options: dict[str, Any]) -> None:
    """A step changes images as a call does; numbers follow from the seed alone."""

    def trained(backend: str, threads: int) -> np.ndarray:
        fastconv.config.set_random_seed(5)
        fastconv.config.set_num_threads(threads)
        model = fastconv.Sequential([layers.Input((6, 9, 3)), getattr(layers, name)(**options)])
        model.add(layers.Rescaling(1 / 255))
        model.add(layers.Flatten())
        model.add(layers.Dense(2))
        model.compile("sgd", "mse", backend=backend)
        model.fit(images(7), np.ones((7, 2)), batch_size=4, epochs=2, verbose=0)
        return model.get_weights()[0]

    before = fastconv.config.num_threads()
    try:
        native = trained("native", 1)
        np.testing.assert_array_equal(trained("native", 2), native)
        np.testing.assert_allclose(trained("numpy", 1), native, atol=1e-4)
    finally:
        fastconv.config.set_num_threads(before)


def test_colours_are_lost_and_parts_erased_as_often_as_asked_for() -> None:
    fastconv.config.set_random_seed(1)
    x = np.repeat(images(1), 400, axis=0)
    gray = layers.RandomGrayscale(0.25)
    result = gray(x)
    lost = np.ptp(result, axis=3).max(axis=(1, 2)) < 1e-3
    assert 70 < lost.sum() < 130
    np.testing.assert_array_equal(result[~lost], x[~lost])
    weights = np.array([0.2989, 0.587, 0.114], np.float32)
    np.testing.assert_allclose(result[lost][0, :, :, 0], x[0] @ weights, rtol=1e-4)
    assert layers.deserialize(layers.serialize(gray)).get_config() == gray.get_config()
    erased = layers.RandomErasing((0.5, 0.5), scale=(0.25, 0.25), fill_value=0.0, seed=4)(x)
    changed = (erased == 0).all(axis=3)
    assert 160 < changed.any(axis=(1, 2)).sum() < 240
    assert set(changed.any(axis=2).sum(axis=1)) == {0, 3}  # of 6 rows, half
    assert set(changed.any(axis=1).sum(axis=1)) <= {0, 4, 5}  # of 9 columns
    np.testing.assert_array_equal(erased[~changed], x[~changed])


def test_flips_and_crops_only_move_pixels() -> None:
    fastconv.config.set_random_seed(1)
    x = np.repeat(images(1), 200, axis=0)
    flipped = layers.RandomFlip("horizontal", seed=1)(x)
    mirrored = np.all(flipped == x[:, :, ::-1], axis=(1, 2, 3))
    assert 60 < mirrored.sum() < 140
    np.testing.assert_array_equal(flipped[~mirrored], x[~mirrored])
    both = layers.RandomFlip()(x)
    kinds = [np.all(both == x[:, ::a, ::b], axis=(1, 2, 3)).sum() for a in (1, -1) for b in (1, -1)]
    assert sum(kinds) == 200
    assert min(kinds) > 25
    cropped = layers.RandomCrop(4, 8)(x)
    windows = {
        (i, j): np.all(cropped == x[:, i : i + 4, j : j + 8], axis=(1, 2, 3)).sum()
        for i in range(3)
        for j in range(2)
    }
    assert sum(windows.values()) == 200
    assert min(windows.values()) > 10


def test_a_seed_repeats_the_calls_and_not_each_call() -> None:
    x = images()
    a, b = layers.RandomRotation(0.2, seed=4), layers.RandomRotation(0.2, seed=4)
    first, second = a(x), a(x)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(b(x), first)
    np.testing.assert_array_equal(b(x), second)


def test_random_layers_train_by_default_alone_and_not_in_predict() -> None:
    augment = fastconv.Sequential([layers.Input((6, 9, 3)), layers.RandomRotation(0.3)])
    x = images()
    assert not np.array_equal(augment(x), x)
    np.testing.assert_array_equal(augment(x, training=False), x)
    np.testing.assert_array_equal(augment.predict(x, verbose=0), x)
    outer = fastconv.Sequential([layers.Input((6, 9, 3)), augment, layers.Dropout(0.5)])
    np.testing.assert_array_equal(outer.predict(x, verbose=0), x)
    dropout = fastconv.Sequential([layers.Input((6, 9, 3)), layers.Dropout(0.5)])
    np.testing.assert_array_equal(dropout(x), x)


def test_gradients_flow_through_transformations() -> None:
    layer = layers.RandomZoom((0.5, 0.5), fill_mode="constant")
    model = fastconv.Sequential(
        [
            layers.Input((6, 9, 3)),
            layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones"),
            layer,
        ]
    )
    model.compile(fastconv.optimizers.SGD(1e-3), "mae")
    x = images()
    before = float(np.mean(np.abs(layer(x.sum(-1, keepdims=True)))))
    history = model.fit(x, np.zeros((4, 6, 9, 1)), epochs=1, batch_size=4, verbose=0)
    assert history.history["loss"][0] == pytest.approx(before, rel=1e-4)
    gradient = (1 - model.get_weights()[0].ravel()) / 1e-3
    expected = layer(x).mean(axis=(0, 1, 2))  # all values are positive
    np.testing.assert_allclose(gradient, expected, rtol=1e-2)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("RandomFlip", ("sideways",), "mode"),
        ("RandomRotation", (2.0,), "factor"),
        ("RandomRotation", (0.1, "mirror"), "fill_mode"),
        ("RandomZoom", ((0.1, 0.2, 0.3),), "height_factor"),
        ("RandomTranslation", (0.1, "x"), "width_factor"),
        ("RandomContrast", (-0.1,), "factor"),
        ("RandomGrayscale", (1.5,), "factor"),
        ("RandomInvert", ((0.1, 0.2, 0.3),), "factor"),
        ("RandomErasing", (1.0, -0.1), "scale"),
        ("RandomErasing", (1.0, 0.1, (1.0, 2.0)), "fill_value"),
        ("RandomBrightness", (0.1, 3), "value_range"),
        ("RandomCrop", (0, 3), "height and width"),
        ("Resizing", (3, 3, "lanczos3"), "interpolation"),
        ("UpSampling2D", (2, None, "lanczos3"), "interpolation"),
    ],
)
def test_bad_arguments_are_named(name: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        getattr(layers, name)(*arguments)
    with pytest.raises(ValueError, match="one image"):
        layers.RandomFlip()(np.zeros((2, 3)))


# Normalization


def test_normalization_notes_mean_and_variance() -> None:
    x = images() * 3 + 7
    for axis in (-1, None, (1, 3)):
        layer = layers.Normalization(axis=axis)
        layer.adapt(x)
        kept = () if axis is None else tuple(a % 4 for a in np.atleast_1d(axis))
        over = tuple(a for a in range(4) if a not in kept)
        np.testing.assert_allclose(layer(x).mean(axis=over), 0, atol=1e-4)
        np.testing.assert_allclose(layer(x).var(axis=over), 1, atol=1e-4)
        by_batches = layers.Normalization(axis=axis)
        by_batches.adapt([(x[:1], 0), (x[1:], 1)])
        np.testing.assert_allclose(by_batches(x), layer(x), atol=1e-5)
    known = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=4.0 * np.ones(3))
    np.testing.assert_allclose(known(x), (x - [1, 2, 3]) / 2, rtol=1e-5)
    inverse = layers.Normalization(mean=5.0, variance=4.0, invert=True)
    np.testing.assert_allclose(inverse(x), x * 2 + 5, rtol=1e-6)
    assert layers.deserialize(layers.serialize(known)).get_config() == known.get_config()


def test_normalization_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="together"):
        layers.Normalization(mean=1.0)
    with pytest.raises(ValueError, match="does not fit"):
        layers.Normalization(axis=4)(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="does not fit the kept axes"):
        layers.Normalization(mean=[1.0, 2], variance=[1.0, 2])(np.zeros((2, 3)))
    layer = layers.Normalization()
    layer.adapt(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="built for"):
        layer.adapt(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="no data"):
        layers.Normalization().adapt([])


def test_normalization_as_keras_and_in_its_files(tmp_path: Any) -> None:
    keras = import_keras()
    x = images()
    theirs, ours = keras.layers.Normalization(), layers.Normalization()
    for layer in (theirs, ours):
        layer.adapt(x)
    np.testing.assert_allclose(ours(x), to_numpy(theirs(x)), atol=1e-5)
    model = fastconv.Sequential([layers.Input((6, 9, 3)), ours])
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(to_numpy(loaded(x)), ours(x), atol=1e-5)
    keras.Sequential([keras.layers.Input((6, 9, 3)), theirs]).save(tmp_path / "k.keras")
    back = fastconv.models.load_model(tmp_path / "k.keras")
    np.testing.assert_allclose(back(x), ours(x), atol=1e-5)


# The functions below


@pytest.mark.parametrize("mode", ops.image.FILL_MODES)
@pytest.mark.parametrize("interpolation", ops.image.INTERPOLATIONS)
def test_affine_transformations_as_keras(mode: str, interpolation: str) -> None:
    keras = import_keras()
    rng = np.random.default_rng(1)
    rows = np.zeros((4, 8), "float32")
    rows[:, :6] = rng.normal(0, 0.4, (4, 6))
    rows[:, [0, 4]] += 1
    rows[:, [2, 5]] *= 8
    expected = keras.ops.image.affine_transform(images(), rows.copy(), interpolation, mode, 7.0)
    result = ops.image.affine_transform(images(), rows, interpolation, mode, 7.0)
    np.testing.assert_allclose(result, to_numpy(expected), atol=1e-3)


def test_resizing_by_hand() -> None:
    x = np.array([0.0, 10, 20]).reshape(3, 1, 1)
    wide = ops.image.resize(x, (6, 1))
    np.testing.assert_allclose(wide[:, 0, 0], [0, 2.5, 7.5, 12.5, 17.5, 20])
    np.testing.assert_array_equal(ops.image.resize(x, (2, 1), "nearest")[:, 0, 0], [0, 20])
    with pytest.raises(ValueError, match="'nearest', 'bilinear' or 'bicubic'"):
        ops.image.resize(x, (2, 1), "lanczos3")
    with pytest.raises(ValueError, match="only one of"):
        ops.image.resize(x, 2, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)
    with pytest.raises(ValueError, match="transform must be"):
        ops.image.affine_transform(x, np.zeros((1, 6)))


def test_erasing_with_colours_needs_three_channels() -> None:
    layer = layers.RandomErasing(factor=(1, 1), fill_value=(1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match=r"for 3 channels, got images of shape \(8, 8, 1\)"):
        layer(np.ones((2, 8, 8, 1), np.float32), training=True)
