"""Files between fastconv and Keras, both ways, for every layer and every optimizer.

What one saves the other loads, predicts the same and goes on training to the same weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from layer_table import LAYERS, MERGES, RANDOM, dtype_of, ids, inputs_of
from real_keras import import_keras, to_numpy

import fastconv
from fastconv import layers, optimizers

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

FORMATS = [".keras", ".h5", ".weights.h5"]
TARGETS = np.random.default_rng(1).standard_normal((8, 2)).astype("float32")
OTHER_TESTS = {  # a base class; code, which files do not hold; arithmetic, in test_saving.py
    *("Layer", "InputLayer", "Lambda", "OpLayer"),
}


OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"learning_rate": 0.02}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("RMSprop", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
    ("Adam", {"learning_rate": 0.01}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True, "clipnorm": 0.5}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.02, "global_clipnorm": 1.0}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 0.5}),
    ("Lion", {"learning_rate": 0.003, "weight_decay": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Adamax", {"learning_rate": 0.01, "clipvalue": 0.3}),
    ("Adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 2}),
    ("SGD", {"learning_rate": 0.02, "momentum": 0.9, "gradient_accumulation_steps": 3}),
    ("Ftrl", {"learning_rate": 0.05, "l1_regularization_strength": 0.01}),
    ("Lamb", {"learning_rate": 0.02}),
    ("Adafactor", {"learning_rate": 0.1, "clip_threshold": 0.9}),
    ("Muon", {"learning_rate": 0.01, "adam_weight_decay": None}),
]

ROWS = [
    # Keras crops in training alone, so that no layer may depend on the size.
    (name, {"height": 5, "width": 7} if name == "RandomCrop" else options, shape)
    for name, options, shape in LAYERS
]
# It cannot copy the config; gives two datasets one name.
NOT_WRITTEN_BY_KERAS = {"RandomBrightness": [".h5"], "Adafactor": [".h5"]}
NOT_READ_BY_KERAS = {"Lamb": [".h5"]}  # it does not know its own name for it


def classes(module: Any, base: type) -> set[str]:
    known = [getattr(module, name) for name in module.__all__]
    return {c.__name__ for c in known if isinstance(c, type) and issubclass(c, base)}


def test_every_layer_and_optimizer_has_a_row() -> None:
    rows = {row[0] for row in [*LAYERS, *MERGES]}
    assert classes(layers, layers.Layer) - OTHER_TESTS == rows
    rows = {name for name, _ in OPTIMIZERS}
    assert classes(optimizers, optimizers.Optimizer) - {"Optimizer"} == rows


def net(module: Any, name: str, options: dict, shapes: list) -> Any:
    """The layer between inputs and a Dense, so that its gradient is needed."""
    m = module.layers
    inputs = [m.Input(s, dtype=dtype_of(name), name=f"in{i}") for i, s in enumerate(shapes)]
    y = getattr(m, name)(**options)(inputs if len(inputs) > 1 else inputs[0])
    return module.Model(inputs, m.Dense(2, name="out")(m.Flatten()(y)))


def compiled(module: Any, model: Any, optimizer: Any = None) -> Any:
    optimizer = optimizer or module.optimizers.SGD(0.002, momentum=0.9)
    model.compile(optimizer, module.losses.MeanSquaredError())
    return model


def train(model: Any, x: Any) -> list[np.ndarray]:
    """Train on and return the weights."""
    model.fit(x, TARGETS, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


def save(model: Any, file: Path) -> None:
    (model.save_weights if file.name.endswith(".weights.h5") else model.save)(file)


def read(module: Any, build: Any, file: Path) -> Any:
    """The model of a file, with the state of its optimizer."""
    if file.name.endswith(".weights.h5"):
        model = build(module)
        model.optimizer.build(model.trainable_variables)
        model.load_weights(file)
        return model
    model = module.models.load_model(file)
    if module is not fastconv and file.suffix == ".h5":
        _take_state(model, file)
    return model


def _take_state(model: Any, file: Path) -> None:
    """What Keras means to do: it loads the state before the optimizer knows of any weights."""
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    optimizer.build(model.trainable_variables)
    with h5py.File(file) as f:
        group = f["optimizer_weights"]
        optimizer.set_weights([group[name][()] for name in group.attrs["weight_names"]])
    model.compile(optimizer, model.loss)


def close(found: list, expected: list, tolerance: float) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def state(model: Any) -> list[Any]:
    """The weights, and the variables of the optimizer."""
    values = [v if isinstance(v, fastconv.Variable) else v.value for v in model.optimizer.variables]
    return [*map(np.array, model.get_weights()), *(np.array(to_numpy(v)) for v in values)]


def predictions(model: Any, x: Any) -> list[np.ndarray]:
    y = model.predict(x, verbose=0)
    return y if isinstance(y, list) else [y]


def hand_over(model: Any, reader: Any, build: Any, x: Any, files: list, random: bool) -> Any:
    """Write a model in every form; what is read is the same, and trains to the same weights."""
    for file in files:
        save(model, file)
    before, predicted = state(model), predictions(model, x)
    after = train(model, x)
    for file in files:
        again = read(reader, build, file)
        close(state(again), before, 0.0)
        close(predictions(again, x), predicted, 5e-5)
        trained = train(again, x)
        if not random:
            close(trained, after, 2e-4)
    return again


def exchange(build: Any, x: Any, path: Path, kind: str = "") -> None:
    """From here to Keras, on in both, back from Keras, and on in both."""
    keras = import_keras()
    fastconv.utils.set_random_seed(3)
    random = kind in RANDOM
    unread, unwritten = NOT_READ_BY_KERAS.get(kind, []), NOT_WRITTEN_BY_KERAS.get(kind, [])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of its own forms of files
        ours = build(fastconv)
        train(ours, x)
        files = [path / f"ours{ending}" for ending in FORMATS if ending not in unread]
        theirs = hand_over(ours, keras, build, x, files, random)
        files = [path / f"theirs{ending}" for ending in FORMATS if ending not in unwritten]
        hand_over(theirs, fastconv, build, x, files, random)


@pytest.mark.parametrize(("name", "options", "shape"), ROWS, ids=ids(ROWS))
def test_layer(name: str, options: dict, shape: tuple, tmp_path: Path) -> None:
    def build(module: Any) -> Any:
        return compiled(module, net(module, name, options, [shape]))

    exchange(build, inputs_of(name, shape, rows=8), tmp_path, name)


@pytest.mark.parametrize(("name", "options"), MERGES, ids=ids(MERGES))
def test_merging_layer(name: str, options: dict, tmp_path: Path) -> None:
    def build(module: Any) -> Any:
        return compiled(module, net(module, name, options, [(4, 4), (4, 4)]))

    exchange(build, [inputs_of(name, (4, 4), rows=8, seed=s) for s in (0, 1)], tmp_path)


@pytest.mark.parametrize("kind", ["sequential", "functional"])
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=ids(OPTIMIZERS))
def test_optimizer(name: str, options: dict, kind: str, tmp_path: Path) -> None:
    def build(module: Any) -> Any:
        m = module.layers
        if kind == "functional":
            model = net(module, "Dense", {"units": 5, "activation": "tanh"}, [(6,)])
        else:
            model = module.Sequential([m.Input((6,)), m.Dense(5, activation="tanh"), m.Dense(2)])
        return compiled(module, model, getattr(module.optimizers, name)(**options))

    exchange(build, inputs_of("Dense", (6,), rows=8), tmp_path, name)


def nested(module: Any) -> Any:
    """A model in a model in a model, and models that are called twice."""
    m = module.layers
    code, outside, x = (m.Input((6,), name=name) for name in ("code", "outside", "x"))
    inner = module.Model(code, m.Dense(6, activation="tanh")(code), name="inner")
    middle = module.Model(outside, m.Dense(6)(inner(outside)), name="middle")
    tail = module.Sequential([m.Input((6,)), m.Dense(4, activation="relu")], name="tail")
    y = m.Concatenate()([tail(middle(x)), tail(middle(middle(x)))])
    model = module.Model(x, m.Dense(2)(y))
    return compiled(module, model, module.optimizers.Adam(0.01))


def shared(module: Any) -> Any:
    m = module.layers
    layer, norm = m.Dense(6, activation="tanh"), m.BatchNormalization()
    x = y = m.Input((6,), name="x")
    for _ in range(4):
        y = m.Add()([y, norm(layer(y))])
    return compiled(module, module.Model(x, m.Dense(2)(y)), module.optimizers.RMSprop(0.005))


@pytest.mark.parametrize("build", [nested, shared])
def test_model(build: Any, tmp_path: Path) -> None:
    exchange(build, inputs_of("Dense", (6,), rows=8), tmp_path)


MATRIX = np.random.default_rng(2).standard_normal((6, 3)).astype("float32")
OPERATIONS: dict[str, tuple[tuple[int, ...], Callable[[Any, Any], Any]]] = {
    # the shape of an example, and what happens to x between layers; k is a Keras
    "slice": ((4, 6), lambda k, x: x[:, :2, ::2]),
    "index": ((4, 6), lambda k, x: x[:, -1]),
    "ellipsis": ((4, 6), lambda k, x: x[..., None, 1:3]),
    "concatenate": ((6,), lambda k, x: k.ops.concatenate([x, x * 2.0], axis=-1)),
    "stack": ((6,), lambda k, x: k.ops.stack([x, x], axis=1)),
    "split": ((6,), lambda k, x: k.ops.concatenate(k.ops.split(x, [2, 3], axis=1)[::-1], axis=1)),
    "pad": ((6,), lambda k, x: k.ops.pad(x, [[0, 0], [1, 2]])),
    "pad_value": ((6,), lambda k, x: k.ops.pad(x, [[0, 0], [1, 2]], constant_values=2.0)),
    "pad_reflect": ((6,), lambda k, x: k.ops.pad(x, [[0, 0], [1, 2]], mode="reflect")),
    "normalize": ((6,), lambda k, x: k.ops.normalize(x)),
    "normalize_1": ((4, 6), lambda k, x: k.ops.normalize(x, axis=1, order=1)),
    "outer": ((6,), lambda k, x: k.ops.einsum("ij,ik->ijk", x, x)),
    "einsum": ((4, 6), lambda k, x: k.ops.einsum("bij,jk->bik", x, MATRIX)),
    "matmul": ((4, 6), lambda k, x: k.ops.matmul(x, MATRIX)),
    "operator": ((6,), lambda k, x: x @ MATRIX),
    "gram": ((4, 6), lambda k, x: k.ops.matmul(x, k.ops.transpose(x, (0, 2, 1)))),
    "resize": ((4, 5, 3), lambda k, x: k.ops.image.resize(x, (8, 7))),
    "resize_nearest": (
        (4, 5, 3),
        lambda k, x: k.ops.image.resize(x, (8, 8), interpolation="nearest"),
    ),
    "resize_crop": (
        (4, 5, 3),
        lambda k, x: k.ops.image.resize(x, (8, 8), crop_to_aspect_ratio=True),
    ),
    "flip": ((4, 5, 3), lambda k, x: k.ops.flip(x, (1, 2))),
    "cast": ((6,), lambda k, x: k.ops.cast(k.ops.cast(x * 5.0, "int32"), "float32")),
    "take": ((6,), lambda k, x: k.ops.take(x, [1, 0, 2], axis=1)),
    "lookup": ((4, 6), lambda k, x: k.ops.take(MATRIX, k.ops.argmax(x, axis=-1), axis=0)),
    "one_hot": ((4, 6), lambda k, x: k.ops.one_hot(k.ops.argmin(x, axis=-1), 6)),
    "repeat": ((4, 6), lambda k, x: k.ops.repeat(x, 2, axis=1)),
    "tile": ((4, 6), lambda k, x: k.ops.tile(x, (1, 2, 1))),
    "cumsum": ((4, 6), lambda k, x: k.ops.cumsum(x, axis=1)),
    "roll": ((4, 6), lambda k, x: k.ops.roll(x, 1, axis=1)),
    "prod": ((4, 6), lambda k, x: k.ops.prod(x, axis=1)),
    "logsumexp": ((4, 6), lambda k, x: k.ops.logsumexp(x, axis=1)),
    "round": ((6,), lambda k, x: k.ops.round(x * 3.0)),
    "rsqrt": ((6,), lambda k, x: k.ops.rsqrt(x * x + 1.0)),
    "layer_norm": ((6,), lambda k, x: k.ops.layer_normalization(x, MATRIX[:, 0], MATRIX[:, 1])),
    "clip": ((6,), lambda k, x: k.ops.clip(x, -0.5, 0.5)),
    "cast_to_its_own": ((6,), lambda k, x: k.ops.cast(x, "float32") + 1.0),
    "var": ((4, 6), lambda k, x: k.ops.var(x, axis=1, keepdims=True)),
    "sort": ((6,), lambda k, x: k.ops.sort(x, axis=-1)),
    "top_k": ((6,), lambda k, x: k.ops.top_k(x, 3)[0]),
    "where": ((6,), lambda k, x: k.ops.where(x > 0.0, x, 0.1)),
    "maximum": ((6,), lambda k, x: k.ops.maximum(x, 0.1)),
    "average": ((4, 6), lambda k, x: k.ops.average(x, axis=2, weights=MATRIX[:, 0])),
    "ones_like": ((6,), lambda k, x: x + k.ops.ones_like(x)),
    "expand": ((6,), lambda k, x: k.ops.squeeze(k.ops.expand_dims(x, 1), 1)),
    "swapaxes": ((4, 6), lambda k, x: k.ops.swapaxes(x, 1, 2)),
    "moveaxis": ((4, 5, 3), lambda k, x: k.ops.moveaxis(x, 1, 3)),
    "moments": ((4, 6), lambda k, x: k.ops.moments(x, [1])[1]),
    "isclose": ((6,), lambda k, x: k.ops.cast(k.ops.isclose(x, 0.0, atol=0.5), "float32")),
    "tensordot": ((4, 6), lambda k, x: k.ops.tensordot(x, MATRIX, 1)),
    "norm": ((4, 6), lambda k, x: k.ops.norm(x, ord=2, axis=-1)),
    "batch_norm": (
        (6,),
        lambda k, x: k.ops.batch_normalization(x, MATRIX[:, 0], MATRIX[:, 1] ** 2, -1),
    ),
    "rms_norm": ((6,), lambda k, x: k.ops.rms_normalization(x, MATRIX[:, 0], axis=-1)),
    "max_pool": ((4, 5, 3), lambda k, x: k.ops.max_pool(x, 2, 1, padding="same")),
    "average_pool": ((4, 5, 3), lambda k, x: k.ops.average_pool(x, 2)),
    "conv": ((4, 5, 6), lambda k, x: k.ops.conv(x, MATRIX[None, None], 2, padding="same")),
    "triu": ((4, 6), lambda k, x: k.ops.triu(x, 1)),
    "gelu_tanh": ((6,), lambda k, x: k.activations.gelu(x, approximate=True)),
    "softmax_1": ((4, 6), lambda k, x: k.activations.softmax(x, axis=1)),
    "relu_slope": ((6,), lambda k, x: k.activations.relu(x, negative_slope=0.1, max_value=1.0)),
    **{
        name: ((6,), lambda k, x, name=name: getattr(k.activations, name)(x))
        for name in [
            *("celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid"),
            *("hard_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "relu", "relu6", "selu"),
            *("sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus"),
            *("sparse_sigmoid", "squareplus", "tanh", "tanh_shrink"),
        ]
    },
}


OPERATION_FILES = [
    (name, ending)
    for name in OPERATIONS
    for ending in (".keras", ".h5")
    if (name, ending) != ("ellipsis", ".h5")  # Keras cannot read its own
]


@pytest.mark.parametrize(("name", "ending"), OPERATION_FILES)
def test_operation(name: str, ending: str, tmp_path: Path) -> None:
    """What is written here Keras reads, and the other way round; both write again what they read.

    No operation is a layer of fastconv's own.
    """
    keras = import_keras()
    shape, operate = OPERATIONS[name]
    x = np.random.default_rng(3).standard_normal((3, *shape)).astype("float32")
    for writer, reader in ((fastconv, keras), (keras, fastconv)):
        inputs = writer.layers.Input(shape)
        model = writer.Model(inputs, operate(writer, inputs))
        predicted = predictions(model, x)
        for module in (reader, writer):
            model.save(tmp_path / f"m{ending}")
            model = module.models.load_model(tmp_path / f"m{ending}")
            close(predictions(model, x), predicted, 5e-5)


def test_operations_without_a_name_in_keras_are_for_fastconv_alone(tmp_path: Path) -> None:
    """As README says."""
    x = layers.Input((4, 4, 3))
    model = fastconv.Model(x, fastconv.ops.dense(x, np.ones((3, 2), np.float32)))
    model.save(tmp_path / "m.keras")
    images = np.random.default_rng(3).standard_normal((2, 4, 4, 3)).astype("float32")
    again = fastconv.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(images), model(images))
    with pytest.raises(TypeError, match="OpLayer"):
        import_keras().models.load_model(tmp_path / "m.keras")


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_what_is_random_is_random_in_training_alone(name: str, tmp_path: Path) -> None:
    """Keras writes a layer's default ``training`` into each call, and lets the model decide."""
    keras = import_keras()
    options, shape = next((o, s) for n, o, s in LAYERS if n == name)
    net(keras, name, options, [shape]).save(tmp_path / "m.keras")
    model = fastconv.models.load_model(tmp_path / "m.keras")
    x = inputs_of(name, shape, rows=8)
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))
    assert np.abs(model(x, training=True) - model(x, training=False)).max() > 0.01


def test_a_separable_convolution_is_never_causal() -> None:
    keras = import_keras()
    for module in (fastconv, keras):
        with pytest.raises(ValueError, match="causal"):
            module.layers.SeparableConv1D(3, 2, padding="causal")
