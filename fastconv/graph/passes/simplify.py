"""A program as a flow, with constants folded, equal steps merged and idle ones left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph.passes.flow import Flow, Value
from fastconv.graph.passes.keep_rounded import is_rounded
from fastconv.graph.precision import BFLOAT16, as_run, dtype_as_run
from fastconv.graph.primitive import PRIMITIVES
from fastconv.graph.primitives.common import sized
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array, Shape, Tensor, Variable
from fastconv.reference import EVAL

Specs = list[tuple[Shape, str]]
_FOLDED = 1 << 16  # a constant may grow to this many elements


def simplify(program: Program, *, fixed: bool = False) -> Flow:
    """The flow of a program, its outputs and updates pinned.

    With ``fixed``, variables are constants of the value that they have now.
    """
    made = _Simplifier(program, fixed)
    for node in program.nodes:
        inputs = [made.value(t) for t in node.inputs]
        attrs, specs = as_run(node)
        made.scope = node.scope
        results = made.apply(node.op.name, inputs, attrs, specs)
        for tensor, result in zip(node.outputs, results, strict=True):
            made.values[id(tensor)] = result
    for tensor in program.outputs:
        made.flow.pin_output(made.value(tensor))
    for variable, tensor in program.updates.items():
        made.flow.pin_update(variable, made.value(tensor))
    made.flow.tensors = made.values
    made.flow.settle()
    return made.flow


class _Simplifier:
    def __init__(self, program: Program, fixed: bool) -> None:
        self.flow = Flow()
        self.fixed = fixed
        self.values: dict[int, Value] = {}  # by the tensor
        self.scope = ""
        self.name = ""  # the primitive that a rule looks at
        self.rounded: dict[Value, bool] = {}  # what is known of values: see is_rounded
        self._known: dict[Any, list[Value]] = {}
        self._constants: dict[Any, Value] = {}
        for tensor in program.inputs:
            value = Value(tensor.shape, dtype_as_run(tensor.dtype), is_input=True)
            self.values[id(tensor)] = value
            self.flow.inputs.append(value)

    def value(self, tensor: Tensor) -> Value:
        known = self.values.get(id(tensor))
        if known is not None:
            return known
        if isinstance(tensor.source, Variable):
            if self.fixed:
                known = self.constant(tensor.source.numpy())
            else:
                known = self.flow.variable(tensor.source)
        elif tensor.source is not None:
            known = self.constant(tensor.source)
        else:
            name = f" {tensor.name!r}" if tensor.name else ""
            raise ValueError(
                f"the program reads tensor{name} of shape {tensor.shape}, which is neither one of "
                "its inputs nor made by it"
            )
        self.values[id(tensor)] = known
        return known

    def constant(self, array: Array) -> Value:
        array = np.asarray(array, order="C")
        key: Any = id(array)
        if array.nbytes <= 64:
            key = (array.shape, str(array.dtype), array.tobytes())
        known = self._constants.get(key)
        if known is None:
            self._constants[key] = known = Value(array.shape, str(array.dtype), source=array)
        return known

    def apply(
        self, name: str, inputs: list[Value], attrs: dict[str, Any], specs: Specs
    ) -> list[Value]:
        """The results of a primitive: new, known already, or one of its operands."""
        repeatable = PRIMITIVES[name].repeatable
        if repeatable:
            folded = self._fold(name, inputs, attrs, specs)
            if folded is not None:
                return folded
        rule = _RULES.get(name)
        self.name = name
        if rule is not None:
            found = rule(self, inputs, attrs, specs)
            if found is not None:
                return found
        if PRIMITIVES[name].pointwise:
            inputs = _without_broadcasts(inputs, specs[0][0])
            if repeatable and all(_spread(v) for v in inputs):
                return [self._before_broadcast(name, inputs, attrs, specs[0])]
        key = None
        if repeatable:
            key = (name, tuple(map(id, inputs)), freeze(attrs))
            known = self._known.get(key)
            if known is not None:
                return known
        outputs = self.flow.add(name, inputs, specs, attrs, scope=self.scope).outputs
        if key is not None:
            self._known[key] = outputs
        return outputs

    def one(self, name: str, inputs: list[Value], spec: tuple[Shape, str], **attrs: Any) -> Value:
        return self.apply(name, inputs, attrs, [spec])[0]

    def _before_broadcast(
        self, name: str, inputs: list[Value], attrs: dict[str, Any], spec: tuple[Shape, str]
    ) -> Value:
        """Pointwise work on operands that are all broadcast: once for each of their elements."""
        shape, dtype = spec
        sources = [v.maker.inputs[0] if v.maker is not None else v for v in inputs]
        small = self.one(name, sources, (broadcast([v.shape for v in sources]), dtype), **attrs)
        if small.shape == shape:
            return small
        likes = next((v.maker.inputs[1:] for v in inputs if v.maker is not None), [])
        return self.one("broadcast_to", [small, *likes], spec, shape=sized(shape))

    def _fold(
        self, name: str, inputs: list[Value], attrs: dict[str, Any], specs: Specs
    ) -> list[Value] | None:
        if not inputs or any(v.constant is None for v in inputs) or name == "broadcast_to":
            return None
        size = sum(v.row_size for v in inputs)
        for shape, _ in specs:
            if None in shape or np.prod(shape, dtype=np.int64) > max(size, _FOLDED):  # type: ignore[arg-type]
                return None
        with np.errstate(all="ignore"):
            made = EVAL[name](*(v.constant for v in inputs), **attrs)
        arrays = made if isinstance(made, tuple) else (made,)
        return [
            self.constant(np.asarray(a, dtype).reshape(shape))  # type: ignore[arg-type]
            for a, (shape, dtype) in zip(arrays, specs, strict=True)
        ]


def freeze(attrs: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Attributes as a key."""
    return tuple(
        (k, tuple(v) if isinstance(v, (list, tuple)) else v) for k, v in sorted(attrs.items())
    )


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """NumPy's broadcast shape of shapes that are known to fit."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[int | None] = [1] * rank
    for shape in shapes:
        for i, d in enumerate(shape, rank - len(shape)):
            if d != 1:
                result[i] = d
    return tuple(result)


def _without_broadcasts(inputs: list[Value], shape: Shape) -> list[Value]:
    """Operands as they were before broadcast_to, where the others still give the whole shape."""
    result = list(inputs)
    for i, v in enumerate(inputs):
        if v.maker is not None and v.maker.name == "broadcast_to":
            before = v.maker.inputs[0]
            trial = [*result[:i], before, *result[i + 1 :]]
            if broadcast([t.shape for t in trial]) == shape:
                result = trial
    return result


def _spread(value: Value) -> bool:
    """Whether a value is made by broadcasting, or a number."""
    if value.maker is None:
        return value.scalar is not None
    return value.maker.name == "broadcast_to"


# Rules: from (inputs, attrs, specs) to the results, or None where the primitive stays.

Rule = Callable[[_Simplifier, list[Value], dict[str, Any], Specs], list[Value] | None]


def _same(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    """An operation that does nothing where it keeps shape and dtype."""
    x = inputs[0]
    return [x] if (x.shape, x.dtype) == specs[0] else None


def _cast(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    if attrs["dtype"] == BFLOAT16:
        return inputs if is_rounded(inputs[0], s.rounded) else None
    return _same(s, inputs, attrs, specs)


def _mask_grad(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    """The sign of y is that of y rounded, which is kept anyway."""
    dy, y = inputs
    for user in y.users:
        if user.name == "cast" and user.attrs["dtype"] == BFLOAT16:
            return s.apply(s.name, [dy, user.outputs[0]], attrs, specs)
    return None


def _first(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    return inputs[:1]


def _neutral(number: float, *, commutes: bool) -> Rule:
    def rule(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
        a, b = inputs
        if b.scalar == number and (a.shape, a.dtype) == specs[0]:
            return [a]
        if commutes and a.scalar == number and (b.shape, b.dtype) == specs[0]:
            return [b]
        return None

    return rule


def _involution(name: str) -> Rule:
    def rule(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
        maker = inputs[0].maker
        if maker is not None and maker.name == name:
            return _same(s, maker.inputs, attrs, specs)
        return None

    return rule


def _reshape(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    x = inputs[0]
    if x.shape == specs[0][0]:
        return [x]
    maker = x.maker
    if maker is not None and maker.name == "reshape":
        return [s.one("reshape", maker.inputs, specs[0], **attrs)]
    if maker is not None and maker.name == "broadcast_to" and maker.inputs[0].shape == ():
        return [s.one("broadcast_to", maker.inputs, specs[0], **attrs)]
    return None


def _transpose(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    x, perm = inputs[0], list(attrs["perm"])
    maker = x.maker
    if maker is not None and maker.name == "transpose":
        inner = maker.attrs["perm"]
        return [s.one("transpose", maker.inputs, specs[0], perm=[inner[p] for p in perm])]
    moved = [p for p in perm if x.shape[p] != 1]
    if moved == sorted(moved):
        return [s.one("reshape", [x], specs[0], shape=sized(specs[0][0]))]
    return None


def _reduction(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    """Over axes of one element it only reshapes."""
    x = inputs[0]
    if x.dtype == specs[0][1] and all(x.shape[a] == 1 for a in attrs["axes"]):
        return [s.one("reshape", [x], specs[0], shape=sized(specs[0][0]))]
    return None


def _count(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    """A number, times the batch where that is counted: no tensor is kept alive to be counted."""
    x, axes = inputs[0], attrs["axes"]
    fixed = float(np.prod([n for a in axes if (n := x.shape[a]) is not None], dtype=np.float64))
    number = s.constant(np.asarray(fixed, specs[0][1]))
    if not any(x.shape[a] is None for a in axes):
        return [number]
    batched = min((v for v in s.flow.inputs if v.batched), key=lambda v: v.row_size, default=x)
    if fixed == 1 and batched is x and list(axes) == [0]:
        return None
    rows = s.one("count", [batched], specs[0], axes=[0])
    return [s.one("multiply", [rows, number], specs[0])]


def _concatenate(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    return _same(s, inputs, attrs, specs) if len(inputs) == 1 else None


def _flip(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    return [inputs[0]] if all(inputs[0].shape[a] == 1 for a in attrs["axes"]) else None


def _dropout(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    return [inputs[0]] if attrs["rate"] == 0 else None


def _matmul(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    """Take a transpose of the last two axes into the product."""
    operands, flags = list(inputs), {}
    changed = False
    for i, key in enumerate(("transpose_a", "transpose_b")):
        flags[key] = int(attrs.get(key, 0))
        maker = operands[i].maker
        if maker is None or maker.name != "transpose":
            continue
        n = len(operands[i].shape)
        if list(maker.attrs["perm"]) == [*range(n - 2), n - 1, n - 2]:
            operands[i], flags[key], changed = maker.inputs[0], 1 - flags[key], True
    return [s.one("matmul", operands, specs[0], **flags)] if changed else None


def _rank_one(s: _Simplifier, inputs: list[Value], attrs: dict[str, Any], specs: Specs) -> Any:
    """Dense layers of one row without a batch axis: the core's have rows."""
    if len(inputs[0].shape) != 1:
        return None
    name = s.name  # which the calls below change
    weights = "weight_grad" in name
    rows = 2 if weights else 1
    operands = [
        s.one("reshape", [v], ((1, *v.shape), v.dtype), shape=[1, *sized(v.shape)])
        for v in inputs[:rows]
    ]
    operands += inputs[rows:]
    if weights:
        return s.apply(name, operands, attrs, specs)
    shape, dtype = specs[0]
    row = s.apply(name, operands, attrs, [((1, *shape), dtype)])[0]
    return [s.one("reshape", [row], specs[0], shape=sized(shape))]


_RULES: dict[str, Rule] = {
    "dense": _rank_one,
    "dense_input_grad": _rank_one,
    "dense_weight_grad": _rank_one,
    "identity": _same,
    "stop_gradient": _same,
    "cast": _cast,
    "autocast": _same,
    "broadcast_to": _same,
    "slice": _same,
    "pad": _same,
    "reshape": _reshape,
    "transpose": _transpose,
    "add": _neutral(0.0, commutes=True),
    "subtract": _neutral(0.0, commutes=False),
    "multiply": _neutral(1.0, commutes=True),
    "divide": _neutral(1.0, commutes=False),
    "power": _neutral(1.0, commutes=False),
    "negative": _involution("negative"),
    "sum": _reduction,
    "mean": _reduction,
    "max": _reduction,
    "min": _reduction,
    "prod": _reduction,
    "count": _count,
    "concatenate": _concatenate,
    "flip": _flip,
    "dropout": _dropout,
    "custom_gradient": _first,
    "matmul": _matmul,
    "relu_grad": _mask_grad,
    "leaky_relu_grad": _mask_grad,
}
