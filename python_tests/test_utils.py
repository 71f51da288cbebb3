"""Helpers around models."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import fastconv
from fastconv import utils
from fastconv.datasets import store
from fastconv.utils import file_utils, plots


@pytest.mark.parametrize("labels", [[0, 2, 1], [[0], [2], [1]], np.array([0.0, 2.0, 1.0])])
def test_to_categorical(labels: Any) -> None:
    result = utils.to_categorical(labels)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, np.eye(3)[[0, 2, 1]])
    np.testing.assert_array_equal(utils.to_categorical(labels, 5), np.eye(5)[[0, 2, 1]])


def test_to_categorical_keeps_leading_dimensions() -> None:
    labels = np.arange(12).reshape(2, 3, 2) % 4
    assert utils.to_categorical(labels, 4).shape == (2, 3, 2, 4)
    assert utils.to_categorical(3).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 3], 3, r"must be in \[0, 3\), got 0 to 3"),
        ([-1, 0], 3, r"must be in \[0, 3\), got -1 to 0"),
        ([0.5], 3, "whole numbers"),
        ([np.nan], 3, "whole numbers"),
        (["a"], 3, "must be integers"),
        ([], None, "no labels"),
    ],
)
def test_to_categorical_refuses(labels: Any, classes: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        utils.to_categorical(labels, classes)


def test_normalize() -> None:
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, axis=0, order=1), [[1, 1], [0, 0]])


def test_a_data_set_hands_out_batches() -> None:
    class Pairs(utils.PyDataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> tuple[int, int]:
            return index, index + 10

    assert list(Pairs()) == [(0, 10), (1, 11)]
    assert Pairs().num_batches == 2
    assert utils.Sequence is utils.PyDataset
    with pytest.raises(NotImplementedError, match="PyDataset must define __len__"):
        len(utils.PyDataset())
    with pytest.raises(ValueError, match="max_queue_size must be at least 1, got 0"):
        Pairs(max_queue_size=0)


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCONV_HOME", "/a")
    assert file_utils.cache_dir() == Path("/a")
    monkeypatch.delenv("FASTCONV_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert file_utils.cache_dir() == Path("/b/fastconv")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert file_utils.cache_dir() == Path.home() / ".cache" / "fastconv"


def test_get_file_fetches_checks_and_unpacks(tmp_path: Path) -> None:
    source = tmp_path / "source" / "data.zip"
    source.parent.mkdir()
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("inside/a.txt", "hello")
    digest = file_utils.checksum(source)
    cache = tmp_path / "cache"
    path = utils.get_file(origin=source.as_uri(), file_hash=digest, cache_dir=cache)
    assert Path(path) == cache / "datasets" / "data.zip"
    assert file_utils.checksum(Path(path)) == digest

    Path(path).write_bytes(b"damaged")  # fetched again, as its checksum is another
    folder = utils.get_file(origin=source.as_uri(), file_hash=digest, cache_dir=cache, extract=True)
    assert (Path(folder) / "inside" / "a.txt").read_text() == "hello"

    source.unlink()
    assert utils.get_file(origin=source.as_uri(), cache_dir=cache) == path
    with pytest.raises(OSError, match=r"data\.zip"):
        utils.get_file(origin=source.as_uri(), cache_dir=cache, force_download=True)
    assert file_utils.checksum(Path(path)) == digest  # a failed download leaves the old file


def test_where_the_home_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "data.txt"
    source.write_text("kept")
    monkeypatch.setenv("FASTCONV_HOME", "/proc/none")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spare = tmp_path / f"fastconv-{os.getuid()}"
    assert file_utils.cache_dirs() == [Path("/proc/none")]
    path = utils.get_file(origin=source.as_uri())
    assert Path(path) == spare / "datasets" / "data.txt"
    assert spare.stat().st_mode & 0o777 == 0o700
    source.unlink()
    assert utils.get_file(origin=source.as_uri()) == path
    assert ("fastconv's cache", spare / "datasets") in store.data_folders()

    spare.chmod(0o777)  # others could have put files there
    with pytest.raises(PermissionError, match=r"/proc/none cannot be written to.*FASTCONV_HOME"):
        utils.get_file(origin=source.as_uri())
    assert file_utils.cache_dirs() == [Path("/proc/none")]
    with pytest.raises(FileNotFoundError, match=r"not a folder of this user's alone"):
        store.load("toy", [], [store.Remote("a", (source.as_uri(),), "0" * 32)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs the URL"),
        ({"origin": "https://x.org/a", "fname": "../a"}, "plain name"),
        ({"origin": "https://x.org/a", "file_hash": "12"}, "32 .* or 64"),
        ({"origin": "https://x.org/a", "hash_algorithm": "crc"}, "got 'crc'"),
        (
            {"origin": "https://x.org/a", "file_hash": "0" * 32, "hash_algorithm": "sha256"},
            "no sha256",
        ),
    ],
)
def test_get_file_refuses(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        utils.get_file(**arguments, cache_dir=tmp_path)


def test_a_part_of_a_file_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer(io.BytesIO):
        headers: ClassVar = {"Content-Length": "1000000"}

    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: Answer(b"a" * 1000))
    with pytest.raises(OSError, match=r"https://x\.org/a: 1,000 of 1,000,000 bytes came"):
        utils.get_file(origin="https://x.org/a", cache_dir=tmp_path)
    assert list((tmp_path / "datasets").iterdir()) == []


def test_a_wrong_checksum_leaves_no_file(tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(b"1234")
    with pytest.raises(ValueError, match=r"a\.bin: its md5 is .* expected 0000"):
        utils.get_file(origin=source.as_uri(), md5_hash="0" * 32, cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache" / "datasets").iterdir()) == []


def tar_with(path: Path, info: tarfile.TarInfo, content: bytes = b"") -> Path:
    with tarfile.open(path, "w") as tar:
        good = tarfile.TarInfo("good.txt")
        tar.addfile(good, io.BytesIO())
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:\\evil", "..\\evil"])
def test_an_archive_cannot_climb_out(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    path = tar_with(tmp_path / "a.tar", tarfile.TarInfo(name), b"x")
    with pytest.raises(ValueError, match=r"a\.tar: .* leads outside"):
        file_utils.extract_archive(path, folder)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(ValueError, match=r"a\.zip: .* leads outside"):
        file_utils.extract_archive(tmp_path / "a.zip", folder)
    assert not folder.exists()


def test_an_archive_with_links_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path = tar_with(tmp_path / "a.tar", info)
    with pytest.raises(ValueError, match="'link' is neither a file nor a folder"):
        file_utils.extract_archive(path, tmp_path / "folder")
    path.write_bytes(b"nothing packed")
    with pytest.raises(ValueError, match="neither a tar nor a zip"):
        file_utils.extract_archive(path, tmp_path / "folder")


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    history = {"loss": [2.0, 1.0], "accuracy": [0.2, 0.7], "val_loss": [2.1, 1.2]}
    matrix = plots.confusion_matrix([0, 1, 2, 2], [0, 2, 2, 2], 3)
    assert matrix.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 2]]
    for path in (
        plots.curves(history, tmp_path / "new" / "curves.png", "title"),
        plots.confusion(matrix, tmp_path / "confusion.png", ["cat", "dog", "a long name"]),
        plots.confusion(np.eye(100, dtype=np.int64), tmp_path / "hundred.png"),
    ):
        with image.open(path) as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 5
    with pytest.raises(ValueError, match="the history is empty"):
        plots.curves({}, tmp_path / "x.png")


def test_pictures_of_filters_maps_and_mistakes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    images, labels = rng.random((9, 8, 8)), np.arange(9) % 3
    probabilities = np.eye(3)[(labels + (np.arange(9) > 4)) % 3]
    for path in (
        plots.filters(rng.normal(size=(3, 3, 1, 12)), tmp_path / "filters.png"),
        plots.filters(rng.normal(size=(5, 5, 3, 1)), tmp_path / "one.png"),
        plots.feature_maps(np.zeros((6, 6, 4)), tmp_path / "maps.png", columns=2),
        plots.misclassified(images, labels, probabilities, tmp_path / "wrong.png", ["a", "b", "c"]),
    ):
        with image.open(path) as picture:
            assert min(picture.size) > 100
    with pytest.raises(ValueError, match="nothing was misclassified"):
        plots.misclassified(images, labels, labels, tmp_path / "x.png")
    with pytest.raises(ValueError, match="9 images, 9 labels and 2 predictions"):
        plots.misclassified(images, labels, [0, 1], tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"kernel must be .* got shape \(3, 3\)"):
        plots.filters(np.zeros((3, 3)), tmp_path / "x.png")
    with pytest.raises(ValueError, match="maps must be"):
        plots.feature_maps(np.zeros((3, 3)), tmp_path / "x.png")


def test_models_and_histories_are_tables_in_notebooks(tmp_path: Path) -> None:
    model = fastconv.Sequential([fastconv.Input((2,)), fastconv.layers.Dense(3, name="a<b")])
    assert "a&lt;b (Dense)" in model._repr_html_()
    assert "Total params: 9" in model._repr_html_()
    assert fastconv.Sequential([fastconv.layers.Dense(3)])._repr_html_().startswith("<pre>")
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(np.ones((4, 2)), np.ones((4, 3)), epochs=2, verbose=0)
    table = history._repr_html_()
    assert table.count("<tr>") == 3
    assert "<th>epoch</th><th>loss</th><th>mae</th>" in table.replace(
        "<th>mae</th><th>loss</th>", "<th>loss</th><th>mae</th>"
    )
    if plots.available():
        assert history.plot(tmp_path / "curves.png").stat().st_size > 5000


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "available", lambda: False)
    with pytest.raises(ImportError, match=r"fastconv\[plots\]"):
        plots.figure()
