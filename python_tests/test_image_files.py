"""Pictures in files: reading and writing them, and batches of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_keras import import_keras

import fastconv as keras
from fastconv.preprocessing import image, image_dataset_from_directory
from fastconv.preprocessing.image import ImageDataGenerator
from fastconv.utils.image_dataset_utils import ImageDataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("PIL")
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for i in range(5):
            picture = np.full((6, 8, 3), 50 * number + 10 * i, "uint8")
            image.save_img(tmp_path / name / f"{i}.png", picture, scale=False)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    return tmp_path


def test_pictures_are_written_and_read(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    x = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    path = tmp_path / "a.png"
    image.save_img(path, x, scale=False)
    back = image.load_img(path)
    assert back.size == (9, 8)
    np.testing.assert_array_equal(image.img_to_array(back), x)
    assert image.img_to_array(back, "channels_first").shape == (3, 8, 9)
    assert image.img_to_array(image.load_img(path, "grayscale", (4, 5))).shape == (4, 5, 1)
    assert image.img_to_array(image.load_img(path, "rgba")).shape == (8, 9, 4)
    from_bytes = image.load_img(io.BytesIO(path.read_bytes()), target_size=(4, 4))
    assert from_bytes.size == (4, 4)
    kept = image.load_img(path, target_size=(4, 4), keep_aspect_ratio=True)
    assert kept.size == (4, 4)
    stretched = np.asarray(image.array_to_img(np.array([[[1.0], [3.0]]])))
    np.testing.assert_array_equal(stretched, [[0, 255]])
    with pytest.warns(UserWarning, match="transparency"):
        image.save_img(tmp_path / "a.jpg", np.zeros((2, 2, 4)))


def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a readable picture"):
        image.load_img(bad)
    with pytest.raises(FileNotFoundError):
        image.load_img(tmp_path / "absent.png")
    with pytest.raises(ValueError, match="color_mode"):
        image.load_img(bad, "cmyk")
    with pytest.raises(TypeError, match="path"):
        image.load_img(3)
    with pytest.raises(ValueError, match="1, 3 or 4 channels"):
        image.array_to_img(np.zeros((2, 2, 2)))


def test_flow_from_directory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = ImageDataGenerator(rescale=1 / 255, validation_split=0.4)
    flow = generator.flow_from_directory(folder, target_size=(4, 5), batch_size=4, seed=1)
    assert "Found 10 images belonging to 2 classes." in capsys.readouterr().out
    assert flow.class_indices == {"cat": 0, "dog": 1}
    assert (flow.samples, flow.num_classes, flow.image_shape) == (10, 2, (4, 5, 3))
    np.testing.assert_array_equal(flow.classes, [0] * 5 + [1] * 5)
    assert flow.filenames[0] == "cat/0.png"
    x, y = next(flow)
    assert x.shape == (4, 4, 5, 3)
    assert y.shape == (4, 2)
    seen = flow.index_array[:4]
    np.testing.assert_array_equal(y.argmax(1), flow.classes[seen])
    np.testing.assert_allclose(x[:, 0, 0, 0] * 255, 50 * flow.classes[seen] + 10 * (seen % 5))
    for subset, count in (("training", 6), ("validation", 4)):
        part = generator.flow_from_directory(
            folder, (4, 4), subset=subset, class_mode="binary", color_mode="grayscale"
        )
        assert part.samples == count
        x, y = part[0]
        assert x.shape == (count, 4, 4, 1)
        np.testing.assert_array_equal(np.sort(y), np.sort(part.classes))
    only = generator.flow_from_directory(folder, classes=["dog"], class_mode=None)
    assert only[0].shape == (5, 256, 256, 3)
    with pytest.raises(FileNotFoundError, match="no folder 'cow'"):
        generator.flow_from_directory(folder, classes=["cow"])
    with pytest.raises(ValueError, match="class_mode"):
        generator.flow_from_directory(folder, class_mode="raw")


def test_changed_images_are_saved(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    flow = ImageDataGenerator().flow(
        np.ones((3, 4, 4, 3)), save_to_dir=out, save_prefix="a", seed=1
    )
    next(flow)
    assert len(list(out.glob("a_*.png"))) == 3


def test_flow_from_dataframe(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    names = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(5)]
    table = pandas.DataFrame(
        {"filename": [*names, "cat/9.png"], "class": ["cat"] * 5 + ["dog"] * 6, "w": range(11)}
    )
    generator = ImageDataGenerator()
    options = {"target_size": (3, 3), "shuffle": False, "batch_size": 20}
    with pytest.warns(UserWarning, match="names 1 files"):
        flow = generator.flow_from_dataframe(table, folder, weight_col="w", **options)
    x, y, w = flow[0]
    assert x.shape == (10, 3, 3, 3)
    np.testing.assert_array_equal(y.argmax(1), [0] * 5 + [1] * 5)
    np.testing.assert_array_equal(w, range(10))
    table = table.iloc[:10]
    raw = generator.flow_from_dataframe(table, folder, y_col="w", class_mode="raw", **options)
    np.testing.assert_array_equal(raw[0][1], range(10))
    several = generator.flow_from_dataframe(
        table, folder, y_col=["w", "w"], class_mode="multi_output", **options
    )
    assert [list(v) for v in several[0][1]] == [list(range(10))] * 2
    labels = [["cat"], ["cat", "dog"], *[["dog"]] * 8]
    many = generator.flow_from_dataframe(table.assign(**{"class": labels}), folder, **options)
    np.testing.assert_array_equal(many[0][1][:3], [[1, 0], [1, 1], [0, 1]])
    one = generator.flow_from_dataframe(
        table, folder, classes=["dog", "cow"], class_mode="sparse", **options
    )
    np.testing.assert_array_equal(one[0][1], [0] * 5)
    with pytest.raises(TypeError, match="must hold str"):
        generator.flow_from_dataframe(table, folder, y_col="w", class_mode="binary")
    with pytest.raises(ValueError, match="two classes, got 1"):
        generator.flow_from_dataframe(table, folder, classes=["dog"], class_mode="binary")


def test_image_dataset_from_directory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = image_dataset_from_directory(folder, image_size=(4, 4), batch_size=4, seed=1)
    assert "Found 10 files belonging to 2 classes." in capsys.readouterr().out
    assert data.class_names == ["cat", "dog"]
    epochs = [list(data) for _ in range(2)]
    assert [len(e) for e in epochs] == [3, 3]
    for epoch in epochs:
        x = np.concatenate([images for images, _ in epoch])[:, 0, 0, 0]
        y = np.concatenate([labels for _, labels in epoch])
        assert y.dtype == np.int32
        assert sorted(x) == sorted([10.0 * i for i in range(5)] + [50 + 10.0 * i for i in range(5)])
        np.testing.assert_array_equal(y[x > 40], 1)
    assert not np.array_equal(epochs[0][0][1], epochs[1][0][1]) or not np.array_equal(
        epochs[0][0][0], epochs[1][0][0]
    )
    options = {"validation_split": 0.3, "seed": 3, "image_size": 4, "verbose": False}
    parts = [
        image_dataset_from_directory(folder, subset=s, label_mode="categorical", **options)
        for s in ("training", "validation")
    ]
    assert [len(p.file_paths) for p in parts] == [7, 3]
    assert not set(parts[0].file_paths) & set(parts[1].file_paths)
    assert parts[0][0][1].shape == (7, 2)
    both = image_dataset_from_directory(folder, subset="both", label_mode="binary", **options)
    assert [p[0][1].shape for p in both] == [(7, 1), (3, 1)]
    none = image_dataset_from_directory(folder, labels=None, shuffle=False, image_size=(3, 3))
    assert none[0].shape == (10, 3, 3, 3)
    with pytest.raises(ValueError, match="needs a seed"):
        image_dataset_from_directory(folder, validation_split=0.2, subset="training")
    with pytest.raises(ValueError, match="10 whole numbers"):
        image_dataset_from_directory(folder, labels=[1, 2])


@pytest.mark.parametrize("subset", ["training", "validation"])
@pytest.mark.parametrize("labels", ["inferred", None])
def test_a_folder_is_split_as_by_keras(folder: Path, subset: str, labels: str | None) -> None:
    theirs = import_keras()
    pytest.importorskip("tensorflow")
    options = {"validation_split": 0.3, "subset": subset, "labels": labels, "verbose": False}
    own, expected = (
        module.utils.image_dataset_from_directory(str(folder), seed=3, image_size=4, **options)
        for module in (keras, theirs)
    )
    assert own.file_paths == expected.file_paths


def test_pictures_one_by_one_and_labels_of_ones_own(folder: Path) -> None:
    options = {"image_size": (4, 4), "shuffle": False, "verbose": False}
    one = image_dataset_from_directory(folder, batch_size=None, **options)
    assert len(one) == 10
    picture, label = one[9]
    assert (picture.shape, int(label)) == ((4, 4, 3), 1)
    with pytest.raises(IndexError, match="batch 10 of 10"):
        one[10]
    labels = [0, 2, 1, 0, 2, 1, 0, 2, 1, 0]
    given = image_dataset_from_directory(folder, labels, "categorical", batch_size=10, **options)
    np.testing.assert_array_equal(given[0][1], np.eye(3)[labels])
    assert given.class_names == ["0", "1", "2"]
    turned = image_dataset_from_directory(folder, class_names=["dog", "cat"], **options)
    np.testing.assert_array_equal(turned[0][1], [0] * 5 + [1] * 5)
    bare = image_dataset_from_directory(folder, label_mode=None, **options)
    assert bare[0].shape == (10, 4, 4, 3)
    assert bare.class_names is None


def test_fit_leaves_an_image_dataset_its_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    read = ImageDataset.__getitem__
    monkeypatch.setattr(
        ImageDataset, "__getitem__", lambda data, i: asked.append(i) or read(data, i)
    )
    options: dict[str, Any] = {"batch_size": 1, "image_size": (2, 2), "verbose": False}
    data = image_dataset_from_directory(folder, shuffle=False, **options)
    model = keras.Sequential(
        [keras.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(data, epochs=2, verbose=0)
    assert asked == [0, *range(10), *range(10)]


def test_an_image_dataset_by_the_methods_of_tf_data(folder: Path) -> None:
    options = {"image_size": (4, 4), "batch_size": 3, "shuffle": False, "verbose": False}
    data = image_dataset_from_directory(folder, **options)

    def pictures(dataset: Any) -> list[list[float]]:
        """The first pixel of each picture of an epoch, by batch."""
        return [list(images[:, 0, 0, 0]) for images, _ in dataset.as_numpy_iterator()]

    batches = pictures(data)
    assert data.cardinality() == len(data) == len(batches) == 4
    for count in (0, 1, 3, 4, 9):
        assert pictures(data.take(count)) == batches[:count]
        assert pictures(data.skip(count)) == batches[count:]
    assert pictures(data.take(-1)) == batches
    assert pictures(data.skip(-1)) == []
    assert pictures(data.skip(1).take(2)) == batches[1:3]
    mixed = data.skip(2).shuffle(100)
    assert {tuple(b) for b in pictures(mixed)} == {tuple(b) for b in batches[2:]}
    orders = [pictures(data.cache().shuffle(1000).prefetch(-1)) for _ in range(2)]
    assert orders[0] == orders[1]  # both in their first epoch
    shuffled = data.shuffle(1000)
    assert len({str(pictures(shuffled)) for _ in range(8)}) > 1
    assert len({str(pictures(shuffled.take(1))) for _ in range(2)}) == 1
    assert pictures(data) == batches


def test_a_function_of_each_batch(folder: Path) -> None:
    options = {"image_size": (4, 4), "shuffle": False, "verbose": False}
    data = image_dataset_from_directory(folder, batch_size=4, **options)
    scaled = data.map(lambda x, y: (x / 255, y), num_parallel_calls=4).map(lambda x, y: (x, y + 1))
    for (x, y), (before, labels) in zip(scaled, data, strict=True):
        np.testing.assert_array_equal(x, before / 255)
        np.testing.assert_array_equal(y, labels + 1)
    assert [y.shape for y in data.map(lambda _, y: y)] == [(4,), (4,), (2,)]
    bare = image_dataset_from_directory(folder, labels=None, batch_size=None, **options)
    assert bare.map(lambda x: x.sum())[0] == bare[0].sum()
    net = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    parts = scaled.map(lambda x, y: (x, y - 1))
    history = net.fit(parts.skip(1), validation_data=parts.take(1), epochs=2, verbose=0).history
    assert np.isfinite(history["val_loss"]).all()
    expected = net.evaluate(parts.take(1), verbose=0)
    assert history["val_loss"][1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "only one of"),
        ({"validation_split": 0.2}, "go together"),
        ({"validation_split": 1.5, "subset": "both"}, r"must be in \(0, 1\), got 1.5"),
        ({"validation_split": 0.01, "subset": "validation", "seed": 1}, "no pictures are left"),
        ({"class_names": ["bird"]}, r"must be among the folders \['cat', 'dog'\]"),
        ({"class_names": ["cat"], "labels": None}, "goes with labels='inferred'"),
        ({"class_names": ["cat"], "label_mode": "binary"}, "needs two classes, got"),
        ({"labels": [5] * 10, "label_mode": "categorical"}, r"one-hot rows need labels 0\.\.0"),
        ({"labels": [0.5] * 10}, "10 whole numbers, one for each file, got float64"),
    ],
)
def test_image_dataset_refuses(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        image_dataset_from_directory(folder, verbose=False, **options)


def test_proportions_are_kept_by_cutting_or_by_padding(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    picture = np.zeros((4, 8, 3), "uint8")
    picture[:, 2:6] = 200
    (tmp_path / "a").mkdir()
    image.save_img(tmp_path / "a" / "0.png", picture, scale=False)
    options = {"image_size": (4, 4), "labels": None, "verbose": False}
    cut = image_dataset_from_directory(tmp_path, crop_to_aspect_ratio=True, **options)[0][0]
    np.testing.assert_array_equal(cut, np.full((4, 4, 3), 200))
    padded = image_dataset_from_directory(tmp_path, pad_to_aspect_ratio=True, **options)[0][0]
    inside = [0, 200, 200, 0]
    np.testing.assert_array_equal(padded[:, :, 0], [[0] * 4, inside, inside, [0] * 4])
