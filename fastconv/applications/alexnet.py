"""AlexNet, and a smaller form of it for small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.applications.common import inputs_of, without_top
from fastconv.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from fastconv.models import Model


def alexnet(
    input_shape: Sequence[int] = (227, 227, 3),
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "alexnet",
) -> Model:
    """AlexNet (Krizhevsky, Sutskever, Hinton, 2012): 60,965,224 parameters.

    Five convolutions, the second, fourth and fifth in two groups as on the paper's two GPUs, three
    max poolings, two dense layers of 4096 units with dropout. Local response normalization is left
    out: Simonyan and Zisserman (2014) found it to be of no use.

    Args:
        input_shape: (height, width, channels) of an image, at least 67x67.
        classes: Number of classes.
        include_top: False ends the model after the last pooling.
        weights: None: the net starts untrained.
        input_tensor: An ``Input`` to use instead of ``input_shape``.
        pooling: Without the top: ``"avg"`` or ``"max"`` over the image, or None.
        classifier_activation: Of the last layer; None gives logits.
        name: The model's name.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """
    inputs = inputs_of("alexnet", input_shape, classes, 67, weights, input_tensor)
    x = Conv2D(96, 11, strides=4, activation="relu")(inputs)
    x = MaxPooling2D(3, strides=2)(x)
    x = Conv2D(256, 5, padding="same", groups=2, activation="relu")(x)
    x = MaxPooling2D(3, strides=2)(x)
    x = Conv2D(384, 3, padding="same", activation="relu")(x)
    x = Conv2D(384, 3, padding="same", groups=2, activation="relu")(x)
    x = Conv2D(256, 3, padding="same", groups=2, activation="relu")(x)
    x = MaxPooling2D(3, strides=2)(x)
    if not include_top:
        return without_top("alexnet", inputs, x, pooling, name)
    return _with_top(inputs, x, 4096, classes, classifier_activation, name)


def alexnet_cifar(
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "alexnet_cifar",
) -> Model:
    """AlexNet's layers in a size for 32x32 images: 5,871,434 parameters with ten classes.

    The first convolution has 64 filters of 5x5 and no stride; the others have 192, 384, 256 and
    256 filters in one group, the dense layers 1024 units. Arguments as in :func:`alexnet`, images
    of at least 15x15.
    """
    inputs = inputs_of("alexnet_cifar", input_shape, classes, 15, weights, input_tensor)
    x = Conv2D(64, 5, padding="same", activation="relu")(inputs)
    x = MaxPooling2D(3, strides=2)(x)
    x = Conv2D(192, 5, padding="same", activation="relu")(x)
    x = MaxPooling2D(3, strides=2)(x)
    x = Conv2D(384, 3, padding="same", activation="relu")(x)
    x = Conv2D(256, 3, padding="same", activation="relu")(x)
    x = Conv2D(256, 3, padding="same", activation="relu")(x)
    x = MaxPooling2D(3, strides=2)(x)
    if not include_top:
        return without_top("alexnet_cifar", inputs, x, pooling, name)
    return _with_top(inputs, x, 1024, classes, classifier_activation, name)


def _with_top(
    inputs: Any, x: Any, units: int, classes: int, activation: Any, name: str | None
) -> Model:
    x = Flatten()(x)
    for _ in range(2):
        x = Dropout(0.5)(Dense(units, activation="relu")(x))
    return Model(inputs, Dense(classes, activation=activation)(x), name=name)
