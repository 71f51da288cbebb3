"""Layers, activations, penalties and initial weights against Keras: the same numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from real_keras import import_keras, to_numpy

import fastconv
from fastconv import activations, layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

IMAGE = (5, 7, 4)
LAYERS = [
    ("Dense", {"units": 3}, (6,)),
    ("Dense", {"units": 3, "activation": "gelu", "use_bias": False}, (2, 6)),
    ("Conv2D", {"filters": 6, "kernel_size": 3}, IMAGE),
    ("Conv2D", {"filters": 6, "kernel_size": (3, 2), "strides": 2, "padding": "same"}, IMAGE),
    ("Conv2D", {"filters": 6, "kernel_size": 2, "dilation_rate": 2, "activation": "elu"}, IMAGE),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2, "padding": "same"}, IMAGE),
    ("Conv2D", {"filters": 2, "kernel_size": 3, "data_format": "channels_first"}, IMAGE),
    ("Conv1D", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, (9, 4)),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}, IMAGE),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 3, "depth_multiplier": 2}, IMAGE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, IMAGE),
    ("MaxPooling2D", {}, IMAGE),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("MaxPooling2D", {"pool_size": 2, "data_format": "channels_first"}, IMAGE),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("AveragePooling2D", {"pool_size": (2, 3)}, IMAGE),
    ("MaxPooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}, (6, 2)),
    ("AveragePooling1D", {"pool_size": 3, "strides": 2}, (6, 2)),
    ("GlobalAveragePooling2D", {}, IMAGE),
    ("GlobalAveragePooling2D", {"keepdims": True, "data_format": "channels_first"}, IMAGE),
    ("GlobalMaxPooling2D", {}, IMAGE),
    ("GlobalAveragePooling1D", {}, (6, 2)),
    ("GlobalMaxPooling1D", {}, (6, 2)),
    ("Flatten", {}, IMAGE),
    ("Flatten", {"data_format": "channels_first"}, IMAGE),
    ("Reshape", {"target_shape": (-1, 10)}, IMAGE),
    ("Permute", {"dims": (3, 1, 2)}, IMAGE),
    ("RepeatVector", {"n": 3}, (4,)),
    ("Dropout", {"rate": 0.5}, IMAGE),
    ("SpatialDropout2D", {"rate": 0.5}, IMAGE),
    ("GaussianNoise", {"stddev": 0.5}, IMAGE),
    ("GaussianDropout", {"rate": 0.5}, IMAGE),
    ("Activation", {"activation": "silu"}, IMAGE),
    ("ReLU", {}, IMAGE),
    ("ReLU", {"max_value": 0.7, "negative_slope": 0.2, "threshold": 0.1}, IMAGE),
    ("LeakyReLU", {}, IMAGE),
    ("LeakyReLU", {"negative_slope": 0.1}, IMAGE),
    ("ELU", {"alpha": 0.7}, IMAGE),
    ("PReLU", {"shared_axes": [1, 2], "alpha_initializer": "random_normal"}, IMAGE),
    ("Softmax", {}, IMAGE),
    ("Softmax", {"axis": 1}, IMAGE),
    ("BatchNormalization", {}, IMAGE),
    ("BatchNormalization", {"axis": 1, "epsilon": 0.1, "scale": False}, IMAGE),
    ("LayerNormalization", {}, IMAGE),
    ("LayerNormalization", {"axis": [2, 3], "center": False}, IMAGE),
    ("GroupNormalization", {"groups": 2}, IMAGE),
    ("GroupNormalization", {"groups": -1}, IMAGE),
    ("ZeroPadding2D", {"padding": ((1, 2), (0, 3))}, IMAGE),
    ("ZeroPadding2D", {"padding": (1, 2), "data_format": "channels_first"}, IMAGE),
    ("Cropping2D", {"cropping": ((1, 2), (0, 3))}, IMAGE),
    ("UpSampling2D", {"size": (2, 3)}, IMAGE),
    ("ZeroPadding1D", {"padding": (1, 2)}, (6, 2)),
    ("Cropping1D", {"cropping": (1, 2)}, (6, 2)),
    ("UpSampling1D", {"size": 3}, (6, 2)),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, IMAGE),
    ("Rescaling", {"scale": 0.5, "offset": -1.0}, IMAGE),
    ("Identity", {}, IMAGE),
]
MERGES = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]
IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(LAYERS)]


def data(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def random_weights(variables: list) -> list[np.ndarray]:
    """Other weights than the initial ones; variances must be positive."""
    rng = np.random.default_rng(1)
    return [rng.uniform(0.1, 1.0, v.shape).astype("float32") for v in variables]


@pytest.mark.parametrize(("name", "options", "shape"), LAYERS, ids=IDS)
def test_layer_computes_what_keras_computes(name: str, options: dict, shape: tuple) -> None:
    keras = import_keras()
    x = data(3, *shape)
    theirs, ours = getattr(keras.layers, name)(**options), getattr(layers, name)(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.build((None, *shape))
    ours.build((None, *shape))
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    weights = random_weights(ours.weights)
    theirs.set_weights(weights)
    ours.set_weights(weights)
    expected = to_numpy(theirs(x))
    result = ours(x)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-5)
    assert tuple(ours.compute_output_shape((None, *shape))) == (None, *expected.shape[1:])


@pytest.mark.parametrize(("name", "options", "shape"), LAYERS, ids=IDS)
def test_configurations_are_exchanged_with_keras(name: str, options: dict, shape: tuple) -> None:
    keras = import_keras()
    ours = getattr(layers, name)(**options)
    theirs = keras.layers.deserialize(layers.serialize(ours))
    assert type(theirs).__name__ == name
    back = layers.deserialize(keras.layers.serialize(theirs))
    assert back.get_config() == ours.get_config()
    known = set(theirs.get_config())
    assert set(ours.get_config()) <= known, "every option has Keras's name"


@pytest.mark.parametrize("name", MERGES)
def test_merging_layers(name: str) -> None:
    keras = import_keras()
    xs = [data(2, 3, 4), data(2, 3, 4) * 2 + 1]
    ours = getattr(layers, name)()(xs)
    theirs = to_numpy(getattr(keras.layers, name)()(xs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_batch_normalization_in_training() -> None:
    keras = import_keras()
    x = data(6, 4, 4, 3) * 2 + 1
    ours = layers.BatchNormalization(momentum=0.9)
    theirs = keras.layers.BatchNormalization(momentum=0.9)
    for _ in range(3):
        np.testing.assert_allclose(
            ours(x, training=True), to_numpy(theirs(x, training=True)), rtol=1e-4, atol=1e-4
        )
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours(x), to_numpy(theirs(x)), rtol=1e-4, atol=1e-4)
    ours.trainable = False
    theirs.trainable = False
    np.testing.assert_allclose(
        ours(x, training=True), to_numpy(theirs(x, training=True)), rtol=1e-4, atol=1e-4
    )


ACTIVATIONS = [
    *("relu", "leaky_relu", "relu6", "sigmoid", "hard_sigmoid", "tanh", "softmax", "log_softmax"),
    *("elu", "selu", "gelu", "silu", "swish", "softplus", "softsign", "exponential", "linear"),
    *("hard_silu", "mish", "celu", "log_sigmoid", "tanh_shrink", "hard_tanh", "hard_shrink"),
    *("soft_shrink", "sparse_plus", "sparse_sigmoid", "squareplus"),
]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str) -> None:
    keras = import_keras()
    x = data(4, 9) * 3
    expected = to_numpy(keras.activations.get(name)(keras.ops.convert_to_tensor(x)))
    np.testing.assert_allclose(activations.get(name)(x), expected, rtol=1e-5, atol=1e-6)
    ours, theirs = activations.get(name), keras.activations.get(name)
    assert activations.serialize(ours) == keras.activations.serialize(theirs)


def test_activations_with_arguments() -> None:
    keras = import_keras()
    x = data(4, 8) * 3
    for name, options in (
        ("celu", {"alpha": 0.7}),
        ("glu", {}),
        ("hard_shrink", {"threshold": 1.0}),
        ("soft_shrink", {"threshold": 1.0}),
        ("threshold", {"threshold": 0.2, "default_value": -3.0}),
        ("squareplus", {"b": 2}),
    ):
        theirs = getattr(keras.activations, name)(keras.ops.convert_to_tensor(x), **options)
        ours = getattr(activations, name)(x, **options)
        np.testing.assert_allclose(ours, to_numpy(theirs), rtol=1e-5, atol=1e-6, err_msg=name)


def test_penalties_are_keras_penalties() -> None:
    keras = import_keras()
    w = data(5, 4)
    for options in ({"l1": 0.1}, {"l2": 0.2}, {"l1": 0.1, "l2": 0.2}):
        ours = fastconv.regularizers.L1L2(**options)(w)
        theirs = to_numpy(keras.regularizers.L1L2(**options)(keras.ops.convert_to_tensor(w)))
        assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
    for mode in ("rows", "columns"):
        ours = fastconv.regularizers.OrthogonalRegularizer(0.3, mode)
        theirs = keras.regularizers.OrthogonalRegularizer(0.3, mode)
        expected = float(to_numpy(theirs(keras.ops.convert_to_tensor(w))))
        assert float(ours(w)) == pytest.approx(expected, rel=1e-5)
        config = fastconv.regularizers.serialize(ours)
        assert fastconv.regularizers.get(config).get_config() == ours.get_config()
    x = data(6, 5)
    losses = []
    for module in (fastconv, keras):
        layer = module.layers.Dense(4, kernel_regularizer="l2", activity_regularizer="l1")
        layer.build((None, 5))
        layer.set_weights([w, np.ones(4, "float32")])
        layer(x)
        losses.append(sorted(float(to_numpy(v)) for v in layer.losses))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MaxNorm", {"max_value": 0.9}),
        ("MaxNorm", {"max_value": 0.9, "axis": [0, 1]}),
        ("NonNeg", {}),
        ("UnitNorm", {"axis": 1}),
        ("MinMaxNorm", {"min_value": 0.5, "max_value": 0.9, "rate": 0.7}),
    ],
)
def test_constraints(name: str, options: dict) -> None:
    keras = import_keras()
    w = data(5, 4)
    ours = getattr(fastconv.constraints, name)(**options)
    theirs = getattr(keras.constraints, name)(**options)
    expected = to_numpy(theirs(keras.ops.convert_to_tensor(w)))
    np.testing.assert_allclose(ours(w), expected, rtol=1e-5, atol=1e-6)
    assert ours.get_config() == theirs.get_config()


INITIALIZERS = [
    *("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"),
    *("RandomUniform", "RandomNormal", "TruncatedNormal"),
]


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initial_weights_have_the_spread_of_keras(name: str) -> None:
    keras = import_keras()
    shape = (3, 3, 40, 60)
    ours = getattr(fastconv.initializers, name)(seed=1)(shape)
    theirs = to_numpy(getattr(keras.initializers, name)(seed=1)(shape))
    assert ours.std() == pytest.approx(theirs.std(), rel=0.02)
    assert abs(ours.mean()) < 0.01 * 3 * ours.std()
    assert ours.max() == pytest.approx(theirs.max(), rel=0.02 if "Random" not in name else 0.3)
