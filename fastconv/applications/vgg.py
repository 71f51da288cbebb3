"""VGG nets: the paper's, and one for small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.applications.common import (
    check_image_shape,
    check_weights,
    inputs_of,
    without_top,
)
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
from fastconv.models import Model, Sequential


def vgg11(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "vgg11",
) -> Model:
    """VGG-11 (Simonyan and Zisserman, 2014, configuration A): 132,863,336 parameters.

    Blocks of 3x3 convolutions with 64, 128, 256, 512 and 512 filters, each with max pooling, then
    two dense layers of 4096 units.

    Args:
        input_shape: (height, width, channels) of an image, at least 32x32; None: 224x224x3.
        classes: Number of classes.
        include_top: False ends the model after the last pooling.
        weights: None: the net starts untrained.
        input_tensor: An ``Input`` to use instead of ``input_shape``.
        pooling: Without the top: ``"avg"`` or ``"max"`` over the image, or None.
        classifier_activation: Of the last layer; None gives logits.
        name: The model's name. Layers are named as in Keras.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """
    inputs = inputs_of("vgg11", input_shape, classes, 32, weights, input_tensor)
    x = _features(inputs, (1, 1, 2, 2, 2))
    if not include_top:
        return without_top("vgg11", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def vgg13(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "vgg13",
) -> Model:
    """VGG-13 (configuration B): 133,047,848 parameters. Arguments as in :func:`vgg11`."""
    inputs = inputs_of("vgg13", input_shape, classes, 32, weights, input_tensor)
    x = _features(inputs, (2, 2, 2, 2, 2))
    if not include_top:
        return without_top("vgg13", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def vgg16(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "vgg16",
) -> Model:
    """VGG-16 (configuration D): 138,357,544 parameters. Arguments as in :func:`vgg11`."""
    inputs = inputs_of("vgg16", input_shape, classes, 32, weights, input_tensor)
    x = _features(inputs, (2, 2, 3, 3, 3))
    if not include_top:
        return without_top("vgg16", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def vgg19(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "vgg19",
) -> Model:
    """VGG-19 (configuration E): 143,667,240 parameters. Arguments as in :func:`vgg11`."""
    inputs = inputs_of("vgg19", input_shape, classes, 32, weights, input_tensor)
    x = _features(inputs, (2, 2, 4, 4, 4))
    if not include_top:
        return without_top("vgg19", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def vgg(
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int = 10,
    include_top: bool = True,
    weights: None = None,
    classifier_activation: Any = "softmax",
    name: str = "vgg",
) -> Sequential:
    """A VGG net for small images: pairs of 3x3 convolutions with 64, 128 and 256 filters.

    Each convolution is followed by batch normalization and ReLU, each pair by max pooling; then a
    dense layer of 256 units with dropout of 0.5, and a softmax.

    Args:
        input_shape: (height, width, channels) of an image, at least 8x8.
        classes: Number of classes.
        include_top: False ends the model after the last pooling.
        weights: None: the net starts untrained.
        classifier_activation: Of the last layer; None gives logits.
        name: The model's name.

    Raises:
        ValueError: ``input_shape`` is no image shape or too small, or fewer than two classes.
    """
    check_weights("vgg", weights)
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
    if include_top:
        layers += [
            Flatten(),
            Dense(256, activation="relu"),
            Dropout(0.5),
            Dense(classes, activation=classifier_activation),
        ]
    return Sequential([Input(shape), *layers], name=name)


def _features(x: Any, depths: Sequence[int]) -> Any:
    for block, (depth, filters) in enumerate(zip(depths, (64, 128, 256, 512, 512), strict=True), 1):
        for i in range(1, depth + 1):
            name = f"block{block}_conv{i}"
            x = Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    return x


def _with_top(inputs: Any, x: Any, classes: int, activation: Any, name: str | None) -> Model:
    x = Flatten(name="flatten")(x)
    x = Dense(4096, activation="relu", name="fc1")(x)
    x = Dense(4096, activation="relu", name="fc2")(x)
    x = Dense(classes, activation=activation, name="predictions")(x)
    return Model(inputs, x, name=name)
