"""Affine transformations of images: a matrix for each, and the sampling of a whole batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.graph.tensor import Array

FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def matrices(
    size: tuple[int, int],
    theta: Any = 0.0,
    tx: Any = 0.0,
    ty: Any = 0.0,
    shear: Any = 0.0,
    zx: Any = 1.0,
    zy: Any = 1.0,
) -> Array:
    """(N, 2, 3): from (row, column, 1) of the result to (row, column) of the image.

    About the middle of the image: zoom by (zx, zy), then shear, shift by (tx, ty) and rotate, the
    first of each pair along the rows (downwards). Angles are in degrees.
    """
    given = (theta, tx, ty, shear, zx, zy)
    theta, tx, ty, shear, zx, zy = np.broadcast_arrays(*(np.atleast_1d(v) for v in given))
    angle, slant = np.deg2rad(theta), np.deg2rad(shear)
    cos, sin = np.cos(angle), np.sin(angle)
    result = np.empty((len(theta), 2, 3))
    result[:, 0, 0] = cos * zx
    result[:, 1, 0] = sin * zx
    result[:, 0, 1] = -(cos * np.sin(slant) + sin * np.cos(slant)) * zy
    result[:, 1, 1] = (cos * np.cos(slant) - sin * np.sin(slant)) * zy
    middle = np.array(size) / 2 - 0.5
    result[:, 0, 2] = cos * tx - sin * ty
    result[:, 1, 2] = sin * tx + cos * ty
    result[:, :, 2] += middle - result[:, :, :2] @ middle
    return result


def transform(
    images: Array, matrix: Array, fill_mode: str = "nearest", cval: float = 0.0, order: int = 1
) -> Array:
    """The images (N, height, width, channels), each seen through its matrix of :func:`matrices`.

    ``order`` 1 interpolates between four pixels, 0 takes the nearest. Points outside of an image
    are filled by ``fill_mode``, as ``scipy.ndimage.affine_transform`` does it.
    """
    n, height, width, channels = images.shape
    row, column = np.arange(height)[:, np.newaxis], np.arange(width)
    m = matrix[:, :, :, np.newaxis, np.newaxis]
    at = [m[:, k, 0] * row + m[:, k, 1] * column + m[:, k, 2] for k in (0, 1)]
    outside = None
    if fill_mode == "constant":
        (y, x) = at
        outside = (y < 0) | (y > height - 1) | (x < 0) | (x > width - 1)
    y, x = (_inside(a, size, fill_mode) for a, size in zip(at, (height, width), strict=True))
    pixels = images.reshape(n * height * width, channels)
    first = (np.arange(n) * (height * width))[:, np.newaxis, np.newaxis]

    def pixel(rows: Array, columns: Array) -> Array:
        index = first + np.clip(rows, 0, height - 1) * width + np.clip(columns, 0, width - 1)
        return np.asarray(pixels.take(index, axis=0), np.float32)

    if order == 0:
        result = pixel(_whole(y + 0.5), _whole(x + 0.5))
    else:
        y0, x0 = _whole(y), _whole(x)
        fy = (y - y0).astype(np.float32)[..., np.newaxis]
        fx = (x - x0).astype(np.float32)[..., np.newaxis]
        above, below = pixel(y0, x0), pixel(y0 + 1, x0)
        above += fx * (pixel(y0, x0 + 1) - above)
        below += fx * (pixel(y0 + 1, x0 + 1) - below)
        result = above + fy * (below - above)
    if outside is not None:
        result[outside] = cval
    return result


def _whole(x: Array) -> Array:
    return np.floor(x).astype(np.int64)


def _inside(at: Array, size: int, fill_mode: str) -> Array:
    """Coordinates along an axis, those outside of it moved to where their value is taken from."""
    if fill_mode == "reflect":  # d c b a | a b c d | d c b a
        at = np.mod(at + 0.5, 2 * size)
        return np.asarray(np.minimum(at, 2 * size - at) - 0.5)
    if fill_mode == "wrap" and size > 1:  # the last pixel of one copy is the first of the next
        period = size - 1
        before = at + period * (np.floor(-at / period) + 1)
        at = np.where(at < 0, before, np.where(at > period, np.mod(at, period), at))
    return np.asarray(np.clip(at, 0, size - 1))
