"""Modules that answer for ``keras`` and ``tensorflow``, and the hook that imports them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from fastconv.compat.paths import MODULES, NAMES, TENSORFLOW

_ROOTS = ("tensorflow.keras", "tensorflow.python.keras", "keras")  # what stands for Keras


class NotCoveredError(ImportError):
    """A part of Keras or TensorFlow that fastconv does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not covered by fastconv", name=name)


class AnsweredModule(ModuleType):
    """A module of Keras or TensorFlow whose names are fastconv's.

    Args:
        name: the path as scripts write it.
        target: the module of fastconv that has its names, None for none.
        names: further names, each with ``"module:name"``, where it is found.
        children: names of the modules below it.
    """

    def __init__(
        self, name: str, target: str | None, names: Mapping[str, str], children: Sequence[str]
    ) -> None:
        super().__init__(name, f"{name}, answered by {target or 'fastconv'}.")
        self.__path__: list[str] = []
        self._target = None if target is None else import_module(target)
        self._names = names
        self.children = children

    @property
    def __all__(self) -> list[str]:
        own = {n for n in self._names if not n.startswith("_")}
        return sorted({*_public(self._target), *own, *self.children})

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.__all__]

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            module, _, attribute = self._names[name].partition(":")
            value = getattr(import_module(module), attribute)
        elif name in self.children:
            return import_module(f"{self.__name__}.{name}")
        elif name in _public(self._target):
            value = getattr(self._target, name)
        elif name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        else:
            raise AttributeError(str(NotCoveredError(f"{self.__name__}.{name}")))
        setattr(self, name, value)
        return value


def _public(module: ModuleType | None) -> list[str]:
    """``__all__``, or else the functions and classes that a module defines."""
    if module is None or hasattr(module, "__all__"):
        return [] if module is None else list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


class Finder(MetaPathFinder, Loader):
    """Answers ``keras``, ``tensorflow`` and the modules below them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname.partition(".")[0] not in ("keras", "tensorflow"):
            return None
        if not is_module(fullname):
            raise NotCoveredError(fullname)
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return answered(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Its names are looked up when they are used."""


def install() -> None:
    """From now on this process imports fastconv where it says ``keras`` or ``tensorflow``.

    Raises:
        RuntimeError: if the real ones have been imported already.
    """
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    for root in ("keras", "tensorflow"):
        if root in sys.modules:
            raise RuntimeError(f"{root} has been imported already: it cannot be answered any more")
    sys.meta_path.insert(0, Finder())


def answered(name: str) -> AnsweredModule:
    """The module for a path such as ``"tensorflow.keras.layers"``.

    Raises:
        NotCoveredError: if fastconv has nothing there.
    """
    if not is_module(name):
        raise NotCoveredError(name)
    below = _below_keras(name)
    if below is not None:
        return AnsweredModule(name, MODULES[below], NAMES.get(below, {}), _children(below, MODULES))
    below = name.partition(".")[2]
    children = _children(below, TENSORFLOW)
    if below in ("", "python"):
        children = sorted({*children, "keras"} | ({"python"} if not below else set()))
    return AnsweredModule(name, None, TENSORFLOW.get(below, {}), children)


def is_module(name: str) -> bool:
    """Whether a path under ``keras`` or ``tensorflow`` is a module that is answered."""
    below = _below_keras(name)
    if below is not None:
        return below in MODULES and _exists(MODULES[below])
    root, _, rest = name.partition(".")
    return root == "tensorflow" and (rest in TENSORFLOW or rest == "python")


def _below_keras(name: str) -> str | None:
    for root in _ROOTS:
        if name == root or name.startswith(f"{root}."):
            return name[len(root) + 1 :]
    return None


def _children(below: str, table: Mapping[str, Any]) -> list[str]:
    prefix = f"{below}." if below else ""
    found = {n[len(prefix) :].partition(".")[0] for n in table if n and n.startswith(prefix)}
    return sorted(c for c in found if table is not MODULES or _exists(MODULES[prefix + c]))


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
