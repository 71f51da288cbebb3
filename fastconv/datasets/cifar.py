"""The files in which CIFAR-10 and CIFAR-100 are published, binary and Python version.

A binary row is one label byte (two for CIFAR-100: coarse, fine), then 3,072 pixel bytes: the red,
the green and the blue plane of 32x32 (https://www.cs.toronto.edu/~kriz/cifar.html).
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from fastconv.datasets import pickles
from fastconv.datasets.store import Layout, Split
from fastconv.utils.limits import Unpacked

Bytes = npt.NDArray[np.uint8]
Part = tuple[Bytes, Bytes]  # images (N, 32, 32, 3), labels (N, 1)
Reader = Callable[[bytes, str], Part]  # of one file's content and name

PIXELS = 3 * 32 * 32
_LIMIT = 1 << 28  # bytes; every published file is far below


def images(planes: Bytes) -> Bytes:
    """(N, 3072) planes as (N, 32, 32, 3) pixels."""
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def binary_reader(label_bytes: int, label: int, classes: int) -> Reader:
    """Reads the binary version; ``label`` is the place of the wanted label byte in a row."""

    def read(content: bytes, name: str) -> Part:
        row = label_bytes + PIXELS
        if not content or len(content) % row:
            raise ValueError(
                f"{name}: {len(content):,} bytes are no whole number of rows of {row:,} bytes; "
                "the file is cut short"
            )
        rows = np.frombuffer(content, np.uint8).reshape(-1, row)
        return images(rows[:, label_bytes:]), _labels(rows[:, label], classes, name)

    return read


def python_reader(label: str, classes: int) -> Reader:
    """Reads the Python version; ``label`` is the key of the labels."""

    def read(content: bytes, name: str) -> Part:
        try:
            batch = pickles.loads(content)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        data = batch.get("data") if isinstance(batch, dict) else None
        labels = batch.get(label) if isinstance(batch, dict) else None
        if not (
            isinstance(data, np.ndarray)
            and data.dtype == np.uint8
            and data.ndim == 2
            and data.shape[1] == PIXELS
        ):
            raise ValueError(f"{name}: no array 'data' of (N, {PIXELS}) bytes")
        if not isinstance(labels, list) or len(labels) != len(data):
            raise ValueError(f"{name}: no list {label!r} of {len(data)} labels")
        if not all(type(n) is int for n in labels):
            raise ValueError(f"{name}: {label!r} holds something that is no integer")
        return images(data), _labels(np.array(labels, np.int64), classes, name)

    return read


def _labels(labels: npt.NDArray[Any], classes: int, name: str) -> Bytes:
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"{name}: labels from {labels.min()} to {labels.max()}, expected 0 to {classes - 1}"
        )
    return labels.astype(np.uint8)[:, None]


def layout(folder: str, files: Sequence[str], read: Reader) -> Layout:
    """The unpacked version: the last of ``files`` is the test set, the others the training set."""

    def read_files(paths: Sequence[Path]) -> Split:
        contents = []
        for path in paths:
            if path.stat().st_size > _LIMIT:
                raise ValueError(f"{path}: {path.stat().st_size:,} bytes, too large")
            contents.append((path.read_bytes(), str(path)))
        return _split([read(content, name) for content, name in contents])

    return Layout(tuple(f"{folder}/{f}" for f in files), read_files)


def archive_layout(archive: str, folder: str, files: Sequence[str], read: Reader) -> Layout:
    """The published ``.tar.gz`` as it is. Its members are read in place, never unpacked."""

    def read_archive(paths: Sequence[Path]) -> Split:
        (path,) = paths
        parts: dict[str, Part] = {}
        try:
            with (
                gzip.open(path, "rb") as packed,
                tarfile.open(fileobj=_limited(packed, path), mode="r|") as tar,
            ):
                for member in tar:
                    at = PurePosixPath(member.name)
                    if not member.isfile() or at.name not in files or at.parent.name != folder:
                        continue
                    if at.name in parts:
                        raise ValueError(f"{path}: {member.name} is there twice")
                    if member.issparse():
                        raise ValueError(f"{path}: {member.name} is a file with holes")
                    if member.size > _LIMIT:
                        raise ValueError(f"{path}: {member.name} claims {member.size:,} bytes")
                    stream = tar.extractfile(member)
                    content = b"" if stream is None else stream.read()
                    parts[at.name] = read(content, f"{path}: {member.name}")
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: damaged or cut short ({error})") from None
        except ValueError as error:  # tarfile's, of numbers in a header, and that of Unpacked
            if str(error).startswith((f"{path}:", f"{path} ")):
                raise
            raise ValueError(f"{path}: damaged ({error})") from None
        missing = [f for f in files if f not in parts]
        if missing:
            raise ValueError(f"{path}: no {', '.join(missing)} inside")
        return _split([parts[f] for f in files])

    return Layout((archive,), read_archive)


def _limited(content: Any, path: Path) -> Any:
    return Unpacked(content, path.stat().st_size)


def _split(parts: Sequence[Part]) -> Split:
    *train, test = parts
    x, y = (np.concatenate(group) for group in zip(*train, strict=True))
    return (x, y), test
