"""A data set of the picture files in a folder."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import random
from fastconv.config import standardize_data_format
from fastconv.ops.image import INTERPOLATIONS, resize
from fastconv.utils.dataset_utils import PyDataset
from fastconv.utils.image_utils import CHANNELS, check_choice, img_to_array, load_img

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
NAME = "image_dataset_from_directory"

Selection = Callable[[Any, np.random.Generator], Any]  # of the numbers of batches


class ImageDataset(PyDataset):
    """Batches of pictures, read when they are asked for; made by `image_dataset_from_directory`.

    ``class_names`` and ``file_paths`` tell what is in it. Each epoch has a new order with
    ``shuffle``. The methods that ``tf.data`` has too return another data set of the same pictures.
    """

    def __init__(
        self,
        file_paths: list[str],
        targets: Any,
        class_names: list[str] | None,
        *,
        batch_size: int | None,
        image_size: tuple[int, int],
        color_mode: str,
        interpolation: str,
        fit: str,
        data_format: str,
        shuffle: bool,
        seed: int,
    ) -> None:
        super().__init__()
        self.file_paths = file_paths
        self.class_names = class_names
        self.batch_size = batch_size
        self.image_size = image_size
        self.color_mode = color_mode
        self.interpolation = interpolation
        self.data_format = data_format
        self._shuffled = shuffle
        self.seed = seed
        self._targets = targets
        self._fit = fit
        self._functions: tuple[Callable[..., Any], ...] = ()
        self._selections: tuple[Selection, ...] = ()
        self._begin(0)

    def _begin(self, epoch: int) -> None:
        self._epoch = epoch
        key = np.array([self.seed % 2**32, epoch + 1], np.uint64)
        numbers = np.random.Generator(np.random.Philox(key=key))
        count = len(self.file_paths)
        self._order = numbers.permutation(count) if self._shuffled else np.arange(count)
        self._batches = np.arange(-(-count // (self.batch_size or 1)))
        for select in self._selections:
            self._batches = select(self._batches, numbers)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)} batches")
        size, batch = self.batch_size or 1, int(self._batches[index])
        rows = self._order[batch * size : (batch + 1) * size]
        values: Any = [np.stack([self._image(self.file_paths[i]) for i in rows])]
        if self._targets is not None:
            values.append(self._targets[rows])
        values = tuple(v[0] for v in values) if self.batch_size is None else tuple(values)
        for function in self._functions:
            result = function(*values)
            values = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        return values if len(values) > 1 else values[0]

    def __iter__(self) -> Iterator[Any]:
        """The batches of one epoch; the next time those of the next epoch."""
        for i in range(len(self)):
            yield self[i]
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self._begin(self._epoch + 1)

    def take(self, count: int) -> ImageDataset:
        """The first batches of each epoch; -1 takes all."""
        stop = count if count >= 0 else None
        return self._with_selection(lambda batches, _: batches[:stop])

    def skip(self, count: int) -> ImageDataset:
        """All but the first batches of each epoch; -1 leaves none."""
        return self._with_selection(
            lambda batches, _: batches[count:] if count >= 0 else batches[:0]
        )

    def shuffle(self, buffer_size: int) -> ImageDataset:
        """The batches in a new order each epoch, whatever ``buffer_size`` is."""
        del buffer_size
        return self._with_selection(lambda batches, numbers: numbers.permutation(batches))

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
    ) -> ImageDataset:
        """What a function makes of each batch.

        Args:
            map_func: of ``images, labels`` (or of ``images``), arrays; returns their like.
            num_parallel_calls, deterministic: accepted; batches are made one after the other.
        """
        del num_parallel_calls, deterministic
        other = copy.copy(self)
        other._functions = (*self._functions, map_func)
        return other

    def prefetch(self, buffer_size: int) -> ImageDataset:
        """The same: ``fit`` reads ahead anyway."""
        del buffer_size
        return self

    def cache(self) -> ImageDataset:
        """The same: pictures are read again each epoch."""
        return self

    def as_numpy_iterator(self) -> Iterator[Any]:
        """The batches of one epoch."""
        return iter(self)

    def cardinality(self) -> int:
        """How many batches there are."""
        return len(self)

    def _with_selection(self, select: Selection) -> ImageDataset:
        other = copy.copy(self)
        other._selections = (*self._selections, select)
        other._begin(self._epoch)
        return other

    def _image(self, path: str) -> Any:
        x = img_to_array(load_img(path, self.color_mode), "channels_last")
        x = resize(
            x,
            self.image_size,
            self.interpolation,
            crop_to_aspect_ratio=self._fit == "crop",
            pad_to_aspect_ratio=self._fit == "pad",
            data_format="channels_last",
        )
        return x if self.data_format == "channels_last" else x.transpose(2, 0, 1)


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: int | Sequence[int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    verbose: bool = True,
) -> Any:
    """Batches of the pictures in a folder, as float32 values in 0..255.

    Args:
        directory: a folder with a folder of pictures for each class.
        labels: ``"inferred"`` from the folders, a list of whole numbers in the order of the
            files, or None for none.
        label_mode: ``"int"`` (int32), ``"categorical"`` (one-hot rows), ``"binary"`` (float32
            rows of one number), or None for none.
        class_names: the folders' names in the order of their numbers; alphabetical otherwise.
        color_mode: ``"rgb"``, ``"rgba"`` or ``"grayscale"``.
        batch_size: None gives single pictures.
        image_size: (height, width) that all are resized to.
        shuffle: the files in a random order, a new one each epoch.
        seed: of the order; needed if the files are shuffled before they are split.
        validation_split, subset: the part for validation (the last files), and which part to
            return: ``"training"``, ``"validation"`` or ``"both"``.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        follow_links: whether links to folders are followed; with ``labels="inferred"`` a class's
            own folder may be a link in any case.
        crop_to_aspect_ratio, pad_to_aspect_ratio: keep proportions, by cutting or by adding zeros.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.
        verbose: whether to print how many files there are.

    Returns:
        An :class:`ImageDataset` of ``(images, labels)`` (or of images) for ``fit``, ``evaluate``
        and ``predict``, with ``class_names`` and ``file_paths``; two of them for
        ``subset="both"``.

    Raises:
        ValueError: for arguments that are not of these kinds, or a folder without pictures.
        ImportError: pillow is not installed.
    """
    check_choice(NAME, "label_mode", label_mode, ("int", "categorical", "binary", None))
    check_choice(NAME, "color_mode", color_mode, CHANNELS)
    check_choice(NAME, "interpolation", interpolation, INTERPOLATIONS)
    check_choice(NAME, "subset", subset, (None, "training", "validation", "both"))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(f"{NAME}: only one of crop_to_aspect_ratio and pad_to_aspect_ratio")
    if (validation_split is None) != (subset is None):
        raise ValueError(f"{NAME}: validation_split and subset go together")
    if validation_split is not None:
        if not 0 < validation_split < 1:
            raise ValueError(f"{NAME}: validation_split must be in (0, 1), got {validation_split}")
        if shuffle and seed is None and subset != "both":
            raise ValueError(f"{NAME}: a split of shuffled files needs a seed, or shuffle=False")
    seed = random.next_seed() if seed is None else int(seed)
    paths, numbers, names = _index(Path(directory), labels, class_names, follow_links)
    if not paths:
        raise ValueError(f"{NAME}: {directory} has no pictures ({', '.join(ENDINGS)})")
    if label_mode is None:
        numbers, names = None, None
    if label_mode == "binary" and numbers is not None and len(names or ()) != 2:
        raise ValueError(f"{NAME}: label_mode='binary' needs two classes, got {names}")
    if verbose:
        known = "" if names is None else f" belonging to {len(names)} classes"
        print(f"Found {len(paths)} files{known}.")
    order = np.arange(len(paths))
    if shuffle:
        # Keras's permutation, so that both split a folder alike.
        order = np.random.RandomState(seed % 2**32).permutation(len(paths))
    targets = _encoded(numbers, label_mode, len(names or ()))
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size

    def part(rows: Any, use: str, shuffled: bool) -> ImageDataset:
        if verbose and use:
            print(f"Using {len(rows)} files for {use}.")
        if not len(rows):
            raise ValueError(f"{NAME}: no pictures are left for {use}")
        return ImageDataset(
            [paths[i] for i in rows],
            None if targets is None else targets[rows],
            names,
            batch_size=batch_size,
            image_size=(int(height), int(width)),
            color_mode=color_mode,
            interpolation=interpolation,
            fit="crop" if crop_to_aspect_ratio else "pad" if pad_to_aspect_ratio else "",
            data_format=standardize_data_format(data_format),
            shuffle=shuffled,
            seed=seed,
        )

    if validation_split is None:
        return part(order, "", shuffle)
    cut = len(order) - int(validation_split * len(order))
    if subset == "training":
        return part(order[:cut], "training", shuffle)
    if subset == "validation":
        return part(order[cut:], "validation", shuffle)
    return [part(order[:cut], "training", shuffle), part(order[cut:], "validation", False)]


def _index(
    root: Path, labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> tuple[list[str], Any, list[str] | None]:
    """Files, their class numbers and the names of the classes."""
    if isinstance(labels, str) and labels == "inferred":
        folders = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != ".")
        if class_names is not None and not set(class_names) <= set(folders):
            raise ValueError(
                f"{NAME}: class_names must be among the folders {folders}, got {class_names}"
            )
        names = folders if class_names is None else list(class_names)
        files = [_files(root / name, follow_links) for name in names]
        numbers = np.repeat(np.arange(len(names)), [len(f) for f in files])
        return [path for group in files for path in group], numbers, names
    if class_names is not None:
        raise ValueError(f"{NAME}: class_names goes with labels='inferred'")
    paths = _files(root, follow_links)
    if labels is None:
        return paths, None, None
    numbers = np.asarray(labels)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or len(numbers) != len(paths):
        raise ValueError(
            f"{NAME}: labels must be 'inferred', None or {len(paths)} whole numbers, one for "
            f"each file, got {numbers.dtype} of shape {numbers.shape}"
        )
    return paths, numbers, [str(n) for n in np.unique(numbers)]


def _files(folder: Path, follow_links: bool) -> list[str]:
    return [
        str(Path(root, name))
        for root, _, names in sorted(os.walk(folder, followlinks=follow_links))
        for name in sorted(names)
        if name.lower().endswith(ENDINGS)
    ]


def _encoded(numbers: Any, label_mode: str | None, classes: int) -> Any:
    if numbers is None:
        return None
    if label_mode == "binary":
        return numbers.astype(np.float32)[:, np.newaxis]
    if label_mode == "categorical":
        if numbers.min() < 0 or numbers.max() >= classes:
            raise ValueError(f"{NAME}: one-hot rows need labels 0..{classes - 1}")
        return np.eye(classes, dtype=np.float32)[numbers]
    return numbers.astype(np.int32)
