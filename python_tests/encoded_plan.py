"""Plans of the core as bytes, for the programs in .ci/native: see encoded_plan.h there."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")
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
