"""Names of classes and functions in files: registration, serialization, lookup.

Objects are written in Keras's own form, ``{module, class_name, config, registered_name}``, under
Keras's public module names, so either library reads what the other wrote. Reading builds an object
from its name and its config alone; nothing in a file is ever executed.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

_NAMESPACES = (
    "layers",
    "models",
    "activations",
    "initializers",
    "regularizers",
    "constraints",
    "optimizers",
    "losses",
    "metrics",
)
_OF_FUNCTIONS = frozenset({"activations", "losses", "metrics"})
_NOT_NAMED = frozenset({"get", "serialize", "deserialize"})  # they look up names themselves
_UNSAFE = ("__lambda__", "__typespec__")

_registered: dict[str, Any] = {}  # "package>name" -> class or function
_names: dict[Any, str] = {}
_scopes: ContextVar[tuple[Mapping[str, Any], ...]] = ContextVar("scopes", default=())


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[T], T]:
    """Decorator that lets files name a class or function of your own.

    A class needs ``get_config``; it is built again by ``from_config`` (or its constructor).

    Raises:
        ValueError: if the class has no ``get_config``, or the name is taken by another object.
    """

    def decorate(item: T) -> T:
        label = f"{package}>{name or getattr(item, '__name__', '')}"
        if isinstance(item, type) and not hasattr(item, "get_config"):
            raise ValueError(f"cannot register class {item.__name__}: it has no get_config method")
        known = _registered.get(label)
        if known is not None and known is not item and not _same_definition(known, item):
            raise ValueError(f"{label} is already registered to {known!r}")
        _registered[label] = item
        _names[item] = label
        return item

    return decorate


def _same_definition(a: Any, b: Any) -> bool:
    """Whether a cell of a notebook, or a module, was simply run again."""
    return (a.__module__, a.__qualname__) == (b.__module__, b.__qualname__)


def get_registered_name(obj: Any) -> str:
    """``package>name`` of a registered object, else its own name."""
    return _names.get(obj) or str(obj.__name__)


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The class or function of a name, or None."""
    for scope in (
        custom_objects or {},
        *reversed(_scopes.get()),
        _registered,
        module_objects or {},
    ):
        if name in scope:
            return scope[name]
    return None


@contextmanager
def custom_object_scope(custom_objects: Mapping[str, Any]) -> Iterator[None]:
    """Inside, ``custom_objects`` (name -> class or function) are known when files are read; to this
    thread."""
    token = _scopes.set((*_scopes.get(), custom_objects))
    try:
        yield
    finally:
        _scopes.reset(token)


CustomObjectScope = custom_object_scope


def get_custom_objects() -> dict[str, Any]:
    """The registered objects; adding to the dictionary registers."""
    return _registered


def to_snake_case(name: str) -> str:
    """The default name of an object of a class.

    >>> [to_snake_case(n) for n in ("MaxPooling2D", "ReLU", "DepthwiseConv2D", "Dense")]
    ['max_pooling2d', 're_lu', 'depthwise_conv2d', 'dense']
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _public_module(item: Any) -> str | None:
    """Keras's public module for an object of fastconv's, None for anybody else's."""
    module = str(getattr(item, "__module__", ""))
    parts = module.split(".")
    if parts[0] != "fastconv" or len(parts) < 2:
        return None
    if parts[1] == "models":
        return "keras"
    if parts[1] == "optimizers" and "schedules" in parts:
        return "keras.optimizers.schedules"
    return f"keras.{parts[1]}" if parts[1] in _NAMESPACES else None


def serialize_keras_object(obj: Any) -> Any:
    """``obj`` as plain JSON types.

    Raises:
        TypeError: if the object has no ``get_config``.
    """
    if obj is None or isinstance(obj, (str, bool, int, float)):
        return obj
    if isinstance(obj, (list, tuple)):
        return [serialize_keras_object(x) for x in obj]
    if isinstance(obj, dict):
        return {k: serialize_keras_object(v) for k, v in obj.items()}
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()
    if isinstance(obj, np.ndarray):
        config = {"value": obj.tolist(), "dtype": str(obj.dtype)}
        return {"class_name": "__numpy__", "config": config}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, slice):
        bounds = {"start": obj.start, "stop": obj.stop, "step": obj.step}
        return {"class_name": "__slice__", "config": serialize_keras_object(bounds)}
    if hasattr(obj, "get_config"):
        return _serialize_instance(obj)
    if callable(obj) and hasattr(obj, "__name__"):
        return _serialize_function(obj)
    raise TypeError(f"cannot serialize {obj!r}: it has no get_config method")


def _serialize_instance(obj: Any) -> dict[str, Any]:
    cls = type(obj)
    module = _public_module(cls)
    result = {
        "module": module or cls.__module__,
        "class_name": cls.__name__,
        "config": serialize_keras_object(obj.get_config()),
        "registered_name": None if module else get_registered_name(cls),
    }
    override = getattr(obj, "_serialized_as", None)
    if override is not None:
        result.update(override())
    for part in ("build_config", "compile_config"):
        getter = getattr(obj, f"get_{part}", None)
        value = getter() if getter is not None else None
        if value is not None:
            result[part] = serialize_keras_object(value)
    return result


def _serialize_function(obj: Any) -> Any:
    if _public_module(obj) is not None:
        return obj.__name__
    if obj.__name__ == "<lambda>":
        raise ValueError(
            "a lambda cannot be saved: use a named function, decorated with "
            "register_keras_serializable"
        )
    name = get_registered_name(obj)
    return {
        "module": obj.__module__,
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }


def find_object(
    name: str,
    module: str | None = None,
    registered_name: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The class or function that a file names, or None.

    Registered and custom objects come first; then fastconv's own, in the room that corresponds
    to the file's module, or in any where the file (an old one) names no module.
    """
    for key in (registered_name, name):
        found = get_registered_object(key, custom_objects) if key else None
        if found is not None:
            return found
    for key, item in _registered.items():
        if module is not None and not module.startswith("keras") and key.endswith(f">{name}"):
            return item
    if module and module.split(".")[0] not in ("keras", "fastconv", "builtins", "tf_keras"):
        return None
    parts = (module or "").split(".")
    rooms = [r for r in _NAMESPACES if r in parts] or list(_NAMESPACES)
    if "schedules" in parts:
        rooms = ["optimizers.schedules"]
    for room in rooms:
        found = getattr(importlib.import_module(f"fastconv.{room}"), name, None)
        if found is not None and _may_be_named(found, room, name):
            return found
    return None


def _may_be_named(item: Any, room: str, name: str) -> bool:
    """Whether ``item`` is a class that files hold or a function of tensors, of fastconv's own."""
    if not str(getattr(item, "__module__", "")).startswith("fastconv.") or name.startswith("_"):
        return False
    if isinstance(item, type):
        return hasattr(item, "get_config")
    home = item.__module__.split(".")[1]
    return callable(item) and {home, room} <= _OF_FUNCTIONS and name not in _NOT_NAMED


def deserialize_keras_object(
    config: Any,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Any:
    """The inverse of :func:`serialize_keras_object`.

    Raises:
        ValueError: if a name is unknown, or the object is a piece of code (a pickled lambda),
            which is never run whatever ``safe_mode`` says.
    """
    del safe_mode
    if config is None or isinstance(config, (bool, int, float)):
        return config
    if isinstance(config, str):
        found = get_registered_object(config, custom_objects, module_objects)
        return config if found is None else found
    if isinstance(config, (list, tuple)):
        return [deserialize_keras_object(c, custom_objects, module_objects) for c in config]
    if not isinstance(config, dict):
        raise ValueError(f"cannot build an object from {config!r}")
    if "class_name" not in config or "config" not in config:
        return {
            k: deserialize_keras_object(v, custom_objects, module_objects)
            for k, v in config.items()
        }
    name, inner = config["class_name"], config["config"]
    if name in _UNSAFE:
        raise ValueError(
            "the file holds Python code (a pickled lambda), which is never run: replace it by a "
            "named function, decorated with register_keras_serializable"
        )
    if name in ("__numpy__", "__tensor__"):
        dtype = np.dtype(inner["dtype"])
        if dtype.kind not in "biuf":
            raise ValueError(f"an array of {dtype}, expected numbers")
        return np.array(inner["value"], dtype=dtype)
    if name == "__bytes__":
        return inner["value"].encode()
    if name == "__ellipsis__":
        return Ellipsis
    if name == "__slice__":
        return slice(inner["start"], inner["stop"], inner["step"])
    if name == "DTypePolicy":
        return inner["name"]
    if name == "function":
        found = find_object(
            inner, config.get("module"), config.get("registered_name"), custom_objects
        )
        if found is None:
            raise ValueError(
                f"unknown function {inner!r}: pass it in custom_objects, or decorate it with "
                "register_keras_serializable"
            )
        return found
    return _deserialize_instance(config, custom_objects, module_objects)


def _deserialize_instance(
    config: dict[str, Any],
    custom_objects: Mapping[str, Any] | None,
    module_objects: Mapping[str, Any] | None,
) -> Any:
    name, inner = config["class_name"], config["config"]
    cls = find_object(name, config.get("module"), config.get("registered_name"), custom_objects)
    if cls is None and module_objects is not None:
        cls = module_objects.get(name)
    if cls is None:
        raise ValueError(
            f"unknown class {name!r} (module {config.get('module')!r}): pass it in custom_objects, "
            "or decorate it with register_keras_serializable"
        )
    if not isinstance(cls, type):
        return cls
    if not isinstance(inner, dict):
        raise ValueError(f"the config of {name} must be a dictionary, got {inner!r}")
    with custom_object_scope(custom_objects or {}):
        builder = getattr(cls, "from_config", None)
        try:
            obj = builder(dict(inner)) if builder is not None else cls(**inner)
        except (TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
            raise ValueError(f"the config of {name} does not fit: {error!r}") from error
        build_config = config.get("build_config")
        if build_config and hasattr(obj, "build_from_config"):
            obj.build_from_config(build_config)
    return obj
