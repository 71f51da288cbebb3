"""Copies of models with new weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.graph.structure import flatten, map_structure
from fastconv.graph.tensor import Tensor
from fastconv.layers.input_layer import InputLayer
from fastconv.layers.layer import Layer
from fastconv.layers.op_layer import OpLayer
from fastconv.metrics import Metric
from fastconv.models.model import Model
from fastconv.models.sequential import Sequential
from fastconv.optimizers import Optimizer


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
) -> Any:
    """A model of the same layers with freshly initialized weights, compiled as the model is.

    The optimizer and the metrics are new ones with the same configurations. A model whose class
    has a ``compile`` of its own is not compiled.

    Args:
        model: a functional model or a Sequential; it stays as it is.
        input_tensors: tensors to use as the new model's inputs.
        clone_function: makes the copy of each layer; by default from its configuration.

    Raises:
        ValueError: if the model is neither functional nor a Sequential, or is compiled with an
            optimizer whose learning rate is a function.
    """
    clone = _copied_layers(model, input_tensors, clone_function or _copied)
    if type(clone).compile is Model.compile:
        _compile_alike(clone, model)
    return clone


def _copied_layers(model: Model, input_tensors: Any, copy: Callable[[Layer], Layer]) -> Any:
    if isinstance(model, Sequential):
        clone = Sequential(name=model.name)
        if input_tensors is not None:
            clone.add(flatten(input_tensors)[0])
        for layer in model._chain:
            if not (isinstance(layer, InputLayer) and input_tensors is not None):
                clone.add(_copied(layer) if isinstance(layer, InputLayer) else copy(layer))
        return clone
    if not model.is_functional:
        raise ValueError(
            f"model {model.name!r} is a subclass of Model without a graph: it cannot be cloned"
        )
    graph = model._known_graph()
    copies: dict[int, Layer] = {}
    known: dict[int, Any] = {}
    given = iter(flatten(input_tensors) if input_tensors is not None else [])
    for tensor in graph.input_tensors:
        own = next(given, None)
        known[id(tensor)] = _copied(tensor.history.layer).output if own is None else own

    def value_of(x: Any) -> Any:
        return known[id(x)] if isinstance(x, Tensor) else x

    for node in graph.nodes:
        if all(id(t) in known for t in node.output_tensors):
            continue
        if id(node.layer) not in copies:
            simple = isinstance(node.layer, OpLayer)
            copies[id(node.layer)] = _copied(node.layer) if simple else copy(node.layer)
        layer = copies[id(node.layer)]
        args, kwargs = map_structure(value_of, (node.args, node.kwargs))
        results = flatten(layer(*args, **kwargs))
        known.update({id(t): r for t, r in zip(node.output_tensors, results, strict=True)})
    inputs, outputs = (map_structure(value_of, s) for s in (graph.inputs, graph.outputs))
    return type(model)(inputs=inputs, outputs=outputs, name=model.name)


def _copied(layer: Layer) -> Any:
    if isinstance(layer, Model):
        return _copied_layers(layer, None, _copied)
    return type(layer).from_config(layer.get_config())


def _compile_alike(clone: Model, model: Model) -> None:
    compiled = model._compiled
    if compiled is None:
        return

    def fresh(value: Any) -> Any:
        if isinstance(value, (Metric, Optimizer)):
            return type(value).from_config(value.get_config())
        return value

    clone.compile(
        fresh(compiled.optimizer),
        **map_structure(fresh, model._compile_config),
        backend=compiled.backend,
        check_numerics=bool(compiled.watch),
    )
    if clone.built:
        clone.optimizer.build(clone.trainable_weights)
