"""Models: chains, graphs, subclasses, shared layers, copies."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from model_kinds import Residual, branched, small_cnn

import fastconv
from fastconv import layers, metrics, models, ops, optimizers
from fastconv.models import Model, Sequential, clone_model, model_from_json

RNG = np.random.default_rng(0)


def data(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("float32")


# Chains


def test_a_chain_is_its_layers_in_a_row() -> None:
    model = small_cnn()
    x = data(3, 8, 8, 3)
    y = x
    for layer in model.layers:
        y = layer(y)
    np.testing.assert_allclose(model(x), y, rtol=1e-6)
    assert model.input_shape == (None, 8, 8, 3)
    assert model.output_shape == (None, 2)
    assert isinstance(model.layers[0], layers.Conv2D)


def test_the_shape_comes_from_the_first_layer_or_the_data() -> None:
    told = Sequential()
    told.add(layers.Dense(units=5, input_shape=(8,), activation="relu"))
    told.add(layers.Dense(units=3, input_shape=(8,)))  # on a later layer it says nothing
    assert told.built
    assert told.output_shape == (None, 3)
    assert Sequential([layers.Dense(2, input_dim=7)]).input_shape == (None, 7)
    late = Sequential([layers.Dense(5), layers.Dense(3)])
    assert not late.built
    assert late.weights == []
    assert late(data(4, 8)).shape == (4, 3)
    assert late.input_shape == (None, 8)
    built = Sequential([layers.Dense(5)])
    built.build((None, 8))
    assert built.count_params() == 45


def test_add_and_pop() -> None:
    model = small_cnn()
    last = model.pop()
    assert isinstance(last, layers.Dense)
    assert model.output_shape == (None, 36)
    model.add(layers.Dense(7))
    assert model(data(1, 8, 8, 3)).shape == (1, 7)
    with pytest.raises(ValueError, match="no layer to remove"):
        Sequential().pop()


def test_pop_leaves_other_calls_of_the_layer() -> None:
    shared = layers.Dense(4)
    model = Sequential([layers.Input((3,)), layers.Dense(4), shared])
    x = layers.Input((4,))
    other = Model(x, shared(shared(x)))
    values = data(2, 4)
    expected = other(values)
    assert model.pop() is shared
    assert len(model.layers) == 1
    assert model.predict(data(2, 3)).shape == (2, 4)
    np.testing.assert_array_equal(other(values), expected)
    np.testing.assert_array_equal(Model(x, other.output)(values), expected)


def test_a_chain_of_lists() -> None:
    first = [layers.Dense(4, input_shape=(3,)), layers.Activation("relu")]
    second = [layers.Dense(2), layers.Activation("softmax")]
    model = Sequential(first + second)
    for layer in first:
        layer.trainable = False
    assert len(model.trainable_weights) == 2
    assert len(model.non_trainable_weights) == 2


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (
            lambda: Sequential([layers.Dense(2, name="d"), layers.Dense(3, name="d")]),
            ValueError,
            "already has a layer named 'd'",
        ),
        (lambda: Sequential([3]), TypeError, "only layers can be added"),
        (
            lambda: Sequential([layers.Dense(2), layers.Input((3,))]),
            ValueError,
            "an Input can only come first",
        ),
        (
            lambda: Sequential([layers.Input((4,)), layers.Conv2D(2, 3, name="c")]),
            ValueError,
            "'c' expects inputs of 4 dimensions",
        ),
        (lambda: Sequential()(data(2, 2)), ValueError, "has no layers"),
        (lambda: Sequential([layers.Dense(2)])([data(2, 2)] * 2), ValueError, "takes one input"),
        (lambda: Sequential([layers.Dense(2)]).build(), ValueError, "without an input shape"),
        (
            lambda: Sequential([layers.Dense(2)(layers.Input((3,)))]),
            TypeError,
            "only the tensor of an Input",
        ),
        (lambda: copy.copy(Sequential([layers.Dense(2)])), ValueError, "build it before copying"),
    ],
)
def test_errors_of_chains(build: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        build()


def test_a_layer_that_does_not_fit_is_not_added() -> None:
    model = Sequential([layers.Input((4,))])
    with pytest.raises(ValueError, match="expects inputs"):
        model.add(layers.Conv2D(2, 3))
    model.add(layers.Dense(2))
    assert len(model.layers) == 1


# Graphs


def test_a_graph_of_two_inputs_and_outputs() -> None:
    model = branched()
    x, z = data(5, 6), data(5, 6)
    a, b = model([x, z])
    shared, first, second = (model.get_layer(n) for n in ("shared", "a", "b"))
    joined = np.concatenate([shared(x), 2 * shared(z)], axis=1)
    np.testing.assert_allclose(a, first(joined), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(b, second(joined + 1), rtol=1e-5, atol=1e-6)
    by_name = model({"right": z, "left": x})
    np.testing.assert_array_equal(by_name[0], a)
    assert model.input_names == ["left", "right"]
    assert model.output_names == ["a", "b"]
    assert len(model.weights) == 6, "the shared layer's weights are there once"


def test_predict_agrees_with_a_direct_call() -> None:
    model = branched()
    x, z = data(7, 6), data(7, 6)
    for predicted, called in zip(model.predict([x, z], verbose=0), model([x, z]), strict=True):
        np.testing.assert_allclose(predicted, called, rtol=1e-5, atol=1e-6)


def test_models_are_layers() -> None:
    encoder = Sequential([layers.Input((8,)), layers.Dense(3, activation="tanh")], name="encoder")
    code = layers.Input((3,))
    decoder = Model(code, layers.Dense(8)(code), name="decoder")
    x = layers.Input((8,))
    auto = Model(x, decoder(encoder(x)))
    v = data(4, 8)
    np.testing.assert_allclose(auto(v), decoder(encoder(v)), rtol=1e-6)
    auto.compile("adam", "mse")
    before = encoder.get_weights()[0]
    auto.fit(v, v, epochs=1, verbose=0)
    assert not np.array_equal(encoder.get_weights()[0], before)
    assert [layer.name for layer in auto.layers][1:] == ["encoder", "decoder"]


def test_the_middle_of_a_model() -> None:
    model = small_cnn()
    x = data(2, 8, 8, 3)
    features = Model(model.inputs, model.layers[1].output)
    np.testing.assert_allclose(features(x), model.layers[1](model.layers[0](x)), rtol=1e-6)
    rest = Model(model.layers[1].output, model.output)
    np.testing.assert_allclose(rest(features(x)), model(x), rtol=1e-5)


def test_arithmetic_between_layers() -> None:
    x = layers.Input((4,))
    h = layers.Dense(4)(x)
    y = ops.tanh(h - x) / 2.0 + ops.mean(h, axis=-1, keepdims=True)
    model = Model(x, y[:, 1:3])
    v = data(3, 4)
    d = model.get_layer(index=1)(v)
    expected = (np.tanh(d - v) / 2 + d.mean(-1, keepdims=True))[:, 1:3]
    np.testing.assert_allclose(model(v), expected, rtol=1e-5, atol=1e-6)
    assert all(layer.weights == [] for layer in model.operations[2:])


def test_a_loss_of_tensors_in_the_graph() -> None:
    x = layers.Input((4,))
    h = layers.Dense(2, use_bias=False)(x)
    model = Model(x, h)
    model.add_loss(ops.mean(ops.square(h)))
    v = data(6, 4)
    model.compile(fastconv.optimizers.SGD(0.5))
    first = model.fit(v, epochs=1, verbose=0).history["loss"][0]
    assert first > 0
    for _ in range(20):
        last = model.fit(v, epochs=1, verbose=0).history["loss"][0]
    assert last < 0.2 * first


def sampled(mean: object) -> object:
    return mean + fastconv.random.normal((ops.shape(mean)[0], 2))


@pytest.mark.parametrize("sample", [layers.Lambda(sampled), sampled], ids=["layer", "ops"])
def test_random_numbers_between_layers(sample: object) -> None:
    x = layers.Input((4,))
    model = Model(x, sample(layers.Dense(2)(x)))
    v = data(50, 4)
    first, second = model(v), model(v)
    assert first.shape == (50, 2)
    assert not np.array_equal(first, second)
    assert model.predict(v, verbose=0).shape == (50, 2)


def test_shapes_with_a_batch_on_arrays() -> None:
    x = layers.Input((2, 6))
    y = ops.reshape(x, (-1, 3, 4)) + ops.ones((ops.shape(x)[0], 3, 1))
    v = data(5, 2, 6)
    np.testing.assert_allclose(Model(x, y)(v), v.reshape(5, 3, 4) + 1, rtol=1e-6)


def test_one_input_column_may_come_flat() -> None:
    x = layers.Input((1,))
    model = Model(x, layers.Dense(2)(x))
    assert model(data(5)).shape == (5, 2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: branched()(data(2, 6)), "has 2 inputs, got 1"),
        (lambda: branched()({"left": data(2, 6)}), r"needs inputs \['left', 'right'\]"),
        (lambda: branched()([data(2, 6), data(2, 5)]), r"input 'right' has shape \(None, 6\)"),
        (lambda: small_cnn()(data(2, 8, 8)), r"has shape \(None, 8, 8, 3\), got \(2, 8, 8\)"),
        (lambda: branched().get_layer("c"), "has no layer 'c'"),
        (lambda: branched().get_layer(index=99), "no index 99"),
        (
            lambda: Model(layers.Input((3,)), layers.Dense(2)(layers.Input((3,)))),
            "not among the inputs",
        ),
        (lambda: Model(data(2, 2), data(2, 2)), "symbolic tensors"),
        (lambda: branched().get_layer(), "a name or an index"),
        (lambda: branched().summary(layer_range=("shared", "c")), "has no layer 'c'"),
        (lambda: clone_model(Residual()), "cannot be cloned"),
        (lambda: model_from_json("[]"), "no model"),
        (lambda: model_from_json('{"class_name": "Dense", "config": {"units": 1}}'), "no model"),
    ],
)
def test_errors_of_graphs(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_layer_names_must_differ() -> None:
    x = layers.Input((3,))
    y = layers.Dense(3, name="same")(layers.Dense(3, name="same")(x))
    with pytest.raises(ValueError, match=r"given twice: \['same'\]"):
        Model(x, y)


def test_deep_models_need_no_recursion() -> None:
    x = y = layers.Input((2,))
    for _ in range(1500):
        y = layers.Activation("linear")(y)
    model = Model(x, y)
    assert len(model.layers) == 1501


# Subclasses


def test_a_subclass_trains() -> None:
    model = Residual()
    x = data(64, 4)
    y = x.sum(1, keepdims=True)
    model.compile(fastconv.optimizers.Adam(0.01), "mse")
    losses = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert model.count_params() == 20 + 20 + 5
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-5, atol=1e-5)


def test_a_subclass_can_be_built() -> None:
    model = Residual()
    model.build((None, 4))
    assert len(model.weights) == 6
    with pytest.raises(NotImplementedError, match="does not override call"):
        type("Empty", (Model,), {})()(data(2, 2))


def lines(model: Model, **options: object) -> list[str]:
    printed: list[str] = []
    model.summary(print_fn=printed.append, **options)
    return "\n".join(printed).splitlines()


# Configurations and copies


@pytest.mark.parametrize("make", [small_cnn, branched])
def test_configuration_round_trip(make: object) -> None:
    model = make()
    again = type(model).from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    inputs = [data(2, *shape[1:]) for shape in np.atleast_2d(np.array(model.input_shape, object))]
    given = inputs[0] if len(inputs) == 1 else inputs
    one, two = model(given), again(given)
    for a, b in zip(*([v] if not isinstance(v, list) else v for v in (one, two)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.get_config() == model.get_config()


@pytest.mark.parametrize("make", [small_cnn, branched])
def test_json_and_clone(make: object) -> None:
    model = make()
    again = model_from_json(model.to_json())
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    clone = clone_model(model)
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    assert not {id(v) for v in clone.weights} & {id(v) for v in model.weights}
    with pytest.raises(ValueError, match="not the JSON of a model"):
        model_from_json("{")


def test_clone_changes_layers_on_demand() -> None:
    def narrower(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if isinstance(layer, layers.Conv2D):
            config["filters"] = 2
        return type(layer).from_config(config)

    assert clone_model(small_cnn(), clone_function=narrower).layers[0].filters == 2


@pytest.mark.parametrize("make", [small_cnn, branched])
def test_clone_is_compiled_as_the_model(make: object) -> None:
    model = make()
    assert not clone_model(model).compiled

    def difference(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.abs(y_true - y_pred), axis=-1)

    model.compile(
        optimizers.SGD(0.5, momentum=0.9), difference, metrics=["mae"], check_numerics=True
    )
    model.optimizer._iterations.assign(3)
    clone = clone_model(model)
    assert clone.loss is difference
    assert clone.get_compile_config()["metrics"] == ["mae"]
    assert clone.optimizer.get_config() == model.optimizer.get_config()
    assert int(clone.optimizer.iterations) == 0
    assert clone._compiled.watch == "raise"
    assert len(clone.optimizer.variables) == 2 + len(clone.trainable_weights)


def test_clone_has_metrics_of_its_own_and_leaves_models_inside_uncompiled() -> None:
    inner = Sequential([layers.Input((3,)), layers.Dense(1)])
    inner.compile("sgd", "mse")
    model = Sequential([layers.Input((3,)), inner])
    model.compile("adam", "mse", metrics=[metrics.MeanAbsoluteError(name="off")])
    x, y = data(4, 3), np.ones((4, 1), np.float32)
    model.fit(x, y, verbose=0)
    clone = clone_model(model)
    clone.evaluate(x, y, verbose=0)
    assert [m.name for m in clone.metrics] == [m.name for m in model.metrics] == ["loss", "off"]
    assert not {id(m) for m in clone.metrics} & {id(m) for m in model.metrics}
    assert not clone.layers[0].compiled


def test_clone_of_a_class_that_compiles_itself_is_not_compiled() -> None:
    class Tuned(Model):
        def compile(self, rate: float) -> None:
            super().compile(optimizers.SGD(rate), "mse")

    x = layers.Input((3,))
    model = Tuned(x, layers.Dense(1)(x))
    model.compile(0.1)
    assert not clone_model(model).compiled


def test_lambdas_can_be_cloned_but_not_described() -> None:
    model = Sequential([layers.Input((3,)), layers.Lambda(lambda x: x * 2.0)])
    v = data(2, 3)
    np.testing.assert_array_equal(models.clone_model(model)(v), v * 2)
    with pytest.raises(ValueError, match="a lambda cannot be saved"):
        model.to_json()


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_models_are_copied_with_their_state(how: object) -> None:
    model = small_cnn()
    model.compile("adam", "mse")
    x, y = data(4, 8, 8, 3), data(4, 2)
    model.fit(x, y, verbose=0)
    twin = how(model)
    np.testing.assert_array_equal(twin.predict(x, verbose=0), model.predict(x, verbose=0))
    before = model.get_weights()[0]
    twin.fit(x, y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before)
    assert int(twin.optimizer.iterations) == 2
    own = Residual()
    own.build((None, 4))
    np.testing.assert_array_equal(how(own)(data(2, 4) * 0 + 1), own(data(2, 4) * 0 + 1))


def test_freezing_needs_a_compile_to_take_effect() -> None:
    model = Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(1)])
    x, y = data(16, 4), data(16, 1)
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    frozen, free = model.layers[0].get_weights()[0], model.layers[1].get_weights()[0]
    model.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], frozen)
    assert not np.array_equal(model.layers[1].get_weights()[0], free)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["layers"].pop(0), "names layer 'left', which it does not define"),
        (lambda c: c["layers"][2].update(inbound_nodes=[]), "cannot be called"),
        (lambda c: c.update(output_layers=[["a", 3, 0]]), "layer 'a' .* is never called"),
        (lambda c: c.update(output_layers=[["a", 0, 2]]), "has 1 outputs, there is no 2"),
        (
            lambda c: c["layers"][0].update(
                class_name="L2", module="keras.regularizers", config={}
            ),
            "is no layer",
        ),
    ],
)
def test_broken_configurations(change: object, message: str) -> None:
    config = json.loads(json.dumps(branched().get_config()))
    change(config)
    with pytest.raises(ValueError, match=message):
        Model.from_config(config)


def test_a_configuration_of_keras_2() -> None:
    def layer(kind: str, name: str, calls: list, **config: object) -> dict:
        return {
            "class_name": kind,
            "config": {"name": name, "trainable": True, **config},
            "name": name,
        } | {"inbound_nodes": calls}

    config = {
        "name": "old",
        "trainable": False,
        "layers": [
            layer("InputLayer", "x", [], batch_input_shape=[None, 3], dtype="float32"),
            layer("Dense", "d", [[["x", 0, 0, {}]]], units=3),
            layer("Add", "sum", [[["x", 0, 0, {}], ["d", 0, 0, {}]]]),
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": {"y": ["sum", 0, 0]},
    }
    model = Model.from_config(config)
    x = data(2, 3)
    kernel, bias = (v.numpy() for v in model.get_layer("d").weights)
    np.testing.assert_allclose(model(x)["y"], x + x @ kernel + bias, rtol=1e-5, atol=1e-6)
    assert model.output_names == ["y"]
    assert model.trainable_weights == []


def test_an_input_that_no_output_needs() -> None:
    x, unused = layers.Input((3,), name="x"), layers.Input((1,), name="unused")
    model = Model({"x": x, "unused": unused}, layers.Dense(2)(x))
    given = {"x": data(2, 3), "unused": data(2, 1, 1)}  # a last axis of 1 too much
    assert model.input_names == ["x", "unused"]
    assert [layer.name for layer in model.layers[:2]] == ["x", "unused"]
    np.testing.assert_array_equal(model(given), model.layers[-1](given["x"]))
    with pytest.raises(ValueError, match=r"needs inputs \['x', 'unused'\]"):
        model({"x": given["x"]})


def test_a_model_that_is_not_trained() -> None:
    frozen = Sequential([layers.Input((3,)), layers.Dense(2)], trainable=False)
    assert [frozen.trainable_weights, len(frozen.non_trainable_weights)] == [[], 2]
    again = Sequential.from_config(frozen.get_config())
    assert again.trainable_weights == []
    x = layers.Input((3,))
    assert Model(x, layers.Dense(2)(x), trainable=False).trainable_weights == []
    oldest = Sequential.from_config(frozen.get_config()["layers"])
    assert oldest.output_shape == (None, 2)


def test_clones_on_given_inputs() -> None:
    x = layers.Input((5, 5, 3), name="smaller")
    flat = Sequential([layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten()])
    assert clone_model(flat, input_tensors=x).output_shape == (None, 36)
    graph = Model(flat.input, layers.Dense(2)(flat.output))
    clone = clone_model(graph, input_tensors=[x])
    assert (clone.input_names, clone.output_shape) == (["smaller"], (None, 2))
