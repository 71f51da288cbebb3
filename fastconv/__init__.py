"""Conv nets and MLPs on multicore CPUs: Keras's API over a C++ core.

>>> import fastconv
>>> model = fastconv.Sequential([fastconv.Input((4,)), fastconv.layers.Dense(2)])
>>> model.count_params()
10
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fastconv import (
        activations,
        applications,
        callbacks,
        config,
        constraints,
        datasets,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        random,
        regularizers,
        saving,
        utils,
    )
    from fastconv.graph.tensor import Variable
    from fastconv.layers import Input, Layer
    from fastconv.models import Model, Sequential

_MODULES = frozenset(
    {
        "activations",
        "applications",
        "callbacks",
        "config",
        "constraints",
        "datasets",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "models",
        "ops",
        "optimizers",
        "random",
        "regularizers",
        "saving",
        "utils",
    }
)
_OBJECTS = {
    "Input": "fastconv.layers",
    "Layer": "fastconv.layers",
    "Model": "fastconv.models",
    "Sequential": "fastconv.models",
    "Variable": "fastconv.graph.tensor",
}


def __getattr__(name: str) -> Any:
    """Modules are imported when they are first used."""
    if name in _MODULES:
        value: Any = importlib.import_module(f"fastconv.{name}")
    elif name in _OBJECTS:
        value = getattr(importlib.import_module(_OBJECTS[name]), name)
    else:
        raise AttributeError(f"module 'fastconv' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_OBJECTS})


__all__ = [
    "Input",
    "Layer",
    "Model",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "applications",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "saving",
    "utils",
]
