"""Helpers around models: labels, files, data sets, pictures."""

from fastconv.config import set_random_seed
from fastconv.utils.dataset_utils import PyDataset, Sequence
from fastconv.utils.file_utils import get_file
from fastconv.utils.numerical_utils import normalize, to_categorical

__all__ = [
    "PyDataset",
    "Sequence",
    "get_file",
    "normalize",
    "set_random_seed",
    "to_categorical",
]
