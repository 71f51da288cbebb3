"""A VGG net for small images."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.applications.common import check_image_shape
from fastconv.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    MaxPooling2D,
)
from fastconv.layers.layer import Layer
from fastconv.models import Sequential


def vgg(input_shape: Sequence[int] = (32, 32, 3), classes: int = 10) -> Sequential:
    """Pairs of 3x3 convolutions with 64, 128 and 256 filters, after Simonyan and Zisserman (2014).

    Each convolution is followed by batch normalization and ReLU, each pair by max pooling; then a
    dense layer of 256 units with dropout of 0.5, and a softmax.

    Args:
        input_shape: (height, width, channels) of an image, at least 8x8.
        classes: Number of classes.

    Raises:
        ValueError: ``input_shape`` is no image shape or too small, or fewer than two classes.
    """
    shape = check_image_shape("vgg", input_shape, classes, smallest=8)
    layers: list[Layer] = []
    for filters in (64, 128, 256):
        for _ in range(2):
            layers += [
                Conv2D(filters, 3, padding="same", kernel_initializer="he_normal"),
                BatchNormalization(),
                Activation("relu"),
            ]
        layers.append(MaxPooling2D(2))
    head = [
        Flatten(),
        Dense(256, activation="relu"),
        Dropout(0.5),
        Dense(classes, activation="softmax"),
    ]
    return Sequential([Input(shape), *layers, *head], name="vgg")
