"""Optimizers, and learning-rate schedules in :mod:`fastconv.optimizers.schedules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastconv.optimizers import schedules
from fastconv.optimizers.adafactor import Adafactor
from fastconv.optimizers.adagrad import Adadelta, Adagrad
from fastconv.optimizers.adam import Adam, AdamW
from fastconv.optimizers.adamax import Adamax, Nadam
from fastconv.optimizers.ftrl import Ftrl
from fastconv.optimizers.lamb import Lamb
from fastconv.optimizers.lion import Lion
from fastconv.optimizers.muon import Muon
from fastconv.optimizers.optimizer import Optimizer
from fastconv.optimizers.rmsprop import RMSprop
from fastconv.optimizers.sgd import SGD
from fastconv.saving.registry import deserialize_keras_object, serialize_keras_object
from fastconv.utils.lookup import by_name

OPTIMIZERS: dict[str, type[Optimizer]] = {
    c.__name__: c
    for c in (
        *(Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Muon, Nadam),
        *(RMSprop, SGD),
    )
}
_BY_LOWER = {name.lower(): name for name in OPTIMIZERS}


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


def serialize(optimizer: Optimizer) -> Any:
    """The optimizer as Keras writes it in a file."""
    return serialize_keras_object(optimizer)


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Optimizer:
    """An optimizer from what :func:`serialize` gave; raises ValueError for an unknown class."""
    name = config.get("class_name")
    if isinstance(name, str) and name not in OPTIMIZERS and name.lower() in _BY_LOWER:
        name = _BY_LOWER[name.lower()]
    optimizer = deserialize_keras_object(
        {"module": "keras.optimizers", **config, "class_name": name}, custom_objects
    )
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{config} is not the config of an optimizer")
    return optimizer


__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
