"""Residual nets for small images: ResNet-20, 32 and 56."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.applications.common import inputs_of, without_top
from fastconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    MaxPooling2D,
    ZeroPadding2D,
)
from fastconv.models import Model


def resnet20(
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "resnet20",
) -> Model:
    """ResNet-20 (He, Zhang, Ren, Sun, 2015, section 4.2): 269,722 trained parameters.

    A convolution, then three stages of three residual blocks with 16, 32 and 64 filters, halving
    the image between stages. Where the shape changes, the shortcut takes every second pixel and
    adds channels of zeros (the paper's option A), which needs no parameters.

    Args:
        input_shape: (height, width, channels) of an image, at least 4x4.
        classes: Number of classes.
        include_top: False ends the model after the last stage.
        weights: None: the net starts untrained.
        input_tensor: An ``Input`` to use instead of ``input_shape``.
        pooling: Without the top: ``"avg"`` or ``"max"`` over the image, or None.
        classifier_activation: Of the last layer; None gives logits.
        name: The model's name.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """
    inputs = inputs_of("resnet20", input_shape, classes, 4, weights, input_tensor)
    x = _features(inputs, blocks=3)
    if not include_top:
        return without_top("resnet20", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def resnet32(
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "resnet32",
) -> Model:
    """ResNet-32: stages of five blocks, 464,154 trained parameters; see :func:`resnet20`."""
    inputs = inputs_of("resnet32", input_shape, classes, 4, weights, input_tensor)
    x = _features(inputs, blocks=5)
    if not include_top:
        return without_top("resnet32", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def resnet56(
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "resnet56",
) -> Model:
    """ResNet-56: stages of nine blocks, 853,018 trained parameters; see :func:`resnet20`."""
    inputs = inputs_of("resnet56", input_shape, classes, 4, weights, input_tensor)
    x = _features(inputs, blocks=9)
    if not include_top:
        return without_top("resnet56", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def _features(x: Any, blocks: int) -> Any:
    x = Activation("relu")(_convolution(x, 16))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(blocks):
            x = _residual(x, filters, halve=stage > 0 and block == 0)
    return x


def _residual(x: Any, filters: int, halve: bool) -> Any:
    shortcut = x
    if halve:
        shortcut = MaxPooling2D(1, strides=2)(x)  # every second pixel
        # As channels_first the layer pads the last two axes, here the width and the channels.
        more = ((0, 0), (filters // 4, filters // 4))
        shortcut = ZeroPadding2D(more, data_format="channels_first")(shortcut)
    x = Activation("relu")(_convolution(x, filters, strides=2 if halve else 1))
    return Activation("relu")(Add()([_convolution(x, filters), shortcut]))


def _convolution(x: Any, filters: int, strides: int = 1) -> Any:
    x = Conv2D(
        filters,
        3,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)
    return BatchNormalization()(x)


def _with_top(inputs: Any, x: Any, classes: int, activation: Any, name: str | None) -> Model:
    x = Dense(classes, activation=activation)(GlobalAveragePooling2D()(x))
    return Model(inputs, x, name=name)
