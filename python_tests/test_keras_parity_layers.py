"""Layers, activations, penalties and initial weights against Keras: the same numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from layer_table import LAYERS, MERGES, RANDOM, ids, inputs_of
from real_keras import import_keras, to_numpy

import fastconv
from fastconv import activations, layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

IMAGE = (5, 7, 4)
IDS = ids(LAYERS)


def data(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def random_weights(variables: list) -> list[np.ndarray]:
    """Other weights than the initial ones; variances must be positive."""
    rng = np.random.default_rng(1)
    return [rng.uniform(0.1, 1.0, v.shape).astype("float32") for v in variables]


@pytest.mark.parametrize(("name", "options", "shape"), LAYERS, ids=IDS)
def test_layer_computes_what_keras_computes(name: str, options: dict, shape: tuple) -> None:
    keras = import_keras()
    x = inputs_of(name, shape)
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
    said = {"training": False} if name in RANDOM else {}
    if name == "RandomCrop":  # Keras returns another size than it says, and not Keras 2's middle
        theirs = keras.layers.Resizing(3, 4, crop_to_aspect_ratio=True)
    expected = to_numpy(theirs(x, **said))
    result = ours(x, **said)
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
    assert ("activity_regularizer" in ours.get_config()) == ("activity_regularizer" in known)


@pytest.mark.parametrize(("name", "options"), MERGES, ids=ids(MERGES))
def test_merging_layers(name: str, options: dict) -> None:
    keras = import_keras()
    xs = [data(2, 4, 4), data(2, 4, 4) * 2 + 1]
    ours = getattr(layers, name)(**options)(xs)
    theirs = to_numpy(getattr(keras.layers, name)(**options)(xs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


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
    *(
        "hard_silu",
        "hard_swish",
        "mish",
        "celu",
        "log_sigmoid",
        "tanh_shrink",
        "hard_tanh",
        "hard_shrink",
    ),
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
