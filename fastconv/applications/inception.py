"""Inception v1, also known as GoogLeNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.applications.common import inputs_of, without_top
from fastconv.layers import (
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    GlobalAveragePooling2D,
    MaxPooling2D,
)
from fastconv.models import Model

# For each module the filters of: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 after pooling.
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def inception_v1(
    input_shape: Sequence[int] | None = None,
    classes: int = 1000,
    include_top: bool = True,
    weights: None = None,
    input_tensor: Any = None,
    pooling: str | None = None,
    classifier_activation: Any = "softmax",
    name: str = "inception_v1",
) -> Model:
    """Inception v1 (Szegedy et al., 2014, table 1): 6,998,552 parameters.

    Nine modules of parallel 1x1, 3x3 and 5x5 convolutions and pooling. The auxiliary classifiers,
    which only training used, and local response normalization are left out.

    Args:
        input_shape: (height, width, channels) of an image, at least 32x32; None: 224x224x3.
        classes: Number of classes.
        include_top: False ends the model after the last module.
        weights: None: the net starts untrained.
        input_tensor: An ``Input`` to use instead of ``input_shape``.
        pooling: Without the top: ``"avg"`` or ``"max"`` over the image, or None.
        classifier_activation: Of the last layer; None gives logits.
        name: The model's name.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """
    inputs = inputs_of("inception_v1", input_shape, classes, 32, weights, input_tensor)
    x = _convolution(inputs, 64, 7, "conv1", strides=2)
    x = _halved(x, "pool1")
    x = _convolution(x, 64, 1, "conv2_reduce")
    x = _convolution(x, 192, 3, "conv2")
    x = _halved(x, "pool2")
    for module, filters in _MODULES.items():
        if module in ("4a", "5a"):
            x = _halved(x, f"pool{module[0]}")
        x = _module(x, filters, f"inception_{module}")
    if not include_top:
        return without_top("inception_v1", inputs, x, pooling, name)
    x = Dropout(0.4, name="dropout")(GlobalAveragePooling2D(name="avg_pool")(x))
    x = Dense(classes, activation=classifier_activation, name="predictions")(x)
    return Model(inputs, x, name=name)


def _module(x: Any, filters: Sequence[int], name: str) -> Any:
    one, before_three, three, before_five, five, after_pool = filters
    branches = [
        _convolution(x, one, 1, f"{name}_1x1"),
        _convolution(
            _convolution(x, before_three, 1, f"{name}_3x3_reduce"), three, 3, f"{name}_3x3"
        ),
        _convolution(_convolution(x, before_five, 1, f"{name}_5x5_reduce"), five, 5, f"{name}_5x5"),
        _convolution(
            MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x),
            after_pool,
            1,
            f"{name}_pool_proj",
        ),
    ]
    return Concatenate(name=name)(branches)


def _convolution(x: Any, filters: int, size: int, name: str, strides: int = 1) -> Any:
    layer = Conv2D(filters, size, strides=strides, padding="same", activation="relu", name=name)
    return layer(x)


def _halved(x: Any, name: str) -> Any:
    return MaxPooling2D(3, strides=2, padding="same", name=name)(x)
