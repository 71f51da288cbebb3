"""Layers that resize, cut, flip, turn, zoom and shift images."""

from __future__ import annotations

import math
from typing import Any

from fastconv import ops
from fastconv.config import standardize_data_format
from fastconv.layers.image_layer import ImageLayer, factor_range, plain_factor
from fastconv.layers.images import sizes
from fastconv.layers.layer import Layer
from fastconv.ops import image

_FILL_MODES = ("reflect", "wrap", "constant", "nearest")


class Resizing(Layer):
    """Images, or one image, in another size, as float32; see :func:`fastconv.ops.image.resize`."""

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.height, self.width = sizes("Resizing", "height and width", (height, width), 2)
        if interpolation not in image.RESIZES:
            raise ValueError(
                "Resizing: interpolation must be 'nearest', 'bilinear' or 'bicubic', got "
                f"{interpolation!r}"
            )
        if antialias:
            raise ValueError("Resizing: antialias=True is not supported")
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Any) -> Any:
        return image.resize(
            inputs,
            (self.height, self.width),
            self.interpolation,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "interpolation": self.interpolation,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "pad_to_aspect_ratio": self.pad_to_aspect_ratio,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "antialias": False,
            "data_format": self.data_format,
        }


class CenterCrop(Layer):
    """The middle of images, or of one image, as float32.

    Where images are smaller, their largest part of the target's proportions is resized.
    """

    def __init__(
        self, height: int, width: int, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.height, self.width = sizes("CenterCrop", "height and width", (height, width), 2)
        self.data_format = standardize_data_format(data_format)

    def call(self, inputs: Any) -> Any:
        return image.center_crop(inputs, self.height, self.width, self.data_format)

    def get_config(self) -> dict[str, Any]:
        config = {"height": self.height, "width": self.width, "data_format": self.data_format}
        return {**super().get_config(), **config}


class RandomCrop(ImageLayer):
    """A part of each image at a random place; in inference the middle.

    Where images are smaller, their largest part of the target's proportions is resized. The middle
    is taken as large as the proportions allow, and resized too.
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.height, self.width = sizes("RandomCrop", "height and width", (height, width), 2)

    def transformed(self, x: Any) -> Any:
        down, right = x.shape[1] - self.height, x.shape[2] - self.width
        if down < 0 or right < 0:
            return self.plain(x)
        top, left = self.draw(x, (0, down + 1), (0, right + 1))
        top, left = ops.minimum(top, float(down)), ops.minimum(left, float(right))
        return image.crop(x, top, left, self.height, self.width)

    def plain(self, x: Any) -> Any:
        size = (self.height, self.width)
        return image.resize(x, size, crop_to_aspect_ratio=True, data_format="channels_last")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


class RandomFlip(ImageLayer):
    """Images left to right, upside down, or both, each with probability one half.

    Args:
        mode: ``"horizontal"``, ``"vertical"`` or ``"horizontal_and_vertical"``.
        seed: chooses the random numbers; ``set_random_seed`` sets them all.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.

    Raises:
        ValueError: for another mode or format.
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise ValueError(
                "RandomFlip: mode must be 'horizontal', 'vertical' or 'horizontal_and_vertical', "
                f"got {mode!r}"
            )
        self.mode = mode

    def transformed(self, x: Any) -> Any:
        axes = [axis for axis, name in ((2, "horizontal"), (1, "vertical")) if name in self.mode]
        for axis, draw in zip(axes, self.draw(x, *[(0.0, 1.0)] * len(axes)), strict=True):
            chosen = ops.less(ops.reshape(draw, (_rows(x), 1, 1, 1)), 0.5)
            x = ops.where(chosen, ops.flip(x, axis), x)
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


class _RandomAffine(ImageLayer):
    """Sees each image through a transformation of its own."""

    def __init__(
        self,
        *,
        fill_mode: str,
        interpolation: str,
        fill_value: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        name = type(self).__name__
        if fill_mode not in _FILL_MODES:
            raise ValueError(f"{name}: fill_mode must be one of {_FILL_MODES}, got {fill_mode!r}")
        if interpolation not in image.INTERPOLATIONS:
            raise ValueError(
                f"{name}: interpolation must be 'nearest' or 'bilinear', got {interpolation!r}"
            )
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = fill_value

    def rows(self, x: Any) -> tuple[Any, Any]:
        """((a0, a1, a2), (b0, b1, b2)), where a pixel of the result is in the image."""
        raise NotImplementedError

    def transformed(self, x: Any) -> Any:
        (a0, a1, a2), (b0, b1, b2) = self.rows(x)
        one = next(v for v in (a0, a1, a2, b0, b1, b2) if hasattr(v, "shape"))
        zero = one * 0.0
        columns = [v if hasattr(v, "shape") else zero + float(v) for v in (a0, a1, a2, b0, b1, b2)]
        return image.affine_transform(
            x,
            ops.concatenate([*columns, zero, zero], axis=1),
            self.interpolation,
            self.fill_mode,
            self.fill_value,
            data_format="channels_last",
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "interpolation": self.interpolation,
        }


class RandomRotation(_RandomAffine):
    """Turns each image about its middle by a random angle.

    Args:
        factor: the largest angle to both sides, or (lowest, highest), in full turns; positive
            angles are counter-clockwise.
        fill_mode: how what is outside of the image is filled: ``"reflect"``, ``"wrap"``,
            ``"constant"`` (by ``fill_value``) or ``"nearest"``.
        interpolation: ``"bilinear"`` or ``"nearest"``.
        seed: chooses the random numbers; ``set_random_seed`` sets them all.
        fill_value: used with ``fill_mode="constant"`` only.
        data_format: ``"channels_last"`` or ``"channels_first"``; None means the configured format.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            fill_mode=fill_mode,
            interpolation=interpolation,
            seed=seed,
            fill_value=fill_value,
            data_format=data_format,
            **kwargs,
        )
        self.factor = factor_range("RandomRotation", "factor", factor, -1.0, 1.0)

    def rows(self, x: Any) -> tuple[Any, Any]:
        lower, upper = self.factor
        (angle,) = self.draw(x, (lower * 2 * math.pi, upper * 2 * math.pi))
        cos, sin = ops.cos(angle), ops.sin(angle)
        y, z = (x.shape[1] - 1) / 2, (x.shape[2] - 1) / 2
        return (cos, -sin, z - z * cos + y * sin), (sin, cos, y - z * sin - y * cos)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class RandomZoom(_RandomAffine):
    """Shows a random share of each image, about its middle.

    Args:
        height_factor: how much more of the height is shown at most, or (least, most): -0.2 shows a
            fifth less (the image grows), 0.2 a fifth more.
        width_factor: the same for the width; None keeps the proportions.
        fill_mode, interpolation, seed, fill_value, data_format: as in ``RandomRotation``.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            fill_mode=fill_mode,
            interpolation=interpolation,
            seed=seed,
            fill_value=fill_value,
            data_format=data_format,
            **kwargs,
        )
        self.height_factor = plain_factor(height_factor)
        self.width_factor = plain_factor(width_factor)
        self._height = factor_range("RandomZoom", "height_factor", height_factor, -1.0, 1.0)
        self._width = None
        if width_factor is not None:
            self._width = factor_range("RandomZoom", "width_factor", width_factor, -1.0, 1.0)

    def rows(self, x: Any) -> tuple[Any, Any]:
        ranges = [(1 + r[0], 1 + r[1]) for r in (self._height, self._width) if r is not None]
        draws = self.draw(x, *ranges)
        down, right = draws[0], draws[-1]
        y, z = (x.shape[1] - 1) / 2, (x.shape[2] - 1) / 2
        return (right, 0, z - z * right), (0, down, y - y * down)

    def get_config(self) -> dict[str, Any]:
        factors = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **factors}


class RandomTranslation(_RandomAffine):
    """Shifts each image by random shares of its size.

    Args:
        height_factor: the largest shift down or up, or (lowest, highest), as a share of the height.
        width_factor: the same to the right and left.
        fill_mode, interpolation, seed, fill_value, data_format: as in ``RandomRotation``.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            fill_mode=fill_mode,
            interpolation=interpolation,
            seed=seed,
            fill_value=fill_value,
            data_format=data_format,
            **kwargs,
        )
        self.height_factor = plain_factor(height_factor)
        self.width_factor = plain_factor(width_factor)
        name = "RandomTranslation"
        self._height = factor_range(name, "height_factor", height_factor, -1.0, 1.0)
        self._width = factor_range(name, "width_factor", width_factor, -1.0, 1.0)

    def rows(self, x: Any) -> tuple[Any, Any]:
        down, right = self.draw(x, self._height, self._width)
        return (1, 0, right * -float(x.shape[2])), (0, 1, down * -float(x.shape[1]))

    def get_config(self) -> dict[str, Any]:
        factors = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **factors}


def _rows(x: Any) -> int:
    return -1 if x.shape[0] is None else int(x.shape[0])
