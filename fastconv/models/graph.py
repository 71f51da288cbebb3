"""The graph of a functional model: calls of layers between its inputs and its outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastconv import ops
from fastconv.graph.structure import flatten, map_structure
from fastconv.graph.tensor import Tensor
from fastconv.layers.functional import FunctionalNode, adopt
from fastconv.layers.layer import Layer


class Graph:
    """The calls that lead from ``inputs`` to ``outputs``, in an order that can be run.

    Args:
        inputs: a tensor, or a list, tuple or dictionary of them.
        outputs: the same of tensors that depend on the inputs.

    Raises:
        ValueError: if an output depends on a tensor that is not among the inputs, or two layers
            have the same name.
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.input_tensors: list[Tensor] = flatten(inputs)
        self.output_tensors: list[Tensor] = flatten(outputs)
        for tensor in (*self.input_tensors, *self.output_tensors):
            if not isinstance(tensor, Tensor):
                raise ValueError(
                    f"the inputs and outputs of a model are symbolic tensors, got {tensor!r}"
                )
            adopt(tensor)
        self._given = {id(t) for t in self.input_tensors}
        finished, seen = self._walk()
        self._sort(finished, seen)
        self._check_names()

    def _sources(self, node: FunctionalNode) -> list[FunctionalNode]:
        """The calls that made the arguments of a call."""
        if any(id(t) in self._given for t in node.output_tensors):
            return []
        return [t.history.layer._inbound_nodes[t.history.node_index] for t in node.input_tensors]

    def _walk(self) -> tuple[list[FunctionalNode], dict[int, int]]:
        """Calls, producers first, and the order in which layers are met from the outputs."""
        finished: dict[int, FunctionalNode] = {}
        met: dict[int, int] = {}
        for tensor in self.output_tensors:
            root = tensor.history.layer._inbound_nodes[tensor.history.node_index]
            stack: list[tuple[FunctionalNode, Iterator[FunctionalNode]]] = []
            if id(root) not in finished:
                met.setdefault(id(root.layer), len(met))
                stack.append((root, iter(self._sources(root))))
            while stack:
                node, sources = stack[-1]
                for source in sources:
                    if id(source) not in finished:
                        met.setdefault(id(source.layer), len(met))
                        stack.append((source, iter(self._sources(source))))
                        break
                else:
                    finished.setdefault(id(node), node)
                    stack.pop()
            self._check_inputs_of(finished.values())
        return list(finished.values()), met

    def _check_inputs_of(self, nodes: Any) -> None:
        for node in nodes:
            made = node.output_tensors
            if not node.input_tensors and not any(id(t) in self._given for t in made):
                raise ValueError(
                    f"an output depends on the input {node.layer.name!r}, which is not among the "
                    "inputs of the model"
                )

    def _sort(self, finished: list[FunctionalNode], met: dict[int, int]) -> None:
        """By depth (the longest way to an output), layers of one depth as they were met.

        The order decides where weights are found in files.
        """
        node_depth: dict[int, int] = {}
        layer_depth: dict[int, int] = {}
        layers: dict[int, Layer] = {}
        for node in reversed(finished):
            layers[id(node.layer)] = node.layer
            depth = max(node_depth.get(id(node), 0), layer_depth.get(id(node.layer), 0))
            node_depth[id(node)] = layer_depth[id(node.layer)] = depth
            for source in self._sources(node):
                node_depth[id(source)] = max(depth + 1, node_depth.get(id(source), 0))
        for tensor in self.input_tensors:  # also those that no output needs
            layer = tensor.history.layer
            if id(layer) not in layers:
                layers[id(layer)] = layer
                layer_depth[id(layer)] = 0
                met[id(layer)] = -1
                node = layer._inbound_nodes[tensor.history.node_index]
                finished.append(node)
                node_depth[id(node)] = 0
        self.nodes = finished
        self.operations: list[Layer] = sorted(
            layers.values(), key=lambda layer: (-layer_depth[id(layer)], met[id(layer)])
        )

    def _check_names(self) -> None:
        names = [layer.name for layer in self.operations]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"the names of a model's layers must differ; given twice: {twice}")

    def contains(self, node: FunctionalNode) -> bool:
        return any(n is node for n in self.nodes)

    def run(self, name: str, values: Any) -> Any:
        """Call the layers on ``values``, arrays or tensors in the form of :attr:`inputs`."""
        known: dict[int, Any] = {
            id(t): self._fitted(name, t, v)
            for t, v in zip(self.input_tensors, self._arranged(name, values), strict=True)
        }

        def value_of(x: Any) -> Any:
            return known[id(x)] if isinstance(x, Tensor) else x

        for node in self.nodes:
            made = node.output_tensors
            if all(id(t) in known for t in made):
                continue
            args, kwargs = map_structure(value_of, (node.args, node.kwargs))
            results = flatten(node.layer(*args, **kwargs))
            known.update({id(t): r for t, r in zip(made, results, strict=True)})
        return map_structure(value_of, self.outputs)

    def _arranged(self, name: str, values: Any) -> list[Any]:
        """The value of each input."""
        if isinstance(values, dict):
            if isinstance(self.inputs, dict):
                keys = list(self.inputs)
            else:
                keys = [t.history.layer.name for t in self.input_tensors]
            missing = [k for k in keys if k not in values]
            if missing:
                raise ValueError(
                    f"model {name!r} needs inputs {keys}, got a dictionary of {list(values)}"
                )
            return [values[k] for k in keys]
        listed = flatten(values)
        if len(listed) != len(self.input_tensors):
            raise ValueError(
                f"model {name!r} has {len(self.input_tensors)} inputs, got {len(listed)}"
            )
        return listed

    def _fitted(self, name: str, tensor: Tensor, value: Any) -> Any:
        """``value`` with the rank and dtype of an input."""
        want, got = tensor.shape, tuple(value.shape)
        if len(got) == len(want) - 1 and want[-1] == 1:
            value = ops.expand_dims(value, -1)
        elif len(got) == len(want) + 1 and got[-1] == 1:
            value = ops.squeeze(value, -1)
        shape = tuple(value.shape)
        if len(shape) != len(want) or shape[1:] != want[1:]:
            raise ValueError(
                f"model {name!r}: input {tensor.history.layer.name!r} has shape {want}, got {got}"
            )
        return value if str(value.dtype) == tensor.dtype else ops.cast(value, tensor.dtype)
