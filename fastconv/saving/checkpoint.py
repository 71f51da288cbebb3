"""The state of a training in a directory, of which a whole copy is there at every moment.

A new state is written beside the others, synced, and renamed: ``state`` is the newest, and
``state.previous`` the one before, for the case that a disk loses what it said it had stored. A file
is a line that says what it is, the length of a text, the text (JSON with a place for each array),
the bytes of the arrays, and the SHA-256 of all that.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.saving.files import sync_directory

MAGIC = b"fastconv training state 1\n"
CHUNK = 1 << 20  # bytes written at a time
_DIGEST = hashlib.sha256().digest_size
_ARRAY = "__array__"
_KINDS = "fiub"

_held: dict[tuple[int, int], int] = {}  # locks of this process by file, and the process that has it
# Locks of files do not keep out threads of one process, and closing a file gives up all of them.
_claiming = threading.Lock()


def _after_fork() -> None:
    global _claiming
    _claiming = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


class StateDirectory:
    """Reads and writes states; one process at a time may have it open.

    Args:
        path: made if it is not there.

    Raises:
        BlockingIOError: if another training has it open.
        OSError: if it cannot be made or written to.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.current = self.path / "state"
        self.previous = self.path / "state.previous"
        self._new = self.path / "state.new"
        self._lock_file = self.path / "lock"
        self._key: tuple[int, int] | None = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with _claiming:
                self._handle = self._locked()
        except BlockingIOError as error:
            raise BlockingIOError(
                errno.EAGAIN, f"the checkpoints in {self.path} are in use by another training"
            ) from error
        except OSError as error:
            raise OSError(
                error.errno, f"cannot keep checkpoints in {self.path}: {error.strerror}"
            ) from error

    def _locked(self) -> int:
        """The open lock file. A lock of this kind ends with the process, and no child has it."""
        while True:
            with suppress(FileNotFoundError):
                self._check_not_held(self._lock_file.stat())
            handle = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                known = os.fstat(handle)
                with suppress(FileNotFoundError):
                    if os.path.samestat(known, self._lock_file.stat()):
                        self._key = (known.st_dev, known.st_ino)
                        _held[self._key] = os.getpid()
                        return handle
            except PermissionError as error:  # what some systems say for a lock that is taken
                os.close(handle)
                raise BlockingIOError(errno.EAGAIN, "locked") from error
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # its last owner has removed it meanwhile

    @staticmethod
    def _check_not_held(known: os.stat_result) -> None:
        if _held.get((known.st_dev, known.st_ino)) == os.getpid():
            raise BlockingIOError(errno.EAGAIN, "locked")

    def close(self) -> None:
        """Let others use the directory."""
        with _claiming:
            if self._key is not None:
                _held.pop(self._key, None)
                self._key = None
                os.close(self._handle)

    def read(self) -> Any:
        """The newest whole state, None if there is none.

        Raises:
            ValueError: if there are files, but no whole one.
        """
        problems = []
        for path in (self.current, self.previous):
            try:
                with path.open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    state = decode(file.read(size))
            except FileNotFoundError:
                continue
            except ValueError as error:
                problems.append(f"{path} is damaged or not a checkpoint: {error}")
                continue
            for problem in problems:
                warnings.warn(f"{problem}; going on from {path}", stacklevel=2)
            return state
        if problems:
            raise ValueError(
                f"{'; '.join(problems)}. Remove {self.path} to begin the training anew"
            )
        return None

    def write(self, state: Any) -> None:
        """Put a new state in the place of the newest, which becomes the previous one.

        Raises:
            OSError: if it could not be written, or may not last; the last one that did is there.
            TypeError: if the state holds something other than numbers, texts and arrays.
        """
        parts = list(encode(state))
        try:
            self._write_new(parts)
            with suppress(FileNotFoundError):
                self.current.replace(self.previous)
            self._new.replace(self.current)
            sync_directory(self.path)
        except OSError as error:
            with suppress(OSError):
                self._new.unlink(missing_ok=True)
            size = sum(len(part) for part in parts)
            raise OSError(
                error.errno,
                f"cannot write a checkpoint of {size:,} bytes to {self.path}: {error.strerror}; "
                "the last one is kept",
            ) from error

    def _write_new(self, parts: list[memoryview]) -> None:
        self._new.unlink(missing_ok=True)
        handle = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            for chunk in _chunks(parts):
                rest = chunk
                while rest:
                    rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Remove all states, and the directory if nothing else is in it."""
        with _claiming:
            for path in (self._new, self.previous, self.current, self._lock_file):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()


def _chunks(parts: Iterable[memoryview]) -> Iterator[memoryview]:
    """The same bytes: small parts together, large ones cut."""
    small = bytearray()
    for part in parts:
        if len(small) + len(part) > CHUNK:
            yield memoryview(small)
            small = bytearray()
        if len(part) > CHUNK:
            for start in range(0, len(part), CHUNK):
                yield part[start : start + CHUNK]
        else:
            small += part
    yield memoryview(small)


def encode(state: Any) -> Iterator[memoryview]:
    """The bytes of a state, in parts.

    Raises:
        TypeError: for something that is no number, text, array, or list or dictionary of such.
    """
    arrays: list[Array] = []
    text = json.dumps(_plain(state, arrays)).encode()
    described = [{"dtype": a.dtype.str, "shape": a.shape} for a in arrays]
    header = json.dumps(described).encode()
    digest = hashlib.sha256()
    lengths = len(header).to_bytes(8, "little") + len(text).to_bytes(8, "little")
    yield from _counted(MAGIC + lengths + header + text, digest)
    for array in arrays:
        if array.size:
            yield from _counted(array, digest)
    yield memoryview(digest.digest())


def _counted(content: Any, digest: Any) -> Iterator[memoryview]:
    part = memoryview(content).cast("B")
    digest.update(part)
    yield part


def decode(content: bytes) -> Any:
    """The state in the bytes that :func:`encode` gave.

    Raises:
        ValueError: if they are not all there, or others.
    """
    if not content.startswith(MAGIC):
        raise ValueError("it does not begin as one")
    start = len(MAGIC) + 16
    view = memoryview(content)
    if len(content) < start + _DIGEST or hashlib.sha256(view[:-_DIGEST]).digest() != bytes(
        view[-_DIGEST:]
    ):
        raise ValueError("its checksum is wrong")
    header_size = int.from_bytes(view[start - 16 : start - 8], "little")
    text_size = int.from_bytes(view[start - 8 : start], "little")
    try:
        header = json.loads(bytes(view[start : start + header_size]))
        start += header_size
        text = json.loads(bytes(view[start : start + text_size]))
        start += text_size
        arrays = []
        for described in header:
            dtype = np.dtype(described["dtype"])
            if dtype.kind not in _KINDS:
                raise ValueError(f"it holds an array of {dtype}")
            shape = tuple(int(d) for d in described["shape"])
            count = math.prod(shape)
            stop = start + count * dtype.itemsize
            if min(shape, default=0) < 0 or stop > len(content) - _DIGEST:
                raise ValueError("it holds less than it says")
            arrays.append(np.frombuffer(content, dtype, count, start).reshape(shape))
            start = stop
        return _filled(text, arrays)
    except (KeyError, TypeError, IndexError, RecursionError, SyntaxError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error


def _plain(value: Any, arrays: list[Array]) -> Any:
    """``value`` for JSON, its arrays replaced by their numbers in ``arrays``."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _KINDS:
            raise TypeError(f"an array of {value.dtype} cannot be part of a checkpoint")
        arrays.append(np.ascontiguousarray(value).reshape(value.shape))
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, (list, tuple)):
        return [_plain(v, arrays) for v in value]
    if isinstance(value, dict) and all(isinstance(k, str) and k != _ARRAY for k in value):
        return {k: _plain(v, arrays) for k, v in value.items()}
    raise TypeError(f"a {type(value).__name__} cannot be part of a checkpoint: {value!r}")


def _filled(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, list):
        return [_filled(v, arrays) for v in value]
    if isinstance(value, dict):
        if _ARRAY in value:
            return arrays[value[_ARRAY]].copy()
        return {k: _filled(v, arrays) for k, v in value.items()}
    return value
