"""An ONNX graph under construction: names, constants, and values in several layouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastconv.graph.passes import Value
from fastconv.graph.tensor import Shape

Order = tuple[int, ...]  # of the axes of a value, as in numpy.transpose


def import_onnx() -> Any:
    """The package, or an ImportError that says how to get it."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "exporting to ONNX needs the package onnx: pip install 'fastconv[onnx]'"
        ) from error
    return onnx


class GraphBuilder:
    """Nodes in order, and for each value of the flow the tensors that hold it.

    A value may be held in several orders of its axes at once; the first to need another order adds
    the transpose, and what is held in an order already is never moved again. So images stay
    channels-first from the first convolution to whatever mixes their axes.
    """

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._initializers: list[Any] = []
        self._held: dict[Value, dict[Order, str]] = {}
        self._constants: dict[Any, str] = {}
        self._taken: set[str] = set()
        self._made: set[str] = set()  # tensors that nodes make and that are no outputs
        self._final: dict[str, str] = {}  # the name that a tensor has as an output
        self.scope = ""  # the layer whose nodes are added

    # ---- tensors

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node; the name of its result."""
        layer = f"{self.scope}/" if self.scope else ""
        result = self._unique(f"{layer}{operator}")
        self._nodes.append(
            self._onnx.helper.make_node(operator, list(inputs), [result], result, **attributes)
        )
        self._made.add(result)
        return result

    def constant(self, value: Any, dtype: str | None = None) -> str:
        """An initializer; equal small ones are one."""
        array = np.ascontiguousarray(value, dtype=dtype).reshape(np.shape(value))
        key = (array.shape, str(array.dtype), array.tobytes()) if array.size <= 64 else None
        known = self._constants.get(key) if key is not None else None
        if known is None:
            layer = f"{self.scope}/" if self.scope else ""
            known = self._unique(f"{layer}constant")
            self._initializers.append(self._onnx.numpy_helper.from_array(array, known))
            if key is not None:
                self._constants[key] = known
        return known

    def ints(self, numbers: Iterable[int]) -> str:
        return self.constant(np.asarray(list(numbers), np.int64))

    def cast(self, name: str, dtype: str) -> str:
        return self.node("Cast", [name], to=self._element_type(dtype))

    def reshape(self, name: str, shape: Shape) -> str:
        return self.node("Reshape", [name, self.ints(-1 if d is None else d for d in shape)])

    # ---- values

    def set(self, value: Value, name: str, order: Order | None = None) -> None:
        """Note that a tensor holds ``value`` with its axes in ``order``."""
        self._held.setdefault(value, {})[order or plain(value)] = name

    def orders(self, value: Value) -> dict[Order, str]:
        """The tensors that hold a value."""
        held = self._held.get(value)
        if held is None:
            if value.constant is not None:
                return {}
            self._reshape(value)  # reshapes wait until someone asks for the result
            held = self._held[value]
        return held

    def _reshape(self, value: Value) -> None:
        maker = value.maker
        assert maker is not None
        assert maker.name == "reshape"
        source = maker.inputs[0]
        before, after = _large(source), _large(value)
        if [source.shape[a] for a in before] != [value.shape[a] for a in after]:
            self.set(value, self.reshape(self.get(source), value.shape))
            return
        # Only axes of one element come or go: the others stay in the order they are held in.
        held, name = next(iter(self.orders(source).items()))
        moved = dict(zip(before, after, strict=True))
        order = [moved[a] for a in held if a in moved]
        for axis in reversed(range(len(value.shape))):
            if axis not in after:
                place = order.index(axis + 1) if axis + 1 in order else len(order)
                order.insert(place, axis)
        self.set(value, self.reshape(name, tuple(value.shape[a] for a in order)), tuple(order))

    def get(self, value: Value, order: Order | None = None) -> str:
        """A tensor that holds ``value`` with its axes in ``order`` (as they are if None)."""
        order = order or plain(value)
        held = self.orders(value)
        if order not in held:
            if value.constant is not None:
                name = self.constant(np.transpose(value.constant, order))
            else:
                have, source = next(iter(held.items()))
                name = self._transposed(value, source, have, order)
            self.set(value, name, order)
        return self._held[value][order]

    def _transposed(self, value: Value, source: str, have: Order, want: Order) -> str:
        large = _large(value)
        if [a for a in have if a in large] == [a for a in want if a in large]:
            return self.reshape(source, tuple(value.shape[axis] for axis in want))
        return self.node("Transpose", [source], perm=[have.index(axis) for axis in want])

    def operand(self, value: Value, order: Order) -> str:
        """A tensor of ``value`` that broadcasts with tensors whose axes are in ``order``."""
        missing = len(order) - len(value.shape)
        if value.constant is not None:
            array = np.asarray(value.constant)
            if array.size == 1:
                return self.constant(array.reshape(()))
            array = array.reshape((1,) * missing + array.shape).transpose(order)
            while array.ndim > 1 and array.shape[0] == 1:
                array = array[0]
            return self.constant(array)
        if missing == 0:
            return self.get(value, order)
        if not value.shape or order == tuple(range(len(order))):
            return self.get(value)
        lifted = self.reshape(self.get(value), (1,) * missing + value.shape)
        return self.node("Transpose", [lifted], perm=list(order))

    def cheapest_order(self, values: Sequence[Value], rank: int) -> Order:
        """The order in which the fewest elements of these operands have to be moved; where it makes
        no difference, not the plain one."""
        moving = [v for v in values if len(v.shape) == rank and v.constant is None]
        identity = tuple(range(rank))
        found = {order for v in moving for order in self.orders(v)} or {identity}

        def cost(order: Order) -> tuple[int, bool]:
            moved = sum(v.row_size for v in moving if order not in self.orders(v))
            return moved, order == identity

        return min(sorted(found), key=cost)

    # ---- the graph

    def add_input(self, value: Value, name: str) -> None:
        name = self._unique(name)
        self._inputs.append(self._info(name, value))
        self.set(value, name)

    def add_output(self, value: Value, name: str) -> None:
        """Let the tensor of ``value`` be an output of that name."""
        source = self.get(value)
        self.scope = ""
        if source not in self._made:  # an input, or an output already
            source = self.node("Identity", [self._final.get(source, source)])
        self._made.discard(source)
        self._final[source] = self._unique(name)
        self._outputs.append(self._info(self._final[source], value))

    def finish(self, name: str) -> Any:
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [self._final.get(n, n) for n in names]
        return self._onnx.helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, self._initializers
        )

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._taken:
            number += 1
            unique = f"{name}_{number}"
        self._taken.add(unique)
        return unique

    def _element_type(self, dtype: str) -> int:
        if dtype == "bfloat16":
            return int(self._onnx.TensorProto.BFLOAT16)
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _info(self, name: str, value: Value) -> Any:
        shape = ["batch" if d is None else d for d in value.shape]
        return self._onnx.helper.make_tensor_value_info(
            name, self._element_type(value.dtype), shape
        )


def plain(value: Value) -> Order:
    return tuple(range(len(value.shape)))


def _large(value: Value) -> list[int]:
    """The axes that may have more than one element."""
    return [axis for axis, size in enumerate(value.shape) if size != 1]
