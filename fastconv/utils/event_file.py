"""Event files, which TensorBoard shows: scalars by step.

A file is a sequence of records (length, masked CRC-32C of it, data, masked CRC-32C of it); a record
is an ``Event`` message of tensorboard/compat/proto/event.proto in Protocol Buffers' wire format.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path


def _crc_table() -> list[int]:
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, B.4.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(n: int) -> bytes:
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


class EventFile:
    """A file ``events.out.tfevents.*`` in a folder, which is made if need be."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{now:.0f}.{socket.gethostname()}.{os.getpid()}"
        taken = 0
        while (self.folder / f"{name}.{taken}").exists():
            taken += 1
        self.path = self.folder / f"{name}.{taken}"
        self._append(_record(_bytes(3, b"brain.Event:2"), 0))

    def scalars(self, curves: Mapping[str, float], step: int) -> None:
        """One point of each curve, by its tag. The file is open for no longer than that."""
        self._append(b"".join(_record(_scalar(*point), step) for point in curves.items()))

    def _append(self, records: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(records)


def _scalar(tag: str, value: float) -> bytes:
    simple = _varint(2 << 3 | 5) + struct.pack("<f", value)
    return _bytes(5, _bytes(1, _bytes(1, tag.encode()) + simple))


def _record(message: bytes, step: int) -> bytes:
    event = _varint(1 << 3 | 1) + struct.pack("<d", time.time())
    if step:
        event += _varint(2 << 3) + _varint(step)
    data = event + message
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)
