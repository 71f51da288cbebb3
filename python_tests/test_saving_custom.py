"""Files of models with classes and functions of one's own."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from fastconv import layers
from fastconv.models import Model, Sequential, load_model
from fastconv.saving import register_keras_serializable


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
