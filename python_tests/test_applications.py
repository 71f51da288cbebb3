"""The published nets: parameter counts, shapes, training, and agreement with Keras's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from real_keras import import_keras, to_numpy

import fastconv
from fastconv import applications, initializers
from fastconv.applications import imagenet_utils

# (net, parameters, of which trained), from the papers, Keras or torchvision
COUNTS = [
    ("lenet5", 61_706, 61_706),
    ("alexnet", 60_965_224, 60_965_224),
    ("alexnet_cifar", 5_871_434, 5_871_434),
    ("vgg11", 132_863_336, 132_863_336),
    ("vgg13", 133_047_848, 133_047_848),
    ("vgg16", 138_357_544, 138_357_544),
    ("vgg19", 143_667_240, 143_667_240),
    ("inception_v1", 6_998_552, 6_998_552),
    ("resnet18", 11_699_112, 11_689_512),
    ("resnet20", 271_098, 269_722),
    ("resnet32", 466_426, 464_154),
    ("resnet50", 25_636_712, 25_583_592),
    ("resnet56", 857_082, 853_018),
    ("resnet101", 44_707_176, 44_601_832),
    ("resnet152", 60_419_944, 60_268_520),
    ("mobilenet", 4_253_864, 4_231_976),
]
# (net, options for a small form of it)
SMALL: list[tuple[str, dict[str, Any]]] = [
    ("lenet5", {"input_shape": (12, 12, 1)}),
    ("alexnet", {"input_shape": (67, 67, 3)}),
    ("alexnet_cifar", {"input_shape": (15, 15, 3)}),
    ("vgg", {"input_shape": (8, 8, 3)}),
    ("vgg11", {"input_shape": (32, 32, 3)}),
    ("vgg13", {"input_shape": (32, 32, 3)}),
    ("vgg16", {"input_shape": (32, 32, 3)}),
    ("inception_v1", {"input_shape": (32, 32, 3)}),
    ("resnet18", {"input_shape": (32, 32, 3)}),
    ("resnet20", {"input_shape": (8, 8, 3)}),
    ("resnet32", {"input_shape": (8, 8, 3)}),
    ("resnet50", {"input_shape": (32, 32, 3)}),
    ("resnet56", {"input_shape": (8, 8, 3)}),
    ("mobilenet", {"input_shape": (32, 32, 3), "alpha": 0.25}),
]
HEADLESS = [(name, options) for name, options in SMALL if name not in ("lenet5", "vgg")]


@pytest.fixture
def no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights are zeros that take no memory: only their shapes matter."""

    def zeros(self: Any, shape: Any, dtype: Any = None) -> np.ndarray:
        return np.zeros(tuple(shape), dtype or "float32")

    for kind in (initializers.GlorotUniform, initializers.HeNormal):
        monkeypatch.setattr(kind, "__call__", zeros)


@pytest.mark.usefixtures("no_values")
@pytest.mark.parametrize(("name", "parameters", "trained"), COUNTS)
def test_parameters_are_as_published(name: str, parameters: int, trained: int) -> None:
    model = getattr(applications, name)()
    assert model.count_params() == parameters
    assert sum(w.size for w in model.trainable_weights) == trained


@pytest.mark.parametrize(("name", "options"), SMALL)
def test_a_step_of_training_changes_every_weight(name: str, options: dict[str, Any]) -> None:
    fastconv.config.set_random_seed(3)
    model = getattr(applications, name)(classes=3, **options)
    # Adam bounds the step: normalized over 3 rows, the gradients of a deep net are huge.
    model.compile(fastconv.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).standard_normal((3, *options["input_shape"])).astype("float32")
    before = model.get_weights()
    loss = model.train_on_batch(x, np.arange(3))
    assert np.isfinite(loss)
    kernels = [(a, b) for a, b in zip(before, model.get_weights(), strict=True) if a.ndim > 1]
    assert all(np.isfinite(b).all() and not np.array_equal(a, b) for a, b in kernels)
    probabilities = model.predict(x, verbose=0)
    assert probabilities.shape == (3, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.usefixtures("no_values")
@pytest.mark.parametrize(("name", "options"), HEADLESS)
def test_features_without_the_top(name: str, options: dict[str, Any]) -> None:
    net = getattr(applications, name)
    features = net(include_top=False, **options)
    assert len(features.output_shape) == 4
    for pooling in ("avg", "max"):
        pooled = net(include_top=False, pooling=pooling, **options)
        assert pooled.output_shape == (None, features.output_shape[-1])
    image = fastconv.Input(options["input_shape"])
    own = {k: v for k, v in options.items() if k != "input_shape"}
    assert net(input_tensor=image, include_top=False, **own).inputs[0] is image
    with pytest.raises(ValueError, match="pooling must be None"):
        net(include_top=False, pooling="sum", **options)


@pytest.mark.parametrize(("name", "options"), SMALL)
def test_bad_arguments_are_named(name: str, options: dict[str, Any]) -> None:
    net = getattr(applications, name)
    with pytest.raises(ValueError, match=f"{name}: weights must be None .*'imagenet'"):
        net(weights="imagenet", **options)
    with pytest.raises(ValueError, match=f"{name} needs images of at least"):
        net(input_shape=(2, 2, 3))
    with pytest.raises(ValueError, match=f"{name}: input_shape"):
        net(input_shape=(32, 32))
    with pytest.raises(ValueError, match=f"{name}: input_shape"):
        net(True)
    with pytest.raises(ValueError, match=f"{name}: classes"):
        net(classes=1, **options)


def test_transfer_learning_trains_the_new_top_alone() -> None:
    fastconv.config.set_random_seed(1)
    features = applications.ResNet20(input_shape=(8, 8, 3), include_top=False, pooling="avg")
    features.trainable = False
    model = fastconv.Sequential([features, fastconv.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).standard_normal((8, 8, 8, 3)).astype("float32")
    before = features.get_weights()
    model.fit(x, np.arange(8) % 2, epochs=2, verbose=0)
    for a, b in zip(before, features.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(model.trainable_weights) == 2


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("VGG16", {"include_top": False, "pooling": "avg"}),
        ("ResNet50", {"classes": 4}),
        ("MobileNet", {"classes": 4, "alpha": 0.5}),
    ],
)
def test_a_net_of_keras_computes_the_same(name: str, options: dict[str, Any]) -> None:
    keras = import_keras()
    options = {**options, "weights": None, "input_shape": (48, 48, 3)}
    theirs = getattr(keras.applications, name)(**options)
    ours = getattr(applications, name)(**options)
    mine = {layer.name: layer for layer in ours.layers}
    for layer in theirs.layers:
        if layer.weights:
            weights = [to_numpy(w.value) for w in layer.weights]
            assert [w.shape for w in weights] == [w.shape for w in mine[layer.name].get_weights()]
            mine[layer.name].set_weights(weights)
    assert ours.count_params() == theirs.count_params()
    x = np.random.default_rng(0).standard_normal((2, 48, 48, 3)).astype("float32")
    expected = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first", None])
@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_images_are_prepared_as_keras_does(mode: str, data_format: str | None) -> None:
    prepare = imagenet_utils.preprocess_input
    reference = import_keras().applications.imagenet_utils.preprocess_input
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3), dtype="uint8")
    before = pixels.copy()
    for x in (pixels, pixels[0]):
        expected = reference(x.copy(), data_format, mode)
        np.testing.assert_allclose(prepare(x, data_format, mode), expected, atol=1e-4)
    np.testing.assert_array_equal(pixels, before)
    inputs = fastconv.Input((3, 5, 3))
    model = fastconv.Model(inputs, prepare(inputs, data_format, mode))
    expected = prepare(pixels, data_format, mode)
    np.testing.assert_allclose(model.predict(pixels, verbose=0), expected, rtol=1e-6, atol=1e-6)


def test_a_mode_of_preparing_is_known() -> None:
    with pytest.raises(ValueError, match="mode must be 'caffe', 'tf' or 'torch', got 'jax'"):
        imagenet_utils.preprocess_input(np.zeros((2, 2, 3)), mode="jax")
