"""Calls of layers on symbolic tensors: the graph that a functional model is made of.

Every call leaves a :class:`FunctionalNode` on the layer and a :class:`History` on each tensor it
returns. Primitives applied to such tensors outside layers are wrapped in :class:`OpLayer` when a
layer or a model first meets them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from fastconv.graph.primitive import Node, as_tensor, tracing
from fastconv.graph.program import nodes_behind
from fastconv.graph.tensor import Tensor
from fastconv.layers.structure import flatten, map_structure

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
    """Give a history to a tensor that primitives made from the tensors of layers.

    Raises:
        ValueError: if it depends on a tensor that no ``Input`` made.
    """
    if tensor.history is not None:
        return
    if tensor.node is None:
        raise ValueError(
            f"{tensor!r} does not come from an Input: a functional model is made of the outputs of "
            "layers called on Input tensors"
        )
    from fastconv.layers.op_layer import OpLayer

    for node in nodes_behind([tensor]):
        if any(t.history is None for t in node.outputs):
            for source in node.inputs:
                if source.node is None and source.history is None and source.source is None:
                    adopt(source)
            _wrap(node, OpLayer)


def _wrap(node: Node, op_layer: Any) -> None:
    args = tuple(t if t.history is not None else t.source for t in node.inputs)
    outputs = tuple(node.outputs)
    attach(
        op_layer(node.op.name, node.attrs),
        args,
        {},
        outputs if len(outputs) > 1 else outputs[0],
    )
