"""Images resized and seen through affine transformations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph import Tensor, bind, operation
from fastconv.ops import elementwise, layout
from fastconv.ops.convolution import channels_first, to_channels_first, to_channels_last
from fastconv.ops.elementwise import (
    absolute,
    cast,
    clip,
    floor,
    floor_divide,
    greater_equal,
    less,
    logical_and,
    mod,
    where,
)
from fastconv.ops.layout import broadcast_to, pad, reshape
from fastconv.ops.operand import as_float, operand

FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
INTERPOLATIONS = ("nearest", "bilinear")
RESIZES = (*INTERPOLATIONS, "bicubic")


@operation
def resize(
    images: Any,
    size: int | Sequence[int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Images (batch, height, width, channels), or one image, in another size, as float32.

    Args:
        images: (batch, height, width, channels), or one image.
        size: (height, width), or one number for both.
        interpolation: ``"bilinear"``, ``"nearest"`` or ``"bicubic"`` (Keys, 1981, with -1/2);
            pixels are not averaged where images become smaller.
        antialias: not supported; only False is accepted.
        crop_to_aspect_ratio, pad_to_aspect_ratio: keep proportions, by cutting the middle out, or
            by adding ``fill_value`` around the images, before they are resized.
        fill_mode: only ``"constant"`` is accepted.
        fill_value: used with ``pad_to_aspect_ratio`` only.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.

    Raises:
        ValueError: for arguments that are not of these kinds.

    >>> resize(np.array([[[0.0], [2.0]]]), (1, 4))[0, :, 0]
    array([0. , 0.5, 1.5, 2. ], dtype=float32)
    """
    if antialias:
        raise ValueError("resize: antialias=True is not supported")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize: only one of crop_to_aspect_ratio and pad_to_aspect_ratio")
    if fill_mode != "constant":
        raise ValueError(f"resize: fill_mode must be 'constant', got {fill_mode!r}")
    height, width = (size, size) if isinstance(size, int) else (int(n) for n in size)

    def run(x: Any) -> Any:
        _, rows, columns, _ = x.shape
        if crop_to_aspect_ratio:
            down = max(min(rows, int(columns * height / width)), 1)
            right = max(min(columns, int(rows * width / height)), 1)
            x = _middle(x, down, right)
        if pad_to_aspect_ratio:  # zeros come first, around the image in its own size
            down = max(rows, int(columns * height / width))
            right = max(columns, int(rows * width / height))
            top, left = (down - rows) // 2, (right - columns) // 2
            widths = ((0, 0), (top, top), (left, left), (0, 0))  # alike: one pixel less if odd
            x = pad(x, widths, constant_values=fill_value)
        return _resized(x, height, width, interpolation)

    return _on_batches("resize", images, data_format, run)


def center_crop(images: Any, height: int, width: int, data_format: str | None = None) -> Any:
    """The middle of the images; where they are smaller, their largest part of its proportions,
    resized.

    >>> center_crop(np.arange(5.0).reshape(1, 5, 1), 1, 3)[0, :, 0]
    array([1., 2., 3.], dtype=float32)
    """

    def run(x: Any) -> Any:
        if x.shape[1] >= height and x.shape[2] >= width:
            return _middle(x, height, width)
        return resize(x, (height, width), crop_to_aspect_ratio=True, data_format="channels_last")

    return _on_batches("center_crop", images, data_format, run)


def crop(images: Any, top: Any, left: Any, height: int, width: int) -> Any:
    """Parts of images (batch, height, width, channels), each from its own corner.

    ``top`` and ``left`` have shape (batch, 1); the parts must be inside of the images.
    """
    rows = np.repeat(np.arange(height, dtype=np.float32), width)[np.newaxis]
    columns = np.tile(np.arange(width, dtype=np.float32), height)[np.newaxis]
    x = as_float(images)
    parts = _pixels(x, floor(as_float(top)) + rows, floor(as_float(left)) + columns)
    return reshape(parts, (_batch(x), height, width, x.shape[3]))


@operation
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Images, each seen through its own affine transformation, as float32.

    A row (a0, a1, a2, b0, b1, b2, 0, 0) of ``transform`` says that the pixel (x, y) of the result
    is at (a0 x + a1 y + a2, b0 x + b1 y + b2) of the image; x counts columns, y rows.

    Args:
        images: (batch, height, width, channels), or one image.
        transform: (batch, 8), or 8 numbers for all.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        fill_mode: what is outside of the image: ``"constant"`` (``fill_value``), ``"nearest"``,
            ``"wrap"``, ``"mirror"`` (the border once) or ``"reflect"`` (the border twice).
        fill_value: used with ``fill_mode="constant"`` only.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.

    Raises:
        ValueError: for arguments that are not of these kinds.

    >>> shift = [1, 0, 1, 0, 1, 0, 0, 0]
    >>> affine_transform(np.array([[[1.0], [2.0]]]), shift, fill_value=5)[0, :, 0]
    array([2., 5.], dtype=float32)
    """
    for name, value, known in (
        ("interpolation", interpolation, INTERPOLATIONS),
        ("fill_mode", fill_mode, FILL_MODES),
    ):
        if value not in known:
            listed = ", ".join(map(repr, known))
            raise ValueError(f"affine_transform: {name} must be one of {listed}, got {value!r}")
    matrix = as_float(transform)
    matrix = reshape(matrix, (1, 8)) if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or matrix.shape[1] != 8:
        raise ValueError(f"affine_transform: transform must be (batch, 8), got {matrix.shape}")

    def run(x: Any) -> Any:
        return _transformed(x, matrix, interpolation, fill_mode, fill_value)

    return _on_batches("affine_transform", images, data_format, run)


def _on_batches(name: str, images: Any, data_format: str | None, run: Callable[[Any], Any]) -> Any:
    """What ``run`` makes of float32 images (batch, height, width, channels)."""
    x = as_float(images)
    if x.ndim not in (3, 4):
        raise ValueError(f"{name}: expected images or one image, got shape {x.shape}")
    single = x.ndim == 3
    x = reshape(x, (1, *x.shape)) if single else x
    first = channels_first(data_format)
    y = run(to_channels_last(x) if first else x)
    y = to_channels_first(y) if first else y
    return reshape(y, y.shape[1:]) if single else y


def _batch(x: Any) -> int:
    return -1 if isinstance(x, Tensor) and x.batched else int(x.shape[0])


def _middle(x: Any, height: int, width: int) -> Any:
    top, left = (x.shape[1] - height) // 2, (x.shape[2] - width) // 2
    return operand(x)[:, top : top + height, left : left + width]


def _resized(x: Any, height: int, width: int, interpolation: str) -> Any:
    for axis, target in ((1, height), (2, width)):
        if x.shape[axis] == target:
            continue
        shape = [1] * 4
        shape[axis] = target
        parts = [
            (bind("take", x, positions, axis=axis), weights.reshape(shape))
            for positions, weights in taps(x.shape[axis], target, interpolation)
        ]
        x = parts[0][0]
        if len(parts) > 1:
            x = parts[0][0] * parts[0][1]
            for part, weight in parts[1:]:
                x = x + part * weight
    return x


def taps(size: int, target: int, interpolation: str) -> list[tuple[Any, Any]]:
    """Pairs (positions, weights) along an axis of ``target`` pixels made from ``size``.

    The middle of pixel i of the result is at (i + 1/2) size / target of the axis.
    """
    if interpolation not in RESIZES:
        raise ValueError(
            f"resize: interpolation must be 'nearest', 'bilinear' or 'bicubic', got "
            f"{interpolation!r}"
        )
    middle = (np.arange(target) + 0.5) * size / target
    if interpolation == "nearest":
        positions = np.minimum(np.floor(middle), size - 1).astype(np.int32)
        return [(positions, np.ones(target, np.float32))]
    before = np.floor(middle - 0.5)
    if interpolation == "bicubic":
        return _cubic_taps(middle - 0.5 - before, before, size)
    weight = (middle - 0.5 - before).astype(np.float32)
    low, high = (np.clip(before + k, 0, size - 1).astype(np.int32) for k in (0, 1))
    return [(low, 1 - weight), (high, weight)]


def _cubic_taps(weight: Any, before: Any, size: int) -> list[tuple[Any, Any]]:
    """Four pixels each; those outside count nothing."""
    near, far = np.stack([weight, 1 - weight]), np.stack([1 + weight, 2 - weight])
    inner = (1.5 * near - 2.5) * near * near + 1.0
    outer = ((-0.5 * far + 2.5) * far - 4.0) * far + 2.0
    positions = [before + k for k in (-1, 0, 1, 2)]
    weights = np.stack([outer[0], inner[0], inner[1], outer[1]])
    weights *= [(p >= 0) & (p < size) for p in positions]
    weights /= weights.sum(axis=0)
    return [
        (np.clip(p, 0, size - 1).astype(np.int32), w.astype(np.float32))
        for p, w in zip(positions, weights, strict=True)
    ]


def _transformed(x: Any, matrix: Any, interpolation: str, fill_mode: str, fill: float) -> Any:
    _, height, width, channels = x.shape
    row = np.repeat(np.arange(height, dtype=np.float32), width)[np.newaxis]
    column = np.tile(np.arange(width, dtype=np.float32), height)[np.newaxis]
    a0, a1, a2, b0, b1, b2 = (matrix[:, i : i + 1] for i in range(6))
    at_x = a0 * column + a1 * row + a2
    at_y = b0 * column + b1 * row + b2
    near_y, near_x = (_neighbours(at, interpolation) for at in (at_y, at_x))
    parts = []
    for y, y_weight in near_y:
        for z, z_weight in near_x:
            part = _pixels(x, _fixed(y, height, fill_mode), _fixed(z, width, fill_mode))
            if fill_mode == "constant":
                inside = logical_and(_within(y, height), _within(z, width))
                part = where(_last_axis(inside), part, np.float32(fill))
            if y_weight is not None:
                part = part * _last_axis(y_weight * z_weight)
            parts.append(part)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return reshape(total, (_batch(total), height, width, channels))


def _neighbours(at: Any, interpolation: str) -> list[tuple[Any, Any]]:
    """Pairs (whole position, weight); the weight is None where there is one of them."""
    if interpolation == "nearest":
        return [(elementwise.round(at), None)]
    before = floor(at)
    weight = at - before
    return [(before, 1.0 - weight), (before + 1.0, weight)]


def _last_axis(x: Any) -> Any:
    return reshape(x, (_batch(x), x.shape[1], 1))


def _within(index: Any, size: int) -> Any:
    return logical_and(greater_equal(index, 0.0), less(index, float(size)))


def _fixed(index: Any, size: int, fill_mode: str) -> Any:
    """Whole numbers along an axis, those outside of it moved to the pixel that stands there."""
    if fill_mode in ("constant", "nearest"):
        return clip(index, 0.0, size - 1.0)
    if fill_mode == "wrap":
        return mod(index, float(size))
    if fill_mode == "mirror":
        return _mirrored(index, size) if size > 1 else index * 0.0
    return floor_divide(_mirrored(index * 2.0 + 1.0, 2 * size + 1) - 1.0, 2.0)


def _mirrored(index: Any, size: int) -> Any:
    half = float(size - 1)  # of the period of a triangular wave
    return absolute(mod(index + half, 2 * half) - half)


def _pixels(x: Any, row: Any, column: Any) -> Any:
    """The pixels (batch, points, channels) at whole float positions (batch, points)."""
    _, height, width, channels = x.shape
    flat = reshape(x, (_batch(x), height * width, channels))
    index = cast(row * float(width) + column, "int32")
    if index.shape[0] != x.shape[0]:
        index = broadcast_to(index, (layout.shape(x)[0], index.shape[1]))
    return bind("take", flat, index, axis=1, batch_dims=1)


__all__ = [
    "FILL_MODES",
    "INTERPOLATIONS",
    "RESIZES",
    "affine_transform",
    "center_crop",
    "crop",
    "resize",
    "taps",
]
