"""Files made to do harm: bombs, links, climbing names, code, sizes that are lies."""

import builtins
import gzip
import io
import json
import pickle
import stat
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv import layers
from fastconv.datasets import cifar, idx, pickles, pima
from fastconv.models import Sequential, load_model, model_from_json
from fastconv.saving import deserialize_keras_object
from fastconv.utils import load_img
from fastconv.utils.file_utils import extract_archive

BOMB = 1 << 29


def zeros(count: int) -> Any:
    """A file of zeros that is never whole in memory."""

    class Zeros(io.RawIOBase):
        left = count

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), self.left)
            buffer[:size] = bytes(size)
            self.left -= size
            return size

    return io.BufferedReader(Zeros())


def saved(path: Path) -> Any:
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    model.save(path)
    return model


def test_an_archive_bomb_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    saved(path)
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        with archive.open("model.weights.h5", "w", force_zip64=True) as member:
            source = zeros(BOMB)
            while block := source.read(1 << 20):
                member.write(block)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 claims"):
        load_model(path)


@pytest.mark.parametrize("units", [10**9, 2**31, 2**62, 2**70])
def test_a_config_that_asks_for_the_whole_memory(tmp_path: Path, units: int) -> None:
    for name in ("m.keras", "m.h5"):
        path = tmp_path / name
        saved(path)
        if name == "m.h5":
            import h5py

            with h5py.File(path, "a") as file:
                text = file.attrs["model_config"].replace('"units": 2', f'"units": {units}')
                file.attrs["model_config"] = text
        else:
            with zipfile.ZipFile(path) as archive:
                members = {n: archive.read(n) for n in archive.namelist()}
            members["config.json"] = members["config.json"].replace(
                b'"units": 2', f'"units": {units}'.encode()
            )
            with zipfile.ZipFile(path, "w") as archive:
                for member, content in members.items():
                    archive.writestr(member, content)
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            load_model(path)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.models", "load_model"),
        ("keras.models", "save_model"),
        ("keras.activations", "get"),
        ("keras.losses", "deserialize"),
        ("keras.initializers", "np"),
        ("keras.initializers", "math"),
        ("keras.layers", "activation"),
        ("keras.activations", "deserialize_keras_object"),
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("fastconv.utils", "get_file"),
    ],
)
def test_names_that_are_no_function_of_tensors(module: str, name: str) -> None:
    entry = {"module": module, "class_name": "function", "config": name, "registered_name": name}
    with pytest.raises(ValueError, match="unknown function"):
        deserialize_keras_object(entry)
    entry = {"module": module, "class_name": name, "config": {}, "registered_name": None}
    with pytest.raises(ValueError, match="unknown class"):
        deserialize_keras_object(entry)
    layer = {"class_name": "Lambda", "config": {"function": name, "name": "f"}}
    with pytest.raises(ValueError, match="unknown"):
        deserialize_keras_object(layer)


@pytest.mark.parametrize("dtype", ["O", "U100000000", "S1000000000", "f4,f4", "nonsense"])
def test_arrays_in_a_config_are_of_numbers(dtype: str) -> None:
    entry = {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": dtype}}
    with pytest.raises((ValueError, TypeError)):
        deserialize_keras_object(entry)


def test_a_config_nested_without_end() -> None:
    for text in ("[" * 10**6, '{"config":' * 10**5, "9" * 10**5):
        with pytest.raises(ValueError):
            model_from_json(text)


class Harm:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


def test_pickles_that_call(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for call in (
        (builtins.eval, (f"open({str(mark)!r}, 'w')",)),
        (open, (str(mark), "w")),
        (exec, ("pass",)),
    ):
        for protocol in range(5):
            with pytest.raises(ValueError, match="call of"):
                pickles.loads(pickle.dumps(Harm(*call), protocol=protocol))
    assert not mark.exists()


def test_pickles_that_grow() -> None:
    encode = b"c_codecs\nencode\nq\x00"
    text = b"X" + struct.pack("<I", 1 << 16) + b"a" * (1 << 16) + b"q\x01"
    one = b"h\x00h\x01X\x06\x00\x00\x00latin1\x86R"
    with pytest.raises(ValueError, match="far beyond"):
        pickles.loads(b"\x80\x02" + encode + text + one * 1000 + b".")
    nested = b"\x80\x02}" + b")" + b"\x85" * 10**6 + b"K\x01s."  # a key of nested tuples
    with pytest.raises(ValueError, match="key"):
        pickles.loads(nested)
    many = b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(20_000))
    with pytest.raises(ValueError, match="too many keys"):
        pickles.loads(b"\x80\x02}(" + many + b"u.")
    shape = pickle.dumps(np.zeros((2, 3), np.uint8), protocol=2).replace(
        b"K\x02K\x03\x86", b"\x8a\x09" + b"\xff" * 8 + b"\x01K\x03\x86"
    )
    with pytest.raises(ValueError):
        pickles.loads(shape)


def packed(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_archives_that_lead_outside(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    hard = tarfile.TarInfo("hard")
    hard.type, hard.linkname = tarfile.LNKTYPE, "../secret"
    device = tarfile.TarInfo("device")
    device.type = tarfile.CHRTYPE
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        for member in (link, hard, device, *map(tarfile.TarInfo, ("../up", "/abs", "a/../../b"))):
            path = packed(tmp_path / "a", [(tarfile.TarInfo("first"), b"x"), (member, b"")], mode)
            with pytest.raises(ValueError):
                extract_archive(path, folder)
    zipped = tmp_path / "a.zip"
    for name, bits in (("link", stat.S_IFLNK), ("../up", 0), ("/abs", 0), ("c:/windows", 0)):
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("first", "x")
            info = zipfile.ZipInfo(name)
            info.external_attr = (bits | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
        with pytest.raises(ValueError):
            extract_archive(zipped, folder)
    assert not folder.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.zip"]


@pytest.mark.parametrize("kind", ["zip", "member", "header"])
def test_archive_bombs(tmp_path: Path, kind: str) -> None:
    path, folder = tmp_path / "bomb", tmp_path / "folder"
    if kind == "zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("zeros", "w") as member,
        ):
            source = zeros(BOMB)
            while block := source.read(1 << 20):
                member.write(block)
    else:
        with gzip.open(path, "wb", compresslevel=1) as content:
            info = tarfile.TarInfo("zeros")
            info.size = BOMB
            if kind == "header":  # of the extended kind, which is read as a whole
                info.type = tarfile.XHDTYPE
            content.write(info.tobuf(tarfile.USTAR_FORMAT))
            source = zeros(BOMB)
            while block := source.read(1 << 20):
                content.write(block)
    with pytest.raises(ValueError):
        extract_archive(path, folder)
    assert not folder.exists()
    if kind == "header":
        read = cifar.binary_reader(1, 0, 10)
        with pytest.raises(ValueError):
            cifar.archive_layout("c", "f", ("a", "b"), read).read([path])


def holes(name: str, size: int, kind: str) -> bytes:
    """A tar archive of a file of so many bytes, of which only the last 512 are there."""
    info = tarfile.TarInfo(name)
    data = bytes(512)
    if kind == "pax":
        info.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.size": str(size),
            "GNU.sparse.map": f"{size - 512},512",
        }
        info.size = 512
        return info.tobuf(tarfile.PAX_FORMAT) + data + bytes(10240)
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for at, number in ((386, size - 512), (398, 512), (483, size)):
        header[at : at + 12] = b"\x80" + number.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data + bytes(10240)


@pytest.mark.parametrize("size", [1 << 40, 1 << 12])
@pytest.mark.parametrize("kind", ["gnu", "pax"])
def test_archives_with_holes(tmp_path: Path, kind: str, size: int) -> None:
    path, folder = tmp_path / "bomb", tmp_path / "folder"
    path.write_bytes(holes("f/a", size, kind))
    with tarfile.open(path) as tar:
        assert [member.size for member in tar] == [size]
    with pytest.raises(ValueError, match=r"bomb: 'f/a' is a file with holes"):
        extract_archive(path, folder)
    assert not folder.exists()
    packed = tmp_path / "c"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ValueError, match="claims"):
        cifar.archive_layout("c", "f", ("a", "b"), cifar.binary_reader(1, 0, 10)).read([packed])


@pytest.mark.parametrize("kind", ["tar", "gz", "zip", "tar.xz"])
def test_damaged_archives(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", "text" * 1000)
    else:
        packed(path, [(tarfile.TarInfo("a"), b"text" * 1000)], {"tar": "w"}.get(kind, "w:gz"))
    content = path.read_bytes()
    for cut in (10, len(content) // (20 if kind == "tar" else 2)):
        path.write_bytes(content[:cut])
        with pytest.raises(ValueError):
            extract_archive(path, tmp_path / "folder")


def test_an_idx_header_that_lies(tmp_path: Path) -> None:
    path = tmp_path / "idx"
    for count in (2**31, 2**32 - 1, 10**7):
        path.write_bytes(bytes((0, 0, 8, 3)) + np.array([count, 28, 28], ">u4").tobytes())
        with pytest.raises(ValueError):
            idx.read_idx(path, (28, 28))
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(bytes((0, 0, 8, 1)) + np.array([5], ">u4").tobytes() + bytes(1 << 22))
    with pytest.raises(ValueError, match="more than the 5 bytes"):
        idx.read_idx(path, ())


def test_an_npz_header_that_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for shape in ((2**40, 28, 28), (2**62, 2**62, 28), (-1, 28, 28)):
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(118)
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x_train.npy", content)
        with pytest.raises(ValueError, match=r"a\.npz"):
            idx.read_npz([path])


def test_a_table_of_anything(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for content in (b"\xff\xfe", b'"' + b"a" * 200_000, b"1,2\n", b"", b"1,2,3,4,5,6,7,8,2\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"t\.csv"):
            pima.read_csv([path])


def test_pictures_that_are_programs_or_bombs() -> None:
    pytest.importorskip("PIL")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) run\n%%EOF\n"
    chunk = struct.pack(">II", 60_000, 60_000) + bytes((8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + chunk + bytes(4)
    for content in (script, png, b"", b"GIF89a", b"BM" + bytes(60), b"\xff\xd8\xff\xe0" * 9):
        with pytest.raises(ValueError, match="not a readable picture"):
            load_img(io.BytesIO(content))


def test_notebooks_of_anything(tmp_path: Path) -> None:
    from fastconv.compat.notebook import code_cells

    path = tmp_path / "n.ipynb"
    for content in (
        "[" * 10**5,
        json.dumps({"cells": 3}),
        json.dumps({"cells": [{"cell_type": "code", "source": [1]}]}),
        json.dumps({"cells": [{"cell_type": "code", "source": 1}]}),
        "\x00",
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match="is no notebook"):
            code_cells(path)
