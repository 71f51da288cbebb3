"""Models: ``Sequential`` chains, functional graphs, subclasses."""

from __future__ import annotations

from typing import Any

from fastconv.models.cloning import clone_model
from fastconv.models.model import Model
from fastconv.models.sequential import Sequential

Functional = Model


def load_model(filepath: Any, **kwargs: Any) -> Any:
    """Read a model from a file; see :func:`fastconv.saving.load_model`."""
    from fastconv.saving.saving import load_model as load

    return load(filepath, **kwargs)


def save_model(model: Model, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
    """Write a model to a file; see :meth:`Model.save`."""
    model.save(filepath, overwrite=overwrite, **kwargs)


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model whose :meth:`Model.to_json` is ``json_string``, with new weights.

    Raises:
        ValueError: if the text is no model's.
    """
    import json

    from fastconv.saving.registry import deserialize_keras_object

    try:
        config = json.loads(json_string)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not the JSON of a model: {error}") from error
    try:
        model = deserialize_keras_object(config, custom_objects)
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError(f"the JSON describes no model: {error!r}") from error
    if not isinstance(model, Model):
        raise ValueError("the JSON describes no model")
    return model


__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]
