"""Primitives, and how calling one either runs it or adds a node to the trace.

A primitive is a name, a shape rule and a vjp. Its NumPy meaning is in ``fastconv.reference`` and
its fast one in the C++ op of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv.graph.precision import BFLOAT16, read_dtype
from fastconv.graph.tensor import Array, Shape, Tensor, Variable

Spec = tuple[Shape, str]  # shape and dtype of one output
ShapeRule = Callable[..., Spec | list[Spec]]
Vjp = Callable[["Node", list[Tensor | None]], Sequence[Tensor | None]]


@dataclass(frozen=True, slots=True)
class Primitive:
    """One operation of a program.

    ``shape_rule(*input_tensors, **attrs)`` returns ``(shape, dtype)``, or a list of them for
    several outputs, and raises ``ValueError`` on operands that do not fit. ``vjp(node,
    cotangents)`` takes a cotangent (or None) for each output and returns a cotangent (or None)
    for each input.
    """

    name: str
    shape_rule: ShapeRule
    vjp: Vjp | None = None
    pointwise: bool = False  # out[i] depends on in[i] alone, after broadcasting
    stateful: bool = False  # random
    host: bool = False  # a function of the user's

    @property
    def repeatable(self) -> bool:
        """Whether equal operands give equal results: else it is never merged with an equal node,
        folded or kept from run to run."""
        return not (self.stateful or self.host)


PRIMITIVES: dict[str, Primitive] = {}


def primitive(name: str, shape_rule: ShapeRule, vjp: Vjp | None = None, **flags: bool) -> Primitive:
    """Register a primitive; a name can be taken once."""
    if name in PRIMITIVES:
        raise ValueError(f"primitive {name!r} is already defined")
    PRIMITIVES[name] = result = Primitive(name, shape_rule, vjp, **flags)
    return result


@dataclass(slots=True, eq=False)
class Node:
    """One application of a primitive."""

    op: Primitive
    inputs: list[Tensor]
    attrs: dict[str, Any]
    outputs: list[Tensor] = field(default_factory=list)
    scope: str = ""  # the layer that made it, for summaries and messages

    def __repr__(self) -> str:
        shapes = ", ".join(str(t.shape) for t in self.inputs)
        return f"<{self.op.name}({shapes}) -> {', '.join(str(t.shape) for t in self.outputs)}>"


@dataclass(frozen=True, slots=True)
class Indices:
    """A tensor whose values must be from 0 to ``count - 1``, ``ignored`` apart: rows of what
    ``layer`` looks up, or labels of classes without one."""

    tensor: Tensor
    count: int
    ignored: int | None = None
    layer: str | None = None


class Trace:
    """What is recorded while a program is traced: leaves, updates of variables, losses, indices."""

    def __init__(self) -> None:
        self.updates: dict[Variable, Tensor] = {}
        self.losses: list[Tensor] = []
        self.indices: list[Indices] = []
        self.streams = 0  # random streams handed out
        self._leaves: dict[int, tuple[Any, Tensor]] = {}
        self._read: dict[Variable, list[Tensor]] = {}  # updated values, as they were read
        self._scope: list[str] = []

    @property
    def scope(self) -> str:
        return "/".join(self._scope)

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Nodes made inside carry the name of the layer that makes them."""
        self._scope.append(name)
        try:
            yield
        finally:
            self._scope.pop()

    def next_stream(self) -> int:
        self.streams += 1
        return self.streams - 1

    def leaf(self, variable: Variable) -> Tensor:
        """The tensor that stands for the variable's value before this step's updates."""
        known = self._leaves.get(id(variable))
        if known is None:
            tensor = Tensor(variable.shape, variable.dtype, name=variable.path, source=variable)
            self._leaves[id(variable)] = known = (variable, tensor)
        return known[1]

    def read(self, variable: Variable) -> Tensor:
        """The variable's value here: its last update in this trace, else its leaf.

        No gradient flows through an assignment: what is read behind it is the variable.
        """
        updated = self.updates.get(variable)
        if updated is None:
            return self.leaf(variable)
        reads = self._read.setdefault(variable, [])
        if not reads or reads[-1].node.inputs[0] is not updated:  # type: ignore[union-attr]
            reads.append(bind("stop_gradient", updated))
        return reads[-1]

    def values(self, variable: Variable) -> list[Tensor]:
        """All the tensors that stand for the variable, before and after updates."""
        return [self.leaf(variable), *self._read.get(variable, [])]

    def assign(self, variable: Variable, value: Any) -> Tensor:
        tensor = as_tensor(value, dtype=variable.dtype)
        if tensor.shape != variable.shape:
            raise ValueError(
                f"variable {variable.path!r} has shape {variable.shape}, "
                f"cannot assign {tensor.shape}"
            )
        if tensor.dtype != variable.dtype:
            tensor = bind("cast", tensor, dtype=variable.dtype)
        self.updates[variable] = tensor
        return tensor


_TRACE: ContextVar[Trace | None] = ContextVar("fastconv_trace", default=None)


def current_trace() -> Trace | None:
    return _TRACE.get()


@contextmanager
def tracing(trace: Trace | None = None) -> Iterator[Trace]:
    """Inside, variables and random numbers are symbolic: what is called builds a program."""
    trace = trace or Trace()
    token = _TRACE.set(trace)
    try:
        yield trace
    finally:
        _TRACE.reset(token)


def as_array(value: Any, like: str | None = None) -> Array:
    """A NumPy array of a dtype that programs know: float64 and float16 become float32, a Python
    integer takes the dtype of the tensor beside it, a list of them is int32 where that holds them.
    That of a variable is its own, to be read.

    Raises:
        TypeError: for arrays of complex numbers, objects or text.
    """
    if isinstance(value, Variable):
        return value._data
    if isinstance(value, (bool, np.bool_)):
        return np.asarray(value)
    if isinstance(value, float):
        return np.asarray(value, np.float32)
    if isinstance(value, int):
        return np.asarray(value, like if like in ("float32", "int32", "int64") else "int32")
    array = np.asarray(value)
    if array.dtype == np.float64 or array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype == np.int64 and isinstance(value, (list, tuple)):
        small = array.astype(np.int32)
        return small if np.array_equal(small, array) else array
    if array.dtype.kind not in "biuf":
        raise TypeError(f"arrays of dtype {array.dtype} cannot be computed with")
    return array if array.dtype.isnative else as_array(array.astype(array.dtype.newbyteorder("=")))


def as_tensor(value: Any, dtype: str | None = None) -> Tensor:
    """A symbolic tensor for a Tensor, a Variable (inside a trace) or a constant."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Variable):
        trace = current_trace()
        if trace is not None:
            return _autocast(trace.read(value), read_dtype(value))
        return Tensor(value.shape, value.dtype, name=value.path, source=value)
    array = as_array(value, like="float32" if dtype == BFLOAT16 else dtype)
    if array.dtype == np.int64:
        narrow = array.astype(np.int32)
        if not np.array_equal(narrow, array):
            raise ValueError(f"int32 cannot hold the constant {array[narrow != array][0]}")
        array = narrow
    if dtype == BFLOAT16 and isinstance(value, (int, float)) and not isinstance(value, bool):
        return Tensor((), BFLOAT16, source=array)
    return Tensor(array.shape, str(array.dtype), source=array)


def _autocast(tensor: Tensor, dtype: str) -> Tensor:
    if tensor.dtype == dtype:
        return tensor
    made: Tensor = bind("autocast", tensor, dtype=dtype)
    return made


def bind(name: str, *inputs: Any, **attrs: Any) -> Any:
    """Apply a primitive: at once on arrays, as a node on symbolic tensors.

    Returns one result, or a tuple where the primitive has several outputs.
    """
    op = PRIMITIVES[name]
    trace = current_trace()
    symbolic = any(isinstance(x, Tensor) for x in inputs) or (
        trace is not None and (not inputs or any(isinstance(x, Variable) for x in inputs))
    )
    if not symbolic:
        from fastconv.graph.eager import run

        return run(op, inputs, attrs)
    like = next((x.dtype for x in inputs if isinstance(x, (Tensor, Variable))), None)
    tensors = [as_tensor(x, dtype=like) for x in inputs]
    made = op.shape_rule(*tensors, **attrs)
    specs = made if isinstance(made, list) else [made]
    node = Node(op, tensors, attrs, scope=trace.scope if trace is not None else "")
    for i, (shape, dtype) in enumerate(specs):
        node.outputs.append(Tensor(shape, dtype, node=node, index=i))
    return tuple(node.outputs) if isinstance(made, list) else node.outputs[0]
