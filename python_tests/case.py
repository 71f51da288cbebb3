"""What a row of the table of cases is: an operation, its arguments, an error bound, FLOPs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv import reference
from fastconv.graph import Program, Tensor, Variable, bind, tracing

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.2, 3.0, shape).astype(np.float32)


def wide(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(-6.0, 6.0, shape).astype(np.float32)


def fraction(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(0.05, 0.95, shape).astype(np.float32)


def ties(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Few different values."""
    return rng.integers(-2, 3, shape).astype(np.float32)


def booleans(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 2, shape).astype(np.bool_)


def below(n: int) -> Draw:
    return lambda rng, shape: rng.integers(0, n, shape).astype(np.int32)


def distribution(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    e = np.exp(rng.standard_normal(shape))
    return (e / e.sum(axis=-1, keepdims=True)).astype(np.float32)


def constant(value: float, dtype: str = "float32") -> Draw:
    return lambda rng, shape: np.full(shape, value, dtype)


@dataclass(frozen=True)
class Arg:
    """One input: its shape, how its values are drawn, whether its first axis is the batch."""

    shape: tuple[int, ...]
    draw: Draw = normal
    batched: bool = False
    variable: bool = False  # updated in place


@dataclass(frozen=True)
class Case:
    op: str
    args: tuple[Arg, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    bound: float = 2e-6
    flops: int = 0
    differentiable: bool = True  # at the values drawn

    def __str__(self) -> str:
        shapes = ",".join("x".join(map(str, a.shape)) or "scalar" for a in self.args)
        short = "-".join(f"{k}={v}".replace(" ", "") for k, v in self.attrs.items())
        return f"{self.op}-{shapes}-{short}".rstrip("-")

    @property
    def batch(self) -> int:
        return next((a.shape[0] for a in self.args if a.batched), 1)

    def arrays(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng([seed, len(self.op), *map(ord, self.op)])
        drawn = [a.draw(rng, a.shape) for a in self.args]
        if self.op == "max_pool2d_grad":  # the index has to lie inside the image
            window = {k: self.attrs[k] for k in ("pool", "strides", "padding")}
            dy = self.args[0].shape
            image = normal(rng, (dy[0], *self.attrs["input_shape"], dy[3]))
            drawn[1] = reference.EVAL["max_pool2d"](image, **window)[1]
        return drawn

    def program(self) -> Program:
        """The program of this operation alone; arguments that are variables are updated."""
        inputs: list[Tensor] = []
        operands: list[Any] = []
        for arg, array in zip(self.args, self.arrays(), strict=True):
            if arg.variable:
                operands.append(Variable(array, dtype=str(array.dtype)))
                continue
            shape = (None, *array.shape[1:]) if arg.batched else array.shape
            inputs.append(Tensor(shape, str(array.dtype)))
            operands.append(inputs[-1])
        with tracing():
            made = bind(self.op, *operands, **self.attrs)
        outputs = list(made) if isinstance(made, tuple) else [made]
        variables = [v for v in operands if isinstance(v, Variable)]
        if variables:
            return Program.of(inputs, [], dict(zip(variables, outputs, strict=True)))
        return Program.of(inputs, outputs)


def error(result: np.ndarray, exact: np.ndarray) -> float:
    """The largest difference, relative to the largest value; NaN must meet NaN, inf must meet inf.

    Booleans and integers must agree exactly.
    """
    if result.shape != exact.shape:
        return math.inf
    if result.dtype.kind != "f":
        return 0.0 if np.array_equal(result, exact.astype(result.dtype)) else math.inf
    exact = exact.astype(np.float64)
    finite = np.isfinite(exact)
    if not np.array_equal(result[~finite], exact[~finite].astype(np.float32), equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(exact[finite]).max()), 1e-30)
    return float(np.abs(result[finite] - exact[finite]).max()) / scale
