"""A multilayer perceptron on flattened images."""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.applications.common import check_image_shape
from fastconv.layers import Dense, Dropout, Flatten, Input
from fastconv.models import Sequential


def mlp(input_shape: Sequence[int] = (28, 28, 1), classes: int = 10) -> Sequential:
    """Two dense layers of 512 ReLU units, each with dropout of 0.2, and a softmax.

    Args:
        input_shape: (height, width, channels) of an image.
        classes: Number of classes.

    Raises:
        ValueError: ``input_shape`` is no image shape, or fewer than two classes.
    """
    shape = check_image_shape("mlp", input_shape, classes, smallest=1)
    return Sequential(
        [
            Input(shape),
            Flatten(),
            Dense(512, activation="relu"),
            Dropout(0.2),
            Dense(512, activation="relu"),
            Dropout(0.2),
            Dense(classes, activation="softmax"),
        ],
        name="mlp",
    )
