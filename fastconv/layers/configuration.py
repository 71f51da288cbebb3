"""The configuration of layers: what their constructors were given, as plain data."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastconv import dtype_policies, regularizers
from fastconv.dtype_policies import DTypePolicy


class Configured:
    """Can be made again from a dictionary of plain values."""

    name: str
    trainable: bool
    activity_regularizer: Any
    _init_arguments: tuple[tuple[Any, ...], dict[str, Any]]

    dtype_policy = DTypePolicy("float32")

    @property
    def compute_dtype(self) -> str:
        """The dtype that inputs and weights are read in: ``"float32"`` or ``"bfloat16"``."""
        return self.dtype_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        return self.dtype_policy.variable_dtype

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs to make an equal layer, without its weights."""
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": dtype_policies.serialize(self.dtype_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if type(self).get_config is Configured.get_config:
            return self._with_arguments(config)
        return config

    def _with_arguments(self, config: dict[str, Any]) -> dict[str, Any]:
        """``config`` with the arguments that the constructor was given, for a class that has no
        get_config of its own."""
        args, kwargs = self._init_arguments
        known = inspect.signature(type(self)).parameters
        given = {**dict(zip(known, args, strict=False)), **kwargs}
        for key, value in given.items():
            if not _is_plain(value):
                raise NotImplementedError(
                    f"{type(self).__name__} must override get_config to be saved: its argument "
                    f"{key}={value!r} is not a plain value"
                )
        if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            config = {k: v for k, v in config.items() if k in known}
        apart = ("name", "trainable", "dtype", "activity_regularizer", "input_shape", "input_dim")
        return {**config, **{k: v for k, v in given.items() if k not in apart}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer from :meth:`get_config`."""
        if "dtype" in config:
            config = {**config, "dtype": policy_name(config["dtype"])}
        accepted = _constructor_parameters(cls.__mro__)
        # Options of other versions of Keras that are switched off do no harm.
        return cls(**{k: v for k, v in config.items() if k in accepted or v not in (None, False)})


def policy_name(dtype: Any) -> Any:
    """The name of a dtype or of a DTypePolicy's config."""
    return dtype["config"]["name"] if isinstance(dtype, dict) else dtype


def policy_of(dtype: Any) -> DTypePolicy:
    """The policy that a layer's ``dtype`` stands for. Files made for GPUs run in float32."""
    name = policy_name(dtype)
    return dtype_policies.get("float32" if name == "mixed_float16" else name)


@functools.lru_cache(maxsize=1024)
def _constructor_parameters(classes: tuple[type, ...]) -> frozenset[str]:
    inits = [c.__dict__["__init__"] for c in classes if "__init__" in c.__dict__]
    return frozenset(name for init in inits for name in parameters(init))


@functools.lru_cache(maxsize=1024)
def parameters(call: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(call).parameters)


@functools.lru_cache(maxsize=1024)
def positional(call: Callable[..., Any]) -> tuple[str, ...]:
    """The arguments that a method takes by position, ``self`` left out."""
    known = inspect.signature(call).parameters.values()
    return tuple(p.name for p in known if p.kind is p.POSITIONAL_OR_KEYWORD)[1:]


@functools.lru_cache(maxsize=1024)
def default_training(call: Callable[..., Any]) -> bool | None:
    """The ``training`` that a signature has where nobody says anything about it."""
    parameter = inspect.signature(call).parameters.get("training")
    default = None if parameter is None else parameter.default
    return default if isinstance(default, bool) else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(v) for v in value)
    if isinstance(value, dict):
        return all(_is_plain(v) for v in value.values())
    return value is None or isinstance(value, (bool, int, float, str))
