"""Optimizers, and learning-rate schedules in :mod:`fastconv.optimizers.schedules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastconv.optimizers import schedules
from fastconv.optimizers.adagrad import Adadelta, Adagrad
from fastconv.optimizers.adam import Adam, AdamW
from fastconv.optimizers.adamax import Adamax, Nadam
from fastconv.optimizers.optimizer import Optimizer
from fastconv.optimizers.rmsprop import RMSprop
from fastconv.optimizers.sgd import SGD
from fastconv.utils.lookup import by_name

OPTIMIZERS: dict[str, type[Optimizer]] = {
    c.__name__: c for c in (Adadelta, Adagrad, Adam, AdamW, Adamax, Nadam, RMSprop, SGD)
}


def get(identifier: Any) -> Optimizer:
    """An optimizer from its name, its config, itself or its class.

    Raises:
        ValueError: for an unknown name, with the nearest known ones.
        TypeError: for anything else.

    >>> get("adadelta").name
    'adadelta'
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return by_name(identifier, OPTIMIZERS, "optimizer")()
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    raise TypeError(
        f"optimizer must be a name, a config or an Optimizer, got {type(identifier).__name__}"
    )


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The optimizer as Keras writes it in a file."""
    name = type(optimizer).__name__
    builtin = OPTIMIZERS.get(name) is type(optimizer)
    return {
        "module": "keras.optimizers" if builtin else type(optimizer).__module__,
        "class_name": name,
        "config": optimizer.get_config(),
        "registered_name": None if builtin else name,
    }


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Optimizer:
    """An optimizer from what :func:`serialize` gave; raises ValueError for an unknown class."""
    known: dict[str, Any] = {**OPTIMIZERS, **(custom_objects or {})}
    cls = by_name(config["class_name"], known, "optimizer")
    if not (isinstance(cls, type) and issubclass(cls, Optimizer)):
        raise TypeError(f"{config['class_name']} is not an optimizer")
    return cls.from_config(config["config"], custom_objects)


__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
