"""Images from arrays and files: loading, random changes, normalization, batches."""

from fastconv.preprocessing.image.file_iterators import DataFrameIterator, DirectoryIterator
from fastconv.preprocessing.image.functions import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    flip_axis,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)
from fastconv.preprocessing.image.generator import ImageDataGenerator
from fastconv.preprocessing.image.iterators import Iterator, NumpyArrayIterator
from fastconv.utils.image_utils import array_to_img, img_to_array, load_img, save_img

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "flip_axis",
    "img_to_array",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
]
