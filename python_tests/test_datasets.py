"""Data sets: what a whole one looks like, where it is looked for, and how damage is told."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import urllib.error
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv.datasets import cifar10, cifar100, digits, fashion_mnist, idx, mnist, pickles, pima
from fastconv.datasets.store import Remote, load
from fastconv.utils import file_utils

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """FASTCONV_DATA; the caches are empty and there is no network."""
    monkeypatch.setenv("FASTCONV_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("FASTCONV_DATA", str(tmp_path / "data"))

    def refuse(url: str, timeout: float) -> Any:
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, packed: bool = True) -> list[np.ndarray]:
    arrays = []
    for name, count in zip(idx.FILES, (6, 6, 4, 4), strict=True):
        high, shape = (256, (count, 28, 28)) if "images" in name else (10, (count,))
        array = RNG.integers(0, high, shape).astype(np.uint8)
        data = idx_bytes(array)
        if packed:
            put(folder / f"{name}.gz", gzip.compress(data))
        else:
            put(folder / name, data)
        arrays.append(array)
    return arrays


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("module", "name"),
    [(mnist, "mnist"), (mnist, "MNIST/raw"), (fashion_mnist, "fashion-mnist")],
)
def test_idx_files_are_read(module: Any, name: str, packed: bool, folder: Path) -> None:
    arrays = write_idx(folder / name, packed)
    (x_train, y_train), (x_test, y_test) = module.load_data()
    for got, wanted in zip((x_train, y_train, x_test, y_test), arrays, strict=True):
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, wanted)


def test_keras_npz_is_read_and_found_in_its_cache(folder: Path) -> None:
    arrays = write_idx(folder.parent / "elsewhere")
    keys = ("x_train", "y_train", "x_test", "y_test")
    cache = folder.parent / "keras" / "datasets"
    cache.mkdir(parents=True)
    np.savez(cache / "mnist.npz", **dict(zip(keys, arrays, strict=True)))
    (x_train, _), (_, y_test) = mnist.load_data()
    np.testing.assert_array_equal(x_train, arrays[0])
    np.testing.assert_array_equal(y_test, arrays[3])


def test_the_named_folder_comes_before_the_caches(folder: Path) -> None:
    write_idx(file_utils.cache_dir() / "datasets" / "mnist")
    mine = write_idx(folder / "mnist")
    np.testing.assert_array_equal(mnist.load_data()[0][0], mine[0])


def damaged_idx(kind: str) -> bytes:
    good = idx_bytes(RNG.integers(0, 256, (6, 28, 28)).astype(np.uint8))
    return {
        "cut short": gzip.compress(good[:-5]),
        "cut gzip": gzip.compress(good)[:-40],
        "flipped": gzip.compress(good)[:-8] + b"\0" * 8,
        "no header": gzip.compress(good[:7]),
        "too long": gzip.compress(good + b"x"),
        "other magic": gzip.compress(b"\1" + good[1:]),
        "other shape": gzip.compress(idx_bytes(np.zeros((6, 27, 28), np.uint8))),
        "huge claim": gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 28, 28)),
        "empty": b"",
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        *("cut short", "cut gzip", "flipped", "no header", "too long", "other magic"),
        *("other shape", "huge claim", "empty"),
    ],
)
def test_a_damaged_idx_file_is_named(kind: str, folder: Path) -> None:
    write_idx(folder / "mnist")
    path = put(folder / "mnist" / "train-images-idx3-ubyte.gz", damaged_idx(kind))
    with pytest.raises(ValueError, match=str(path)):
        mnist.load_data()


def test_labels_must_fit_the_images(folder: Path) -> None:
    write_idx(folder / "mnist")
    path = folder / "mnist" / "t10k-labels-idx1-ubyte.gz"
    put(path, gzip.compress(idx_bytes(np.zeros(5, np.uint8))))
    with pytest.raises(ValueError, match=r"t10k-labels.*labels of shape \(5,\) for 4 images"):
        mnist.load_data()
    put(path, gzip.compress(idx_bytes(np.full(4, 10, np.uint8))))
    with pytest.raises(ValueError, match="a label 10, expected 0 to 9"):
        mnist.load_data()


def test_an_npz_with_a_pickled_object_is_refused(folder: Path) -> None:
    arrays = {k: np.zeros((2, 28, 28), np.uint8) for k in ("x_train", "x_test")}
    labels = np.array([{}, {}], dtype=object)
    np.savez(folder / "mnist.npz", **arrays, y_train=labels, y_test=labels, allow_pickle=True)
    with pytest.raises(ValueError, match=r"mnist\.npz"):
        mnist.load_data()
    put(folder / "mnist.npz", b"PK\3\4 nothing of the kind")
    with pytest.raises(ValueError, match=r"mnist\.npz"):
        mnist.load_data()


def cifar_batches(count: int = 3, label_bytes: int = 1) -> list[np.ndarray]:
    rows = RNG.integers(0, 256, (6, count, label_bytes + 3072)).astype(np.uint8)
    rows[:, :, :label_bytes] %= 10
    return list(rows)


def as_pixels(rows: np.ndarray) -> np.ndarray:
    return rows[..., -3072:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def python_batch(rows: np.ndarray, protocol: int = 2, **keys: Any) -> bytes:
    labels = {k: [int(n) for n in v] for k, v in keys.items()}
    return pickle.dumps({"data": rows[:, -3072:], **labels, "batch_label": "b"}, protocol)


def cifar10_names(suffix: str) -> list[str]:
    return [*(f"data_batch_{i}{suffix}" for i in range(1, 6)), f"test_batch{suffix}"]


def tar_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("form", ["binary", "python", "keras", "binary.tar.gz", "python.tar.gz"])
def test_cifar10_is_read_in_every_published_form(form: str, folder: Path) -> None:
    batches = cifar_batches()
    binary = {n: b.tobytes() for n, b in zip(cifar10_names(".bin"), batches, strict=True)}
    python = {
        n: python_batch(b, labels=b[:, 0]) for n, b in zip(cifar10_names(""), batches, strict=True)
    }
    if form == "binary.tar.gz":
        inside = {f"cifar-10-batches-bin/{n}": c for n, c in binary.items()}
        put(folder / "cifar-10-binary.tar.gz", tar_of(inside | {"../evil": b"x", "/abs": b"y"}))
    elif form == "python.tar.gz":
        inside = {f"cifar-10-batches-py/{n}": c for n, c in python.items()}
        put(folder / "cifar-10-python.tar.gz", tar_of(inside))
    else:
        at = {
            "binary": "cifar-10-batches-bin",
            "python": "cifar-10-batches-py",
            "keras": "cifar-10-batches-py-target_extracted/cifar-10-batches-py",
        }[form]
        for name, content in (binary if form == "binary" else python).items():
            put(folder / at / name, content)
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert x_train.dtype == y_train.dtype == x_test.dtype == y_test.dtype == np.uint8
    np.testing.assert_array_equal(x_train, np.concatenate([as_pixels(b) for b in batches[:5]]))
    np.testing.assert_array_equal(y_train, np.concatenate([b[:, :1] for b in batches[:5]]))
    np.testing.assert_array_equal(x_test, as_pixels(batches[5]))
    np.testing.assert_array_equal(y_test, batches[5][:, :1])
    assert not (folder.parent / "evil").exists()


@pytest.mark.parametrize("form", ["binary", "python"])
def test_cifar100_has_fine_and_coarse_labels(form: str, folder: Path) -> None:
    train, test = cifar_batches(label_bytes=2)[:2]
    for name, rows in (("train", train), ("test", test)):
        if form == "binary":
            put(folder / "cifar-100-binary" / f"{name}.bin", rows.tobytes())
        else:
            batch = python_batch(rows, coarse_labels=rows[:, 0], fine_labels=rows[:, 1])
            put(folder / "cifar-100-python" / name, batch)
    (x, fine), _ = cifar100.load_data()
    (_, coarse), _ = cifar100.load_data(label_mode="coarse")
    np.testing.assert_array_equal(x, as_pixels(train))
    np.testing.assert_array_equal(fine, train[:, 1:2])
    np.testing.assert_array_equal(coarse, train[:, :1])
    with pytest.raises(ValueError, match="label_mode must be 'fine' or 'coarse', got 'all'"):
        cifar100.load_data("all")


def test_damaged_cifar_files_are_named(folder: Path) -> None:
    for name, rows in zip(cifar10_names(".bin"), cifar_batches(), strict=True):
        put(folder / "cifar-10-batches-bin" / name, rows.tobytes())
    path = folder / "cifar-10-batches-bin" / "data_batch_3.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"data_batch_3\.bin: 9,119 bytes are no whole number"):
        cifar10.load_data()
    path.write_bytes(b"\x0b" + whole[1:])
    with pytest.raises(ValueError, match=r"data_batch_3\.bin: labels .* expected 0 to 9"):
        cifar10.load_data()


def test_a_damaged_archive_is_named(folder: Path) -> None:
    rows = cifar_batches()
    inside = {
        f"cifar-10-batches-bin/{n}": b.tobytes()
        for n, b in zip(cifar10_names(".bin"), rows, strict=True)
    }
    path = put(folder / "cifar-10-binary.tar.gz", tar_of(inside)[:-3000])
    with pytest.raises(ValueError, match=str(path)):
        cifar10.load_data()
    inside.popitem()
    put(path, tar_of(inside))
    with pytest.raises(ValueError, match=r"binary\.tar\.gz: no test_batch\.bin inside"):
        cifar10.load_data()


class Evil:
    """A pickle that would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must never be printed",)


EVIL = [
    pickle.dumps(Evil(), 2),
    pickle.dumps({"data": Evil()}, 4),
    pickle.dumps(OrderedDict(a=1), 2),
    pickle.dumps({1, 2}, 4),
    pickle.dumps(np.array([Evil()], dtype=object), 2),
    pickle.dumps(np.array(["text"]), 2),
    b"cos\nsystem\n(S'true'\ntR.",
    b"\x80\x02}q\x00(X\x04\x00\x00\x00dataq\x01",  # cut short
    b"\x80\x02" + b"r\xff\xff\xff\xff.",  # a memo of four thousand million entries
    b"\x80\x02B\xff\xff\xff\x7f.",  # bytes that are not there
    b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a bytearray of half the address space
    (  # a shape larger than its data
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00)R(K\x01J\xff\xff\xff\x7f\x85"
        b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85RK\x00C\x01atb."
    ),
    b"",
]


@pytest.mark.parametrize("data", EVIL)
def test_pickles_run_nothing(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not a pickle of plain data"):
        pickles.loads(data)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_pickles_of_plain_data_are_read(protocol: int) -> None:
    value = {
        "data": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "labels": [5, -1, 70000],
        b"key": ("text", 1.5, None, True),
    }
    got = pickles.loads(pickle.dumps(value, protocol))
    np.testing.assert_array_equal(got["data"], value["data"])
    assert got["labels"] == value["labels"]
    assert got["key"] == value[b"key"]


def test_python_batches_of_another_shape_are_refused(folder: Path) -> None:
    rows = cifar_batches()[0]
    for content, message in [
        (pickle.dumps([1, 2], 2), "no array 'data'"),
        (pickle.dumps({"data": np.zeros((2, 5), np.uint8), "labels": [1, 2]}, 2), "no array"),
        (python_batch(rows, labels=[1, 2]), "no list 'labels' of 3 labels"),
        (pickle.dumps({"data": rows[:, 1:], "labels": [1, "2", 3]}, 2), "no integer"),
        (pickle.dumps(Evil(), 2), "not a pickle of plain data"),
    ]:
        for name in cifar10_names(""):
            put(folder / "cifar-10-batches-py" / name, content)
        with pytest.raises(ValueError, match=f"data_batch_1: .*{message}"):
            cifar10.load_data()


def test_without_data_or_network_the_error_says_what_to_do(folder: Path) -> None:
    put(folder / "mnist" / "train-images-idx3-ubyte.gz", b"")
    with pytest.raises(FileNotFoundError) as caught:
        mnist.load_data()
    message = str(caught.value)
    assert f"{folder} (FASTCONV_DATA): there, but without mnist/train-labels-idx1-ubyte" in message
    assert str(file_utils.cache_dir() / "datasets") in message
    assert str(folder.parent / "keras" / "datasets") in message
    assert "https://ossci-datasets.s3.amazonaws.com/mnist/" in message
    assert "no network here" in message
    assert "mnist.npz" in message


class Answer(io.BytesIO):
    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.headers = {"Content-Length": str(len(content))}


def test_what_is_missing_is_downloaded_once(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    arrays = write_idx(folder.parent / "server")
    asked: list[str] = []

    def serve(url: str, timeout: float) -> Answer:
        asked.append(url)
        if "ossci" in url:
            raise urllib.error.URLError("the first mirror is down")
        return Answer((folder.parent / "server" / url.rpartition("/")[2]).read_bytes())

    monkeypatch.setattr("urllib.request.urlopen", serve)
    remotes = [
        Remote(r.file, r.urls, hashlib.md5(serve(r.urls[1], 0).getvalue()).hexdigest())
        for r in mnist.REMOTES
    ]
    asked.clear()
    for _ in range(2):
        (x, _), _ = load("mnist", mnist.LAYOUTS, remotes)
        np.testing.assert_array_equal(x, arrays[0])
    assert len(asked) == 8  # four files, two mirrors each, and nothing the second time


def test_a_download_with_another_checksum_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Answer(b"something else"))
    with pytest.raises(FileNotFoundError, match=r"its md5 is .*, expected f68b3c2d"):
        mnist.load_data()
    assert [p for p in file_utils.cache_dir().rglob("*") if p.is_file()] == []


def test_digits_are_in_the_package() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1437, 8, 8)
    assert x_test.shape == (360, 8, 8)
    assert x_train.dtype == y_train.dtype == np.uint8
    assert x_train.max() == 16
    counts = np.bincount(np.concatenate([y_train, y_test]))
    np.testing.assert_array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    again = digits.load_data()
    np.testing.assert_array_equal(x_test, again[1][0])
    means = np.stack([x_train[y_train == c].mean(axis=0).ravel() for c in range(10)])
    nearest = ((x_test.reshape(-1, 1, 64) - means) ** 2).sum(-1).argmin(axis=1)
    assert (nearest == y_test).mean() > 0.85


def test_pima_is_a_table(folder: Path) -> None:
    header = "Pregnancies,Glucose,BloodPressure,SkinThickness,Insulin,BMI,Pedigree,Age,Outcome\n"
    path = put(
        folder / "pima" / "diabetes.csv", f"{header}6,148,72,35,0,33.6,0.627,50,1\n".encode()
    )
    x, y = pima.load_data()
    np.testing.assert_array_equal(x, [[6, 148, 72, 35, 0, 33.6, 0.627, 50]])
    np.testing.assert_array_equal(y, [1])
    for line, message in [("1,2,3\n", "line 2: expected nine"), ("1,2,3,4,5,6,7,8,9\n", "0 or 1")]:
        path.write_text(header + line)
        with pytest.raises(ValueError, match=message):
            pima.load_data()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"pima/diabetes\.csv"):
        pima.load_data()
