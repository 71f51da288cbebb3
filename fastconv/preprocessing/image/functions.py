"""Transformations of single images: by given parameters, and by random ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import random
from fastconv.preprocessing.image import affine
from fastconv.utils.image_utils import check_choice, stretched


def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> Any:
    """An image zoomed, sheared, shifted and rotated about its middle.

    Args:
        x: an image of three axes.
        theta, shear: degrees.
        tx, ty: pixels along the rows' axis and along the columns' axis.
        zx, zy: factors along the same axes; above 1 shows more of the image.
        row_axis, col_axis, channel_axis: where the axes of ``x`` are.
        fill_mode, cval: how points outside are filled, and with what in mode ``"constant"``.
        order: 1 interpolates linearly, 0 takes the nearest pixel.

    Raises:
        ValueError: if ``x`` does not have three axes, or for unknown axes, mode or order.
    """
    x = np.asarray(x)
    axes = (row_axis, col_axis, channel_axis)
    if x.ndim != 3 or sorted(axes) != [0, 1, 2]:
        raise ValueError(f"an image has the axes 0, 1 and 2, got shape {x.shape} and axes {axes}")
    check_choice("apply_affine_transform", "fill_mode", fill_mode, affine.FILL_MODES)
    check_choice("apply_affine_transform", "order", order, (0, 1))
    if (theta, tx, ty, shear, zx, zy) == (0, 0, 0, 0, 1, 1):
        return x
    image = x.transpose(axes)
    size = image.shape[0], image.shape[1]
    matrix = affine.matrices(size, theta, tx, ty, shear, zx, zy)
    result = affine.transform(image[np.newaxis], matrix, fill_mode, cval, order)[0]
    return result.transpose(np.argsort(axes))


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> Any:
    """``intensity`` added to every value, within the range that the image has."""
    del channel_axis  # every channel is shifted by the same
    x = np.asarray(x)
    return np.clip(x + np.float32(intensity), x.min(), x.max())


def apply_brightness_shift(x: Any, brightness: float, scale: bool = True) -> Any:
    """The image as 8-bit values times ``brightness``; an alpha channel stays.

    With ``scale``, and where values are outside of 0..255, they are stretched to that range first.

    Raises:
        ValueError: unless the image has 1, 3 or 4 channels in the last axis.
    """
    x = np.asarray(x, np.float32)
    if x.ndim != 3 or x.shape[2] not in (1, 3, 4):
        raise ValueError(f"brightness is of images with 1, 3 or 4 channels, got shape {x.shape}")
    lowest, highest = x.min(), x.max()
    beyond = bool(lowest < 0 or highest > 255)
    bytes_ = (stretched(x) if scale or beyond else x).astype(np.uint8)
    result = np.floor(np.clip(bytes_ * np.float32(brightness), 0, 255))
    if x.shape[2] == 4:
        result[..., 3] = bytes_[..., 3]
    return result / 255 * (highest - lowest) + lowest if beyond and not scale else result


def flip_axis(x: Any, axis: int) -> Any:
    """The image in reverse order along an axis."""
    return np.flip(np.asarray(x), axis)


def random_rotation(x: Any, rg: float, *axes: Any, seed: random.Seed = None, **options: Any) -> Any:
    """Rotated by up to ``rg`` degrees; further arguments as in ``apply_affine_transform``."""
    (theta,) = _uniform(seed, (-rg, rg))
    return _affine(x, axes, options, theta=theta)


def random_shift(
    x: Any, wrg: float, hrg: float, *axes: Any, seed: random.Seed = None, **options: Any
) -> Any:
    """Shifted by up to the fractions ``wrg`` of the width and ``hrg`` of the height."""
    x = np.asarray(x)
    down, right = _uniform(seed, (-hrg, hrg), (-wrg, wrg))
    row_axis, col_axis = (*axes, options.get("row_axis", 1), options.get("col_axis", 2))[:2]
    return _affine(x, axes, options, tx=down * x.shape[row_axis], ty=right * x.shape[col_axis])


def random_shear(
    x: Any, intensity: float, *axes: Any, seed: random.Seed = None, **options: Any
) -> Any:
    """Sheared by up to ``intensity`` degrees."""
    (shear,) = _uniform(seed, (-intensity, intensity))
    return _affine(x, axes, options, shear=shear)


def random_zoom(
    x: Any, zoom_range: Sequence[float], *axes: Any, seed: random.Seed = None, **options: Any
) -> Any:
    """Zoomed by factors from a range (low, high), one for each axis.

    Raises:
        ValueError: unless the range is two numbers.
    """
    low, high = _range("zoom_range", zoom_range)
    zx, zy = _uniform(seed, (low, high), (low, high))
    return _affine(x, axes, options, zx=zx, zy=zy)


def random_channel_shift(
    x: Any, intensity_range: float, channel_axis: int = 0, seed: random.Seed = None
) -> Any:
    """Every value shifted by up to ``intensity_range``."""
    (intensity,) = _uniform(seed, (-intensity_range, intensity_range))
    return apply_channel_shift(x, intensity, channel_axis)


def random_brightness(
    x: Any, brightness_range: Sequence[float], scale: bool = True, seed: random.Seed = None
) -> Any:
    """Brightness times a factor from a range (low, high).

    Raises:
        ValueError: unless the range is two numbers.
    """
    (brightness,) = _uniform(seed, _range("brightness_range", brightness_range))
    return apply_brightness_shift(x, brightness, scale)


def _uniform(seed: random.Seed, *ranges: tuple[float, float]) -> list[float]:
    low, high = np.array(ranges).T
    return [float(v) for v in random.generator(seed).uniform(low, high)]


def _range(argument: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"{argument} must be two numbers, got {value!r}")
    return float(value[0]), float(value[1])


def _affine(x: Any, axes: Sequence[Any], options: dict[str, Any], **parameters: Any) -> Any:
    names = ("row_axis", "col_axis", "channel_axis", "fill_mode", "cval", "interpolation_order")
    given = {**dict(zip(names, axes, strict=False)), **options}
    order = given.pop("interpolation_order", 1)
    return apply_affine_transform(x, **parameters, **given, order=order)
