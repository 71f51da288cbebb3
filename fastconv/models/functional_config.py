"""Functional models as configurations, in Keras's form, and back."""

from __future__ import annotations

from typing import Any

from fastconv.graph.structure import map_structure
from fastconv.graph.tensor import Tensor
from fastconv.layers.configuration import default_training
from fastconv.layers.functional import FunctionalNode
from fastconv.layers.layer import Layer
from fastconv.layers.op_layer import OpLayer
from fastconv.models.keras_operations import operation_config, operation_from_config
from fastconv.models.model import Model
from fastconv.saving.registry import (
    custom_object_scope,
    deserialize_keras_object,
    serialize_keras_object,
)


def graph_config(model: Any) -> dict[str, Any]:
    """``name, trainable, layers, input_layers, output_layers`` of a functional model.

    Raises:
        ValueError: if a layer cannot be written.
    """
    graph = model._known_graph()
    index: dict[int, int] = {}  # of a call among those of its layer that belong to the model
    for layer in graph.operations:
        own = [n for n in layer._inbound_nodes if graph.contains(n)]
        index.update({id(n): i for i, n in enumerate(own)})

    def place(tensor: Tensor) -> list[Any]:
        layer, node_index, tensor_index = tensor.history
        node = layer._inbound_nodes[node_index]
        shift = 1 if _has_own_node(layer) else 0
        return [layer.name, index[id(node)] + shift, tensor_index]

    layers = []
    for layer in graph.operations:
        calls = [n for n in layer._inbound_nodes if id(n) in index and n.input_tensors]
        simple = isinstance(layer, OpLayer)
        config = operation_config(layer) if simple else serialize_keras_object(layer)
        config["name"] = layer.name
        config["inbound_nodes"] = [_call_config(n, index) for n in calls]
        layers.append(config)
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": map_structure(place, graph.inputs),
        "output_layers": map_structure(place, graph.outputs),
    }


def _has_own_node(layer: Layer) -> bool:
    """Models inside a model count their own graph as call 0 where outputs are named."""
    return isinstance(layer, Model) and layer.is_functional


def _call_config(node: FunctionalNode, index: dict[int, int]) -> dict[str, Any]:
    def describe(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return serialize_keras_object(x)
        source, node_index, tensor_index = x.history
        call = index[id(source._inbound_nodes[node_index])]
        return {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": list(x.shape),
                "dtype": x.dtype,
                "keras_history": [source.name, call, tensor_index],
            },
        }

    args, kwargs = map_structure(describe, (list(node.args), node.kwargs))
    if isinstance(node.layer, Model):
        kwargs = {"mask": None, **kwargs}
    return {"args": args, "kwargs": kwargs}


def model_from_graph_config(cls: Any, config: dict[str, Any], custom_objects: Any = None) -> Any:
    """The model of a configuration: layers are made, then called in an order that works.

    Raises:
        ValueError: if the configuration is broken (a missing layer, a loop, a bad place).
    """
    with custom_object_scope(custom_objects or {}):
        layers: dict[str, Layer] = {}
        pending: dict[str, list[dict[str, Any]]] = {}
        for item in config["layers"]:
            name, layer = _make_layer(item)
            layers[name] = layer
            pending[name] = [_modern(call) for call in item.get("inbound_nodes", [])]
        while pending:
            if not _call_ready(layers, pending):
                raise ValueError(
                    f"the configuration of model {config.get('name')!r} has loops or missing "
                    f"layers: {sorted(pending)} cannot be called"
                )
        inputs = _tensors(config["input_layers"], layers)
        outputs = _tensors(config["output_layers"], layers)
    known = ("name", "trainable", "layers", "input_layers", "output_layers", "dtype")
    extra = {k: v for k, v in config.items() if k not in known}
    model = cls(inputs=inputs, outputs=outputs, name=config.get("name"), **extra)
    if not config.get("trainable", True):
        model.__dict__["_trainable"] = False
    return model


def _make_layer(item: dict[str, Any]) -> tuple[str, Layer]:
    layer = operation_from_config(item)
    if layer is None:
        layer = deserialize_keras_object(_without_calls(item))
    if not isinstance(layer, Layer):
        raise ValueError(f"{item.get('class_name')!r} in a model's configuration is no layer")
    return item.get("name", layer.name), layer


def _call_ready(layers: dict[str, Layer], pending: dict[str, list[dict[str, Any]]]) -> bool:
    """Make the calls whose inputs exist, those of one layer in order; whether any was made."""
    progress = False
    for name in list(pending):
        calls = pending[name]
        while calls:
            try:
                args = [_argument(a, layers) for a in calls[0].get("args", [])]
                kwargs = {k: _argument(v, layers) for k, v in calls[0].get("kwargs", {}).items()}
            except _NotYetError:
                break
            layers[name](*args, **_given(layers[name], kwargs))
            calls.pop(0)
            progress = True
        if not calls:
            del pending[name]
            progress = True
    return progress


def _given(layer: Layer, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments that somebody gave.

    Keras writes the default of a layer's ``training`` into every call, and lets the model decide.
    """
    default = default_training(type(layer).call)
    unsaid = default is not None and kwargs.get("training") is default
    return {k: v for k, v in kwargs.items() if not (unsaid and k == "training")}


def _without_calls(item: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in item.items() if k not in ("inbound_nodes", "name")}


def _modern(call: Any) -> dict[str, Any]:
    """A call as ``{args, kwargs}``; Keras 2 wrote ``[[layer, node, tensor, kwargs], ...]``."""
    if isinstance(call, dict):
        return call
    places = [call] if call and isinstance(call[0], str) else call
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": place[:3]}}
        for place in places
    ]
    kwargs = dict(places[0][3]) if len(places[0]) > 3 else {}
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": kwargs}


class _NotYetError(Exception):
    """A tensor whose layer has not been called yet."""


def _argument(value: Any, layers: dict[str, Layer]) -> Any:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return _tensor(value["config"]["keras_history"], layers)
    if isinstance(value, dict) and "class_name" not in value:
        return {k: _argument(v, layers) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_argument(v, layers) for v in value]
    return deserialize_keras_object(value)


def _tensor(place: Any, layers: dict[str, Layer]) -> Tensor:
    name, node_index, tensor_index = place[:3]
    layer = layers.get(name)
    if layer is None:
        raise ValueError(f"a model's configuration names layer {name!r}, which it does not define")
    if len(layer._inbound_nodes) <= node_index:
        raise _NotYetError
    tensors = layer._inbound_nodes[node_index].output_tensors
    if not 0 <= tensor_index < len(tensors):
        raise ValueError(f"layer {name!r} has {len(tensors)} outputs, there is no {tensor_index}")
    tensor: Tensor = tensors[tensor_index]
    return tensor


def _tensors(places: Any, layers: dict[str, Layer]) -> Any:
    if isinstance(places, dict):
        return {k: _tensors(v, layers) for k, v in places.items()}
    if len(places) == 3 and isinstance(places[0], str):
        name, node_index, tensor_index = places
        layer = layers.get(name)
        if layer is not None and _has_own_node(layer) and node_index > 0:
            node_index -= 1
        try:
            return _tensor([name, node_index, tensor_index], layers)
        except _NotYetError:
            raise ValueError(f"layer {name!r} of the configuration is never called") from None
    return [_tensors(p, layers) for p in places]
