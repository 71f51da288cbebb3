"""Residual nets for small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.applications.common import check_image_shape
from fastconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    Input,
)
from fastconv.models import Model


def resnet20(input_shape: Sequence[int] = (32, 32, 3), classes: int = 10) -> Model:
    """ResNet-20 (He, Zhang, Ren, Sun, 2015, section 4.2) with a softmax.

    A convolution, then three stages of three residual blocks with 16, 32 and 64 filters, halving
    the image between stages; 1x1 projections where the shape changes.

    Args:
        input_shape: (height, width, channels) of an image, at least 4x4.
        classes: Number of classes.

    Raises:
        ValueError: ``input_shape`` is no image shape or too small, or fewer than two classes.
    """
    shape = check_image_shape("resnet20", input_shape, classes, smallest=4)
    inputs = Input(shape)
    x = Activation("relu")(_convolution(inputs, 16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            x = _residual(x, filters, strides=2 if stage > 0 and block == 0 else 1)
    outputs = Dense(classes, activation="softmax")(GlobalAveragePooling2D()(x))
    return Model(inputs, outputs, name="resnet20")


def _residual(x: Any, filters: int, strides: int) -> Any:
    shortcut = x if strides == 1 else _convolution(x, filters, kernel_size=1, strides=strides)
    x = Activation("relu")(_convolution(x, filters, strides=strides))
    return Activation("relu")(Add()([_convolution(x, filters), shortcut]))


def _convolution(x: Any, filters: int, kernel_size: int = 3, strides: int = 1) -> Any:
    x = Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)
    return BatchNormalization()(x)
