"""A model of each kind: a chain, a graph of two inputs and outputs, a subclass."""

from __future__ import annotations

from fastconv import layers
from fastconv.models import Model, Sequential


def small_cnn() -> Sequential:
    return Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def branched() -> Model:
    x = layers.Input((6,), name="left")
    z = layers.Input((6,), name="right")
    shared = layers.Dense(4, name="shared")
    joined = layers.Concatenate(name="join")([shared(x), shared(z) * 2.0])
    return Model(
        [x, z],
        [layers.Dense(3, name="a")(joined), layers.Dense(1, name="b")(joined + 1.0)],
        name="branched",
    )


class Residual(Model):
    def __init__(self) -> None:
        super().__init__()
        self.inner = [layers.Dense(4, activation="relu"), layers.Dense(4)]
        self.head = layers.Dense(1)

    def call(self, inputs: object) -> object:
        x = inputs
        for layer in self.inner:
            x = layer(x)
        return self.head(x + inputs)
