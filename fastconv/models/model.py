"""Models: layers that can be trained, evaluated, saved."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from html import escape
from os import PathLike
from typing import Any

import numpy as np

from fastconv.compat.methods import OldMethods
from fastconv.graph.primitive import current_trace
from fastconv.graph.structure import flatten, map_structure
from fastconv.graph.tensor import Array, Tensor
from fastconv.layers.configuration import default_training
from fastconv.layers.functional import adopt, output_specs
from fastconv.layers.input_layer import InputLayer
from fastconv.layers.layer import Layer, as_shape
from fastconv.layers.op_layer import OpLayer
from fastconv.models.graph import Graph
from fastconv.training.trainer import Trainer

_UNSET: Any = object()


class Model(Trainer, OldMethods, Layer):
    """A network of layers.

    ``Model(inputs, outputs)`` is a functional model: everything between tensors of :func:`Input`
    and tensors computed from them, shared layers and several inputs and outputs included.
    Otherwise subclass it, make layers in the constructor and override ``call``.

    >>> from fastconv import layers
    >>> x = layers.Input((4,))
    >>> model = Model(x, layers.Dense(2)(x))
    >>> model.count_params()
    10

    Raises:
        ValueError: if an output depends on an input that is not given, or names collide.
    """

    _casts_inputs = False  # its layers do
    _graph: Graph | None
    _losses_graph: Graph | None
    _added_losses: list[Tensor]

    def __init__(
        self,
        inputs: Any = _UNSET,
        outputs: Any = _UNSET,
        *,
        name: str | None = None,
        trainable: bool = True,
        **kwargs: Any,
    ) -> None:
        self.__dict__["_graph"] = None
        self.__dict__["_added_losses"] = []
        self.__dict__["_inferred"] = {}
        functional = inputs is not _UNSET and outputs is not _UNSET
        if not functional and (inputs is not _UNSET or outputs is not _UNSET):
            raise TypeError("a functional model needs inputs and outputs: Model(inputs, outputs)")
        if name is None and functional and type(self) is Model:
            from fastconv.naming import unique_name

            name = unique_name("Functional")
        Layer.__init__(self, name=name, trainable=trainable, **kwargs)
        if functional:
            self._set_graph(*_from_inputs(inputs, outputs))
            if not trainable:
                self.trainable = False

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        self.__dict__["_graph"] = Graph(inputs, outputs)
        self.__dict__["_losses_graph"] = None
        self.__dict__["_plans"] = None
        self.built = True
        self._build_shape = map_structure(lambda t: t.shape, inputs)

    # Structure

    @property
    def is_functional(self) -> bool:
        """Whether the model was made from symbolic inputs and outputs."""
        return self._graph is not None

    @property
    def operations(self) -> list[Layer]:
        """The layers of a functional model, with the primitives applied between them."""
        return list(self._graph.operations) if self._graph else self._attribute_layers()

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model; for a functional one inputs first, outputs last."""
        return [layer for layer in self.operations if not isinstance(layer, OpLayer)]

    def _attribute_layers(self) -> list[Layer]:
        return Layer._sublayers(self)

    def _sublayers(self) -> list[Layer]:
        if self._graph is None:
            return self._attribute_layers()
        found = self.layers
        known = {id(layer) for layer in found}
        return found + [x for x in self._attribute_layers() if id(x) not in known]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name, or at an index.

        Raises:
            ValueError: if there is none.
        """
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"model {self.name!r} has {len(layers)} layers, there is no index {index}"
                )
            return layers[index]
        if name is None:
            raise ValueError("get_layer needs a name or an index")
        for layer in self.operations:
            if layer.name == name:
                return layer
        raise ValueError(
            f"model {self.name!r} has no layer {name!r}; it has {[x.name for x in layers]}"
        )

    def _known_graph(self) -> Graph:
        if self._graph is None:
            raise AttributeError(
                f"model {self.name!r} has no symbolic inputs and outputs: it is not functional, or "
                "not built yet"
            )
        return self._graph

    @property
    def inputs(self) -> list[Tensor]:
        return list(self._known_graph().input_tensors)

    @property
    def outputs(self) -> list[Tensor]:
        return list(self._known_graph().output_tensors)

    @property
    def input(self) -> Any:
        return self._known_graph().inputs

    @property
    def output(self) -> Any:
        return self._known_graph().outputs

    @property
    def input_shape(self) -> Any:
        if self._graph is not None:
            return map_structure(lambda t: t.shape, self._graph.inputs)
        return Layer.input_shape.__get__(self)

    @property
    def output_shape(self) -> Any:
        if self._graph is not None:
            return map_structure(lambda t: t.shape, self._graph.outputs)
        return Layer.output_shape.__get__(self)

    @property
    def input_names(self) -> list[str] | None:
        """Names of the inputs of a functional model, else None."""
        if self._graph is None:
            return None
        if isinstance(self._graph.inputs, dict):
            return [str(k) for k in self._graph.inputs]
        return [t.history.layer.name for t in self._graph.input_tensors]

    @property
    def output_names(self) -> list[str] | None:
        """Names of the layers that make the outputs of a functional model, else None."""
        if self._graph is None:
            return None
        if isinstance(self._graph.outputs, dict):
            return [str(k) for k in self._graph.outputs]
        return [t.history.layer.name for t in self._graph.output_tensors]

    # Building and calling

    def _symbolic_inputs(self) -> Any:
        """Tensors of the shapes that the model takes, arranged as it takes them."""
        if self._graph is not None:
            return self._graph.inputs
        if not self.built or self._build_shape is None:
            raise ValueError(
                f"model {self.name!r} does not know the shapes of its inputs: build it, or call it"
            )
        return _placeholders(self._build_shape)

    def build(self, input_shape: Any) -> None:
        """Create the weights by calling the model on symbolic inputs of a shape."""
        tensors = _placeholders(as_shape(input_shape))
        self.built = True
        output_specs(self, (tensors,), {})

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.built and type(self).build is Model.build:
            inputs = args[0] if args else next(iter(kwargs.values()), None)
            self._build_shape = map_structure(_batch_shape, inputs)
            self.built = True
        super()._ensure_built(args, kwargs)

    def _scope(self, trace: Any) -> Any:
        """The outermost model is not named in its programs."""
        return super()._scope(trace if trace is not None and trace.scope else None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], np.ndarray):
            run = self._inference(args[0]) if current_trace() is None else None
            if run is not None and not run.step.adds_losses:  # which a call would keep
                return run(args[0])
        return super().__call__(*args, **kwargs)

    def _runs_as_plan(self, x: Array) -> bool:
        """Whether the plan of `predict` does all that a call on this array does."""
        inputs = self._graph.inputs if self._graph is not None else None
        return (
            isinstance(inputs, Tensor)
            and type(self).call is Model.call
            and x.shape[1:] == inputs.shape[1:]
            and inputs.batched
            and len(x) > 0
            and x.dtype.kind in "fiub"
            and x.dtype.isnative
            and (self._compiled is None or self._compiled.backend == "native")
            and not self._added_losses
            and not any(
                layer.activity_regularizer is not None or default_training(type(layer).call)
                for layer in self._flatten_layers()
            )
        )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if self._graph is None:
            raise NotImplementedError(
                f"{type(self).__name__} does not override call, and has no inputs and outputs"
            )
        del mask, training
        if not self._added_losses:
            return self._graph.run(self.name, inputs)
        graph = self._losses_graph
        if graph is None:
            both = [self._graph.outputs, *self._added_losses]
            graph = self.__dict__["_losses_graph"] = Graph(self._graph.inputs, both)
        outputs, *losses = graph.run(self.name, inputs)
        super().add_loss(losses)
        return outputs

    def add_loss(self, loss: Any) -> None:
        """Add a scalar to what training minimises.

        Inside ``call`` any scalar; outside, for a functional model, a tensor computed from its
        layers' tensors.
        """
        self._inferred.clear()
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            if isinstance(value, Tensor) and current_trace() is None:
                adopt(value)
                self._added_losses.append(value)
                self.__dict__["_losses_graph"] = None
            else:
                super().add_loss(value)

    # Views and files

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers with their output shapes and numbers of weights.

        Args:
            line_length: width of the table; that of the terminal, or 80, if None.
            positions: accepted for Keras's sake; the widths of columns follow from their text.
            print_fn: called with the text instead of printing it.
            expand_nested: also list the layers of models inside the model.
            show_trainable: mark which layers are trained.
            layer_range: names of the first and the last layer to list.
        """
        from fastconv.models.summary import print_summary

        del positions
        print_summary(self, line_length, print_fn, expand_nested, show_trainable, layer_range)

    def _repr_html_(self) -> str:
        """The table of :meth:`summary`, for notebooks."""
        parts = [repr(self)]
        if self.built:
            parts.clear()
            self.summary(print_fn=parts.append)
        return f"<pre>{escape(''.join(parts))}</pre>"

    def save(self, filepath: str | PathLike[str], overwrite: bool = True, **kwargs: Any) -> None:
        """Write architecture, weights, compile settings and optimizer state to a file.

        ``.keras`` is Keras's own format, ``.h5`` (or ``.hdf5``) its older one.

        Raises:
            ValueError: for another ending.
            FileExistsError: if the file exists and ``overwrite`` is False.
        """
        from fastconv.saving.saving import save_model

        save_model(self, filepath, overwrite=overwrite, **kwargs)

    def save_weights(self, filepath: str | PathLike[str], overwrite: bool = True) -> None:
        """Write the weights to a ``.weights.h5`` (or old-style ``.h5``) file."""
        from fastconv.saving.saving import save_weights

        save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: str | PathLike[str], **kwargs: Any) -> None:
        """Read weights from a ``.weights.h5``, ``.keras`` or ``.h5`` file.

        Raises:
            ValueError: if the file is damaged or does not fit the model, which is then unchanged.
        """
        from fastconv.saving.saving import load_weights

        load_weights(self, filepath, **kwargs)

    def export(
        self, filepath: str | PathLike[str], format: str = "onnx", overwrite: bool = True
    ) -> None:
        """Write what :meth:`predict` computes for other runtimes: an ONNX file (opset 17).

        Inputs and outputs keep their names, shapes and layout; the number of rows is free. Needs
        the package ``onnx``: ``pip install 'fastconv[onnx]'``.

        Raises:
            ImportError: if it is missing.
            ValueError: for another format, a name that does not end in .onnx, a model that has no
                weights yet, or a layer that ONNX has no operator for (the message names it).
            FileExistsError: if the file exists and ``overwrite`` is False.
        """
        from fastconv.saving.onnx import export_model

        if format != "onnx":
            raise ValueError(f"format must be 'onnx', got {format!r}")
        export_model(self, filepath, overwrite=overwrite)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON text, for :func:`model_from_json`."""
        import json

        from fastconv.saving.registry import serialize_keras_object

        return json.dumps(serialize_keras_object(self), **kwargs)

    def get_config(self) -> dict[str, Any]:
        if self._graph is None or not _takes_a_graph(type(self)):
            return self._with_arguments(super().get_config())
        from fastconv.models.functional_config import graph_config

        return graph_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        if "input_layers" in config and "layers" in config:
            from fastconv.models.functional_config import model_from_graph_config

            return model_from_graph_config(cls, config, custom_objects)
        return super().from_config(config)

    def __reduce__(self) -> Any:
        """Pickled, and copied with ``copy.deepcopy``, as a file would hold it."""
        if not self.built:
            raise ValueError(f"model {self.name!r} has no weights yet: build it before copying it")
        from fastconv.saving.keras_archive import from_bytes, to_bytes

        own = {
            type(layer).__name__: type(layer)
            for layer in self._flatten_layers()
            if not type(layer).__module__.startswith("fastconv.")
        }
        return from_bytes, (to_bytes(self), own)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        restore, arguments = self.__reduce__()
        memo[id(self)] = copied = restore(*arguments)
        return copied

    def _layers_in_files(self) -> list[Layer] | None:
        return self.layers if self._graph is not None else None

    def _class_in_files(self) -> str:
        return str(self._serialized_as().get("class_name", type(self).__name__))

    def _serialized_as(self) -> dict[str, Any]:
        """How the class is named in files: a plain functional model has Keras's own class."""
        if type(self) is not Model:
            return {}
        return {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "registered_name": "Functional",
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _from_inputs(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """Inputs and outputs where every input is the tensor of an Input layer.

    A model that starts in the middle of another gets inputs of its own, and calls the layers anew.
    """
    for tensor in flatten((inputs, outputs)):
        if not isinstance(tensor, Tensor):
            raise ValueError(
                f"the inputs and outputs of a model are symbolic tensors, got {tensor!r}"
            )
        adopt(tensor)
    if all(isinstance(t.history.layer, InputLayer) for t in flatten(inputs)):
        return inputs, outputs
    inner = Graph(inputs, outputs)

    def fresh(tensor: Tensor) -> Tensor:
        if isinstance(tensor.history.layer, InputLayer):
            return tensor
        layer = InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype)
        made: Tensor = layer.output
        return made

    new_inputs = map_structure(fresh, inputs)
    return new_inputs, inner.run("model", new_inputs)


def _takes_a_graph(cls: type) -> bool:
    """Whether ``cls(inputs=..., outputs=...)`` makes a model of a given graph."""
    known = frozenset(inspect.signature(cls).parameters)
    return {"inputs", "outputs"} <= known or {"args", "kwargs"} <= known


def _placeholders(shapes: Any) -> Any:
    if isinstance(shapes, dict):
        return {k: _placeholders(v) for k, v in shapes.items()}
    if isinstance(shapes, list):
        return [_placeholders(s) for s in shapes]
    return Tensor((None, *shapes[1:]))


def _batch_shape(x: Any) -> Any:
    return (None, *tuple(x.shape)[1:])
