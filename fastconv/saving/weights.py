"""Weights in HDF5 as Keras 3 lays them out: by class and position, not by name.

A layer's own weights are ``<path>/vars/0``, ``1``, ...; the layers of a model are under
``layers/<snake_case class>[_n]``, other layers under the attribute that holds them. The optimizer's
variables are ``optimizer/vars/...``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv.graph.tensor import Array, Variable
from fastconv.layers.layer import Layer
from fastconv.saving.hdf5 import Dataset
from fastconv.saving.registry import to_snake_case

if TYPE_CHECKING:
    from fastconv.models.model import Model

_INTERNAL = frozenset({"_chain", "_init_arguments", "_inbound_nodes", "_graph", "_losses_graph"})


def walk(model: Layer) -> Iterator[tuple[str, Layer]]:
    """Every layer with its path, each once, in the order in which files have them."""
    yield from _walk(model, "", set())


def _walk(layer: Layer, path: str, visited: set[int]) -> Iterator[tuple[str, Layer]]:
    if id(layer) in visited:
        return
    visited.add(id(layer))
    yield path, layer
    chain = layer._layers_in_files()
    if chain is not None:
        yield from _walk_container(chain, _join(path, "layers"), visited)
    for attribute in sorted(layer.__dict__, key=_natural):
        if attribute in _INTERNAL:
            continue
        value = layer.__dict__[attribute]
        if isinstance(value, Layer):
            yield from _walk(value, _join(path, attribute), visited)
        elif isinstance(value, (list, tuple, dict)):
            yield from _walk_container(value, _join(path, attribute), visited)


def _walk_container(container: Any, path: str, visited: set[int]) -> Iterator[tuple[str, Layer]]:
    used: dict[str, int] = {}
    for item in list(container.values()) if isinstance(container, dict) else container:
        if isinstance(item, Layer):
            name = _numbered(to_snake_case(item._class_in_files()), used)
            yield from _walk(item, _join(path, name), visited)
        elif isinstance(item, (list, tuple, dict)):
            name = _numbered("container", used)
            yield from _walk_container(item, _join(path, name), visited)


def _numbered(name: str, used: dict[str, int]) -> str:
    used[name] = used.get(name, -1) + 1
    return f"{name}_{used[name]}" if used[name] else name


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def write_weights(model: Model, file: Any) -> None:
    """Put the weights of ``model``, and its optimizer's state, into an open HDF5 file."""
    for path, layer in walk(model):
        store: dict[str, Array] = {}
        layer.save_own_variables(store)
        _write(file, path, layer.name, store)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        arrays = {str(i): v.numpy() for i, v in enumerate(optimizer.variables)}
        _write(file, "optimizer", optimizer.name, arrays)


def _write(file: Any, path: str, name: str, arrays: dict[str, Array]) -> None:
    group = file.create_group(_join(path, "vars"))
    group.attrs["name"] = name
    for key, array in arrays.items():
        group.create_dataset(key, data=array)


def read_weights(model: Model, file: Any, skip_mismatch: bool = False) -> None:
    """Set the weights of ``model``, and its optimizer's state, from an open HDF5 file.

    Everything is read and compared first: when a ValueError is raised, nothing has changed.
    """
    found: list[tuple[Variable, Array]] = []
    custom: list[tuple[Layer, dict[str, Array]]] = []
    for path, layer in walk(model):
        group = file.get(_join(path, "vars"))
        own = layer._own_variables
        if type(layer).load_own_variables is not Layer.load_own_variables:
            custom.append((layer, {k: read_array(group, k) for k in group or ()}))
            continue
        if group is None and not own:
            continue
        try:
            found += _matched(layer, own, group)
        except ValueError:
            if not skip_mismatch:
                raise
    found += _optimizer_state(model, file)
    for layer, store in custom:
        layer.load_own_variables(store)
    for variable, array in found:
        variable.assign(array)


def _matched(layer: Layer, own: list[Variable], group: Any) -> list[tuple[Variable, Array]]:
    held = 0 if group is None else len(group)
    if held != len(own):
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}) has {len(own)} weights of its own, the "
            f"file has {held}"
        )
    return [(v, read_array(group, str(i), v, layer.name)) for i, v in enumerate(own)]


def read_array(
    group: Any, key: str, variable: Variable | None = None, layer: str | None = None
) -> Array:
    """A data set of the file itself, of the shape of ``variable``."""
    data = group[key]
    if not isinstance(data, Dataset):
        raise ValueError(f"{group.name}/{key} is not an array stored in the file")
    if variable is not None and data.shape != variable.shape:
        raise ValueError(
            f"layer {layer!r}: weight {variable.path!r} has shape {variable.shape}, the file has "
            f"{data.shape}"
        )
    return np.asarray(data[()])


def _optimizer_state(model: Model, file: Any) -> list[tuple[Variable, Array]]:
    optimizer = getattr(model, "optimizer", None)
    group = file.get("optimizer/vars")
    if optimizer is None or group is None or not optimizer.built:
        return []
    return optimizer_pairs(optimizer, [group[str(i)] for i in range(len(group))])


def optimizer_pairs(optimizer: Any, data: list[Any]) -> list[tuple[Variable, Array]]:
    """The optimizer's variables with their saved values; none if it had not started yet."""
    variables = optimizer.variables
    slots = [v for v in variables if v.ndim]
    if slots and not any(len(d.shape) for d in data):
        return []
    if [v.shape for v in variables] != [d.shape for d in data]:
        warnings.warn(
            f"the state of the optimizer in the file does not fit the model's "
            f"{type(optimizer).__name__}: it starts afresh",
            stacklevel=2,
        )
        return []
    return [(v, np.asarray(d[()])) for v, d in zip(variables, data, strict=True)]
