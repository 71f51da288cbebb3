"""Symbolic tensors, and the variables whose values live between steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fastconv.graph.operation import Operation
    from fastconv.graph.primitive import Node

Shape = tuple[int | None, ...]
Array = npt.NDArray[Any]


_REFLECTED = {  # what a NumPy operator with a tensor or a variable on its right means
    "add": "__radd__",
    "subtract": "__rsub__",
    "multiply": "__rmul__",
    "divide": "__rtruediv__",
    "power": "__rpow__",
    "matmul": "__rmatmul__",
    "less": "__gt__",
    "less_equal": "__ge__",
    "greater": "__lt__",
    "greater_equal": "__le__",
    "equal": "__eq__",
    "not_equal": "__ne__",
    "floor_divide": "__rfloordiv__",
    "remainder": "__rmod__",
    "bitwise_and": "__rand__",
    "bitwise_or": "__ror__",
}


class Operators:
    """Python's arithmetic on tensors and variables, in terms of primitives."""

    __array_priority__ = 100.0
    dtype: str
    shape: Shape

    def _reflected(
        self, ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        """The operator that a ufunc stands for where an array is on its left, else None."""
        name = _REFLECTED.get(ufunc.__name__)
        if name is None or method != "__call__" or options or isinstance(inputs[0], Operators):
            return None
        return getattr(self, name)

    def _bind(self, name: str, *inputs: Any, **attrs: Any) -> Any:
        from fastconv.graph.primitive import bind

        return bind(name, *inputs, **attrs)

    def __add__(self, other: Any) -> Any:
        return self._bind("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._bind("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._bind("subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._bind("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._bind("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._bind("multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._bind("divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._bind("divide", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._bind("power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._bind("power", other, self)

    def __matmul__(self, other: Any) -> Any:
        return self._bind("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self._bind("matmul", other, self)

    def __neg__(self) -> Any:
        return self._bind("negative", self)

    def __abs__(self) -> Any:
        return self._bind("absolute", self)

    def __lt__(self, other: Any) -> Any:
        return self._bind("less", self, other)

    def __le__(self, other: Any) -> Any:
        return self._bind("less_equal", self, other)

    def __gt__(self, other: Any) -> Any:
        return self._bind("greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return self._bind("greater_equal", self, other)

    def __eq__(self, other: object) -> Any:
        return self._bind("equal", self, other) if _is_value(other) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return self._bind("not_equal", self, other) if _is_value(other) else NotImplemented

    def __floordiv__(self, other: Any) -> Any:
        return self._bind("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._bind("floor_divide", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._bind("mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._bind("mod", other, self)

    def __and__(self, other: Any) -> Any:
        return self._logical("logical_and", self, other)

    def __or__(self, other: Any) -> Any:
        return self._logical("logical_or", self, other)

    def __invert__(self) -> Any:
        return self._logical("logical_not", self)

    def _logical(self, name: str, *inputs: Any) -> Any:
        for value in inputs:
            dtype = str(getattr(value, "dtype", type(value).__name__))
            if dtype != "bool":
                raise TypeError(f"&, | and ~ of tensors are for booleans, got {dtype}")
        return self._bind(name, *inputs)

    __rand__ = __and__
    __ror__ = __or__
    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        from fastconv.graph.indexing import getitem

        return getitem(self, key)

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"a tensor of shape {self.shape} has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


def _is_value(other: object) -> bool:
    """Whether something is compared element by element, rather than as an object."""
    return isinstance(other, (Operators, np.ndarray, np.generic, bool, int, float, list))


class Tensor(Operators):
    """A value of a program, known by its shape and dtype only.

    ``shape[0]`` is ``None`` where the tensor has a row for each example of the batch; every other
    dimension is fixed. ``history`` is set by layers on the tensors of a functional model,
    ``operation`` on what a function makes of them.
    """

    __slots__ = ("dtype", "history", "index", "name", "node", "operation", "shape", "source")

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: str = "float32",
        *,
        name: str | None = None,
        node: Node | None = None,
        index: int = 0,
        source: Variable | Array | None = None,
    ) -> None:
        self.shape: Shape = tuple(None if d is None else int(d) for d in shape)
        if any(d is None for d in self.shape[1:]):
            raise ValueError(
                f"only the first dimension of a tensor may be None (the batch), got {self.shape}"
            )
        self.dtype = dtype
        self.name = name
        self.node = node  # the node that makes it; None for inputs, variables and constants
        self.index = index  # which output of that node
        self.source = source  # the Variable or constant array it stands for
        self.history: Any = None
        self.operation: Operation | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def batched(self) -> bool:
        return bool(self.shape) and self.shape[0] is None

    def __repr__(self) -> str:
        label = f" {self.name!r}" if self.name else ""
        return f"<Tensor{label} shape={self.shape} dtype={self.dtype}>"

    def __bool__(self) -> bool:
        raise TypeError(
            "a symbolic tensor has no truth value: use ops.where, or write the model with layers"
        )

    def __array__(self, *_args: Any, **_kwargs: Any) -> Array:
        raise TypeError(
            f"{self!r} is symbolic and has no values: use fastconv.ops instead of NumPy functions"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """An operator after an array stays an operation, also one like ``+=``."""
        if "out" in options and options["out"][0] is inputs[0]:
            options = {}
        operator = self._reflected(ufunc, method, inputs, options)
        if operator is None:
            raise TypeError(
                f"numpy.{ufunc.__name__} of {self!r}, which is symbolic and has no values: use "
                "fastconv.ops instead of NumPy functions"
            )
        return operator(inputs[0])

    __hash__ = object.__hash__


def aligned_empty(shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
    """An uninitialised C-ordered array whose data starts at a multiple of 64 bytes."""
    dt = np.dtype(dtype)
    size = math.prod(shape) * dt.itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dt).reshape(tuple(shape))


class Variable(Operators):
    """An array that keeps its place in memory from step to step: a weight, a slot, a counter.

    ``assign`` on an array writes at once; inside a trace, with a symbolic tensor, it becomes an
    update of the program, made at the end of each step.
    """

    changes: ClassVar[int] = 0  # how often a variable, whichever, may have got a new value
    made: ClassVar[int] = 0  # how many there have been

    def __init__(
        self,
        value: Any,
        *,
        dtype: str | None = None,
        trainable: bool = True,
        name: str = "variable",
        path: str | None = None,
        autocast: bool = True,
    ) -> None:
        data = np.asarray(value, dtype=dtype)
        if data.dtype == np.float64 and dtype is None:
            data = data.astype(np.float32)
        self._data = aligned_empty(data.shape, data.dtype)
        self._data[...] = data
        Variable.made += 1
        self.trainable = trainable
        self.autocast = autocast  # whether layers that compute in another float dtype read it so
        self.name = name
        self.path = path or name
        self.regularizer: Any = None
        self.constraint: Any = None

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self._data.shape

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return str(self._data.dtype)

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def data(self) -> Array:
        """The array itself, not a copy. Ask for it again before each change: inference keeps what
        it made of the values until then. :meth:`assign` needs no such care."""
        Variable.changes += 1
        return self._data

    @property
    def value(self) -> Array:
        return self.numpy()

    def numpy(self) -> Array:
        """A copy of the value."""
        return self._data.copy()

    def assign(self, value: Any) -> Any:
        from fastconv.graph.primitive import current_trace

        trace = current_trace()
        if trace is not None:
            return trace.assign(self, value)
        array = np.asarray(value)
        if array.shape != self.shape:
            raise ValueError(
                f"variable {self.path!r} has shape {self.shape}, cannot assign {array.shape}"
            )
        self._data[...] = array
        Variable.changes += 1
        return self

    def assign_add(self, value: Any) -> Any:
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> Any:
        return self.assign(self - value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy's functions take the value; an operator after an array stays an operation."""
        from fastconv.graph.primitive import current_trace

        operator = self._reflected(ufunc, method, inputs, options)
        if operator is not None:
            return operator(inputs[0])
        if current_trace() is not None or any(isinstance(x, Tensor) for x in inputs):
            raise TypeError(
                f"numpy.{ufunc.__name__} of variable {self.path!r} would be a constant of the "
                "program: use fastconv.ops instead of NumPy functions"
            )
        values = [v.numpy() if isinstance(v, Variable) else v for v in inputs]
        return getattr(ufunc, method)(*values, **options)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        del copy
        return np.array(self._data, dtype=dtype)

    def __float__(self) -> float:
        return float(self._data)

    def __int__(self) -> int:
        return int(self._data)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"

    __hash__ = object.__hash__
