"""LeNet-5, the net that read cheques."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.applications.common import check_image_shape, check_weights
from fastconv.layers import AveragePooling2D, Conv2D, Dense, Flatten, Input
from fastconv.layers.layer import Layer
from fastconv.models import Sequential


def lenet5(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int = 10,
    include_top: bool = True,
    weights: None = None,
    classifier_activation: Any = "softmax",
    name: str = "lenet5",
) -> Sequential:
    """LeNet-5 (LeCun, Bottou, Bengio, Haffner, 1998) with a softmax: 61,706 parameters.

    Two 5x5 convolutions of 6 and 16 filters, each followed by tanh and average pooling, then dense
    layers of 120 and 84 units. The first convolution pads, as 28x28 images need.

    Args:
        input_shape: (height, width, channels) of an image, at least 12x12.
        classes: Number of classes.
        include_top: False ends the model after the second pooling.
        weights: None: the net starts untrained.
        classifier_activation: Of the last layer; None gives logits.
        name: The model's name.

    Raises:
        ValueError: ``input_shape`` is no image shape or too small, or fewer than two classes.
    """
    check_weights("lenet5", weights)
    shape = check_image_shape("lenet5", input_shape, classes, smallest=12)
    layers: list[Layer] = [
        Conv2D(6, 5, padding="same", activation="tanh"),
        AveragePooling2D(2),
        Conv2D(16, 5, activation="tanh"),
        AveragePooling2D(2),
    ]
    if include_top:
        layers += [
            Flatten(),
            Dense(120, activation="tanh"),
            Dense(84, activation="tanh"),
            Dense(classes, activation=classifier_activation),
        ]
    return Sequential([Input(shape), *layers], name=name)
