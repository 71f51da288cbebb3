"""Random changes and normalization of images, as an endless supply of batches."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import random
from fastconv.config import standardize_data_format
from fastconv.graph.tensor import Array
from fastconv.preprocessing.image import affine
from fastconv.preprocessing.image.functions import apply_brightness_shift
from fastconv.utils.image_utils import check_choice

if TYPE_CHECKING:
    from fastconv.preprocessing.image.file_iterators import DataFrameIterator, DirectoryIterator
    from fastconv.preprocessing.image.iterators import NumpyArrayIterator

DRAWS = 13  # random numbers that one image may need
Parameters = dict[str, Any]


class ImageDataGenerator:
    """Makes batches of images, changed at random and normalized, from arrays or files.

    The random numbers of an image follow from the seed of :meth:`flow`, the epoch and the image
    alone: they do not depend on the size or the order of the batches.

    Args:
        featurewise_center, featurewise_std_normalization: subtract the mean, and divide by the
            standard deviation, of each channel over the data given to :meth:`fit`.
        samplewise_center, samplewise_std_normalization: the same with each image's own values.
        zca_whitening, zca_epsilon: make the pixels uncorrelated over the data given to `fit`.
        rotation_range: degrees, to both sides.
        width_shift_range, height_shift_range: a fraction of the size if below 1, pixels
            otherwise; an integer n shifts by whole pixels below n; a list names the values.
        brightness_range: (low, high) factors, of 8-bit values.
        shear_range: degrees, to both sides.
        zoom_range: (low, high) factors for each axis, or one number z for (1 - z, 1 + z).
        channel_shift_range: added to all values, to both sides.
        fill_mode: how points outside of the image are filled: ``"nearest"``, ``"constant"`` (by
            ``cval``), ``"reflect"`` or ``"wrap"``.
        cval: used with ``fill_mode="constant"`` only.
        horizontal_flip, vertical_flip: of every second image on average.
        rescale: a factor, after the changes above and ``preprocessing_function``.
        preprocessing_function: called with each changed image; returns one of its shape.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.
        validation_split: the part of the data that ``subset="validation"`` names, the first rows.
        interpolation_order: 1 interpolates linearly, 0 takes the nearest pixel.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: float | Sequence[float] = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[Any], Any] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: str | None = None,
    ) -> None:
        name = type(self).__name__
        check_choice(name, "fill_mode", fill_mode, affine.FILL_MODES)
        check_choice(name, "interpolation_order", interpolation_order, (0, 1))
        check_choice(name, "dtype", dtype, (None, "float32"))
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(f"{name}: validation_split must be in (0, 1), got {validation_split}")
        self.featurewise_center = featurewise_center
        self.samplewise_center = samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = zca_epsilon
        self._complete_normalization()
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.brightness_range = None
        if brightness_range is not None:
            self.brightness_range = _two_numbers("brightness_range", brightness_range)
        self.shear_range = shear_range
        if isinstance(zoom_range, (int, float)):
            zoom_range = (1 - zoom_range, 1 + zoom_range)
        self.zoom_range = _two_numbers("zoom_range", zoom_range)
        self.channel_shift_range = channel_shift_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.data_format = standardize_data_format(data_format)
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        self.validation_split = validation_split
        self.interpolation_order = interpolation_order
        self.dtype = "float32"
        self.mean: Array | None = None
        self.std: Array | None = None
        self.zca_whitening_matrix: Array | None = None

    def _complete_normalization(self) -> None:
        """Whitening and standard deviations need centred values."""
        if self.zca_whitening and self.featurewise_std_normalization:
            self.featurewise_std_normalization = False
            warnings.warn("zca_whitening replaces featurewise_std_normalization", stacklevel=3)
        for by in ("zca_whitening", "featurewise_std_normalization"):
            if getattr(self, by) and not self.featurewise_center:
                self.featurewise_center = True
                warnings.warn(f"{by} implies featurewise_center=True", stacklevel=3)
        if self.samplewise_std_normalization and not self.samplewise_center:
            self.samplewise_center = True
            warnings.warn(
                "samplewise_std_normalization implies samplewise_center=True", stacklevel=3
            )

    # Batches

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of images in memory; see :class:`NumpyArrayIterator`."""
        from fastconv.preprocessing.image.iterators import NumpyArrayIterator

        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            ignore_class_split=ignore_class_split,
        )

    def flow_from_directory(
        self, directory: Any, target_size: Sequence[int] = (256, 256), **options: Any
    ) -> DirectoryIterator:
        """Batches of picture files, a folder for each class; see :class:`DirectoryIterator`."""
        from fastconv.preprocessing.image.file_iterators import DirectoryIterator

        options.setdefault("data_format", self.data_format)
        return DirectoryIterator(directory, self, target_size, **options)

    def flow_from_dataframe(
        self, dataframe: Any, directory: Any = None, **options: Any
    ) -> DataFrameIterator:
        """Batches of picture files named in a pandas table; see :class:`DataFrameIterator`."""
        from fastconv.preprocessing.image.file_iterators import DataFrameIterator

        options.setdefault("data_format", self.data_format)
        return DataFrameIterator(dataframe, directory, self, **options)

    # Random changes

    def get_random_transform(
        self, img_shape: Sequence[int], seed: random.Seed = None
    ) -> Parameters:
        """Parameters for :meth:`apply_transform`, drawn for an image of a shape."""
        draws = random.generator(seed).random((1, DRAWS))
        many = self.parameters(draws, img_shape)
        return {k: None if v is None else v[0].item() for k, v in many.items()}

    def parameters(self, draws: Array, img_shape: Sequence[int]) -> Parameters:
        """Arrays of parameters for a batch, from numbers in [0, 1) of shape (N, DRAWS)."""
        u = draws.T
        height, width = img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]
        low, high = self.zoom_range
        return {
            "theta": _both_sides(u[0], self.rotation_range),
            "tx": _shifts(u[1], u[2], self.height_shift_range, height),
            "ty": _shifts(u[3], u[4], self.width_shift_range, width),
            "shear": _both_sides(u[5], self.shear_range),
            "zx": low + u[6] * (high - low),
            "zy": low + u[7] * (high - low),
            "flip_horizontal": (u[8] < 0.5) & bool(self.horizontal_flip),
            "flip_vertical": (u[9] < 0.5) & bool(self.vertical_flip),
            "channel_shift_intensity": _both_sides(u[10], self.channel_shift_range)
            if self.channel_shift_range
            else None,
            "brightness": self.brightness_range[0]
            + u[11] * (self.brightness_range[1] - self.brightness_range[0])
            if self.brightness_range
            else None,
        }

    def apply_transform(self, x: Any, transform_parameters: Mapping[str, Any]) -> Array:
        """One image changed as told; returns a new float32 array of its shape.

        Args:
            x: an image of three axes.
            transform_parameters: any of ``theta``, ``shear`` (degrees), ``tx`` (down) and ``ty``
                (right; pixels), ``zx``, ``zy``, ``flip_horizontal``, ``flip_vertical``,
                ``channel_shift_intensity`` and ``brightness``.

        Raises:
            ValueError: if ``x`` does not have three axes.
        """
        x = np.asarray(x)
        if x.ndim != 3:
            raise ValueError(f"apply_transform: expected an image of 3 axes, got shape {x.shape}")
        many = {k: v if v is None else np.asarray([v]) for k, v in transform_parameters.items()}
        result: Array = self.transformed(x[np.newaxis], many)[0]
        return result

    def random_transform(self, x: Any, seed: random.Seed = None) -> Array:
        """One image changed at random."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def transformed(self, x: Array, parameters: Mapping[str, Any]) -> Array:
        """A batch of images, each changed by its parameters; a new float32 array."""
        first = self.data_format == "channels_first"
        images = x.transpose(0, 2, 3, 1) if first else x
        n, height, width, _ = images.shape
        unmoved = {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1}
        moves = {k: parameters.get(k, v) for k, v in unmoved.items()}
        if any(np.any(moves[k] != v) for k, v in unmoved.items()):
            matrix = np.broadcast_to(affine.matrices((height, width), **moves), (n, 2, 3))
            images = affine.transform(
                images, matrix, self.fill_mode, self.cval, self.interpolation_order
            )
        else:
            images = np.array(images, np.float32)
        shift = parameters.get("channel_shift_intensity")
        if shift is not None:
            low, high = (f(images, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
            images += np.reshape(shift, (-1, 1, 1, 1)).astype(np.float32)
            np.clip(images, low, high, out=images)
        for name, axis in (("flip_horizontal", 1), ("flip_vertical", 0)):
            for i in np.flatnonzero(parameters.get(name, False)).tolist():
                images[i] = np.flip(images[i], axis).copy()
        brightness = parameters.get("brightness")
        if brightness is not None:
            for i, factor in enumerate(brightness):
                images[i] = apply_brightness_shift(images[i], float(factor), scale=False)
        return images.transpose(0, 3, 1, 2) if first else images

    # Normalization

    def standardize(self, x: Any) -> Any:
        """The normalization of images; float32 arrays are changed in place."""
        return self.standardized(x, None)

    def standardized(self, x: Any, axes: tuple[int, ...] | None) -> Any:
        """:meth:`standardize` with each sample's own statistics over ``axes`` (None: over all)."""
        if self.preprocessing_function is not None and x.ndim == 4:
            x = np.stack([np.asarray(self.preprocessing_function(image)) for image in x])
        elif self.preprocessing_function is not None:
            x = self.preprocessing_function(x)
        x = np.asarray(x)
        if x.dtype.kind != "f":
            x = x.astype(np.float32)
        if self.rescale:
            x *= x.dtype.type(self.rescale)
        if self.samplewise_center:
            x -= np.mean(x, axis=axes, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, axis=axes, keepdims=True) + 1e-6
        if self.featurewise_center and self._is_fit("featurewise_center", self.mean):
            x -= self.mean
        if self.featurewise_std_normalization and self._is_fit(
            "featurewise_std_normalization", self.std
        ):
            assert self.std is not None
            x /= self.std + 1e-6
        if self.zca_whitening and self._is_fit("zca_whitening", self.zca_whitening_matrix):
            flat = x.reshape(-1, math.prod(x.shape[-3:]))
            x = np.reshape(flat @ self.zca_whitening_matrix, x.shape)
        return x

    def _is_fit(self, argument: str, value: Any) -> bool:
        if value is None:
            warnings.warn(
                f"{argument} has no effect before ImageDataGenerator.fit(images)", stacklevel=4
            )
        return value is not None

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Note the statistics that ``featurewise_*`` and ``zca_whitening`` need.

        Args:
            x: images (N, height, width, channels); they are rescaled first by ``rescale``.
            augment: take them after random changes.
            rounds: how many times each image is changed and taken; used with ``augment`` only.
            seed: of these changes; None takes the process's next.

        Raises:
            ValueError: if ``x`` does not have four axes.
        """
        x = np.array(x, np.float32)
        if x.ndim != 4:
            raise ValueError(f"ImageDataGenerator.fit: expected images, got shape {x.shape}")
        if self.rescale:
            x *= np.float32(self.rescale)
        if augment:
            draws = random.generator(seed).random((rounds, len(x), DRAWS))
            x = np.concatenate(
                [self.transformed(x, self.parameters(u, x.shape[1:])) for u in draws]
            )
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = _mean(x, axes)
            x -= self.mean
        if self.featurewise_std_normalization:  # of centred values: see _complete_normalization
            self.std = np.sqrt(_mean(np.square(x), axes))
            x /= self.std + 1e-6
        if self.zca_whitening:
            n = len(x)
            flat = x.reshape(n, -1)
            if n > flat.shape[1]:  # the same left singular vectors, of a smaller matrix
                flat = np.linalg.qr(flat, mode="r")
            u, s, _ = np.linalg.svd(flat.T, full_matrices=False)
            self.zca_whitening_matrix = (u * (np.sqrt(n) / (s + self.zca_epsilon))) @ u.T


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    """Summed in float64: of millions of pixels, a sum in float32 stops growing."""
    mean = np.mean(x, axis=axes, dtype=np.float64, keepdims=True)
    return np.squeeze(np.asarray(mean, np.float32), 0)


def _two_numbers(argument: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"ImageDataGenerator: {argument} must be two numbers, got {value!r}")
    return float(value[0]), float(value[1])


def _both_sides(u: Array, limit: float) -> Array:
    return (2 * u - 1) * limit


def _shifts(u: Array, sign: Array, given: Any, size: int) -> Array:
    """Pixels: from a list of values, whole ones below an integer, or up to a real number."""
    if isinstance(given, (float, np.floating)):
        shifts = _both_sides(u, float(given))
    else:
        values = np.arange(given) if isinstance(given, (int, np.integer)) else np.asarray(given)
        if values.size == 0:
            return np.zeros_like(u)
        shifts = values[(u * len(values)).astype(int)] * np.where(sign < 0.5, -1, 1)
    return shifts * size if np.max(given) < 1 else shifts
