"""HDF5 files are read without the HDF5 library, the same as by it; damage gets an error."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from fastconv import layers
from fastconv.models import Sequential
from fastconv.saving.hdf5 import Dataset, Group, UnsupportedError, read
from fastconv.saving.opening import opened

RNG = np.random.default_rng(0)


def written(fill: Callable[[Any], object], **options: Any) -> io.BytesIO:
    content = io.BytesIO()
    with h5py.File(content, "w", **options) as file:
        fill(file)
    return content


def assert_same(found: Group, expected: Any) -> None:
    assert sorted(found) == sorted(expected)
    assert sorted(found.attrs) == sorted(expected.attrs)
    for name, value in expected.attrs.items():
        np.testing.assert_array_equal(found.attrs[name], value)
    for name, item in expected.items():
        mine = found[name]
        if isinstance(item, h5py.Group):
            assert_same(mine, item)
            continue
        assert isinstance(mine, Dataset)
        assert mine.shape == item.shape
        value = mine[()]
        assert value.dtype == item.dtype.newbyteorder("=")
        np.testing.assert_array_equal(value, item[()])


def arrays(file: Any) -> None:
    for dtype in ("f2", "f4", "f8", ">f4", ">f8", "i1", "u1", "i2", "u4", "i8", ">i4", "?"):
        file[f"of {dtype}"] = RNG.integers(0, 2, (3, 5, 2)).astype(dtype)
    file["scalar"] = np.float32(2.5)
    file["empty"] = np.zeros((0, 4), "f4")
    file.create_dataset("compact", data=np.arange(5.0))
    values = RNG.standard_normal((37, 11)).astype("f4")
    for options in (
        {"chunks": (8, 4)},
        {"chunks": (10, 11), "compression": "gzip"},
        {"chunks": (37, 1), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"chunks": (5, 5), "shuffle": True},
        {"maxshape": (None, 11)},
    ):
        file.create_dataset(
            "chunked " + " ".join(map(str, options.items())), data=values, **options
        )


def unwritten(file: Any) -> None:
    for dtype in ("f4", ">f8", "u1", ">i4", "?"):
        for fill in (None, 0, 1):
            name = f"of {dtype} {fill}"
            file.create_dataset(f"whole {name}", (3, 2), dtype, fillvalue=fill)
            part = file.create_dataset(name, (30, 2), dtype, chunks=(10, 2), fillvalue=fill)
            part[15] = 0
    file.create_dataset("scalar", (), "f4", fillvalue=2.5)


def names(file: Any) -> None:
    file.attrs["text"] = "één " * 5000
    file.attrs["bytes"] = np.bytes_(b"fixed")
    file.attrs["list"] = np.array(["a", "bb", ""], h5py.string_dtype())
    file.attrs["number"] = np.int64(-3)
    file.attrs["numbers"] = np.arange(6.0).reshape(2, 3)
    for i in range(300):
        group = file.create_group(f"layers/dense_{i}/vars")
        group.attrs["name"] = f"dense {i}"
        group["0"] = np.full(3, i, "f4")


@pytest.mark.parametrize("fill", [arrays, unwritten, names])
def test_the_same_as_by_the_library(fill: Any) -> None:
    content = written(fill)
    with h5py.File(content, "r") as expected:
        root = read(content)
        if fill is names:
            assert root.attrs.pop("bytes") == "fixed"
            assert list(root.attrs.pop("list")) == ["a", "bb", ""]
            rest = {k: v for k, v in expected.attrs.items() if k not in ("bytes", "list")}
            assert root.attrs.keys() == rest.keys()
            np.testing.assert_array_equal(root.attrs["numbers"], rest["numbers"])
            assert root.attrs["text"] == rest["text"]
            assert root["layers/dense_299/vars"].attrs["name"] == "dense 299"
            assert_same(root["layers"], expected["layers"])
        else:
            assert_same(root, expected)


def test_what_old_files_are_filled_with() -> None:
    content = written(lambda f: f.create_dataset("a", (4,), "f4", fillvalue=7))
    data = content.getvalue()
    message = struct.pack("<HH", 5, 16)  # beside it is the one that versions before 1.6 read
    old = io.BytesIO(data.replace(message, struct.pack("<HH", 0, 16)))
    assert data.count(message) == 1
    with h5py.File(old) as expected:
        assert_same(read(old), expected)
        np.testing.assert_array_equal(expected["a"], [7] * 4)


def test_later_forms_are_converted(tmp_path: Path) -> None:
    model = Sequential([layers.Input((4,)), layers.Dense(3)])
    model.save_weights(tmp_path / "old.weights.h5")
    with (
        h5py.File(tmp_path / "old.weights.h5") as old,
        h5py.File(tmp_path / "new.weights.h5", "w", libver="latest", track_order=True) as new,
    ):
        for name in old:
            old.copy(name, new)
    with (tmp_path / "new.weights.h5").open("rb") as file, pytest.raises(UnsupportedError):
        read(file)
    other = Sequential([layers.Input((4,)), layers.Dense(3)])
    other.load_weights(tmp_path / "new.weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["soft", "external", "virtual", "objects", "large", "crash"])
def test_what_is_refused_in_later_forms(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["a"] = np.ones(3)
        if kind == "soft":
            file["b"] = h5py.SoftLink("/a")
        elif kind == "external":
            file["b"] = h5py.ExternalLink("/etc/passwd", "x")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((3,), "f8")
            layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
            file.create_virtual_dataset("b", layout)
        elif kind == "objects":
            file["b"] = np.array(["text"], h5py.string_dtype())
        elif kind == "large":
            file.create_dataset("b", (2**40,), "f8", chunks=(2**10,))
    if kind == "crash":
        path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ValueError), opened(path):
        pass


def forged(change: Callable[[bytearray], None]) -> io.BytesIO:
    content = bytearray(
        written(lambda f: f.create_dataset("a/b", data=np.ones(4), fillvalue=7)).getvalue()
    )
    change(content)
    return io.BytesIO(bytes(content))


def put(form: str, find: bytes, offset: int, value: int) -> Callable[[bytearray], None]:
    return lambda content: struct.pack_into(form, content, content.index(find) + offset, value)


@pytest.mark.parametrize(
    "change",
    [
        put("<Q", b"TREE", 24 + 8, 96),  # a tree that leads to a group's header
        put("<H", b"TREE", 6, 65535),  # entries beyond the file
        put("<Q", b"HEAP", 8, 2**62),  # names beyond the file
        put("<Q", b"HEAP", 24, 2**64 - 8),
        put("<H", b"SNOD", 6, 60000),
        put("<Q", b"SNOD", 16, 96),  # a group that holds the root
        put("<Q", b"SNOD", 8, 2**40),  # a name outside of its heap
        put("<I", struct.pack("<Id", 8, 7), 0, 4),  # an element filled with half of one
        put("<I", struct.pack("<Id", 8, 7), 0, 2**32 - 1),
    ],
)
def test_damage_is_named(change: Any) -> None:
    with pytest.raises(ValueError):
        read(forged(change))


def test_every_byte_may_be_wrong() -> None:
    """An error or some content, in bounded time and memory, whatever byte is changed."""
    model = Sequential([layers.Input((2,)), layers.Dense(1)])
    content = written(lambda f: f.create_dataset("x/y", data=model.get_weights()[0], chunks=(1, 1)))
    original, outcomes = content.getvalue(), set()

    def walk(group: Group) -> None:
        for name in group:
            item = group[name]
            walk(item) if isinstance(item, Group) else item[()]

    for at in range(len(original)):
        damaged = bytearray(original)
        damaged[at] ^= 0xFF
        try:
            walk(read(io.BytesIO(bytes(damaged))))
            outcomes.add("read")
        except ValueError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_a_file_does_not_ask_for_more_than_it_holds(tmp_path: Path) -> None:
    array: npt.NDArray[Any] = np.ones((2, 2), "f4")
    content = written(lambda f: f.create_dataset("w", data=array, chunks=(2, 2)))
    data = bytearray(content.getvalue())
    claimed = struct.pack("<QQ", 2, 2)
    at = data.index(claimed)
    data[at : at + 16] = struct.pack("<QQ", 2**20, 2**20)
    with pytest.raises(ValueError, match="claims"):
        read(io.BytesIO(bytes(data)))
