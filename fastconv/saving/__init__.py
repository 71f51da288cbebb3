"""Saving and loading: ``.keras``, ``.weights.h5``, ``.h5``, and names for classes of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastconv.saving.registry import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from fastconv.saving.saving import load_model, load_weights, save_model, save_weights


def __getattr__(name: str) -> Any:
    """The functions on whole models need all of the library: they are imported when used."""
    if name in ("load_model", "load_weights", "save_model", "save_weights"):
        from fastconv.saving import saving

        return getattr(saving, name)
    raise AttributeError(f"module 'fastconv.saving' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
