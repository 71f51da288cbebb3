"""Activation functions, by name or as functions of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv import ops
from fastconv.graph import operation
from fastconv.ops.activation_variants import (
    celu,
    glu,
    hard_shrink,
    hard_silu,
    hard_tanh,
    log_sigmoid,
    soft_shrink,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh_shrink,
    threshold,
)
from fastconv.saving.registry import (
    deserialize_keras_object,
    get_registered_object,
    serialize_keras_object,
)

Activation = Callable[[Any], Any]


def linear(x: Any) -> Any:
    """``x`` itself."""
    return x


@operation
def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """``max(x, 0)``, or the general form with a slope, a ceiling and a threshold.

    ``max_value`` where x >= max_value, x where threshold <= x < max_value, and
    ``negative_slope * (x - threshold)`` below.
    """
    if threshold:
        above = ops.where(x >= threshold, x, 0.0)
        if negative_slope:
            above = ops.where(x >= threshold, x, negative_slope * (x - threshold))
        return above if max_value is None else ops.minimum(above, max_value)
    y = ops.leaky_relu(x, negative_slope) if negative_slope else ops.relu(x)
    return y if max_value is None else ops.minimum(y, max_value)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x where x >= 0, ``negative_slope * x`` elsewhere."""
    return ops.leaky_relu(x, negative_slope)


def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``."""
    return ops.relu6(x)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return ops.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """``min(max(x / 6 + 1/2, 0), 1)``."""
    return ops.hard_sigmoid(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return ops.tanh(x)


def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis."""
    return ops.softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """``x - log(sum(exp(x)))`` along an axis."""
    return ops.log_softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, ``alpha * (exp(x) - 1)`` elsewhere (Clevert et al., 2015)."""
    return ops.elu(x, alpha)


def selu(x: Any) -> Any:
    """The scaled ELU of self-normalizing networks (Klambauer et al., 2017)."""
    return ops.selu(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function at x, or its tanh approximation."""
    return ops.gelu(x, approximate=approximate)


def silu(x: Any) -> Any:
    """``x * sigmoid(x)``."""
    return ops.silu(x)


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``."""
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``."""
    return ops.softsign(x)


def exponential(x: Any) -> Any:
    """``exp(x)``."""
    return ops.exp(x)


@operation
def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))`` (Misra, arXiv:1908.08681)."""
    return x * ops.tanh(ops.softplus(x))


swish = silu
hard_swish = hard_silu

_ALL: tuple[Activation, ...] = (
    linear,
    relu,
    leaky_relu,
    relu6,
    sigmoid,
    hard_sigmoid,
    tanh,
    softmax,
    log_softmax,
    elu,
    selu,
    gelu,
    silu,
    softplus,
    softsign,
    exponential,
    hard_silu,
    mish,
    celu,
    glu,
    log_sigmoid,
    tanh_shrink,
    hard_tanh,
    hard_shrink,
    soft_shrink,
    sparse_plus,
    sparse_sigmoid,
    squareplus,
    sparsemax,
)
_BY_NAME: dict[str, Callable[..., Any]] = {
    **{f.__name__: f for f in _ALL},
    "swish": silu,
    "hard_swish": hard_silu,
    "threshold": threshold,
    "exp": exponential,
}


def serialize(activation: Activation) -> Any:
    """The name of one of these functions; a config for a layer or a registered function."""
    name = getattr(activation, "__name__", "")
    if _BY_NAME.get(name) is activation:  # wherever it is defined
        return name
    return serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The activation of a name or config."""
    if isinstance(config, dict):
        config = {"module": "keras.activations", **config}
    return deserialize_keras_object(config, custom_objects, _BY_NAME)


def get(identifier: Any) -> Any:
    """An activation from a name, a config or a callable; None gives :func:`linear`.

    >>> get("relu").__name__
    'relu'

    Raises:
        ValueError: if the name is unknown or the object cannot be called.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        found = get_registered_object(identifier, None, _BY_NAME)
        if found is None:
            raise ValueError(
                f"unknown activation {identifier!r}; known: {', '.join(sorted(_BY_NAME))}"
            )
        identifier = found
    elif isinstance(identifier, dict):
        identifier = deserialize(identifier)
    if isinstance(identifier, type):
        identifier = identifier()
    if not callable(identifier):
        raise ValueError(f"{identifier!r} is not an activation")
    return identifier


__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]
