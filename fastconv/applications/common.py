"""What every net asks of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def check_image_shape(
    net: str, input_shape: Sequence[int], classes: int, smallest: int
) -> tuple[int, int, int]:
    """The shape as a tuple; ValueError unless it is (height, width, channels) and large enough."""
    shape: tuple[Any, ...] = tuple(input_shape)
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
