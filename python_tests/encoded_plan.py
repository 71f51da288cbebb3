"""Plans of the core as bytes, for the programs in .ci/native: see encoded_plan.h there."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool", "bfloat16")
KINDS = ("input", "variable", "constant", "temp", "alias")


def number(value: int) -> bytes:
    """Base 128, lowest digits first, the sign in the lowest bit."""
    digits = ((value << 1) ^ (value >> 63)) & (2**64 - 1)
    out = bytearray()
    while digits >= 0x80:
        out.append(digits & 0x7F | 0x80)
        digits >>= 7
    return bytes([*out, digits])


def numbers(values: Iterable[int]) -> bytes:
    items = [number(int(v)) for v in values]
    return number(len(items)) + b"".join(items)


def text(value: str) -> bytes:
    return number(len(value.encode())) + value.encode()


def attr(value: Any) -> bytes:
    if isinstance(value, (bool, int)):
        return b"\0" + number(int(value))
    if isinstance(value, float):
        return b"\1" + struct.pack("<d", value)
    if isinstance(value, str):
        return b"\2" + text(value)
    if all(isinstance(v, int) for v in value):
        return b"\3" + numbers(value)
    return b"\4" + number(len(value)) + struct.pack(f"<{len(value)}d", *value)


def encode(
    tensors: Any, steps: Any, inputs: Any, outputs: Any, max_batch: int, batch: int, frozen: bool
) -> bytes:
    """A plan, by the arguments of ``_core.Plan``, without the values of variables."""
    out = [number(len(tensors))]
    for dtype, shape, batched, kind, value in tensors:
        out.append(bytes([DTYPES.index(dtype), int(batched), KINDS.index(kind)]))
        out.append((number(value) if kind == "alias" else b"") + numbers(shape))
    out.append(number(len(steps)))
    for name, ins, outs, attrs, _ in steps:
        out += [text(name), numbers(ins), numbers(outs), number(len(attrs))]
        out += [text(key) + attr(value) for key, value in attrs.items()]
    out += [numbers(inputs), numbers(outputs), number(max_batch), number(batch)]
    return b"".join([*out, bytes([int(frozen)])])


class Decoder:
    """The arguments of ``_core.Plan`` and the batch, from bytes.

    Raises:
        ValueError: the bytes end too early.
    """

    def __init__(self, content: bytes) -> None:
        self._rest = memoryview(content)

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._rest):
            raise ValueError("cut short")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return bytes(taken)

    def _byte(self) -> int:
        return self._take(1)[0]

    def _number(self) -> int:
        digits = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            digits |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        digits &= 2**64 - 1
        return (digits >> 1) ^ -(digits & 1)

    def _count(self) -> int:
        count = self._number()
        if not 0 <= count <= len(self._rest):
            raise ValueError("a count")
        return count

    def _numbers(self) -> list[int]:
        return [self._number() for _ in range(self._count())]

    def _text(self) -> str:
        return self._take(self._count()).decode("latin-1")

    def _attr(self) -> Any:
        kind = self._byte()
        if kind == 1:
            return struct.unpack("<d", self._take(8))[0]
        readers = {0: self._number, 2: self._text, 3: self._numbers}
        if kind in readers:
            return readers[kind]()
        return [struct.unpack("<d", self._take(8))[0] for _ in range(self._count())]

    def plan(self) -> tuple[list[Any], list[Any], list[int], list[int], int, int, bool]:
        tensors = []
        for _ in range(self._count()):
            dtype, batched, kind = self._byte() % 7, self._byte() % 2 == 1, self._byte() % 5
            storage = self._number() if KINDS[kind] == "alias" else None
            tensors.append((DTYPES[dtype], self._numbers(), batched, KINDS[kind], storage))
        steps = []
        for _ in range(self._count()):
            name, ins, outs = self._text(), self._numbers(), self._numbers()
            attrs = {self._text(): self._attr() for _ in range(self._count())}
            steps.append((name, ins, outs, attrs, ""))
        inputs, outputs = self._numbers(), self._numbers()
        most, batch, frozen = self._number(), self._number(), self._byte() % 2 == 1
        return tensors, steps, inputs, outputs, most, batch, frozen
