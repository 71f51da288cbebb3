"""Functions between the layers of a functional model: each call is one step, as in Keras."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Model, activations, layers, ops
from fastconv.layers.op_layer import OpLayer, class_of, function_of, operands_of
from fastconv.models.keras_operations import module_of
from python_tests.real_keras import import_keras

FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (activations, ops, ops.image)
    for name in module.__all__
    if hasattr(getattr(module, name), "__wrapped__")
}
BETWEEN: dict[str, Callable[[Any, Any], Any]] = {  # of a Keras and a tensor (8, 8, 4)
    "clip": lambda k, x: k.ops.clip(x, 0, 6),
    "gelu": lambda k, x: k.activations.gelu(x),
    "silu": lambda k, x: k.ops.silu(x),
    "relu6": lambda k, x: k.activations.relu6(x),
    "relu": lambda k, x: k.activations.relu(x, negative_slope=0.1, max_value=3.0),
    "normalize": lambda k, x: k.ops.normalize(x),
    "roll": lambda k, x: k.ops.roll(x, 1, axis=1),
    "cumsum": lambda k, x: k.ops.cumsum(x, axis=1),
    "repeat": lambda k, x: k.ops.repeat(x[:, :4], 2, axis=1),
    "index": lambda k, x: x[..., :4],
    "cast_to_its_own": lambda k, x: k.ops.cast(x, "float32"),
    "scaled": lambda k, x: (x - k.ops.mean(x, axis=-1, keepdims=True)) / 2.0,
}


def branches(k: Any, between: Callable[[Any, Any], Any]) -> Any:
    """Two branches of equal shapes, one of them longer by what stands between its layers."""
    x = k.layers.Input((8, 8, 4), name="x")
    long = between(k, k.layers.Conv2D(4, 3, padding="same", name="long")(x))
    short = k.layers.Conv2D(4, 3, padding="same", name="short")(x)
    last = k.layers.Conv2D(4, 3, padding="same", name="last")(short)
    return k.Model(x, k.layers.Add(name="sum")([long, last]))


@pytest.mark.filterwarnings("ignore:__array__")  # of torch
@pytest.mark.parametrize("name", sorted(BETWEEN))
def test_weights_are_in_the_order_of_keras(name: str) -> None:
    keras = import_keras()
    ours, theirs = (branches(k, BETWEEN[name]) for k in (fastconv, keras))
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 4)).astype("float32")
    np.testing.assert_allclose(
        ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5
    )


def operations(model: Any) -> list[str]:
    return [layer.name for layer in model.operations if isinstance(layer, OpLayer)]


@pytest.mark.parametrize("name", sorted(set(BETWEEN) - {"repeat", "scaled"}))
def test_a_call_is_one_operation(name: str) -> None:
    model = branches(fastconv, BETWEEN[name])
    assert len(operations(model)) == 1


def test_operations_have_the_names_of_keras_classes(capsys: Any) -> None:
    model = branches(fastconv, lambda k, x: k.activations.relu(k.ops.gelu(x)[..., ::-1] + 1.0))
    model.summary()
    printed = capsys.readouterr().out
    for text in ("gelu (Gelu)", "get_item (GetItem)", "add (Add)", "re_lu (ReLU)"):
        assert text in re.sub(r"_\d+ ", " ", printed)


def test_an_operation_on_the_batch_size_stays_what_it_was() -> None:
    x = layers.Input((2, 3))
    model = Model(x, ops.reshape(x, (ops.shape(x)[0], 6)))
    given = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    np.testing.assert_array_equal(model.predict(given, verbose=0), given.reshape(2, 6))


def test_results_in_lists_are_tensors_of_one_operation() -> None:
    x = layers.Input((6,))
    first, second = ops.split(x, 2, axis=1)
    model = Model(x, [second, first])
    assert len(operations(model)) == 1
    given = np.arange(12, dtype=np.float32).reshape(2, 6)
    for got, want in zip(model(given), (given[:, 3:], given[:, :3]), strict=True):
        np.testing.assert_array_equal(got, want)


def test_operations_on_numbers_variables_and_arrays() -> None:
    x = layers.Input((3,))
    weight = fastconv.Variable(np.float32([1.0, 2.0, 3.0]))
    y = ops.maximum(ops.multiply(x, weight), ops.minimum(np.float32([0.5, 9.0, 9.0]), x))
    model = Model(x, ops.logaddexp(y, 0.0))
    given = np.float32([[1.0, -2.0, 3.0]])
    want = np.logaddexp(np.maximum(given * [1, 2, 3], np.minimum([0.5, 9, 9], given)), 0.0)
    np.testing.assert_allclose(model.predict(given, verbose=0), want, rtol=1e-6)


def test_eager_and_traced_calls_are_no_operations() -> None:
    assert isinstance(ops.clip(np.float32([3.0]), 0, 1), np.ndarray)
    inner = layers.Lambda(lambda t: ops.gelu(ops.clip(t, 0, 1)))
    x = layers.Input((3,))
    assert operations(Model(x, inner(x))) == []


def test_a_long_chain_of_operations() -> None:
    x = y = layers.Input((3,))
    for _ in range(2000):
        y = ops.clip(y + 1.0, -1e9, 1e9)
    assert len(operations(Model(x, y))) == 4000


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_is_a_class_of_keras(name: str) -> None:
    """The class exists, takes the same operands in its calls and the same options when made."""
    import_keras()
    function = FUNCTIONS[name]
    class_name = class_of(function)
    assert function_of(class_name) is not None
    keras_class = getattr(import_module(module_of(class_name)), class_name)
    called = inspect.signature(keras_class.call).parameters
    made = inspect.signature(keras_class.__init__).parameters
    own = {"dtype"} | {"bias", "groups", "initial"}  # of any class, and of fastconv alone
    operands = set(operands_of(function))
    assert operands <= set(called)
    assert set(inspect.signature(function).parameters) - operands <= {*made, *own, *called}


def test_rows_repeated_for_each_example() -> None:
    x = layers.Input((4,))
    token = np.arange(4, dtype=np.float32)[None]
    repeated = ops.repeat(token, ops.shape(x)[0], axis=0)
    tiled = ops.tile(token, (ops.shape(x)[0], 2))
    given = np.ones((3, 4), np.float32)
    for y, want in (
        (repeated + x, np.repeat(token, 3, axis=0) + given),
        (tiled, np.tile(token, (3, 2))),
    ):
        np.testing.assert_array_equal(Model(x, y).predict(given, verbose=0), want)
    with pytest.raises(ValueError, match=r"repeat: only one row can be repeated for each example"):
        ops.repeat(np.ones((2, 4)), ops.shape(x)[0], axis=0)
    with pytest.raises(ValueError, match=r"tile: repeats must be whole numbers"):
        ops.tile(token, (1, ops.shape(x)[0]))


@pytest.mark.parametrize(
    "function",
    [
        ops.convert_to_tensor,
        lambda v: ops.convert_to_tensor(x=v),
        lambda v: ops.tile(v, 1),
        lambda v: ops.pad(v, 0, mode="edge"),
        lambda v: ops.array_split(v, 2)[0],
        lambda v: ops.cast(v, "float32"),
        ops.transpose,
    ],
)
def test_no_result_is_the_memory_of_a_variable(function: Callable[[Any], Any]) -> None:
    variable = fastconv.Variable(np.ones((2, 3), np.float32))
    before = function(variable)
    kept = before.copy()
    variable.assign(np.zeros((2, 3)))
    np.testing.assert_array_equal(before, kept)


def test_reading_a_variable_changes_none() -> None:
    """Packed weights of other models stay."""
    variable = fastconv.Variable(np.ones((2, 3), np.float32))
    before = fastconv.Variable.changes
    ops.add(variable, 1.0)
    _ = variable + 0.0, ops.sum(variable), variable[0]
    assert fastconv.Variable.changes == before


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: ops.take(x, [1, 4], axis=1), IndexError, "take: index 4 is out of range for"),
        (lambda x: ops.take(x, [-5], axis=1), IndexError, "take: index -5 is out of range for"),
        (lambda x: ops.tile(x, "a"), ValueError, "tile: repeats must be whole numbers"),
        (lambda x: ops.softmax(x, axis="a"), ValueError, "softmax: axes must be whole numbers"),
    ],
)
def test_what_cannot_be_is_said_where_the_model_is_made(
    call: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(layers.Input((4,)))
