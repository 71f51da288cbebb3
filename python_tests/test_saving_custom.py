"""Files of models with classes and functions of one's own."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fastconv import layers
from fastconv.models import Model, Sequential, load_model
from fastconv.saving import (
    custom_object_scope,
    deserialize_keras_object,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)


@register_keras_serializable("tests")
class Doubled(layers.Layer):
    def __init__(self, times: float = 2.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.times = times

    def call(self, inputs: object) -> object:
        return inputs * self.times


@register_keras_serializable("tests")
def cube(x: object) -> object:
    return x * x * x


class Unregistered(Doubled):
    pass


class TwoLayers(Model):
    def __init__(self, units: int = 4, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.second = layers.Dense(1)
        self.first = [layers.Dense(units), layers.Dense(units)]

    def call(self, inputs: object) -> object:
        return self.second(self.first[1](self.first[0](inputs)))


@register_keras_serializable("tests")
class Fixed(Model):
    """A graph made in the constructor."""

    def __init__(self, units: int, **kwargs: object) -> None:
        x = layers.Input((4,))
        super().__init__(x, layers.Dense(units)(layers.Dense(3)(x)), **kwargs)


def test_registered_objects(tmp_path: Path) -> None:
    model = Sequential(
        [
            layers.Input((3,)),
            Doubled(3.0),
            layers.Dense(2, activation=cube),
            layers.Lambda(cube),
            layers.Activation("silu"),
        ]
    )
    x = np.ones((2, 3), "float32")
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(x), model(x))
    assert again.layers[0].times == 3.0


def test_custom_objects(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    Sequential([layers.Input((3,)), Unregistered(5.0)]).save(path)
    with pytest.raises(ValueError, match=r"m.keras.*unknown class 'Unregistered'"):
        load_model(path)
    again = load_model(path, custom_objects={"Unregistered": Unregistered})
    assert again.layers[0].times == 5.0


def test_a_scope_is_of_one_thread() -> None:
    inside = {"Unregistered": Unregistered}
    with custom_object_scope(inside), ThreadPoolExecutor(1) as pool:
        assert get_registered_object("Unregistered") is Unregistered
        assert pool.submit(get_registered_object, "Unregistered").result() is None
    assert get_registered_object("Unregistered") is None


def test_a_subclass_of_model(tmp_path: Path) -> None:
    x = np.ones((3, 4), "float32")
    model = TwoLayers(units=5)
    expected = model(x)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"TwoLayers": TwoLayers})
    np.testing.assert_array_equal(again(x), expected)
    with h5py.File(io.BytesIO(zipfile.ZipFile(tmp_path / "m.keras").read("model.weights.h5"))) as f:
        for path in ("first/dense/vars/0", "first/dense_1/vars/0", "second/vars/0"):
            assert path in f


def test_a_subclass_with_a_graph(tmp_path: Path) -> None:
    model = Fixed(2, name="fixed")
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert type(again) is Fixed
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(again(x), model(x))


def test_a_registered_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="already registered"):
        register_keras_serializable("tests", "cube")(lambda x: x)
    with pytest.raises(ValueError, match="no get_config"):
        register_keras_serializable()(type("Bare", (), {}))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (serialize_keras_object({"a": [np.float32(2), None]}), {"a": [2.0, None]}),
        ({"class_name": "__bytes__", "config": {"value": "ab"}}, b"ab"),
        ({"class_name": "__ellipsis__", "config": {}}, Ellipsis),
        ({"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": 2}},
         slice(1, None, 2)),
        ({"class_name": "DTypePolicy", "config": {"name": "float32"}}, "float32"),
    ],
)  # fmt: skip
def test_values_in_configurations(config: Any, expected: Any) -> None:
    assert deserialize_keras_object(config) == expected


def test_arrays_in_configurations() -> None:
    values = np.arange(6, dtype=np.int32).reshape(2, 3)
    found = deserialize_keras_object(serialize_keras_object(values))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, values)
    with pytest.raises(TypeError, match=r"cannot serialize .* no get_config"):
        serialize_keras_object(object())
    with pytest.raises(ValueError, match="cannot build an object from"):
        deserialize_keras_object({1, 2})
    with pytest.raises(ValueError, match="the config of Dense must be a dictionary, got 3"):
        deserialize_keras_object({"module": "keras.layers", "class_name": "Dense", "config": 3})
