"""A backward pass by hand, checked against the library and against finite differences.

    python examples/backward_by_hand.py

The net is x -> tanh(x W1 + b1) -> softmax(h W2 + b2) with cross-entropy. The chain rule gives, from
the end to the start:

    dz2 = (p - onehot(y)) / N        dW2 = h' dz2        db2 = sum dz2
    dz1 = (dz2 W2') * (1 - h^2)      dW1 = x' dz1        db1 = sum dz1

The library's gradient is read off one step of SGD with learning rate 1: it is what the weights
lose.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fastconv
from fastconv.layers import Dense, Input

Weights = list[np.ndarray]


def forward(x: np.ndarray, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Hidden values and probabilities."""
    w1, b1, w2, b2 = weights
    h = np.tanh(x @ w1 + b1)
    z = h @ w2 + b2
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return h, e / e.sum(axis=1, keepdims=True)


def loss(x: np.ndarray, y: np.ndarray, weights: Weights) -> float:
    """The mean cross-entropy."""
    _, p = forward(x, weights)
    return float(-np.log(p[np.arange(len(y)), y]).mean())


def backward(x: np.ndarray, y: np.ndarray, weights: Weights) -> Weights:
    """The gradient of the loss for each weight, by the chain rule."""
    h, p = forward(x, weights)
    dz2 = p.copy()
    dz2[np.arange(len(y)), y] -= 1
    dz2 /= len(y)
    dz1 = (dz2 @ weights[2].T) * (1 - h**2)
    return [x.T @ dz1, dz1.sum(axis=0), h.T @ dz2, dz2.sum(axis=0)]


def finite_differences(x: np.ndarray, y: np.ndarray, weights: Weights) -> Weights:
    """The same gradient from how the loss changes: slow, and independent of the chain rule."""
    step = 1e-6
    gradients = []
    for w in weights:
        gradient = np.empty_like(w)
        for at in np.ndindex(w.shape):
            kept = w[at]
            w[at] = kept + step
            above = loss(x, y, weights)
            w[at] = kept - step
            gradient[at] = (above - loss(x, y, weights)) / (2 * step)
            w[at] = kept
        gradients.append(gradient)
    return gradients


def from_library(x: np.ndarray, y: np.ndarray, weights: Weights) -> Weights:
    """The same gradient from fastconv."""
    model: Any = fastconv.Sequential(
        [
            Input((x.shape[1],)),
            Dense(weights[1].size, activation="tanh"),
            Dense(weights[3].size, activation="softmax"),
        ]
    )
    model.compile(optimizer=fastconv.optimizers.SGD(1.0), loss="sparse_categorical_crossentropy")
    model.set_weights([w.astype(np.float32) for w in weights])
    before = model.get_weights()
    model.train_on_batch(x.astype(np.float32), y)
    return [b - a for b, a in zip(before, model.get_weights(), strict=True)]


def main() -> float:
    """Print the largest difference for each weight; return the largest of all."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
    shapes = {"W1": (5, 4), "b1": (4,), "W2": (4, 3), "b2": (3,)}
    weights = [0.5 * rng.standard_normal(shape) for shape in shapes.values()]
    by_hand = backward(x, y, weights)
    numeric = finite_differences(x, y, weights)
    library = from_library(x, y, weights)
    print("largest difference from the hand-written backward pass:")
    worst = 0.0
    for name, hand, near, ours in zip(shapes, by_hand, numeric, library, strict=True):
        differences = abs(near - hand).max(), abs(ours - hand).max()
        print(f"  d{name}: finite differences {differences[0]:.1e}, fastconv {differences[1]:.1e}")
        worst = max(worst, *differences)
    return float(worst)


if __name__ == "__main__":
    main()
