"""The IDX files and the .npz in which MNIST and Fashion-MNIST are published."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from fastconv.datasets.store import Layout, Split

Bytes = npt.NDArray[np.uint8]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_CHUNK = 1 << 20
_LIMIT = 1 << 30  # bytes; a larger claim of a header is taken for damage


def read_idx(path: Path, item_shape: tuple[int, ...]) -> Bytes:
    """An IDX file of unsigned bytes, gzipped or not: ``(N, *item_shape)`` uint8.

    Layout: two zero bytes, the type (8), the number of dimensions, each dimension as a big-endian
    32-bit integer, then the data (http://yann.lecun.com/exdb/mnist/).

    Raises ValueError that names the file if it is cut short, too long, or of another shape.
    """
    try:
        with _open(path) as f:
            rank = 1 + len(item_shape)
            header = f.read(4 + 4 * rank)
            if len(header) < 4 + 4 * rank:
                raise ValueError(f"{path}: cut short, only {len(header)} bytes")
            if header[:4] != bytes((0, 0, 8, rank)):
                raise ValueError(
                    f"{path}: not an IDX file of unsigned bytes with {rank} dimensions "
                    f"(it starts with {header[:4].hex(' ')})"
                )
            shape = tuple(int(n) for n in np.frombuffer(header, ">u4", offset=4))
            if shape[1:] != item_shape:
                raise ValueError(f"{path}: items of shape {shape[1:]}, expected {item_shape}")
            size = shape[0] * int(np.prod(item_shape, dtype=np.int64))
            if size > _LIMIT:
                raise ValueError(f"{path}: its header claims {shape[0]:,} items")
            data = read_exactly(f, size, path)
    except (EOFError, gzip.BadGzipFile, OSError, zlib.error) as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        raise ValueError(f"{path}: damaged or cut short ({error})") from None
    return data.reshape(shape)


def read_exactly(f: IO[bytes], size: int, path: Path) -> Bytes:
    """The remaining ``size`` bytes of a file, which must be all there is."""
    data = bytearray()
    while len(data) < size:
        block = f.read(min(_CHUNK, size - len(data)))
        if not block:
            raise ValueError(f"{path}: cut short: {len(data):,} bytes of data, expected {size:,}")
        data += block
    if f.read(1):
        raise ValueError(f"{path}: more than the {size:,} bytes of data that its header announces")
    return np.frombuffer(data, np.uint8)


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if packed else path.open("rb")


def read_split(paths: Sequence[Path], image_shape: tuple[int, int] = (28, 28)) -> Split:
    """Training and test images and labels from the four IDX files, in the order of ``FILES``."""
    images, labels = image_shape, ()
    parts = [read_idx(p, s) for p, s in zip(paths, (images, labels) * 2, strict=True)]
    return checked((parts[0], parts[1]), (parts[2], parts[3]), [str(p) for p in paths])


def read_npz(paths: Sequence[Path], image_shape: tuple[int, int] = (28, 28)) -> Split:
    """The arrays x_train, y_train, x_test, y_test of an .npz; no pickled object is ever loaded."""
    (path,) = paths
    arrays: list[Bytes] = []
    try:
        with path.open("rb") as f, np.load(f, allow_pickle=False) as archive:
            for key in ("x_train", "y_train", "x_test", "y_test"):
                if key not in archive:
                    raise ValueError(f"no array {key!r}")
                _check_member(archive.zip, f"{key}.npy")
                array = archive[key]
                if array.dtype != np.uint8:
                    raise ValueError(f"{key} is {array.dtype}, expected uint8")
                if key.startswith("x") and array.shape[1:] != image_shape:
                    raise ValueError(f"{key} has shape {array.shape}, expected (N, *{image_shape})")
                arrays.append(array)
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy meets damage with errors of many kinds
        raise ValueError(f"{path}: {error}") from None
    return checked((arrays[0], arrays[1]), (arrays[2], arrays[3]), [str(path)] * 4)


def _check_member(archive: zipfile.ZipFile, name: str) -> None:
    if archive.getinfo(name).file_size > _LIMIT:
        raise ValueError(f"{name} claims more than {_LIMIT:,} bytes")


def checked(
    train: tuple[Bytes, Bytes], test: tuple[Bytes, Bytes], sources: Sequence[str], classes: int = 10
) -> Split:
    """The split, once labels and images go together; ValueError names the file that is wrong."""
    for (x, y), source in ((train, sources[1]), (test, sources[3])):
        if y.shape != x.shape[:1]:
            raise ValueError(f"{source}: labels of shape {y.shape} for {len(x)} images")
        if y.size and y.max() >= classes:
            raise ValueError(f"{source}: a label {y.max()}, expected 0 to {classes - 1}")
    return train, test


def layouts(folders: Sequence[str], npz: str) -> list[Layout]:
    """The four files in one of ``folders``, or one ``npz``."""
    separate = [Layout(tuple(f"{folder}/{f}" for f in FILES), read_split) for folder in folders]
    return [*separate, Layout((npz,), read_npz)]
