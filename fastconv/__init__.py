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
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        dtype_policies,
        initializers,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        utils,
    )
    from fastconv.dtype_policies import DTypePolicy
    from fastconv.graph.tensor import Variable
    from fastconv.initializers import Initializer
    from fastconv.layers import Input, InputSpec, Layer
    from fastconv.losses import Loss
    from fastconv.metrics import Metric
    from fastconv.models import Model, Sequential
    from fastconv.optimizers import Optimizer
    from fastconv.regularizers import Regularizer

_MODULES = frozenset(
    {
        "activations",
        "applications",
        "backend",
        "callbacks",
        "config",
        "constraints",
        "datasets",
        "dtype_policies",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "mixed_precision",
        "models",
        "ops",
        "optimizers",
        "preprocessing",
        "random",
        "regularizers",
        "saving",
        "utils",
    }
)
_OBJECTS = {
    "DTypePolicy": "fastconv.dtype_policies",
    "Initializer": "fastconv.initializers",
    "Input": "fastconv.layers",
    "InputSpec": "fastconv.layers",
    "Layer": "fastconv.layers",
    "Loss": "fastconv.losses",
    "Metric": "fastconv.metrics",
    "Model": "fastconv.models",
    "Optimizer": "fastconv.optimizers",
    "Regularizer": "fastconv.regularizers",
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
    "DTypePolicy",
    "Initializer",
    "Input",
    "InputSpec",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "applications",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "utils",
]
