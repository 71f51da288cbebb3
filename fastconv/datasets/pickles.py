"""Pickles of plain data, read without running anything.

The Python version of CIFAR is published as pickles. A pickle is a program for a small stack machine
that may call any function; this reader runs the instructions that build numbers, strings, lists,
tuples, dicts and NumPy arrays of plain numbers, and refuses every other one.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

_PUSH = {  # instructions whose argument is the value
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "BINFLOAT", "FLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING",
    "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_LARGEST_DICT = 10_000
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")


@dataclass(frozen=True, slots=True)
class _Name:
    module: str
    name: str


@dataclass(slots=True)
class _DType:
    """numpy.dtype, until its byte order is known."""

    code: str
    order: str = "|"

    def resolve(self) -> np.dtype[Any]:
        if self.code not in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"):
            raise ValueError(f"an array of type {self.code!r}")
        return np.dtype(self.code).newbyteorder(">" if self.order == ">" else "<")


@dataclass(slots=True)
class _Array:
    """numpy.ndarray, until its state is known."""

    value: np.ndarray[Any, Any] | None = None


@dataclass(slots=True)
class _Machine:
    left: int  # bytes that may still be made out of others
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def charge(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ValueError("it grows far beyond its size")

    def step(self, name: str, arg: Any) -> None:
        stack = self.stack
        if name in _PUSH:
            stack.append(arg)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[arg] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[arg])
        elif name in ("EMPTY_LIST", "LIST"):
            stack.append([] if name == "EMPTY_LIST" else self.since_mark())
        elif name == "APPEND":
            value = stack.pop()
            _expect(stack[-1], list).append(value)
        elif name == "APPENDS":
            items = self.since_mark()
            _expect(stack[-1], list).extend(items)
        elif name in ("EMPTY_DICT", "DICT"):
            stack.append({} if name == "EMPTY_DICT" else _filled({}, self.since_mark()))
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _filled(_expect(stack[-1], dict), [key, value])
        elif name == "SETITEMS":
            items = self.since_mark()
            _filled(_expect(stack[-1], dict), items)
        elif name == "TUPLE":
            stack.append(tuple(self.since_mark()))
        elif name in _TUPLES:
            count = _TUPLES[name]
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "GLOBAL":
            stack.append(_Name(*arg.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_Name(module, attribute))
        elif name == "REDUCE":
            args, callee = stack.pop(), stack.pop()
            stack.append(_construct(callee, _expect(args, tuple), self.charge))
        elif name == "BUILD":
            state = stack.pop()
            _set_state(stack[-1], _expect(state, tuple), self.charge)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"the instruction {name}")


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _filled(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, (str, bytes, int)):
            raise ValueError(f"a key that is a {type(key).__name__}")
        target[key] = value
        if len(target) > _LARGEST_DICT:
            raise ValueError("a dict of too many keys")
    return target


def _construct(callee: Any, args: tuple[Any, ...], charge: Callable[[int], None]) -> Any:
    """What a call would make, for the few callees that plain arrays and bytes need."""
    if isinstance(callee, _Name):
        if callee.module in _NUMPY and callee.name == "_reconstruct":
            return _Array()
        if callee == _Name("numpy", "dtype"):
            return _DType(_expect(args[0], str))
        if callee == _Name("_codecs", "encode") and args[1:] in (("latin1",), ("latin-1",)):
            text = _expect(args[0], str)
            charge(len(text))
            return text.encode("latin-1")
        raise ValueError(f"a call of {_short(callee.module)}.{_short(callee.name)}")
    raise ValueError("a call of something that is no function")


def _short(name: Any) -> str:
    return str(_expect(name, str))[:100]


def _set_state(target: Any, state: tuple[Any, ...], charge: Callable[[int], None]) -> None:
    if isinstance(target, _DType):
        target.order = _expect(state[1], str)
    elif isinstance(target, _Array):
        _, shape, dtype, fortran, raw = state
        charge(len(raw))
        data = raw.encode("latin-1") if isinstance(raw, str) else _expect(raw, bytes)
        array = np.frombuffer(data, _expect(dtype, _DType).resolve())
        order: Literal["F", "C"] = "F" if fortran else "C"
        target.value = array.reshape(_expect(shape, tuple), order=order)
    else:
        raise ValueError(f"a state for a {type(target).__name__}")


def _finished(value: Any) -> Any:
    """The arrays themselves in place of the objects that gathered their state; one level deep."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {_text(k): _finished(v) if isinstance(v, _Array) else v for k, v in value.items()}
    return value


def _text(key: Any) -> Any:
    return key.decode("latin-1") if isinstance(key, bytes) else key


def loads(data: bytes) -> Any:
    """The value that a pickle holds: a dict (with text keys), an array, a list, a string, a number.

    Raises ValueError on damage and on anything that plain data does not need. Allocates no more
    than a few times ``len(data)``.

    >>> import pickle
    >>> loads(pickle.dumps({"labels": [3, 1], "data": np.arange(3, dtype=np.uint8)}, protocol=2))
    {'labels': [3, 1], 'data': array([0, 1, 2], dtype=uint8)}
    """
    machine = _Machine(4 * len(data))
    try:
        for opcode, arg, _ in pickletools.genops(data):
            machine.step(opcode.name, arg)
        (value,) = machine.stack
    except ValueError as error:
        raise ValueError(f"not a pickle of plain data: {error}") from None
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError, struct.error) as error:
        raise ValueError(f"not a pickle of plain data: {type(error).__name__} {error}") from None
    return _finished(value)
