"""What every net asks of its arguments, and how it begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.layers import GlobalAveragePooling2D, GlobalMaxPooling2D, Input
from fastconv.models import Model


def check_image_shape(
    net: str, input_shape: Sequence[int], classes: int, smallest: int
) -> tuple[int, int, int]:
    """The shape as a tuple; ValueError unless it is (height, width, channels) and large enough."""
    given: Any = input_shape
    shape: tuple[Any, ...] = tuple(given) if isinstance(given, (list, tuple)) else ()
    if len(shape) != 3 or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(
            f"{net}: input_shape must be (height, width, channels), got {input_shape!r}"
        )
    if min(shape[:2]) < smallest:
        raise ValueError(
            f"{net} needs images of at least {smallest}x{smallest}, got {shape[0]}x{shape[1]}"
        )
    if classes < 2:
        raise ValueError(f"{net}: classes must be at least 2, got {classes}")
    return shape[0], shape[1], shape[2]


def check_weights(net: str, weights: Any) -> None:
    """Raises ValueError unless ``weights`` is None: nothing is downloaded."""
    if weights is not None:
        raise ValueError(
            f"{net}: weights must be None (a net starts untrained), got {weights!r}; "
            "model.load_weights reads a file"
        )


def inputs_of(
    net: str,
    input_shape: Sequence[int] | None,
    classes: int,
    smallest: int,
    weights: Any,
    input_tensor: Any = None,
) -> Any:
    """The input of a net: ``input_tensor``, or a new one of the shape (224x224x3 for None)."""
    check_weights(net, weights)
    if input_tensor is not None:
        check_image_shape(net, input_tensor.shape[1:], classes, smallest)
        return input_tensor
    shape = (224, 224, 3) if input_shape is None else input_shape
    return Input(check_image_shape(net, shape, classes, smallest))


def without_top(net: str, inputs: Any, x: Any, pooling: str | None, name: str | None) -> Model:
    """The model of features alone, pooled over the image by ``"avg"`` or ``"max"``, or not.

    Raises:
        ValueError: for another pooling.
    """
    if pooling not in (None, "avg", "max"):
        raise ValueError(f"{net}: pooling must be None, 'avg' or 'max', got {pooling!r}")
    if pooling is not None:
        x = (GlobalAveragePooling2D if pooling == "avg" else GlobalMaxPooling2D)()(x)
    return Model(inputs, x, name=name)
