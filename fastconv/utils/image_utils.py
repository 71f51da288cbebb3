"""Reading and writing pictures. They need pillow, of the extra ``plots``."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.config import standardize_data_format
from fastconv.utils.limits import most_bytes

CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
# Not all that pillow knows: to read EPS it would run another program.
FORMATS = ("BMP", "GIF", "ICO", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_DEPTHS = {"I": 4, "F": 4, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # bytes, else 1


def pillow() -> Any:
    """``PIL.Image``; raises ImportError that names the extra if pillow is not installed."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("pictures need pillow: pip install 'fastconv[plots]'") from error
    return Image


@contextmanager
def open_picture(path: Any, channels: int) -> Iterator[Any]:
    """A picture file that is opened and not yet decoded, to be made one of ``channels``.

    Raises:
        ValueError: if its header claims more bytes of pixels than a file of its size may become.
        OSError, SyntaxError and others of pillow's: if it cannot be opened.
    """
    held = isinstance(path, io.BytesIO)
    with nullcontext(path) if held else open(path, "rb") as file:  # noqa: PTH123 (bytes as well)
        size = file.seek(0, io.SEEK_END)
        # Pillow decodes icons as it opens them, in the sizes of the pictures inside.
        for width, height in _icon_sizes(file):
            _check_size(width, height, 4, size)
        with pillow().open(file, formats=FORMATS) as opened:
            depth = _DEPTHS.get(opened.mode, 1)
            width, height = opened.size
            _check_size(width, height, max(len(opened.getbands()), channels) * depth, size)
            yield opened


def _check_size(width: int, height: int, pixel: int, size: int) -> None:
    most = most_bytes(size)
    if width * height * pixel > most:
        raise ValueError(
            f"it claims {width:,} x {height:,} pixels of {pixel} bytes, "
            f"{width * height * pixel:,} in all, more than the {most:,} that a file of "
            f"{size:,} bytes may become"
        )


def _icon_sizes(file: Any) -> Iterator[tuple[int, int]]:
    """The width and height of each PNG or BMP in an ICO file; none for other files."""
    file.seek(0)
    head = file.read(6)
    if len(head) < 6 or head[:4] != b"\0\0\1\0":
        return
    entries = file.read(16 * int.from_bytes(head[4:], "little"))
    for at in range(12, len(entries) - 3, 16):
        file.seek(int.from_bytes(entries[at : at + 4], "little"))
        inside = file.read(24)
        if len(inside) < 24:
            continue
        if inside[:8] == b"\x89PNG\r\n\x1a\n":
            yield struct.unpack(">II", inside[16:])
        elif inside[:4] == b"\x0c\0\0\0":
            width, both = struct.unpack("<HH", inside[4:8])
            yield width, both // 2
        else:  # the height is of the picture and of its mask, below zero from the top down
            width, both = struct.unpack("<Ii", inside[4:12])
            yield width, abs(both) // 2


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Sequence[int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """A picture file as a pillow image.

    Args:
        path: a file's path, or the file's bytes in an ``io.BytesIO``.
        color_mode: ``"rgb"``, ``"rgba"`` or ``"grayscale"``.
        target_size: (height, width) to resize to; None keeps the size.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"hamming"``, ``"box"`` or
            ``"lanczos"``.
        keep_aspect_ratio: whether the middle of the target's proportions is cut out before
            resizing.

    Raises:
        ValueError: for an unknown color mode or interpolation, a file that is no picture, or one
            whose pixels would take more than 256 MiB and 100 times the file.
        ImportError: pillow is not installed.
    """
    image = pillow()
    check_choice("load_img", "color_mode", color_mode, CHANNELS)
    check_choice("load_img", "interpolation", interpolation, INTERPOLATIONS)
    if not isinstance(path, (str, bytes, PathLike, io.BytesIO)):
        raise TypeError(f"load_img: path must be a path or io.BytesIO, got {type(path).__name__}")
    try:
        with open_picture(path, CHANNELS[color_mode]) as opened:
            picture = _in_mode(opened, color_mode)
            picture.load()
    except FileNotFoundError:
        raise
    except Exception as error:  # pillow meets damage with errors of many kinds
        raise ValueError(f"load_img: {path!r} is not a readable picture: {error}") from error
    if target_size is None:
        return picture
    height, width = (int(n) for n in target_size)
    if picture.size == (width, height):
        return picture
    method = getattr(image.Resampling, interpolation.upper())
    box = _middle(picture.size, (width, height)) if keep_aspect_ratio else None
    return picture.resize((width, height), method, box=box)


def _in_mode(picture: Any, color_mode: str) -> Any:
    if color_mode == "grayscale":
        deep = picture.mode in ("L", "I;16", "I")
        return picture.copy() if deep else picture.convert("L")
    mode = color_mode.upper()
    return picture.copy() if picture.mode == mode else picture.convert(mode)


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest box in the middle with the target's proportions."""
    (width, height), (target_width, target_height) = size, target
    box_height = min(height, (width * target_height) // target_width)
    box_width = min(width, (height * target_width) // target_height)
    left, top = (width - box_width) // 2, (height - box_height) // 2
    return left, top, left + box_width, top + box_height


def img_to_array(img: Any, data_format: str | None = None, dtype: str | None = None) -> Any:
    """A pillow image (or an array) as an array (height, width, channels), float32 by default.

    >>> img_to_array(np.zeros((4, 5), "uint8")).shape
    (4, 5, 1)
    """
    x = np.array(img, dtype=dtype or "float32")
    if x.ndim == 2:
        x = x[:, :, np.newaxis]
    if x.ndim != 3:
        raise ValueError(f"img_to_array: expected a picture, got shape {x.shape}")
    if standardize_data_format(data_format) == "channels_first":
        x = x.transpose(2, 0, 1)
    return x


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: str | None = None
) -> Any:
    """An array (height, width, channels) of 1, 3 or 4 channels as a pillow image.

    With ``scale`` the values are stretched to 0..255.

    Raises:
        ValueError: if the array is no picture.
        ImportError: pillow is not installed.
    """
    image = pillow()
    x = np.asarray(x, dtype=dtype or "float32")
    if x.ndim != 3:
        raise ValueError(f"array_to_img: expected (height, width, channels), got shape {x.shape}")
    if standardize_data_format(data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    channels = x.shape[2]
    if channels not in (1, 3, 4):
        raise ValueError(f"array_to_img: a picture has 1, 3 or 4 channels, got {channels}")
    if scale:
        x = stretched(x)
    if channels == 1:
        flat = x[:, :, 0]
        deep = bool(np.max(flat) > 255)  # 32-bit grey values
        return image.fromarray(flat.astype("int32" if deep else "uint8"))
    return image.fromarray(x.astype("uint8"))


def stretched(x: Any) -> Any:
    """The values moved and scaled to 0..255."""
    x = x - np.min(x)
    highest = np.max(x)
    return (x / highest if highest != 0 else x) * 255


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array (height, width, channels) to a picture file, by its ending or ``file_format``.

    Raises:
        ValueError: if the array is no picture or the format is unknown.
        ImportError: pillow is not installed.
    """
    picture = array_to_img(x, data_format, scale)
    if file_format is None and isinstance(path, (str, PathLike)):
        file_format = Path(path).suffix[1:].lower()
    if file_format and file_format.lower() == "jpg":
        file_format = "jpeg"
    if picture.mode == "RGBA" and file_format == "jpeg":
        warnings.warn("JPEG files have no transparency: it is left out", stacklevel=2)
        picture = picture.convert("RGB")
    picture.save(path, format=file_format, **kwargs)


def check_choice(name: str, argument: str, value: Any, known: Any) -> None:
    """Raises ValueError unless ``value`` is one of ``known``."""
    if value not in known:
        listed = ", ".join(map(repr, known))
        raise ValueError(f"{name}: {argument} must be one of {listed}, got {value!r}")
