"""Activation functions, and softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastconv.graph import bind, operation
from fastconv.graph.primitives.common import sized
from fastconv.ops.elementwise import clip
from fastconv.ops.operand import as_float, normalize_axes, operand


@operation
def relu(x: Any) -> Any:
    """max(x, 0).

    >>> relu([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    """
    return bind("relu", operand(x))


@operation
def relu6(x: Any) -> Any:
    """min(max(x, 0), 6)."""
    return bind("minimum", relu(x), 6.0)


@operation
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x where it is positive, else negative_slope * x."""
    return bind("leaky_relu", as_float(x), negative_slope=float(negative_slope))


@operation
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    return bind("elu", as_float(x), alpha=float(alpha))


@operation
def selu(x: Any) -> Any:
    """The self-normalizing ELU (Klambauer et al., 2017): 1.0507 * elu(x, 1.6733)."""
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return bind("multiply", elu(x, alpha), scale)


@operation
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)).

    >>> float(sigmoid(0.0))
    0.5
    """
    return bind("sigmoid", as_float(x))


@operation
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return bind("tanh", as_float(x))


@operation
def silu(x: Any) -> Any:
    """x * sigmoid(x), also called swish."""
    x = as_float(x)
    return bind("multiply", x, bind("sigmoid", x))


@operation
def gelu(x: Any, approximate: bool = True) -> Any:
    """x * Phi(x), Phi the normal distribution (Hendrycks and Gimpel, 2016); by tanh or exactly."""
    x = as_float(x)
    if approximate:
        cubic = x + 0.044715 * (x * bind("square", x))
        phi = 1.0 + bind("tanh", math.sqrt(2.0 / math.pi) * cubic)
    else:
        phi = 1.0 + bind("erf", x * math.sqrt(0.5))
    return 0.5 * x * phi


@operation
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return bind("softplus", as_float(x))


@operation
def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    x = as_float(x)
    return x / (bind("absolute", x) + 1.0)


@operation
def hard_sigmoid(x: Any) -> Any:
    """x / 6 + 1/2, limited to [0, 1]."""
    return clip(as_float(x) * (1.0 / 6.0) + 0.5, 0.0, 1.0)


@operation
def softmax(x: Any, axis: int | Sequence[int] = -1) -> Any:
    """exp(x) / sum(exp(x)) along an axis, or over several.

    >>> softmax([[0.0, 0.0]])
    array([[0.5, 0.5]], dtype=float32)
    """
    return _along(x, "softmax", axis)


@operation
def log_softmax(x: Any, axis: int | Sequence[int] = -1) -> Any:
    """log(softmax(x)), exact also where softmax vanishes, along an axis or over several."""
    return _along(x, "log_softmax", axis)


def _along(x: Any, name: str, axis: int | Sequence[int]) -> Any:
    """A primitive of the last axis, along other ones, which are made the last and flattened."""
    x = as_float(x)
    axes = normalize_axes(name, axis, x.ndim)
    if axes == [x.ndim - 1]:
        return bind(name, x)
    perm = [i for i in range(x.ndim) if i not in axes] + axes
    moved = bind("transpose", x, perm=perm)
    shape = sized(moved.shape)
    flat = bind("reshape", moved, shape=[*shape[: -len(axes)], math.prod(shape[-len(axes) :])])
    result = bind("reshape", bind(name, flat), shape=shape)
    return bind("transpose", result, perm=[perm.index(i) for i in range(x.ndim)])
