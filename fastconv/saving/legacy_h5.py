"""The older ``.h5`` format: configuration in attributes, weights by layer name and order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.graph.tensor import Array, Variable
from fastconv.layers.layer import Layer
from fastconv.saving.files import atomic, blamed_on, require_model
from fastconv.saving.keras_archive import KERAS_VERSION
from fastconv.saving.opening import opened
from fastconv.saving.registry import (
    custom_object_scope,
    deserialize_keras_object,
    serialize_keras_object,
)
from fastconv.saving.weights import optimizer_pairs, read_array
from fastconv.utils.limits import weights_of

if TYPE_CHECKING:
    from fastconv.models.model import Model

WHAT = "an HDF5 model"
_MOST_NAMES = 4000  # that fit into an attribute: 64 KB at 16 bytes each


def write_model(model: Model, path: Path, include_optimizer: bool = True) -> None:
    """Write architecture, weights and, of a compiled model, the training settings and state."""
    import h5py

    config = serialize_keras_object(model)
    settings = config.get("compile_config")
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["backend"] = "tensorflow"
        file.attrs["keras_version"] = KERAS_VERSION
        architecture = {"class_name": config["class_name"], "config": config["config"]}
        file.attrs["model_config"] = json.dumps(architecture)
        _write_layers(model, file.create_group("model_weights"))
        if include_optimizer and settings:
            optimizer = settings.pop("optimizer")
            settings["optimizer_config"] = {
                "class_name": optimizer["class_name"],
                "config": optimizer["config"],
            }
            file.attrs["training_config"] = json.dumps(settings)
            _write_optimizer(model.optimizer, file.create_group("optimizer_weights"))


def write_weights_only(model: Model, path: Path) -> None:
    """Write the weights of ``model`` alone."""
    import h5py

    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        _write_layers(model, file)


def _write_layers(model: Model, group: Any) -> None:
    group.attrs["backend"] = "tensorflow"
    group.attrs["keras_version"] = KERAS_VERSION
    _write_names(group, "layer_names", [layer.name for layer in model.layers])
    for layer in model.layers:
        _write_variables(group.create_group(layer.name), _ordered(layer))
    _write_variables(group.create_group("top_level_model_weights"), model._own_variables)


def _write_variables(group: Any, variables: list[Variable]) -> None:
    names: list[str] = []
    for variable in variables:
        name, n = variable.path, 0
        while name in names:
            n += 1
            name = f"{variable.path}_{n}"
        names.append(name)
    _write_names(group, "weight_names", names)
    for name, variable in zip(names, variables, strict=True):
        group.create_dataset(name, data=variable.numpy())


def _write_optimizer(optimizer: Any, group: Any) -> None:
    _write_variables(group, optimizer.variables)


def _write_names(group: Any, attribute: str, names: list[str]) -> None:
    """A list of names; long ones are split over several attributes."""
    import h5py

    texts = np.array(names, dtype=h5py.string_dtype())
    if len(names) <= _MOST_NAMES:
        group.attrs[attribute] = texts
        return
    for i in range(0, len(names), _MOST_NAMES):
        group.attrs[f"{attribute}{i // _MOST_NAMES}"] = texts[i : i + _MOST_NAMES]


def _ordered(layer: Layer) -> list[Variable]:
    """Trainable weights first, also across the layers of a nested model."""
    return layer.trainable_weights + layer.non_trainable_weights


def read_model(path: Path, custom_objects: Any = None, compile: bool = True) -> Any:
    """The model in ``path``, written by this library, Keras 3 or Keras 2.

    Raises:
        ValueError: if the file is damaged, holds weights only, or names an unknown class.
    """
    with (
        blamed_on(path, WHAT),
        custom_object_scope(custom_objects or {}),
        weights_of(path.stat().st_size),
        opened(path) as file,
    ):
        if "model_config" not in file.attrs:
            raise ValueError(
                "it holds weights without an architecture: build the model, then load_weights"
            )
        model = deserialize_keras_object(json.loads(_text(file.attrs["model_config"])))
        require_model(model)
        _assign(_layer_pairs(model, file["model_weights"]))
        if compile and "training_config" in file.attrs:
            _compile(model, json.loads(_text(file.attrs["training_config"])))
            _assign(_optimizer_state(model, file))
    return model


def read_model_weights(
    model: Model, path: Path, by_name: bool = False, skip_mismatch: bool = False
) -> None:
    """Set the weights of ``model`` from an ``.h5`` file, by the order of its layers or by name."""
    with blamed_on(path, "an HDF5 file of weights"), opened(path) as file:
        group = file.get("model_weights", file)
        if by_name:
            pairs = _pairs_by_name(model, group, skip_mismatch)
        else:
            pairs = _layer_pairs(model, group, skip_mismatch)
        _assign(pairs)


def _layer_pairs(
    model: Model, group: Any, skip_mismatch: bool = False
) -> list[tuple[Variable, Array]]:
    layers = [layer for layer in model.layers if layer.weights]
    names = [n for n in _names(group, "layer_names") if _names(group[n], "weight_names")]
    if len(layers) != len(names):
        raise ValueError(
            f"the file has weights for {len(names)} layers, model {model.name!r} has "
            f"{len(layers)} layers with weights"
        )
    pairs: list[tuple[Variable, Array]] = []
    for layer, name in zip(layers, names, strict=True):
        pairs += _matched(layer, _ordered(layer), group[name], skip_mismatch)
    top = group.get("top_level_model_weights")
    if top is not None and model._own_variables:
        pairs += _matched(model, model._own_variables, top, skip_mismatch)
    return pairs


def _pairs_by_name(model: Model, group: Any, skip_mismatch: bool) -> list[tuple[Variable, Array]]:
    pairs: list[tuple[Variable, Array]] = []
    names = set(_names(group, "layer_names"))
    for layer in model.layers:
        if layer.name in names and layer.weights:
            pairs += _matched(layer, _ordered(layer), group[layer.name], skip_mismatch)
    return pairs


def _matched(
    layer: Layer, variables: list[Variable], group: Any, skip_mismatch: bool
) -> list[tuple[Variable, Array]]:
    names = _names(group, "weight_names")
    try:
        if len(names) != len(variables):
            raise ValueError(
                f"layer {layer.name!r} has {len(variables)} weights, the file has {len(names)}"
            )
        pairs = zip(variables, names, strict=True)
        return [(v, read_array(group, n, v, layer.name)) for v, n in pairs]
    except ValueError:
        if skip_mismatch:
            return []
        raise


def _assign(pairs: list[tuple[Variable, Array]]) -> None:
    for variable, array in pairs:
        variable.assign(array)


def _compile(model: Model, settings: Mapping[str, Any]) -> None:
    """Compile from a ``training_config``; the optimizer's entry has a name of its own there."""
    optimizer = settings.get("optimizer_config", "rmsprop")
    rest = {k: v for k, v in settings.items() if k != "optimizer_config"}
    model.compile_from_config({**rest, "optimizer": optimizer})


def _optimizer_state(model: Model, file: Any) -> list[tuple[Variable, Array]]:
    group = file.get("optimizer_weights")
    if group is None or model.optimizer is None:
        return []
    return optimizer_pairs(model.optimizer, [group[n] for n in _names(group, "weight_names")])


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names that may be split over several attributes."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        parts = []
        while f"{attribute}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{attribute}{len(parts)}"])
    return [_text(name) for part in parts for name in part]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
