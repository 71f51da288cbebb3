"""Damaged and hostile files of models are refused, and a failed save leaves the old file."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from real_keras import import_keras
from saved_nets import chain

import fastconv
from fastconv import layers
from fastconv.models import Sequential, load_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
def test_truncated_files_are_refused_by_name(name: str, tmp_path: Path) -> None:
    model = chain(fastconv)
    path = tmp_path / name
    whole = tmp_path / "whole" / name
    whole.parent.mkdir()
    model.save_weights(whole) if "weights" in name else model.save(whole)
    content = whole.read_bytes()
    before = model.get_weights()
    for size in (0, 10, len(content) // 2, len(content) - 30):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            model.load_weights(path) if "weights" in name else load_model(path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("part", ["config.json", "model.weights.h5"])
def test_a_flipped_or_missing_part_is_noticed(part: str, tmp_path: Path) -> None:
    chain(fastconv).save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        content = {n: archive.read(n) for n in archive.namelist()}
    content[part] = content[part][: len(content[part]) // 2]
    with zipfile.ZipFile(tmp_path / "cut.keras", "w") as archive:
        for key, value in content.items():
            archive.writestr(key, value)
    with pytest.raises(ValueError, match=r"cut\.keras"):
        load_model(tmp_path / "cut.keras")
    del content[part]
    with zipfile.ZipFile(tmp_path / "less.keras", "w") as archive:
        for key, value in content.items():
            archive.writestr(key, value)
    with pytest.raises(ValueError, match=r"less\.keras"):
        load_model(tmp_path / "less.keras")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.keras").write_text("a model, perhaps")
    with pytest.raises(ValueError, match=r"notes\.keras is damaged or not a model"):
        load_model(tmp_path / "notes.keras")
    with pytest.raises(FileNotFoundError, match=r"nothing\.keras"):
        load_model(tmp_path / "nothing.keras")
    with pytest.raises(ValueError, match="is a directory"):
        load_model(tmp_path)
    chain(fastconv).save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="weights without an architecture"):
        load_model(tmp_path / "w.h5")


def test_weights_of_another_model_change_nothing(tmp_path: Path) -> None:
    model = chain(fastconv)
    for file in ("w.weights.h5", "w.h5"):
        other = Sequential([layers.Input((8, 8, 3)), layers.Conv2D(7, 3), layers.Flatten()])
        other.save_weights(tmp_path / file)
        before = model.get_weights()
        with pytest.raises(ValueError, match=file.replace(".", r"\.")):
            model.load_weights(tmp_path / file)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_code_in_files_is_not_run(tmp_path: Path) -> None:
    keras = import_keras()
    x = keras.layers.Input((3,))
    model = keras.Model(x, keras.layers.Lambda(lambda v: v * 2)(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match=r"lambda\.keras.*code.*never run"):
        load_model(tmp_path / "lambda.keras", safe_mode=False)


def test_links_to_other_files_are_refused(tmp_path: Path) -> None:
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    path, other = tmp_path / "w.weights.h5", tmp_path / "other.h5"
    model.save_weights(path)
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones((3, 2), "float32")
    with h5py.File(path, "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(other), "secret")
    with pytest.raises(ValueError, match="link to another file"):
        model.load_weights(path)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    model.save(path)
    content = path.read_bytes()
    model.add(layers.Lambda(lambda x: x * 2.0))
    with pytest.raises(ValueError, match="a lambda cannot be saved"):
        model.save(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
