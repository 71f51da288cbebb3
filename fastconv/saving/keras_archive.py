"""The ``.keras`` format: a zip of metadata, configuration and weights."""

from __future__ import annotations

import datetime
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv.saving.files import atomic, blamed_on, require_model
from fastconv.saving.opening import opened
from fastconv.saving.registry import (
    custom_object_scope,
    deserialize_keras_object,
    serialize_keras_object,
)
from fastconv.saving.weights import read_weights, write_weights
from fastconv.utils.limits import most_bytes, weights_of

if TYPE_CHECKING:
    from fastconv.models.model import Model

KERAS_VERSION = "3.15.1"  # the version whose format is written
WHAT = "a .keras model"


def write_archive(model: Model, path: Path, include_optimizer: bool = True) -> None:
    """Write ``model`` to ``path``."""
    with atomic(path) as temporary:
        _write(model, temporary, include_optimizer)


def to_bytes(model: Model) -> bytes:
    """The archive of ``model`` in memory."""
    target = io.BytesIO()
    _write(model, target, True)
    return target.getvalue()


def from_bytes(content: bytes, custom_objects: Any = None) -> Any:
    """The model of an archive in memory."""
    with custom_object_scope(custom_objects or {}):
        return _model(io.BytesIO(content), True)


def _write(model: Model, target: Path | io.BytesIO, include_optimizer: bool) -> None:
    import h5py

    config = serialize_keras_object(model)
    if not include_optimizer:
        config.pop("compile_config", None)
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
    }
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        write_weights(model, file)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("metadata.json", json.dumps(metadata))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getbuffer())


def read_archive(path: Path, custom_objects: Any = None, compile: bool = True) -> Any:
    """The model in ``path``, compiled as it was saved.

    Raises:
        ValueError: if the file is damaged, or names a class that is not known.
    """
    with blamed_on(path, WHAT), custom_object_scope(custom_objects or {}):
        return _model(path, compile)


def _model(source: Path | io.BytesIO, compile: bool) -> Any:
    with zipfile.ZipFile(source) as archive:
        config = json.loads(_member(archive, "config.json"))
        weights = io.BytesIO(_member(archive, "model.weights.h5"))
    with weights_of(weights.getbuffer().nbytes):
        model = deserialize_keras_object(config)
    require_model(model)
    settings = config.get("compile_config")
    if compile and settings:
        model.compile_from_config(settings)
    _read(model, weights)
    return model


def read_archive_weights(model: Model, path: Path, skip_mismatch: bool = False) -> None:
    """Set the weights of ``model`` from a ``.keras`` file."""
    with blamed_on(path, WHAT):
        with zipfile.ZipFile(path) as archive:
            weights = io.BytesIO(_member(archive, "model.weights.h5"))
        _read(model, weights, skip_mismatch)


def _read(model: Model, weights: io.BytesIO, skip_mismatch: bool = False) -> None:
    with opened(weights) as file:
        read_weights(model, file, skip_mismatch)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """What a member of the archive holds, unless it is a bomb."""
    info = archive.getinfo(name)
    if info.file_size > most_bytes(info.compress_size):
        raise ValueError(f"{name} claims {info.file_size:,} bytes in {info.compress_size:,}")
    return archive.read(info)
