"""MobileNet, version 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.applications.common import inputs_of, without_top
from fastconv.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    ReLU,
    Reshape,
    ZeroPadding2D,
)
from fastconv.models import Model

_FILTERS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_HALVING = (2, 4, 6, 12)  # blocks that halve the image


def mobilenet(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str | None = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
) -> Model:
    """MobileNet v1 (Howard et al., 2017): 4,253,864 parameters, of which 4,231,976 are trained.

    A convolution, then 13 blocks of a depthwise 3x3 and a 1x1 convolution, each with batch
    normalization and ReLU up to 6.

    Args:
        input_shape: (height, width, channels) of an image, at least 32x32; None: 224x224x3.
        classes: Number of classes.
        include_top: False ends the model after the last block.
        weights: None: the net starts untrained.
        input_tensor: An ``Input`` to use instead of ``input_shape``.
        pooling: Without the top: ``"avg"`` or ``"max"`` over the image, or None.
        classifier_activation: Of the last layer; None gives logits.
        name: The model's name. Layers are named as in Keras.
        alpha: Factor of the numbers of filters, above 0.
        depth_multiplier: Filters of a depthwise convolution for each channel.
        dropout: Rate before the classifier.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """
    inputs = inputs_of("mobilenet", input_shape, classes, 32, weights, input_tensor)
    if int(32 * alpha) < 1:
        raise ValueError(f"mobilenet: alpha={alpha} leaves no filters")
    name = name or f"mobilenet_{alpha:0.2f}_{inputs.shape[1]}"
    x = Conv2D(int(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="conv1")(inputs)
    x = ReLU(6.0, name="conv1_relu")(BatchNormalization(name="conv1_bn")(x))
    for number, filters in enumerate(_FILTERS, 1):
        strides = 2 if number in _HALVING else 1
        x = _block(x, int(filters * alpha), depth_multiplier, strides, number)
    if not include_top:
        return without_top("mobilenet", inputs, x, pooling, name)
    x = GlobalAveragePooling2D(keepdims=True)(x)
    x = Dropout(dropout, name="dropout")(x)
    x = Conv2D(classes, 1, padding="same", name="conv_preds")(x)
    x = Reshape((classes,), name="reshape_2")(x)
    x = Activation(classifier_activation, name="predictions")(x)
    return Model(inputs, x, name=name)


def _block(x: Any, filters: int, depth_multiplier: int, strides: int, number: int) -> Any:
    if strides == 2:
        x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x)
    x = DepthwiseConv2D(
        3,
        strides=strides,
        padding="same" if strides == 1 else "valid",
        depth_multiplier=depth_multiplier,
        use_bias=False,
        name=f"conv_dw_{number}",
    )(x)
    x = BatchNormalization(name=f"conv_dw_{number}_bn")(x)
    x = ReLU(6.0, name=f"conv_dw_{number}_relu")(x)
    x = Conv2D(filters, 1, padding="same", use_bias=False, name=f"conv_pw_{number}")(x)
    x = BatchNormalization(name=f"conv_pw_{number}_bn")(x)
    return ReLU(6.0, name=f"conv_pw_{number}_relu")(x)
