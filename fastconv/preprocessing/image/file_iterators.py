"""Batches of picture files, found in folders or named in a table."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array
from fastconv.preprocessing.image.generator import ImageDataGenerator
from fastconv.preprocessing.image.iterators import ImageIterator
from fastconv.utils.image_utils import CHANNELS, check_choice, img_to_array, load_img


class FileIterator(ImageIterator):
    """Loads the images of a batch, changes them and adds their targets."""

    filenames: list[str]
    filepaths: list[str]
    class_mode: str | None
    class_indices: dict[str, int]

    def _prepare_files(
        self, target_size: Sequence[int], color_mode: str, interpolation: str, keep: bool
    ) -> None:
        check_choice(type(self).__name__, "color_mode", color_mode, CHANNELS)
        height, width = (int(n) for n in target_size)
        self.target_size = (height, width)
        self.color_mode = color_mode
        self.interpolation = interpolation
        self.keep_aspect_ratio = keep
        channels = CHANNELS[color_mode]
        last = self.data_format == "channels_last"
        self.image_shape = (height, width, channels) if last else (channels, height, width)

    @property
    def sample_weight(self) -> Array | None:
        return None

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        images = np.empty((len(index_array), *self.image_shape), np.float32)
        for i, index in enumerate(index_array):
            picture = load_img(
                self.filepaths[index],
                self.color_mode,
                self.target_size,
                self.interpolation,
                self.keep_aspect_ratio,
            )
            images[i] = img_to_array(picture, self.data_format)
        x = self._changed(images, index_array)
        if self.class_mode is None:
            return x
        y = x.copy() if self.class_mode == "input" else self._targets_of(index_array)
        weights = self.sample_weight
        return (x, y) if weights is None else (x, y, weights[index_array])

    def _targets_of(self, index_array: Array) -> Any:
        raise NotImplementedError

    def _encoded(self, labels: Any) -> Array:
        """Class numbers, or several for an image, as the class mode wants them."""
        if self.class_mode != "categorical":
            return np.asarray(labels, np.float32)
        y = np.zeros((len(labels), len(self.class_indices)), np.float32)
        for row, label in zip(y, labels, strict=True):
            row[label] = 1
        return y


class DirectoryIterator(FileIterator):
    """Batches of the pictures in a folder that has a folder for each class.

    Args:
        directory: the folder; classes are its folders, in alphabetical order.
        image_data_generator: changes the images; None leaves them as they are.
        target_size: (height, width) that all are resized to.
        color_mode: ``"rgb"``, ``"rgba"`` or ``"grayscale"``.
        classes: the names of the classes' folders, in the order of their numbers.
        class_mode: targets: ``"categorical"`` (one-hot rows), ``"binary"`` or ``"sparse"``
            (numbers), ``"input"`` (the images) or None (none).
        batch_size: images in a batch; the last of an epoch may have fewer.
        shuffle: a new order each epoch.
        seed: of the order and of the random changes; None takes one from the process's seed.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.
            It must be that of ``image_data_generator``, whose changes are along axes of its own.
        subset: ``"training"`` or ``"validation"``, of each class by the generator's
            ``validation_split``.
        interpolation, keep_aspect_ratio: as in :func:`load_img`.
        save_to_dir, save_prefix, save_format: a folder to write the changed images to.
        follow_links: whether links to folders are followed inside of a class's folder, which may
            be a link itself in any case.

    ``class_indices`` maps names to numbers, ``classes`` are the numbers of all ``samples`` files.

    Raises:
        ValueError: for an unknown mode or subset.
        FileNotFoundError: if the folder, or that of a class, does not exist.
    """

    def __init__(
        self,
        directory: Any,
        image_data_generator: ImageDataGenerator | None = None,
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: str | None = None,
    ) -> None:
        modes = ("categorical", "binary", "sparse", "input", None)
        check_choice("flow_from_directory", "class_mode", class_mode, modes)
        check_choice("flow_from_directory", "dtype", dtype, (None, "float32"))
        self._prepare(
            image_data_generator, data_format, save_to_dir, save_prefix, save_format, subset
        )
        self._prepare_files(target_size, color_mode, interpolation, keep_aspect_ratio)
        self.directory = directory
        self.class_mode = class_mode
        root = Path(directory)
        names = list(classes or sorted(p.name for p in root.iterdir() if p.is_dir()))
        self.num_classes = len(names)
        self.class_indices = {name: i for i, name in enumerate(names)}
        self.filenames = []
        numbers: list[int] = []
        for name, number in self.class_indices.items():
            if not (root / name).is_dir():
                raise FileNotFoundError(f"flow_from_directory: {root} has no folder {name!r}")
            files = list(picture_files(root / name, self.white_list_formats, follow_links))
            chosen = files[self._part(len(files))]
            self.filenames += [str(p.relative_to(root)) for p in chosen]
            numbers += [number] * len(chosen)
        self.classes = np.array(numbers, np.int32)
        self.samples = len(self.filenames)
        self.filepaths = [str(root / name) for name in self.filenames]
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    @property
    def labels(self) -> Array:
        return self.classes

    def _targets_of(self, index_array: Array) -> Array:
        return self._encoded(self.classes[index_array])


class DataFrameIterator(FileIterator):
    """Batches of picture files that a pandas table names.

    Args:
        dataframe: a row for each picture.
        directory: what the names are relative to; None if they are paths.
        x_col, y_col, weight_col: the columns of names, of targets (a list of columns for
            ``"multi_output"``) and of sample weights.
        classes: names of the classes to use, in the order of their numbers.
        class_mode: as in :class:`DirectoryIterator`, with classes named in ``y_col`` (for
            ``"categorical"`` also lists of names); or ``"raw"`` and ``"multi_output"`` for the
            numbers of the column(s).
        subset: ``"training"`` or ``"validation"``, by the generator's ``validation_split``: the
            first rows are for validation.
        image_data_generator, target_size, color_mode, batch_size, shuffle, seed, data_format,
            save_to_dir, save_prefix, save_format, interpolation, keep_aspect_ratio: as in
            :class:`DirectoryIterator`.
        validate_filenames: leave out rows whose file does not exist, or has not the ending of a
            picture, with a warning.

    Raises:
        TypeError: for columns of the wrong kind.
        ValueError: for an unknown mode, or other than two classes with ``"binary"``.
    """

    def __init__(
        self,
        dataframe: Any,
        directory: Any = None,
        image_data_generator: ImageDataGenerator | None = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: Sequence[int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = "channels_last",
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: str | None = "float32",
        validate_filenames: bool = True,
    ) -> None:
        modes = ("categorical", "binary", "sparse", "input", "raw", "multi_output", None)
        check_choice("flow_from_dataframe", "class_mode", class_mode, modes)
        check_choice("flow_from_dataframe", "dtype", dtype, (None, "float32"))
        self._prepare(
            image_data_generator, data_format, save_to_dir, save_prefix, save_format, subset
        )
        self._prepare_files(target_size, color_mode, interpolation, keep_aspect_ratio)
        self.directory = directory or ""
        self.class_mode = class_mode
        names = dataframe[x_col].tolist()
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"flow_from_dataframe: column {x_col!r} must hold file names")
        rows = np.arange(len(names))
        if validate_filenames:
            rows = self._existing(names, x_col)
        self._by_class = class_mode in ("categorical", "binary", "sparse")
        labels: list[Any] = []
        if self._by_class:
            rows, labels = self._labelled(dataframe[y_col].tolist(), rows, y_col, classes)
            numbers = self.class_indices
            labels = [
                [numbers[n] for n in v] if isinstance(v, list) else numbers[v] for v in labels
            ]
        elif classes:
            warnings.warn(f"classes are not used with class_mode={class_mode!r}", stacklevel=3)
        part = self._part(len(rows))
        rows = rows[part]
        self.classes = labels[part]
        self.filenames = [names[i] for i in rows]
        self.filepaths = [os.path.join(self.directory, n) for n in self.filenames]  # noqa: PTH118
        self._targets = self._numbers_of(dataframe, y_col, rows)
        self._weights = None
        if weight_col is not None:
            self._weights = _numeric(dataframe, weight_col)[rows]
        self.samples = len(self.filenames)
        checked = "validated" if validate_filenames else "non-validated"
        known = f" belonging to {len(self.class_indices)} classes" if self._by_class else ""
        print(f"Found {self.samples} {checked} image filenames{known}.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _existing(self, names: list[str], x_col: str) -> Array:
        good = [
            name.lower().endswith(self.white_list_formats) and Path(self.directory, name).is_file()
            for name in names
        ]
        missing = good.count(False)
        if missing:
            warnings.warn(
                f"column {x_col!r} names {missing} files that are no pictures or do not exist: "
                "they are left out",
                stacklevel=4,
            )
        return np.flatnonzero(good)

    def _labelled(
        self, given: list[Any], rows: Array, y_col: str, classes: Sequence[str] | None
    ) -> tuple[Array, list[Any]]:
        """The rows that have one of the classes, and their names."""
        kinds: tuple[type, ...] = (str, list, tuple) if self.class_mode == "categorical" else (str,)
        if not all(isinstance(v, kinds) for v in given):
            listed = " or ".join(k.__name__ for k in kinds)
            raise TypeError(
                f"flow_from_dataframe: with class_mode={self.class_mode!r} column {y_col!r} must "
                f"hold {listed}"
            )
        several = [[v] if isinstance(v, str) else list(v) for v in given]
        found = sorted({name for i in rows for name in several[i]})
        known = list(dict.fromkeys(classes)) if classes else found
        if self.class_mode == "binary" and len(known) != 2:
            raise ValueError(
                f"flow_from_dataframe: class_mode='binary' needs two classes, got {len(known)}"
            )
        self.class_indices = {name: i for i, name in enumerate(known)}
        kept = [[n for n in names if n in self.class_indices] for names in several]
        rows = np.array([i for i in rows if kept[i]], np.int64)
        return rows, [kept[i][0] if isinstance(given[i], str) else kept[i] for i in rows]

    def _numbers_of(self, dataframe: Any, y_col: Any, rows: Array) -> Any:
        if self.class_mode == "raw":
            return dataframe[y_col].to_numpy()[rows]
        if self.class_mode != "multi_output":
            return None
        if not isinstance(y_col, list):
            raise TypeError(
                "flow_from_dataframe: with class_mode='multi_output' y_col must be a list of "
                f"columns, got {y_col!r}"
            )
        return [np.array(dataframe[column].tolist())[rows] for column in y_col]

    @property
    def labels(self) -> Any:
        return self.classes if self._targets is None else self._targets

    @property
    def sample_weight(self) -> Array | None:
        return self._weights

    def _targets_of(self, index_array: Array) -> Any:
        if self.class_mode == "multi_output":
            return [column[index_array] for column in self._targets]
        if self.class_mode == "raw":
            return self._targets[index_array]
        return self._encoded([self.classes[i] for i in index_array])


def _numeric(dataframe: Any, column: str) -> Array:
    values = dataframe[column].to_numpy()
    if values.dtype.kind not in "biuf":
        raise TypeError(f"flow_from_dataframe: column {column!r} must be numeric")
    return np.asarray(values, np.float32)


def picture_files(folder: Path, endings: tuple[str, ...], follow_links: bool) -> Iterator[Path]:
    """Files with one of the endings below a folder, in the order of their folders and names."""
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links)):
        for name in sorted(names):
            if name.lower().endswith(endings):
                yield Path(root, name)
