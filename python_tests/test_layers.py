"""Layers on their own: building, calling, weights, modes, errors."""

from __future__ import annotations

import gc
import inspect
import weakref

import numpy as np
import pytest

import fastconv
from fastconv import layers, ops, regularizers
from fastconv.graph import Tensor, tracing
from fastconv.naming import reset_names

RNG = np.random.default_rng(0)


def data(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("float32")


class Scale(layers.Layer):
    """A layer of a user: one weight, nothing about configuration."""

    def __init__(self, start: float = 1.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape: tuple) -> None:
        self.factor = self.add_weight(
            name="factor",
            shape=(input_shape[-1],),
            initializer=fastconv.initializers.Constant(self.start),
        )

    def call(self, inputs: object) -> object:
        return inputs * self.factor


class Block(layers.Layer):
    """Layers in attributes and lists, and a training argument that is handed on."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.first = layers.Dense(4)
        self.rest = [layers.Dense(3), layers.Dense(2)]
        self.norm = layers.BatchNormalization()
        self.drop = layers.Dropout(0.5)

    def call(self, inputs: object) -> object:
        x = self.norm(self.first(inputs))
        for layer in self.rest:
            x = layer(x)
        return self.drop(x)


def test_a_layer_on_an_array_builds_and_runs() -> None:
    layer = layers.Dense(3)
    assert not layer.built
    x = data(5, 4)
    y = layer(x)
    assert layer.built
    assert isinstance(y, np.ndarray)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(y, x @ kernel + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer(x.astype("float64")), y)


def test_integer_images_become_float() -> None:
    images = RNG.integers(0, 255, (2, 4, 4, 3)).astype("uint8")
    y = layers.Rescaling(1 / 255)(images)
    np.testing.assert_allclose(y, images / np.float32(255), rtol=1e-6)
    assert layers.Conv2D(2, 3)(images).dtype == np.float32
    assert layers.Dense(2)(np.ones((2, 3), "int64")).dtype == np.float32


def test_signatures_are_those_of_constructors() -> None:
    names = list(inspect.signature(layers.Conv2D).parameters)
    assert names[:3] == ["filters", "kernel_size", "strides"]
    assert list(inspect.signature(Scale).parameters) == ["start", "kwargs"]


def test_names_count_up_by_class() -> None:
    reset_names()
    made = [layers.Conv2D(1, 1), layers.Dense(1), layers.Conv2D(1, 1), layers.MaxPool2D()]
    assert [m.name for m in made] == ["conv2d", "dense", "conv2d_1", "max_pooling2d"]
    assert layers.Dense(1, name="mine").name == "mine"


def test_weights_of_inner_layers_are_found() -> None:
    block = Block()
    block(data(3, 5))
    assert len(block.weights) == 10
    assert len(block.trainable_weights) == 8
    assert block.count_params() == 24 + 16 + 15 + 8
    block.rest[0].trainable = False
    assert len(block.trainable_weights) == 6
    block.trainable = False
    assert block.trainable_weights == []
    assert len(block.non_trainable_weights) == 10
    assert block.norm.trainable is False


def test_one_weight_of_a_layer_can_be_frozen() -> None:
    model = fastconv.Sequential([layers.Input((3,)), layers.Dense(4), layers.Dense(2)])
    kernel = model.layers[0].kernel
    kernel.trainable = False
    assert [v.name for v in model.trainable_weights] == ["bias", "kernel", "bias"]
    assert model.non_trainable_weights == [kernel]
    before = model.get_weights()
    model.compile("sgd", "mse")
    model.fit(data(8, 3), data(8, 2), verbose=0)
    same = [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert same == [True, False, False, False]
    model.trainable = False
    assert not any(v.trainable for v in model.weights)
    model.trainable = True
    assert len(model.trainable_weights) == 4


def test_weights_are_set_all_or_none() -> None:
    layer = layers.Dense(3)
    layer.build((None, 4))
    before = layer.get_weights()
    with pytest.raises(ValueError, match=r"has 2 weights, got 1"):
        layer.set_weights(before[:1])
    with pytest.raises(ValueError, match=r"kernel.*\(4, 3\).*\(3, 4\)"):
        layer.set_weights([before[0].T, before[1]])
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])
    layer.set_weights([before[0] * 2, before[1] + 1])
    np.testing.assert_array_equal(layer.get_weights()[1], before[1] + 1)


def test_training_reaches_inner_layers() -> None:
    block = Block()
    x = data(64, 5)
    block(x)
    assert (block(x, training=True) == 0).any()
    assert not (block(x, training=False) == 0).any()
    assert not np.array_equal(block.norm.moving_mean.numpy(), np.zeros(4))


def test_training_may_be_given_by_position() -> None:
    class Inner(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = layers.Dropout(0.5)

        def call(self, x: object, y: object, training: bool = False) -> object:
            return self.dropout(x + y, training)

    x = np.ones((20, 5), "float32")
    chain = fastconv.Sequential([layers.Input((5,)), layers.Dropout(0.5)])
    inputs = layers.Input((5,))
    graph = fastconv.Model(inputs, layers.Dropout(0.5)(inputs, True))
    assert (graph.predict(x) == 0).any()
    for layer, args in ((layers.Dropout(0.5), (x,)), (chain, (x,)), (Inner(), (x, x))):
        assert (layer(*args, True) == 0).any()
        assert not (layer(*args, False) == 0).any()
    with pytest.raises(TypeError, match="multiple values for argument 'training'"):
        chain(x, True, training=True)


def test_dropout_scales_and_repeats_with_the_seed() -> None:
    x = np.ones((200, 50), "float32")
    layer = layers.Dropout(0.25)
    np.testing.assert_array_equal(layer(x), x)
    fastconv.config.set_random_seed(3)
    first = layer(x, training=True)
    second = layer(x, training=True)
    fastconv.config.set_random_seed(3)
    again = layer(x, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)
    assert set(np.unique(first)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.02


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dropout(0.5, seed=1),
        lambda: layers.SpatialDropout1D(0.5, seed=1),
        lambda: layers.AlphaDropout(0.5, seed=1),
        lambda: layers.GaussianDropout(0.5, seed=1),
        lambda: layers.GaussianNoise(0.5, seed=1),
    ],
)
def test_a_seed_starts_a_sequence_of_calls(make: object) -> None:
    x = np.ones((8, 4, 16), "float32")
    layer, same = make(), make()
    first = layer(x, training=True)
    assert not np.array_equal(first, layer(x, training=True))
    np.testing.assert_array_equal(first, same(x, training=True))


def test_spatial_dropout_drops_whole_channels() -> None:
    y = layers.SpatialDropout2D(0.5)(np.ones((8, 3, 3, 16), "float32"), training=True)
    per_channel = y.reshape(8, 9, 16)
    assert (per_channel == per_channel[:, :1]).all()
    assert 0 < (per_channel[:, 0] == 0).mean() < 1


def test_spatial_dropout_in_a_program() -> None:
    with tracing() as trace:
        x = Tensor((None, 3, 3, 2))
        y = layers.SpatialDropout2D(0.5)(x, training=True)
    assert y.shape == x.shape
    assert trace.streams == 1


def test_layer_normalization_over_axes_in_front() -> None:
    x = data(2, 3, 4, 5)
    y = layers.LayerNormalization(axis=[1, 2])(x)
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-5)


def test_a_layer_of_your_own() -> None:
    layer = Scale(3.0)
    np.testing.assert_array_equal(layer(np.ones((2, 4), "float32")), np.full((2, 4), 3))
    copy = Scale.from_config(layer.get_config())
    assert copy.start == 3.0
    assert copy.name == layer.name


def test_a_variable_attribute_is_a_weight() -> None:
    class Shift(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.offset = fastconv.Variable(np.ones(3, "float32"))
            self.count = fastconv.Variable(np.zeros((), "float32"), trainable=False)

        def call(self, inputs: object) -> object:
            self.count.assign_add(1.0)
            return inputs + self.offset

    layer = Shift()
    layer(data(2, 3))
    layer(data(2, 3))
    assert float(layer.count) == 2
    assert [v is w for v, w in zip(layer.trainable_weights, [layer.offset], strict=True)] == [True]


def test_a_replaced_weight_is_the_layers_no_more() -> None:
    layer, other = layers.Dense(4), layers.Dense(4)
    layer.build((None, 3))
    other.build((None, 3))
    layer.kernel = kernel = fastconv.Variable(np.ones((3, 4), "float32"))
    assert all(v is w for v, w in zip(layer.weights, [kernel, layer.bias], strict=True))
    np.testing.assert_array_equal(layer(np.ones((1, 3))), np.full((1, 4), 3))
    other.kernel = layer.kernel  # tied
    layer.bias = None
    assert [v is kernel for v in (*layer.weights, *other.weights)] == [True, True, False]
    block = Block()
    block.weight_in_turn = first = fastconv.Variable(np.ones(2, "float32"))
    block.all = [first, fastconv.Variable(np.ones(2, "float32"))]
    block.weight_in_turn = block.all[1]
    assert [v is w for v, w in zip(block.weights[:2], block.all, strict=True)] == [True, True]


def test_initial_values_are_numbers_also_in_a_trace() -> None:
    layer = layers.Dense(2, kernel_initializer=lambda shape, dtype: fastconv.random.normal(shape))
    with tracing():
        y = layer(Tensor((None, 3)))
    assert y.shape == (None, 2)
    assert isinstance(layer.get_weights()[0], np.ndarray)


def test_input_length_of_an_embedding_is_passed_over_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="input_length is deprecated"):
        layer = layers.Embedding(100, 8, input_length=20)
    assert layer(np.zeros((2, 5), np.int32)).shape == (2, 5, 8)
    assert "input_length" not in layer.get_config()


@pytest.mark.parametrize("wrapped", [lambda w: w, lambda w: [w]])
def test_given_embeddings_are_not_held_twice(wrapped: object) -> None:
    rows = data(5, 3)
    held = weakref.ref(rows)
    layer = layers.Embedding(5, 3, weights=wrapped(rows))
    np.testing.assert_array_equal(layer(np.arange(5)), rows)
    del rows
    gc.collect()
    assert held() is None


def test_penalties_and_added_losses() -> None:
    class Sparse(layers.Layer):
        def call(self, inputs: object) -> object:
            self.add_loss(0.1 * ops.sum(ops.absolute(inputs)))
            return inputs

    dense = layers.Dense(2, kernel_regularizer=regularizers.L2(0.5))
    dense.build((None, 3))
    kernel = dense.get_weights()[0]
    assert [float(v) for v in dense.losses] == pytest.approx([0.5 * (kernel**2).sum()], rel=1e-5)
    dense.trainable = False
    assert dense.losses == []
    layer = Sparse()
    for _ in range(2):
        layer(np.full((2, 2), -1, "float32"))
        assert [float(v) for v in layer.losses] == pytest.approx([0.4])


def test_lambda_applies_a_function() -> None:
    layer = layers.Lambda(lambda x, by: ops.square(x) * by, arguments={"by": 2.0})
    np.testing.assert_array_equal(layer(np.full((1, 2), 3, "float32")), [[18, 18]])


def test_shapes_are_inferred() -> None:
    assert layers.Conv2D(8, 3, strides=2, padding="same").compute_output_shape((None, 7, 7, 3)) == (
        None,
        4,
        4,
        8,
    )
    assert layers.Concatenate().compute_output_shape([(None, 2), (None, 3)]) == (None, 5)
    assert layers.Flatten().compute_output_shape((None, 3, 4)) == (None, 12)


def test_merging_functions_are_their_layers() -> None:
    a, b = data(2, 3, 4), data(2, 3, 4)
    for name, expected in {
        "add": a + b,
        "subtract": a - b,
        "multiply": a * b,
        "average": (a + b) / 2,
        "maximum": np.maximum(a, b),
        "minimum": np.minimum(a, b),
        "concatenate": np.concatenate([a, b], -1),
        "dot": np.einsum("nij,nkj->nik", a, b),
    }.items():
        np.testing.assert_allclose(getattr(layers, name)([a, b]), expected, rtol=1e-5, atol=1e-6)
    dot = layers.Dot((1, -2))
    np.testing.assert_allclose(dot([a, b]), np.einsum("nij,nik->njk", a, b), rtol=1e-5, atol=1e-6)
    assert dot.compute_output_shape([(None, 3, 4), (None, 3, 5)]) == (None, 4, 5)
    assert layers.Dot(1).compute_output_shape([(None, 3), (None, 3)]) == (None, 1)


def test_what_a_layer_of_ones_own_accepts() -> None:
    spec = layers.InputSpec
    layer = layers.Identity(name="own")
    image = np.zeros((2, 8, 8, 1), np.float32)
    for wrong, message in (
        (
            spec(shape=(None, 8, 9, 1)),
            r"inputs of shape \(None, 8, 9, 1\), got .*8, 8, 1\)",
        ),
        (spec(max_ndim=3, name="x"), "input 'x' of at most 3 dimensions"),
        (spec(dtype="int32"), "dtype int32, got float32"),
        ([spec(), spec()], "expects 2 inputs, got 1"),
    ):
        layer.input_spec = wrong
        with pytest.raises(ValueError, match=f"layer 'own' .*{message}"):
            layer(image)
    layer.input_spec = [spec(shape=(None, 8, 8), allow_last_axis_squeeze=True)]
    assert layer(image).shape == layer(image[..., 0])[..., None].shape


def test_weights_in_a_store_are_taken_all_or_none() -> None:
    layer = layers.Dense(3)
    layer.build((None, 4))
    store: dict = {}
    layer.save_own_variables(store)
    before = layer.get_weights()
    with pytest.raises(ValueError, match="has 2 weights of its own, the file has 1"):
        layer.load_own_variables({"0": store["0"]})
    with pytest.raises(ValueError, match=r"has shape \(3,\), the file has \(4,\)"):
        layer.load_own_variables({"0": store["0"] + 1, "1": np.ones(4)})
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    layer.load_own_variables({"0": store["0"] + 1, "1": store["1"] + 2})
    np.testing.assert_array_equal(layer.get_weights()[1], before[1] + 2)


def test_a_layer_knows_shapes_and_tensors_once_it_is_called() -> None:
    layer = layers.Dense(3, name="own")
    for name in ("input_shape", "output_shape", "input", "output"):
        with pytest.raises(AttributeError, match="layer 'own' has not been called"):
            getattr(layer, name)
    layer(data(2, 4))
    assert (layer.input_shape, layer.output_shape) == ((None, 4), (None, 3))
    x = layers.Input((4,))
    y = layer(x)
    layer(layers.Input((4,)))
    assert layer.input is x
    assert layer.output is y
    assert repr(layer) == "<Dense name=own, built=True>"


def test_an_initializer_must_give_what_was_asked_for() -> None:
    layer = layers.Dense(3, kernel_initializer=lambda shape, dtype=None: np.ones(2, np.float32))
    with pytest.raises(ValueError, match=r"returned shape \(2,\) where \(4, 3\)"):
        layer(data(2, 4))
    with pytest.raises(NotImplementedError, match="does not override call"):
        layers.Layer()(data(2, 4))
