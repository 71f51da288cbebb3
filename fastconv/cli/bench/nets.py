"""The nets of the comparison: what they train on, and their definition in Keras's API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Net:
    """One net, its data and how it is trained. ``build(api)`` takes keras or fastconv itself."""

    name: str
    shape: tuple[int, ...]  # of one example
    classes: int  # 1: binary
    batch: int
    rows: int  # in the data set that an epoch walks through
    optimizer: tuple[str, dict[str, Any]]  # class name, arguments
    build: Callable[[Any], Any]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Random examples and labels: float32 in memory, the same for every library."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.rows, *self.shape), np.float32)
        y = rng.integers(0, max(self.classes, 2), self.rows)
        return x, y

    def compiled(self, api: Any, **options: Any) -> Any:
        """The model, ready for ``fit``, in a library with Keras's API."""
        name, arguments = self.optimizer
        loss = "binary_crossentropy" if self.classes == 1 else "sparse_categorical_crossentropy"
        model = self.build(api)
        model.compile(optimizer=getattr(api.optimizers, name)(**arguments), loss=loss, **options)
        return model


def cifar_lab(api: Any) -> Any:
    layers = api.layers
    return api.models.Sequential(
        [
            layers.Input((32, 32, 3)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def mnist_cnn(api: Any) -> Any:
    layers = api.layers
    return api.models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def mnist_mlp(api: Any) -> Any:
    layers = api.layers
    return api.models.Sequential(
        [
            layers.Input((784,)),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lenet5(api: Any) -> Any:
    layers = api.layers
    return api.models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def resnet20(api: Any) -> Any:
    """With projections, the paper's option B, where a shortcut changes shape: two convolutions
    that ``applications.resnet20``, of option A, does without."""
    layers = api.layers

    def convolution(x: Any, filters: int, kernel: int = 3, strides: int = 1) -> Any:
        x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = layers.Input((32, 32, 3))
    x = layers.Activation("relu")(convolution(inputs, 16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            strides = 2 if stage > 0 and block == 0 else 1
            shortcut = x if strides == 1 else convolution(x, filters, 1, strides)
            y = layers.Activation("relu")(convolution(x, filters, 3, strides))
            y = layers.Add()([convolution(y, filters), shortcut])
            x = layers.Activation("relu")(y)
    x = layers.GlobalAveragePooling2D()(x)
    return api.models.Model(inputs, layers.Dense(10, activation="softmax")(x))


def vgg(api: Any) -> Any:
    layers = api.layers
    stack = [layers.Input((32, 32, 3))]
    for filters in (64, 128, 256):
        for _ in range(2):
            stack.append(layers.Conv2D(filters, 3, padding="same"))
            stack.append(layers.BatchNormalization())
            stack.append(layers.Activation("relu"))
        stack.append(layers.MaxPooling2D(2))
    stack.append(layers.Flatten())
    stack.append(layers.Dense(256, activation="relu"))
    stack.append(layers.Dropout(0.5))
    stack.append(layers.Dense(10, activation="softmax"))
    return api.models.Sequential(stack)


def pima_mlp(api: Any) -> Any:
    layers = api.layers
    return api.models.Sequential(
        [
            layers.Input((8,)),
            layers.Dense(12, activation="relu"),
            layers.Dense(12, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


_IMAGE, _DIGIT = (32, 32, 3), (28, 28, 1)
_RMSPROP = ("RMSprop", {"learning_rate": 5e-4})
_ADADELTA = ("Adadelta", {"learning_rate": 1.0})
_ADAM = ("Adam", {"learning_rate": 1e-3})


def _sgd(rate: float, momentum: float = 0.9) -> tuple[str, dict[str, Any]]:
    return "SGD", {"learning_rate": rate, "momentum": momentum}


NETS = {
    net.name: net
    for net in (
        Net("cifar_lab", _IMAGE, 10, 128, 8192, _RMSPROP, cifar_lab),
        Net("mnist_cnn", _DIGIT, 10, 128, 16384, _ADADELTA, mnist_cnn),
        Net("mnist_mlp", (784,), 10, 128, 32768, _ADAM, mnist_mlp),
        Net("lenet5", _DIGIT, 10, 128, 32768, _sgd(0.01), lenet5),
        Net("resnet20", _IMAGE, 10, 128, 4096, _sgd(0.1), resnet20),
        Net("vgg", _IMAGE, 10, 128, 2048, _sgd(0.05), vgg),
        Net("pima_mlp", (8,), 1, 32, 32768, _sgd(0.003, momentum=0.0), pima_mlp),
    )
}
