"""Plain convolutional nets of the size that small images deserve."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.applications.common import check_image_shape
from fastconv.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from fastconv.layers.layer import Layer
from fastconv.models import Sequential


def cnn(input_shape: Sequence[int] = (32, 32, 3), classes: int = 10) -> Sequential:
    """3x3 convolutions with ReLU, max pooling, a dense layer, dropout and a softmax.

    The depth follows the images:

    - 32x32 and larger: convolutions of 32, 32, pooling, 64, 64, pooling, dense 512 (1,250,858
      parameters on 32x32x3 with ten classes);
    - from 20x20: 32, 32, pooling, dense 128 (600,810 parameters on 28x28x1);
    - below: 32, 64, pooling, dense 128, the convolutions padded.

    Args:
        input_shape: (height, width, channels) of an image, at least 4x4.
        classes: Number of classes.

    Raises:
        ValueError: ``input_shape`` is no image shape or too small, or fewer than two classes.
    """
    shape = check_image_shape("cnn", input_shape, classes, smallest=4)
    side = min(shape[:2])
    layers: list[Layer]
    if side >= 32:
        layers = [*_block(32, 32, "same", "valid"), *_block(64, 64, "same", "valid")]
        units = 512
    elif side >= 20:
        layers = _block(32, 32, "valid", "valid")
        units = 128
    else:
        layers = _block(32, 64, "same", "same")
        units = 128
    head = [
        Flatten(),
        Dense(units, activation="relu"),
        Dropout(0.5),
        Dense(classes, activation="softmax"),
    ]
    return Sequential([Input(shape), *layers, *head], name="cnn")


def _block(first: int, second: int, *padding: str) -> list[Layer]:
    return [
        Conv2D(first, 3, padding=padding[0], activation="relu"),
        Conv2D(second, 3, padding=padding[1], activation="relu"),
        MaxPooling2D(2),
        Dropout(0.25),
    ]
