"""Optimizer rules in NumPy: from (w, g, slots, lr[, t]) to (w, slots).

The formulas are Keras's; ``weight_decay`` is decoupled (Loshchilov and Hutter, 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array


def _decayed(w: Array, lr: Array, weight_decay: float) -> Any:
    return w - w * (weight_decay * lr) if weight_decay else w


def _sgd(w: Any, g: Any, lr: Any, *, weight_decay: float = 0.0) -> Any:
    return (_decayed(w, lr, weight_decay) - lr * g,)


def _momentum(
    w: Any, g: Any, v: Any, lr: Any, *, momentum: float, nesterov: int, weight_decay: float = 0.0
) -> Any:
    w = _decayed(w, lr, weight_decay)
    v = momentum * v - lr * g
    return (w + momentum * v - lr * g if nesterov else w + v), v


def _rmsprop(
    w: Any, g: Any, v: Any, lr: Any, *, rho: float, epsilon: float, weight_decay: float = 0.0
) -> Any:
    v = rho * v + (1 - rho) * np.square(g)
    return _decayed(w, lr, weight_decay) - lr * g / np.sqrt(v + epsilon), v


def _rmsprop_momentum(
    w: Any,
    g: Any,
    v: Any,
    mom: Any,
    lr: Any,
    *,
    rho: float,
    epsilon: float,
    momentum: float,
    weight_decay: float = 0.0,
) -> Any:
    v = rho * v + (1 - rho) * np.square(g)
    mom = momentum * mom + lr * g / np.sqrt(v + epsilon)
    return _decayed(w, lr, weight_decay) - mom, v, mom


def _rmsprop_centered(
    w: Any,
    g: Any,
    v: Any,
    mean: Any,
    lr: Any,
    *,
    rho: float,
    epsilon: float,
    weight_decay: float = 0.0,
) -> Any:
    v = rho * v + (1 - rho) * np.square(g)
    mean = rho * mean + (1 - rho) * g
    step = lr * g / np.sqrt(v - np.square(mean) + epsilon)
    return _decayed(w, lr, weight_decay) - step, v, mean


def _rmsprop_centered_momentum(
    w: Any,
    g: Any,
    v: Any,
    mean: Any,
    mom: Any,
    lr: Any,
    *,
    rho: float,
    epsilon: float,
    momentum: float,
    weight_decay: float = 0.0,
) -> Any:
    v = rho * v + (1 - rho) * np.square(g)
    mean = rho * mean + (1 - rho) * g
    mom = momentum * mom + lr * g / np.sqrt(v - np.square(mean) + epsilon)
    return _decayed(w, lr, weight_decay) - mom, v, mean, mom


def _adam(
    w: Any,
    g: Any,
    m: Any,
    v: Any,
    lr: Any,
    t: Any,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float = 0.0,
) -> Any:
    t = float(t)
    m = m + (g - m) * (1 - beta_1)
    v = v + (np.square(g) - v) * (1 - beta_2)
    rate = lr * w.dtype.type(np.sqrt(1 - beta_2**t) / (1 - beta_1**t))
    return _decayed(w, lr, weight_decay) - rate * m / (np.sqrt(v) + epsilon), m, v


def _adam_amsgrad(
    w: Any,
    g: Any,
    m: Any,
    v: Any,
    vhat: Any,
    lr: Any,
    t: Any,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float = 0.0,
) -> Any:
    t = float(t)
    m = m + (g - m) * (1 - beta_1)
    v = v + (np.square(g) - v) * (1 - beta_2)
    vhat = np.maximum(vhat, v)
    rate = lr * w.dtype.type(np.sqrt(1 - beta_2**t) / (1 - beta_1**t))
    return _decayed(w, lr, weight_decay) - rate * m / (np.sqrt(vhat) + epsilon), m, v, vhat


def _adagrad(
    w: Any, g: Any, acc: Any, lr: Any, *, epsilon: float, weight_decay: float = 0.0
) -> Any:
    acc = acc + np.square(g)
    return _decayed(w, lr, weight_decay) - lr * g / np.sqrt(acc + epsilon), acc


def _adadelta(
    w: Any,
    g: Any,
    acc: Any,
    delta: Any,
    lr: Any,
    *,
    rho: float,
    epsilon: float,
    weight_decay: float = 0.0,
) -> Any:
    acc = rho * acc + (1 - rho) * np.square(g)
    step = np.sqrt(delta + epsilon) / np.sqrt(acc + epsilon) * g
    delta = rho * delta + (1 - rho) * np.square(step)
    return _decayed(w, lr, weight_decay) - lr * step, acc, delta


def _nadam(
    w: Any,
    g: Any,
    m: Any,
    v: Any,
    u_product: Any,
    lr: Any,
    t: Any,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float = 0.0,
) -> Any:
    """Dozat, 2016; ``u_product`` is the product of the momentum schedule so far."""
    t = float(t)
    now, later = (beta_1 * (1 - 0.5 * 0.96**i) for i in (t, t + 1))
    u_product = u_product * w.dtype.type(now)
    m = m + (g - m) * (1 - beta_1)
    v = v + (np.square(g) - v) * (1 - beta_2)
    mean = later * m / (1 - u_product * later) + (1 - now) * g / (1 - u_product)
    root = np.sqrt(v / (1 - beta_2**t)) + epsilon
    return _decayed(w, lr, weight_decay) - lr * mean / root, m, v, u_product


def _adamax(
    w: Any,
    g: Any,
    m: Any,
    u: Any,
    lr: Any,
    t: Any,
    *,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    weight_decay: float = 0.0,
) -> Any:
    m = m + (g - m) * (1 - beta_1)
    u = np.maximum(beta_2 * u, np.abs(g))
    step = lr * m / ((1 - beta_1 ** float(t)) * (u + epsilon))
    return _decayed(w, lr, weight_decay) - step, m, u


EVAL: dict[str, Callable[..., Any]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "rmsprop": _rmsprop,
    "rmsprop_momentum": _rmsprop_momentum,
    "rmsprop_centered": _rmsprop_centered,
    "rmsprop_centered_momentum": _rmsprop_centered_momentum,
    "adam": _adam,
    "adam_amsgrad": _adam_amsgrad,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "nadam": _nadam,
    "adamax": _adamax,
}
