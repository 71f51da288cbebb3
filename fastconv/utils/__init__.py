"""Helpers around models: labels, files, data sets, pictures."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastconv.config import set_random_seed
from fastconv.utils.dataset_utils import PyDataset, Sequence
from fastconv.utils.numerical_utils import normalize, to_categorical

if TYPE_CHECKING:
    from fastconv.callbacks import Progbar
    from fastconv.compat.backend import clear_session
    from fastconv.models.drawing import plot_model
    from fastconv.saving import (
        CustomObjectScope,
        custom_object_scope,
        deserialize_keras_object,
        get_custom_objects,
        get_registered_name,
        get_registered_object,
        register_keras_serializable,
        serialize_keras_object,
    )
    from fastconv.training.gradient_check import check_gradients
    from fastconv.utils.file_utils import get_file
    from fastconv.utils.image_dataset_utils import image_dataset_from_directory
    from fastconv.utils.image_utils import array_to_img, img_to_array, load_img, save_img

_ELSEWHERE = {  # imported when used: what is above this package, and what takes long to load
    "CustomObjectScope": "fastconv.saving",
    "Progbar": "fastconv.callbacks",
    "array_to_img": "fastconv.utils.image_utils",
    "check_gradients": "fastconv.training.gradient_check",
    "clear_session": "fastconv.compat.backend",
    "custom_object_scope": "fastconv.saving",
    "deserialize_keras_object": "fastconv.saving",
    "get_custom_objects": "fastconv.saving",
    "get_file": "fastconv.utils.file_utils",
    "get_registered_name": "fastconv.saving",
    "get_registered_object": "fastconv.saving",
    "image_dataset_from_directory": "fastconv.utils.image_dataset_utils",
    "img_to_array": "fastconv.utils.image_utils",
    "load_img": "fastconv.utils.image_utils",
    "plot_model": "fastconv.models.drawing",
    "register_keras_serializable": "fastconv.saving",
    "save_img": "fastconv.utils.image_utils",
    "serialize_keras_object": "fastconv.saving",
}


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module 'fastconv.utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "check_gradients",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "image_dataset_from_directory",
    "img_to_array",
    "load_img",
    "normalize",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]
