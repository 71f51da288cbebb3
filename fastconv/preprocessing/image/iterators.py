"""Batches from an :class:`ImageDataGenerator`: by number, or one after the other without end."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import random
from fastconv.config import standardize_data_format
from fastconv.graph.tensor import Array
from fastconv.preprocessing.image.generator import DRAWS, ImageDataGenerator
from fastconv.utils.dataset_utils import PyDataset
from fastconv.utils.image_utils import array_to_img, check_choice


class Iterator(PyDataset):
    """``len(it)`` batches an epoch, ``it[i]`` is batch i of this epoch, ``next(it)`` the next one.

    Iteration has no end: after an epoch the next begins. Subclasses make a batch in
    ``_get_batches_of_transformed_samples(index_array)``, and get random numbers for the images of
    this epoch from ``_draws(index_array)``.

    Args:
        n: number of images.
        batch_size: images in a batch; the last of an epoch may have fewer.
        shuffle: a new order each epoch.
        seed: of the order and of the random changes; None takes one from the process's seed.
    """

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")

    def __init__(
        self, n: int, batch_size: int, shuffle: bool, seed: int | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.n = n
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.batch_index = 0
        self.total_batches_seen = 0
        self.lock = threading.RLock()
        self._key = random.next_seed() if seed is None else int(seed) % 2**32
        self._begin(0)

    def _begin(self, epoch: int) -> None:
        """The order and the random numbers of an epoch follow from the seed and its number."""
        self._epoch = epoch
        key = np.array([self._key, epoch], np.uint64)
        numbers = np.random.Generator(np.random.Philox(key=key))
        self.index_array = numbers.permutation(self.n) if self.shuffle else np.arange(self.n)
        self._numbers: Array = numbers.random((self.n, DRAWS))

    def _draws(self, index_array: Array) -> Array:
        return self._numbers[index_array]

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)} batches")
        start = self.batch_size * index
        return self._batch(self.index_array[start : start + self.batch_size])

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        if self.n == 0:
            raise StopIteration
        with self.lock:
            index = self.batch_index
            if index == len(self):
                self._begin(self._epoch + 1)
                index = 0
            self.batch_index = index + 1
            return self[index]

    def next(self) -> Any:
        """The next batch."""
        return self.__next__()

    def reset(self) -> None:
        """Go back to the first batch of this epoch."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        with self.lock:
            self._begin(self._epoch + 1)
            self.batch_index = 0

    def _batch(self, index_array: Array) -> Any:
        self.total_batches_seen += 1
        return self._get_batches_of_transformed_samples(index_array)

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__} must define _get_batches_of_transformed_samples"
        )


class ImageIterator(Iterator):
    """Changes images by a generator, and saves them if asked to."""

    def _prepare(
        self,
        image_data_generator: ImageDataGenerator | None,
        data_format: str | None,
        save_to_dir: Any,
        save_prefix: str,
        save_format: str,
        subset: str | None,
    ) -> None:
        self.image_data_generator = image_data_generator or ImageDataGenerator()
        self.data_format = standardize_data_format(data_format)
        self.save_to_dir = save_to_dir
        self.save_prefix = save_prefix
        self.save_format = save_format
        check_choice(type(self).__name__, "subset", subset, (None, "training", "validation"))
        self.subset = subset

    def _part(self, count: int) -> slice:
        """The rows of the subset: validation has the first ones."""
        split = int(self.image_data_generator.validation_split * count)
        return {
            None: slice(None),
            "validation": slice(0, split),
            "training": slice(split, None),
        }[self.subset]

    def _changed(self, images: Array, index_array: Array) -> Array:
        """Float32 images after random changes and normalization."""
        generator, draws = self.image_data_generator, self._draws(index_array)
        if len(images):
            parameters = generator.parameters(draws, images.shape[1:])
            images = generator.transformed(images, parameters)
            images = generator.standardized(images, (1, 2, 3))
        if self.save_to_dir:
            for image, index, number in zip(images, index_array, draws[:, -1], strict=True):
                name = f"{self.save_prefix}_{index}_{int(number * 1e7)}.{self.save_format}"
                array_to_img(image, self.data_format).save(Path(self.save_to_dir) / name)
        return images.astype(np.float32, copy=False)


class NumpyArrayIterator(ImageIterator):
    """Batches of images in memory, changed by a generator.

    A batch is ``x``, ``(x, y)`` or ``(x, y, sample_weight)``, as given; the images are float32.

    Args:
        x: images (N, height, width, channels), or (images, other) with another input, or a list of
            them, whose rows go with the images.
        y, sample_weight: rows that go with the images.
        image_data_generator: changes the images; None leaves them as they are.
        batch_size: images in a batch; the last of an epoch may have fewer.
        shuffle: a new order each epoch.
        seed: of the order and of the random changes; None takes one from the process's seed.
        data_format: that of ``x``, ``"channels_last"`` or ``"channels_first"``; None means the
            configured format. It must be that of ``image_data_generator`` as well.
        subset: ``"validation"`` for the first rows, as many as the generator's
            ``validation_split`` says, ``"training"`` for the others.
        ignore_class_split: allow the two to have different classes.
        save_to_dir, save_prefix, save_format: a folder to write the changed images to.

    Raises:
        ValueError: for arrays of different lengths, or that are no images.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: ImageDataGenerator,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: str | None = None,
    ) -> None:
        check_choice("flow", "dtype", dtype, (None, "float32"))
        self._prepare(
            image_data_generator, data_format, save_to_dir, save_prefix, save_format, subset
        )
        others: list[Any] = []
        if isinstance(x, (list, tuple)):
            x, given = x
            others = list(given) if isinstance(given, list) else [given]
        named = {"y": y, "sample_weight": sample_weight}
        named |= {f"x[1][{i}]": v for i, v in enumerate(others)}
        x = np.asarray(x)
        if x.ndim != 4 or x.dtype.kind not in "biuf":
            raise ValueError(
                f"flow: expected images (N, height, width, channels), got {x.dtype} of {x.shape}"
            )
        channels = x.shape[3 if self.data_format == "channels_last" else 1]
        if channels not in (1, 3, 4):
            warnings.warn(
                f"flow: images have 1, 3 or 4 channels, got {channels} in shape {x.shape} with "
                f"data_format={self.data_format!r}",
                stacklevel=3,
            )
        arrays = {k: np.asarray(v) for k, v in named.items() if v is not None}
        for name, array in arrays.items():
            if len(array) != len(x):
                raise ValueError(f"flow: x has {len(x)} rows and {name} has {len(array)}")
        part = self._part(len(x))
        if subset is not None and "y" in arrays and not ignore_class_split:
            _check_classes(arrays["y"], part)
        self.x = x[part]
        arrays = {k: v[part] for k, v in arrays.items()}
        self.y = arrays.pop("y", None)
        self.sample_weight = arrays.pop("sample_weight", None)
        self.x_misc = list(arrays.values())
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: Array) -> Any:
        images = self._changed(self.x[index_array], index_array)
        x: Any = [images, *(v[index_array] for v in self.x_misc)] if self.x_misc else images
        if self.y is None:
            return (x,) if self.x_misc else x
        rest = [v[index_array] for v in (self.y, self.sample_weight) if v is not None]
        return (x, *rest)


def _check_classes(y: Array, part: slice) -> None:
    """Raises ValueError if one part of the targets has classes that the other has not."""
    inside = y[part]
    rest = y[: part.start] if part.start else y[part.stop :]
    if not np.array_equal(np.unique(inside), np.unique(rest)):
        raise ValueError(
            "the training and the validation subset have different classes: shuffle arrays that "
            "are sorted by class, or pass ignore_class_split=True"
        )
