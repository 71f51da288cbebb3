"""Tensors and variables for programs that tests trace, and the names of what passes leave."""

from __future__ import annotations

import numpy as np

from fastconv.graph.passes import Flow
from fastconv.graph.tensor import Tensor, Variable


def variable(*shape: int) -> Variable:
    return Variable(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def rows(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor((None, *shape), dtype)


def names(flow: Flow) -> list[str]:
    return [s.name for s in flow.steps]
