"""Calls of layers on symbolic tensors: the graph that a functional model is made of.

Every call leaves a :class:`FunctionalNode` on the layer and a :class:`History` on each tensor it
returns. Functions and primitives applied to such tensors outside layers are wrapped in
:class:`OpLayer` when a layer or a model first meets their results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from fastconv.graph.primitive import as_tensor, tracing
from fastconv.graph.structure import flatten, map_structure
from fastconv.graph.tensor import Tensor

if TYPE_CHECKING:
    from fastconv.layers.layer import Layer


class History(NamedTuple):
    """Which call of which layer a tensor came from."""

    layer: Layer
    node_index: int
    tensor_index: int


@dataclass(eq=False)
class FunctionalNode:
    """One call of a layer on symbolic tensors."""

    layer: Layer
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Any

    @property
    def input_tensors(self) -> list[Tensor]:
        return [x for x in flatten((self.args, self.kwargs)) if isinstance(x, Tensor)]

    @property
    def output_tensors(self) -> list[Tensor]:
        return [x for x in flatten(self.outputs) if isinstance(x, Tensor)]

    @property
    def inputs(self) -> Any:
        """The first argument, or for an Input layer its tensor."""
        return self.args[0] if self.args else self.outputs

    @property
    def index(self) -> int:
        return next(i for i, n in enumerate(self.layer._inbound_nodes) if n is self)


def attach(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
    """Note that a call of ``layer`` made the tensors of ``outputs``."""
    node = FunctionalNode(layer, args, kwargs, outputs)
    layer._inbound_nodes.append(node)
    for i, tensor in enumerate(node.output_tensors):
        tensor.history = History(layer, len(layer._inbound_nodes) - 1, i)


def output_specs(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Tensors of the shapes and dtypes that a call returns; nothing is computed."""

    def stand_in(x: Any) -> Any:
        return Tensor(x.shape, x.dtype) if isinstance(x, Tensor) else x

    def spec(y: Any) -> Any:
        if y is None:
            return None
        tensor = as_tensor(y)
        return Tensor(tensor.shape, tensor.dtype)

    with tracing():
        args, kwargs = map_structure(stand_in, (args, kwargs))
        return map_structure(spec, layer._run(args, dict(kwargs)))


def record(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a layer on symbolic tensors, outside any trace."""
    for x in flatten((args, kwargs)):
        if isinstance(x, Tensor):
            adopt(x)
    outputs = output_specs(layer, args, kwargs)
    attach(layer, args, kwargs, outputs)
    return outputs


def adopt(tensor: Tensor) -> None:
    """Give a history to a tensor that functions made from the tensors of layers.

    Raises:
        ValueError: if it depends on a tensor that no ``Input`` made.
    """
    pending = [tensor]
    while pending:
        last = pending[-1]
        missing = [t for t in _sources(last) if t.history is None] if last.history is None else []
        pending += missing
        if not missing:
            pending.pop()
            if last.history is None:
                _wrap(last)


def _sources(tensor: Tensor) -> list[Tensor]:
    """What a tensor was made of, without constants and variables."""
    made = tensor.operation
    if made is not None:
        found = [x for x in flatten((made.args, made.kwargs)) if isinstance(x, Tensor)]
    elif tensor.node is not None:
        found = tensor.node.inputs
    else:
        raise ValueError(
            f"{tensor!r} does not come from an Input: a functional model is made of the outputs of "
            "layers called on Input tensors"
        )
    return [t for t in found if not _is_constant(t)]


def _is_constant(x: Any) -> bool:
    return isinstance(x, Tensor) and x.source is not None and x.operation is None


def _wrap(tensor: Tensor) -> None:
    from fastconv.layers.op_layer import OpLayer, layer_of

    def value(x: Any) -> Any:
        return x.source if _is_constant(x) else x

    if tensor.operation is not None:
        function, args, kwargs = layer_of(tensor.operation)
        args, kwargs = map_structure(value, (args, kwargs))
        attach(function, args, kwargs, tensor.operation.results)
    elif tensor.node is not None:
        node = tensor.node
        outputs = tuple(node.outputs)
        args = tuple(value(t) for t in node.inputs)
        attach(
            OpLayer(node.op.name, node.attrs), args, {}, outputs if len(outputs) > 1 else outputs[0]
        )
