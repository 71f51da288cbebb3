"""Residual nets for photographs: ResNet-18, 50, 101 and 152."""

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


def resnet18(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "resnet18",
) -> Model:
    """ResNet-18 (He, Zhang, Ren, Sun, 2015): 11,689,512 trained parameters.

    A 7x7 convolution and max pooling, then four stages of two blocks of 3x3 convolutions with 64,
    128, 256 and 512 filters; 1x1 projections where the shape changes, no biases.

    Args:
        input_shape: (height, width, channels) of an image, at least 32x32; None: 224x224x3.
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
    inputs = inputs_of("resnet18", input_shape, classes, 32, weights, input_tensor)
    x = _stem(inputs, use_bias=False)
    for stage, filters in enumerate((64, 128, 256, 512), 2):
        for block in (1, 2):
            strides = 2 if stage > 2 and block == 1 else 1
            x = _basic(x, filters, strides, f"conv{stage}_block{block}")
    if not include_top:
        return without_top("resnet18", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def resnet50(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "resnet50",
) -> Model:
    """ResNet-50, as Keras has it: 25,636,712 parameters, of which 25,583,592 are trained.

    Stages of 3, 4, 6 and 3 bottleneck blocks (1x1, 3x3, 1x1 convolutions). Arguments as in
    :func:`resnet18`; layers are named as in Keras.
    """
    inputs = inputs_of("resnet50", input_shape, classes, 32, weights, input_tensor)
    x = _bottlenecks(inputs, (3, 4, 6, 3))
    if not include_top:
        return without_top("resnet50", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def resnet101(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "resnet101",
) -> Model:
    """ResNet-101: 44,707,176 parameters, of which 44,601,832 are trained. See :func:`resnet50`."""
    inputs = inputs_of("resnet101", input_shape, classes, 32, weights, input_tensor)
    x = _bottlenecks(inputs, (3, 4, 23, 3))
    if not include_top:
        return without_top("resnet101", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def resnet152(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "resnet152",
) -> Model:
    """ResNet-152: 60,419,944 parameters, of which 60,268,520 are trained. See :func:`resnet50`."""
    inputs = inputs_of("resnet152", input_shape, classes, 32, weights, input_tensor)
    x = _bottlenecks(inputs, (3, 8, 36, 3))
    if not include_top:
        return without_top("resnet152", inputs, x, pooling, name)
    return _with_top(inputs, x, classes, classifier_activation, name)


def _stem(x: Any, use_bias: bool) -> Any:
    x = ZeroPadding2D(3, name="conv1_pad")(x)
    x = Conv2D(64, 7, strides=2, use_bias=use_bias, name="conv1_conv")(x)
    x = BatchNormalization(epsilon=1.001e-5, name="conv1_bn")(x)
    x = Activation("relu", name="conv1_relu")(x)
    x = ZeroPadding2D(1, name="pool1_pad")(x)
    return MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def _basic(x: Any, filters: int, strides: int, name: str) -> Any:
    shortcut = x
    if strides != 1:
        shortcut = _normalized(x, filters, 1, strides, False, f"{name}_0")
    x = _normalized(x, filters, 3, strides, False, f"{name}_1")
    x = Activation("relu", name=f"{name}_1_relu")(x)
    x = _normalized(x, filters, 3, 1, False, f"{name}_2")
    return Activation("relu", name=f"{name}_out")(Add(name=f"{name}_add")([shortcut, x]))


def _bottleneck(x: Any, filters: int, strides: int, project: bool, name: str) -> Any:
    shortcut = _normalized(x, 4 * filters, 1, strides, True, f"{name}_0") if project else x
    x = _normalized(x, filters, 1, strides, True, f"{name}_1")
    x = Activation("relu", name=f"{name}_1_relu")(x)
    x = _normalized(x, filters, 3, 1, True, f"{name}_2")
    x = Activation("relu", name=f"{name}_2_relu")(x)
    x = _normalized(x, 4 * filters, 1, 1, True, f"{name}_3")
    return Activation("relu", name=f"{name}_out")(Add(name=f"{name}_add")([shortcut, x]))


def _bottlenecks(x: Any, depths: Sequence[int]) -> Any:
    x = _stem(x, use_bias=True)
    for stage, (filters, blocks) in enumerate(zip((64, 128, 256, 512), depths, strict=True), 2):
        for block in range(1, blocks + 1):
            strides = 2 if stage > 2 and block == 1 else 1
            x = _bottleneck(x, filters, strides, block == 1, f"conv{stage}_block{block}")
    return x


def _normalized(x: Any, filters: int, size: int, strides: int, use_bias: bool, name: str) -> Any:
    """A convolution and batch normalization."""
    x = Conv2D(
        filters, size, strides=strides, padding="same", use_bias=use_bias, name=f"{name}_conv"
    )(x)
    return BatchNormalization(epsilon=1.001e-5, name=f"{name}_bn")(x)


def _with_top(inputs: Any, x: Any, classes: int, activation: Any, name: str | None) -> Model:
    x = GlobalAveragePooling2D(name="avg_pool")(x)
    x = Dense(classes, activation=activation, name="predictions")(x)
    return Model(inputs, x, name=name)
