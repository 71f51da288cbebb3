"""The part of a program that gives every row the same values in each epoch, cut off from the rest.

That is what depends on inputs and on variables that the program never changes, draws no random
numbers, and treats each row by itself: the frozen layers at the beginning of a net.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fastconv.graph.primitive import Node
from fastconv.graph.program import Program
from fastconv.graph.tensor import Tensor, Variable

_FIRST_INPUT_ONLY = {"conv2d", "dense", "matmul", "im2col", "max_pool2d", "average_pool2d"}
_LAST_AXIS = {"softmax", "log_softmax"}
_REDUCTIONS = {"sum", "mean", "max", "min", "prod"}


@dataclass(slots=True)
class Split:
    """``head`` computes ``features`` from the first inputs; ``tail`` is the program without it.

    The inputs of ``tail`` are ``len(head.outputs)`` features, those of the first inputs that it
    needs all the same (``kept``, by number), and the inputs after them as they were.
    """

    head: Program
    tail: Program
    kept: list[int]


def split_prefix(
    program: Program, rows: int, changing: Collection[Variable] | None = None
) -> Split | None:
    """Cut a program after its frozen prefix; None where no variable is used in it.

    Args:
        program: the program; it stays as it is.
        rows: how many of its inputs, the first ones, are data that the prefix may depend on.
        changing: variables that must not be in the prefix; those that the program updates.
    """
    moving_variables = {id(v) for v in (program.updates if changing is None else changing)}
    data = {id(t) for t in program.inputs[:rows] if t.batched}
    others = {id(t) for t in program.inputs[rows:]}
    constant: set[int] = set()  # tensors that follow from variables and constants alone
    fixed = set(data)  # batched tensors of the prefix

    def is_constant(tensor: Tensor) -> bool:
        if tensor.node is not None:
            return id(tensor) in constant
        if id(tensor) in data or id(tensor) in others or tensor.source is None:
            return False
        return not (isinstance(tensor.source, Variable) and id(tensor.source) in moving_variables)

    inside: set[int] = set()  # nodes of the prefix
    for node in program.nodes:
        if not node.op.repeatable:
            continue
        if all(is_constant(t) for t in node.inputs):
            constant.update(id(t) for t in node.outputs)
        elif all(id(t) in fixed or is_constant(t) for t in node.inputs) and _by_row(node, fixed):
            fixed.update(id(t) for t in node.outputs)
            inside.add(id(node))

    features: list[Tensor] = []
    wanted: set[int] = set()
    used: set[int] = set()  # inputs that the tail reads itself
    targets = [*program.outputs, *program.updates.values()]
    readers = [n for n in program.nodes if id(n) not in inside]
    for tensor in [t for n in readers for t in n.inputs if not _counts(n)] + targets:
        if id(tensor) not in fixed or id(tensor) in wanted or id(tensor) in used:
            continue
        if id(tensor) in data:
            used.add(id(tensor))
        else:
            wanted.add(id(tensor))
            features.append(tensor)
    head = Program.of(program.inputs[:rows], features)
    if not any(isinstance(t.source, Variable) for n in head.nodes for t in n.inputs):
        return None
    kept = [i for i, t in enumerate(program.inputs[:rows]) if id(t) in used]
    return Split(head, _without(program, rows, features, kept, inside), kept)


def _by_row(node: Node, fixed: Collection[int]) -> bool:
    """Whether each row of the outputs follows from the same row of the inputs."""
    name, attrs = node.op.name, node.attrs
    if not all(t.batched for t in node.outputs):
        return False
    first = node.inputs[0]
    rank = len(first.shape)
    if node.op.pointwise:
        return all(len(t.shape) == len(node.outputs[0].shape) or not t.batched for t in node.inputs)
    if name in _FIRST_INPUT_ONLY:
        return id(first) in fixed and not any(id(t) in fixed for t in node.inputs[1:])
    if name in _LAST_AXIS:
        return rank > 1
    if name in _REDUCTIONS:
        return all(a % rank != 0 for a in attrs["axes"])
    if name == "reshape":
        return int(attrs["shape"][0]) == -1
    if name == "transpose":
        return int(attrs["perm"][0]) == 0
    if name == "concatenate":
        return bool(attrs["axis"] % rank) and all(t.batched for t in node.inputs)
    if name == "pad":
        return not (attrs["pads"][0] or attrs["pads"][1] or attrs["interior"][0])
    return False


def _counts(node: Node) -> bool:
    """Whether a node asks only how many rows there are."""
    return node.op.name == "count" and list(node.attrs["axes"]) == [0]


def _without(
    program: Program, rows: int, features: Sequence[Tensor], kept: Sequence[int], inside: set[int]
) -> Program:
    """The program with its features as inputs: nodes made anew, for the old ones stay in use."""
    inputs = [Tensor(t.shape, t.dtype, name=t.name) for t in features]
    new = {id(old): tensor for old, tensor in zip(features, inputs, strict=True)}
    for node in program.nodes:
        if id(node) in inside:
            continue
        counted = _counts(node) and node.inputs[0].batched and id(node.inputs[0]) not in new
        sources = inputs[:1] if counted else [new.get(id(t), t) for t in node.inputs]
        copy = Node(node.op, sources, node.attrs, scope=node.scope)
        copy.outputs = [
            Tensor(t.shape, t.dtype, name=t.name, node=copy, index=i)
            for i, t in enumerate(node.outputs)
        ]
        new.update((id(a), b) for a, b in zip(node.outputs, copy.outputs, strict=True))
    return Program.of(
        [*inputs, *(program.inputs[i] for i in kept), *program.inputs[rows:]],
        [new.get(id(t), t) for t in program.outputs],
        {v: new.get(id(t), t) for v, t in program.updates.items()},
    )
