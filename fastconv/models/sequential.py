"""A chain of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastconv import dtype_policies
from fastconv.graph.structure import map_structure
from fastconv.graph.tensor import Tensor
from fastconv.layers.functional import record
from fastconv.layers.input_layer import InputLayer
from fastconv.layers.layer import Layer, as_shape
from fastconv.models.model import Model


class Sequential(Model):
    """Layers applied one after another.

    It is built when the shape of the inputs is known: from an ``Input`` at the start, from
    ``input_shape`` on the first layer, or from the first data.

    >>> from fastconv import layers
    >>> model = Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(2)])
    >>> model.output_shape
    (None, 2)

    Raises:
        TypeError: if something that is no layer is added.
        ValueError: if two layers have the same name.
    """

    _chain: list[Layer]

    def __init__(
        self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None
    ) -> None:
        super().__init__(name=name, trainable=trainable)
        self.__dict__["_chain"] = []  # with the InputLayer, once there is one
        for layer in [] if layers is None else layers:
            self.add(layer)
        if not trainable:
            self.trainable = False

    # Structure

    @property
    def is_functional(self) -> bool:
        return False

    @property
    def layers(self) -> list[Layer]:
        """The layers, the input left out."""
        return [layer for layer in self._chain if not isinstance(layer, InputLayer)]

    @property
    def operations(self) -> list[Layer]:
        return self.layers

    def _sublayers(self) -> list[Layer]:
        return self.layers

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Append a layer (or an ``Input`` as the first)."""
        del rebuild
        if isinstance(layer, Tensor) and layer.history is not None:
            layer = layer.history.layer
            if not isinstance(layer, InputLayer):
                raise TypeError("only the tensor of an Input can be added to a Sequential")
        if not isinstance(layer, Layer):
            raise TypeError(f"only layers can be added to a Sequential, got {layer!r}")
        if any(known.name == layer.name for known in self._chain):
            raise ValueError(
                f"model {self.name!r} already has a layer named {layer.name!r}: names must differ"
            )
        if isinstance(layer, InputLayer):
            if self._chain:
                raise ValueError(
                    f"model {self.name!r}: an Input can only come first, got {layer.name!r} after "
                    f"{self._chain[-1].name!r}"
                )
            self._start(layer)
            return
        if not self._chain:
            shape = _known_input_shape(layer)
            if shape is not None:
                self._start(InputLayer(batch_shape=shape))
        if self._graph is not None:
            outputs = record(layer, (self._graph.outputs,), {})
            self._chain.append(layer)
            self._set_graph(self._graph.inputs, outputs)
        else:
            self._chain.append(layer)
            self.built = False

    def _start(self, layer: InputLayer) -> None:
        self._chain.insert(0, layer)
        self._set_graph(layer.output, layer.output)

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer and return it.

        Raises:
            ValueError: if there is no layer.
        """
        del rebuild
        if not self.layers:
            raise ValueError(f"model {self.name!r} has no layer to remove")
        layer = self._chain[-1]
        if self._graph is not None:
            calls = layer._inbound_nodes
            node = calls[self._graph.output_tensors[0].history.node_index]
            self._set_graph(self._graph.inputs, node.args[0])
            if calls[-1] is node:  # the tensors of later calls know theirs by its place
                calls.pop()
        return self._chain.pop()

    # Building

    def build(self, input_shape: Any = None) -> None:
        """Create the weights for inputs of a shape, the batch first.

        Raises:
            ValueError: if a layer does not fit the output of the one before it.
        """
        if input_shape is None:
            raise ValueError(f"model {self.name!r} cannot be built without an input shape")
        self._chain_up(InputLayer(batch_shape=as_shape(input_shape)))

    def _chain_up(self, start: InputLayer) -> None:
        x = start.output
        for i, layer in enumerate(self._chain):
            try:
                x = record(layer, (x,), {})
            except BaseException:
                for done in self._chain[:i]:
                    done._inbound_nodes.pop()
                raise
        self._chain.insert(0, start)
        self._set_graph(start.output, x)

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._graph is None:
            x: Any = args[0] if args else next(iter(kwargs.values()), None)
            if not self._chain:
                raise ValueError(f"model {self.name!r} has no layers")
            if not hasattr(x, "shape"):
                raise ValueError(f"model {self.name!r} takes one input, got {type(x).__name__}")
            start = InputLayer(batch_shape=(None, *tuple(x.shape)[1:]))
            self._chain_up(start)
            self.built = True

    # Configuration

    def get_build_config(self) -> dict[str, Any] | None:
        if self._graph is None:
            return None
        return {"input_shape": self.inputs[0].shape}

    def build_from_config(self, config: dict[str, Any]) -> None:
        shape = config.get("input_shape")
        if shape is not None and self._graph is None and self._chain:
            self.build(shape)

    def get_config(self) -> dict[str, Any]:
        from fastconv.saving.registry import serialize_keras_object

        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
            "layers": [serialize_keras_object(layer) for layer in self._chain],
        }
        if self._graph is not None:
            config["build_input_shape"] = self.inputs[0].shape
        return config

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        from fastconv.saving.registry import deserialize_keras_object

        if isinstance(config, list):  # the oldest form: the layers alone
            config = {"layers": config}
        model = cls(name=config.get("name"))
        for item in config.get("layers", []):
            model.add(deserialize_keras_object(item, custom_objects))
        shape = config.get("build_input_shape")
        if shape is not None and model._graph is None and model._chain:
            model.build(shape)
        if not config.get("trainable", True):
            model.__dict__["_trainable"] = False
        return model

    def _layers_in_files(self) -> list[Layer] | None:
        return self.layers

    def _serialized_as(self) -> dict[str, Any]:
        return {}


def _known_input_shape(layer: Layer) -> Any:
    """The input shape that the first layer asks for, if it does."""
    if layer._batch_input_shape is not None:
        return layer._batch_input_shape
    if isinstance(layer, Model) and layer._graph is not None:
        shape = map_structure(lambda t: t.shape, layer._graph.inputs)
        return shape if isinstance(shape, tuple) else None
    return None
