"""Files made to do harm: bombs, links, climbing names, code, sizes that are lies."""

import builtins
import gzip
import io
import pickle
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
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
    with pytest.raises(ValueError, match="bomb: "):
        extract_archive(path, folder)
    assert not folder.exists()
    if kind == "header":
        read = cifar.binary_reader(1, 0, 10)
        with pytest.raises(ValueError, match="bomb: "):
            cifar.archive_layout("c", "f", ("a", "b"), read).read([path])


def pax(name: str, data: bytes, **headers: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.pax_headers = {key.replace("_", "."): value for key, value in headers.items()}
    info.size = len(data)
    return info.tobuf(tarfile.PAX_FORMAT) + data + bytes(10240)


def holes(name: str, size: int, kind: str) -> bytes:
    """A tar archive of a file of so many bytes, of which only the last 512 are there."""
    data, at, all_of_it = bytes(512), str(size - 512), str(size)
    if kind == "0.0":
        block = {"GNU_sparse_offset": at, "GNU_sparse_numbytes": "512"}
        return pax(name, data, GNU_sparse_size=all_of_it, GNU_sparse_numblocks="1", **block)
    if kind == "0.1":
        version = {"GNU_sparse_major": "0", "GNU_sparse_minor": "1"}
        return pax(name, data, GNU_sparse_size=all_of_it, GNU_sparse_map=f"{at},512", **version)
    if kind == "1.0":
        version = {"GNU_sparse_major": "1", "GNU_sparse_minor": "0"}
        data = f"1\n{at}\n512\n".encode().ljust(512, b"\0") + data
        return pax(name, data, GNU_sparse_realsize=all_of_it, **version)
    info = tarfile.TarInfo(name)
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for place, number in ((386, size - 512), (398, 512), (483, size)):
        header[place : place + 12] = b"\x80" + number.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data + bytes(10240)


@pytest.mark.parametrize("size", [1 << 40, 1 << 12])
@pytest.mark.parametrize("kind", ["gnu", "0.0", "0.1", "1.0"])
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
    with pytest.raises(ValueError, match="c: f/a is a file with holes"):
        cifar.archive_layout("c", "f", ("a", "b"), cifar.binary_reader(1, 0, 10)).read([packed])


@pytest.mark.parametrize(
    ("headers", "match"),
    [
        ({"GNU_sparse_realsize": str(1 << 40)}, "claims"),
        ({"size": "-5"}, "'f/c' claims -5 bytes"),
        ({"GNU_sparse_size": "x"}, r"damaged \(invalid literal"),
        ({"GNU_sparse_size": "9", "GNU_sparse_map": "x,1"}, r"damaged \(invalid literal"),
        ({"GNU_sparse_major": "1", "GNU_sparse_minor": "0"}, r"damaged \(not enough values"),
    ],
)
def test_archives_whose_sizes_are_lies(tmp_path: Path, headers: dict[str, str], match: str) -> None:
    path, folder = tmp_path / "bomb", tmp_path / "folder"
    path.write_bytes(pax("f/c", bytes(512), **headers))
    with pytest.raises(ValueError, match=rf"bomb: .*({match})"):
        extract_archive(path, folder)
    assert not folder.exists()
    path.write_bytes(gzip.compress(pax("f/a", bytes(512), **headers)))
    with pytest.raises(ValueError, match="bomb: "):
        cifar.archive_layout("c", "f", ("a", "b"), cifar.binary_reader(1, 0, 10)).read([path])


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


def png_header(width: int, height: int, kind: int) -> bytes:
    """A PNG that ends where its pixels should begin."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">II", width, height) + bytes((8, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def icon_of(content: bytes) -> bytes:
    head = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(content), 22)
    return head + content


def load_without_warnings(path: Any, color_mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own, of a size that it takes all the same
        load_img(path, color_mode)


@pytest.mark.parametrize(
    ("width", "height", "kind", "color_mode", "pixel"),
    [
        (13_000, 13_000, 2, "rgb", 3),
        (13_000, 13_000, 2, "grayscale", 3),
        (13_000, 13_000, 6, "rgb", 4),
        (13_000, 13_000, 0, "rgb", 3),
        (13_000, 13_000, 0, "rgba", 4),
        (9_500, 9_500, 2, "rgb", 3),
    ],
)
def test_pictures_far_larger_than_their_file(
    tmp_path: Path, width: int, height: int, kind: int, color_mode: str, pixel: int
) -> None:
    pytest.importorskip("PIL")
    path = tmp_path / "p.png"
    path.write_bytes(png_header(width, height, kind))
    size, bound = f"{width * height * pixel:,}", f"{(1 << 28) + 100 * path.stat().st_size:,}"
    match = f"{width:,} x {height:,} pixels of {pixel} bytes, {size} in all, more than the {bound}"
    with pytest.raises(ValueError, match=rf"p\.png.*{match}"):
        load_without_warnings(path, color_mode)
    with pytest.raises(ValueError, match=match):
        load_without_warnings(io.BytesIO(path.read_bytes()), color_mode)


def test_icons_far_larger_than_their_file() -> None:
    pytest.importorskip("PIL")
    bitmap = struct.pack("<IIiHHIIIIII", 40, 13_000, 26_000, 1, 32, 0, 0, 0, 0, 0, 0)
    upside_down = struct.pack("<IIiHHIIIIII", 40, 13_000, -26_000, 1, 32, 0, 0, 0, 0, 0, 0)
    old = struct.pack("<IHHHH", 12, 13_000, 26_000, 1, 24) + bytes(32)
    for inside in (png_header(13_000, 13_000, 6), bitmap, upside_down, old):
        with pytest.raises(ValueError, match=r"13,000 x 13,000 pixels .* more than the 268,"):
            load_without_warnings(io.BytesIO(icon_of(inside)), "rgb")


def test_large_pictures_within_the_bound(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "p.png"
    image.new("L", (9_000, 9_000)).save(path, compress_level=1)  # 243 MB of RGB
    assert load_img(path, target_size=(2, 2)).size == (2, 2)
    out = io.BytesIO()
    image.new("RGBA", (256, 256), "red").save(out, "ICO")
    assert load_img(out).getpixel((0, 0)) == (255, 0, 0)
