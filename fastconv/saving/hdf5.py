"""Reading HDF5 without the HDF5 library, which a damaged file can crash.

What Keras and h5py write by default is read here: the first format of groups, arrays stored in one
piece or in chunks (deflate, shuffle, Fletcher-32), texts. Every address and size is compared with
the file before it is used. A file in one of the later forms is first copied into this one by the
HDF5 library, in a process of its own (``fastconv/saving/opening.py``).

Layouts: "HDF5 File Format Specification Version 3.0",
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.utils.limits import most_bytes

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_UNDEFINED = 2**64 - 1
_DEEPEST = 64  # groups in groups
_FLOATS = {  # size, exponent's place and size, mantissa's place and size, bias -> dtype
    (2, 10, 5, 0, 10, 15): "f2",
    (4, 23, 8, 0, 23, 127): "f4",
    (8, 52, 11, 0, 52, 1023): "f8",
}
_DEFLATE, _SHUFFLE, _FLETCHER = 1, 2, 3


class UnsupportedError(ValueError):
    """A form of HDF5 that is not read here."""


@dataclass(frozen=True, slots=True)
class _Type:
    size: int
    dtype: Any = None  # of numbers
    text: str = ""  # "fixed" or "variable"


@dataclass(frozen=True, slots=True)
class Dataset:
    """An array in the file; ``dataset[()]`` reads it."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    _file: _Reader = field(repr=False)
    _layout: tuple[Any, ...] = field(repr=False)
    _filters: tuple[int, ...] = field(repr=False)
    _fill: bytes = field(repr=False)  # an element that nobody has written

    def __getitem__(self, key: tuple[()]) -> Array:
        with _damage():
            return self._file.array(self)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * int(np.dtype(self.dtype).itemsize)


@dataclass(frozen=True, slots=True)
class Group:
    """Groups and arrays by name or by path, and texts and numbers in ``attrs``."""

    name: str
    attrs: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Group | Dataset] = field(default_factory=dict)

    def get(self, path: str, default: Any = None) -> Any:
        here: Any = self
        for part in path.strip("/").split("/"):
            if not isinstance(here, Group) or part not in here.members:
                return default
            here = here.members[part]
        return here

    def __getitem__(self, path: str) -> Any:
        found = self.get(path)
        if found is None:
            raise KeyError(f"{self.name} has no {path!r}")
        return found

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)


class _Reader:
    """The bytes of a file, and what they mean."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.size = source.seek(0, os.SEEK_END)
        self._texts = 0  # bytes of texts read so far
        self._known: dict[int, Group | Dataset] = {}
        self._open: list[int] = []

    def take(self, address: int, count: int) -> bytes:
        if address + count > self.size:
            raise ValueError(f"{count:,} bytes at {address:,} lie outside of the file")
        self._source.seek(address)
        data = self._source.read(count)
        if len(data) != count:
            raise ValueError("the file became shorter while it was read")
        return data

    def fields(self, form: str, address: int) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.take(address, struct.calcsize("<" + form)))

    def root(self) -> Group:
        head = self.take(0, min(self.size, 96))
        if not head.startswith(SIGNATURE):
            raise ValueError("it is no HDF5 file")
        if len(head) < 96:
            raise ValueError("it is cut short")
        if head[8] != 0 or head[13:15] != b"\x08\x08" or head[24:32] != bytes(8):
            raise UnsupportedError("another version of the superblock")
        (end,) = struct.unpack_from("<Q", head, 40)
        if end > self.size:
            raise ValueError(f"it is cut short: {self.size:,} bytes of {end:,}")
        root = self.object(struct.unpack_from("<Q", head, 64)[0], "/")
        if not isinstance(root, Group):
            raise ValueError("its root is not a group")
        return root

    def object(self, address: int, name: str) -> Group | Dataset:
        """The group or array of an object header, each read once."""
        if address in self._known:
            return self._known[address]
        if address in self._open or len(self._open) > _DEEPEST:
            raise ValueError(f"group {name[:80]} is nested without end")
        self._open.append(address)
        messages = list(self._messages(address))
        self._open.pop()
        kinds = {kind for kind, _ in messages}
        if kinds & {0x02, 0x06, 0x15}:
            raise UnsupportedError("groups of a later version")
        attrs = dict(self._attribute(data) for kind, data in messages if kind == 0x0C)
        made: Group | Dataset
        if 0x11 in kinds:
            tree, heap = struct.unpack_from("<QQ", dict(messages)[0x11])
            made = Group(name, attrs)
            self._open.append(address)
            for key, at in self._entries(tree, heap):
                made.members[key] = self.object(at, f"{name.rstrip('/')}/{key}")
            self._open.pop()
        else:
            made = self._dataset(name, messages)
        self._known[address] = made
        return made

    def _messages(self, address: int) -> Iterator[tuple[int, bytes]]:
        version, _, _, _, size = self.fields("BBHII", address)
        if version != 1:
            raise UnsupportedError("object headers of a later version")
        blocks, seen = [(address + 16, size)], {address + 16}
        while blocks:
            start, length = blocks.pop(0)
            block = self.take(start, length)
            at = 0
            while at + 8 <= length:
                kind, size, flags = struct.unpack_from("<HHB", block, at)
                data = block[at + 8 : at + 8 + size]
                if len(data) < size:
                    raise ValueError("a message leads out of its object header")
                if flags & 2 and kind in (0x01, 0x03, 0x0B, 0x0C):
                    raise UnsupportedError("shared messages")
                if kind == 0x10:
                    further, count = struct.unpack_from("<QQ", data)
                    if further in seen:
                        raise ValueError("an object header that continues without end")
                    seen.add(further)
                    blocks.append((further, count))
                else:
                    yield kind, data
                at += 8 + size

    def _entries(self, tree: int, heap: int) -> Iterator[tuple[str, int]]:
        """Names and addresses of what a group holds."""
        magic, _, size, _, start = self.fields("4sIQQQ", heap)
        if magic != b"HEAP":
            raise ValueError("the names of a group are not where they belong")
        names = self.take(start, size)
        for node in self._leaves(tree, 0, 1):
            magic, _, _, count = self.fields("4sBBH", node[1])
            if magic != b"SNOD":
                raise ValueError("the members of a group are not where they belong")
            for i in range(count):
                at, address, cache = self.fields("QQI", node[1] + 8 + 40 * i)
                if cache == 2 or address == _UNDEFINED:
                    raise UnsupportedError("symbolic links")
                end = names.find(b"\0", at)
                if at >= size or end < 0:
                    raise ValueError("a name lies outside of its heap")
                name = names[at:end].decode()
                if not name or "/" in name:
                    raise ValueError(f"a member is named {name[:80]!r}")
                yield name, address

    def _leaves(self, address: int, kind: int, key_words: int) -> Iterator[tuple[bytes, int]]:
        """Keys and addresses in the leaves of a tree."""
        pending, seen = [(address, -1)], {address}
        while pending:
            at, above = pending.pop(0)
            if at == _UNDEFINED:
                continue
            magic, found, level, count = self.fields("4sBBH", at)
            if magic != b"TREE" or found != kind or (above >= 0 and level != above - 1):
                raise ValueError("a tree of the file is damaged")
            step = 8 * key_words + 8
            entries = self.take(at + 24, count * step)
            for i in range(count):
                key = entries[i * step : (i + 1) * step - 8]
                (child,) = struct.unpack_from("<Q", entries, (i + 1) * step - 8)
                if child in seen:
                    raise ValueError("a tree of the file meets itself")
                seen.add(child)
                if level == 0:
                    yield key, child
                else:
                    pending.append((child, level))

    def _type(self, data: bytes) -> _Type:
        kind, bits, size = data[0] & 15, data[1], struct.unpack_from("<I", data, 4)[0]
        order = ">" if bits & 1 else "<"
        if kind == 0 and size in (1, 2, 4, 8):
            if struct.unpack_from("<HH", data, 8) != (0, 8 * size):
                raise UnsupportedError("whole numbers with gaps")
            return _Type(size, np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}"))
        if kind == 1 and size in (2, 4, 8) and not bits & 64:
            places = struct.unpack_from("<BBBBI", data, 12)
            code = _FLOATS.get((size, *places))
            if code is not None:
                return _Type(size, np.dtype(order + code))
        if kind == 3:
            return _Type(size, text="fixed")
        if kind == 8 and self._type(data[8:]).size == 1:
            return _Type(1, np.dtype(bool))  # how h5py stores booleans
        if kind == 9 and bits & 15 == 1 and size == 16:
            return _Type(size, text="variable")
        raise UnsupportedError("arrays of a type that no weights have")

    def _shape(self, data: bytes) -> tuple[int, ...]:
        version, rank, _, kind = struct.unpack_from("<BBBB", data)
        if version not in (1, 2) or rank > 32 or (version == 2 and kind == 2):
            raise UnsupportedError("an array without a shape")
        return struct.unpack_from(f"<{rank}Q", data, 8 if version == 1 else 4)

    def _attribute(self, data: bytes) -> tuple[str, Any]:
        version, flags, names, types, shapes = struct.unpack_from("<BBHHH", data)
        if version not in (1, 2, 3) or (version > 1 and flags):
            raise UnsupportedError("attributes of a later version")
        at, parts = 9 if version == 3 else 8, []
        for size in (names, types, shapes):
            parts.append(data[at : at + size])
            at += -(-size // 8) * 8 if version == 1 else size
        name = parts[0].split(b"\0")[0].decode()
        kind, shape = self._type(parts[1]), self._shape(parts[2])
        count = math.prod(shape)
        content = data[at : at + count * kind.size]
        if len(content) < count * kind.size:
            raise ValueError(f"attribute {name[:80]!r} is cut short")
        if kind.text:
            items = [content[i * kind.size : (i + 1) * kind.size] for i in range(count)]
            texts = [self._text(item, kind) for item in items]
            return name, texts if shape else texts[0]
        values = np.frombuffer(content, kind.dtype).reshape(shape)
        return name, values if shape else values[()]

    def _text(self, item: bytes, kind: _Type) -> str:
        if kind.text == "fixed":
            return item.split(b"\0")[0].decode()
        size, collection, index = struct.unpack("<IQI", item)
        if size == 0:
            return ""
        self._texts += size
        if self._texts > self.size:
            raise ValueError("its texts are larger than the file")
        magic, _, total = self.fields("4sIQ", collection)
        if magic != b"GCOL":
            raise ValueError("a text is not where it belongs")
        at, end = collection + 16, collection + total
        while at + 16 <= end:
            found, _, _, length = self.fields("HHIQ", at)
            if found == index != 0:
                if size > length:
                    raise ValueError("a text is cut short")
                return self.take(at + 16, size).decode()
            if found == 0:
                break
            at += 16 + -(-length // 8) * 8
        raise ValueError("a text is missing")

    def _dataset(self, name: str, messages: list[tuple[int, bytes]]) -> Dataset:
        parts = dict(messages)
        if not {0x01, 0x03, 0x08} <= set(parts):
            raise ValueError(f"{name[:80]} is neither a group nor an array")
        if 0x07 in parts:
            raise ValueError(f"{name[:80]} is not an array stored in the file")
        kind, shape = self._type(parts[0x03]), self._shape(parts[0x01])
        if kind.text:
            raise UnsupportedError("arrays of texts")
        filters = self._pipeline(parts[0x0B]) if 0x0B in parts else ()
        version, layout = parts[0x08][:2]
        if version != 3 or layout > 2:
            raise UnsupportedError("arrays laid out in a later way")
        place: tuple[Any, ...]
        if layout == 0:
            (size,) = struct.unpack_from("<H", parts[0x08], 2)
            place = (0, parts[0x08][4 : 4 + size])
        elif layout == 1:
            place = (1, *struct.unpack_from("<QQ", parts[0x08], 2))
        else:
            rank, tree = struct.unpack_from("<BQ", parts[0x08], 2)
            place = (2, tree, struct.unpack_from(f"<{rank}I", parts[0x08], 11))
        fill = self._fill(parts, kind.size)
        made = Dataset(name, shape, kind.dtype, self, place, filters, fill)
        if made.nbytes > most_bytes(self.size):
            raise ValueError(f"{name[:80]} claims {made.nbytes:,} bytes")
        return made

    def _fill(self, parts: dict[int, bytes], size: int) -> bytes:
        """An element that nobody has written."""
        data = parts.get(0x05)
        if data is None:  # the older message starts with the size
            data = b"\x01\0\0\x01" + parts.get(0x04, bytes(4))
        if data[0] not in (1, 2):
            raise UnsupportedError("fill values of a later version")
        found = struct.unpack_from("<I", data, 4)[0] if data[3] else 0
        if found == 0:
            return bytes(size)
        if found != size or len(data) < 8 + size:
            raise ValueError(f"an element of {size} bytes is filled with {found:,}")
        return data[8 : 8 + size]

    def _pipeline(self, data: bytes) -> tuple[int, ...]:
        version, count = data[0], data[1]
        found, at = [], 8 if version == 1 else 2
        for _ in range(count):
            (kind,) = struct.unpack_from("<H", data, at)
            if version not in (1, 2) or kind not in (_DEFLATE, _SHUFFLE, _FLETCHER):
                raise UnsupportedError(f"filter {kind}")
            letters = struct.unpack_from("<H", data, at + 2)[0] if version == 1 else 0
            at += 4 if version == 1 else 2
            _, values = struct.unpack_from("<HH", data, at)
            at += 4 + -(-letters // 8) * 8 + 4 * values
            at += 4 if version == 1 and values % 2 else 0
            found.append(kind)
        return tuple(found)

    def array(self, of: Dataset) -> Array:
        if of._layout[0] == 2:
            return self._chunked(of)
        if of._layout[0] == 0:
            content = of._layout[1]
        elif of.nbytes == 0:
            content = b""
        else:
            address, size = of._layout[1:]
            if address == _UNDEFINED:
                return _filled(of)
            if size < of.nbytes:
                raise ValueError(f"{of.name} is not an array stored in the file")
            content = self.take(address, of.nbytes)
        if len(content) < of.nbytes or of._filters:
            raise ValueError(f"{of.name} is cut short")
        values = np.frombuffer(content[: of.nbytes], _stored(of.dtype)).reshape(of.shape)
        return values.astype(of.dtype.newbyteorder("="))

    def _chunked(self, of: Dataset) -> Array:
        tree, (*chunk, element) = of._layout[1:]
        rank = len(of.shape)
        size = math.prod(chunk) * of.dtype.itemsize
        if len(chunk) != rank or element != of.dtype.itemsize or 0 in chunk:
            raise ValueError(f"{of.name} is cut into chunks that do not fit")
        if size > most_bytes(self.size):
            raise ValueError(f"{of.name} has chunks of {size:,} bytes")
        result = _filled(of)
        for key, address in self._leaves(tree, 1, 2 + rank):
            length, mask, *corner = struct.unpack(f"<II{rank + 1}Q", key)
            if any(c >= d or c % s for c, d, s in zip(corner, of.shape, chunk, strict=False)):
                raise ValueError(f"{of.name} has a chunk outside of its shape")
            content = self._unfiltered(self.take(address, length), of, size, mask)
            part = np.frombuffer(content, _stored(of.dtype)).reshape(chunk)
            at = tuple(slice(c, c + s) for c, s in zip(corner, chunk, strict=False))
            target = result[at]
            target[...] = part[tuple(slice(n) for n in target.shape)]
        return result

    def _unfiltered(self, content: bytes, of: Dataset, size: int, mask: int) -> bytes:
        for i, kind in reversed(list(enumerate(of._filters))):
            if mask >> i & 1:
                continue
            if kind == _FLETCHER:
                content = content[:-4]
            elif kind == _DEFLATE:
                content = zlib.decompressobj().decompress(content, size + 4)
            else:
                width = of.dtype.itemsize
                whole = len(content) // width * width
                planes = np.frombuffer(content[:whole], np.uint8).reshape(width, -1)
                content = planes.T.tobytes() + content[whole:]
        if len(content) != size:
            raise ValueError(f"{of.name} has a chunk of {len(content):,} bytes, expected {size:,}")
        return content


def _stored(dtype: Any) -> Any:
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype  # any byte but 0 is true


def _filled(of: Dataset) -> Array:
    fill = np.frombuffer(of._fill, _stored(of.dtype))[0]
    return np.full(of.shape, fill, of.dtype.newbyteorder("="))


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (struct.error, zlib.error, UnicodeDecodeError, IndexError, OverflowError) as error:
        raise ValueError(f"its structure is damaged ({error})") from error


def read(source: IO[bytes]) -> Group:
    """The root group of an open file; arrays are read when they are asked for.

    Raises:
        UnsupportedError: it is in a form that is not read here.
        ValueError: it is damaged.
    """
    with _damage():
        return _Reader(source).root()
