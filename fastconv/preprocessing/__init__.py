"""Data on its way to a model."""

from fastconv.preprocessing import image
from fastconv.utils.image_dataset_utils import image_dataset_from_directory

__all__ = ["image", "image_dataset_from_directory"]
