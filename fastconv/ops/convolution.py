"""Convolutions of images (two axes) and sequences (one)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph import bind, operation
from fastconv.graph.primitives.common import sized
from fastconv.ops.operand import as_float, operand, pair

Size = int | Sequence[int]


def channels_first(data_format: str | None) -> bool:
    """Whether channels are the axis after the batch; None means the configured format."""
    if data_format is None:
        from fastconv.config import image_data_format

        data_format = image_data_format()
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}"
        )
    return data_format == "channels_first"


def to_channels_last(x: Any) -> Any:
    """(batch, channels, ...) as (batch, ..., channels)."""
    return bind("transpose", x, perm=[0, *range(2, x.ndim), 1])


def to_channels_first(x: Any) -> Any:
    """(batch, ..., channels) as (batch, channels, ...)."""
    return bind("transpose", x, perm=[0, x.ndim - 1, *range(1, x.ndim - 1)])


def with_height(x: Any) -> Any:
    """A sequence (batch, length, channels) as an image of height 1."""
    dims = sized(x.shape)
    return bind("reshape", x, shape=[dims[0], 1, *dims[1:]])


def without_height(x: Any) -> Any:
    dims = sized(x.shape)
    return bind("reshape", x, shape=[dims[0], *dims[2:]])


def explicit_padding(
    name: str,
    padding: str | Sequence[int],
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int] = (1, 1),
) -> list[int]:
    """[top, bottom, left, right] for "valid", "same" or those four numbers.

    "same" makes ceil(size / stride) positions; an odd row of padding goes after.
    """
    if not isinstance(padding, str):
        given = [int(p) for p in padding]
        if len(given) != 4:
            raise ValueError(f"{name}: padding needs [top, bottom, left, right], got {padding!r}")
        return given
    if padding not in ("valid", "same"):
        raise ValueError(f"{name}: padding must be 'valid' or 'same', got {padding!r}")
    result = []
    for n, k, s, d in zip(size, kernel, strides, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n) if padding == "same" else 0
        result += [total // 2, total - total // 2]
    return result


def _window(name: str, argument: str, value: Size, axes: int) -> list[int]:
    """A size for both axes of an image; a sequence has height 1."""
    if axes == 2:
        return pair(name, argument, value)
    length = value if isinstance(value, int) else pair(name, argument, [1, *value])[1]
    return pair(name, argument, [1, length])


def _as_image(name: str, x: Any, kernel: Any, data_format: str | None) -> tuple[Any, Any, bool]:
    x, kernel = as_float(x), as_float(kernel)
    if x.ndim not in (3, 4) or kernel.ndim != x.ndim:
        raise ValueError(
            f"{name}: needs inputs (batch, height, width, channels) with a kernel of 4 axes, or "
            f"(batch, length, channels) with one of 3, got {x.shape} and {kernel.shape}"
        )
    first = channels_first(data_format)
    if first:
        x = to_channels_last(x)
    if x.ndim == 3:
        x, kernel = with_height(x), bind("reshape", kernel, shape=[1, *kernel.shape])
    return x, kernel, first


def _back(y: Any, axes: int, first: bool) -> Any:
    y = without_height(y) if axes == 1 else y
    return to_channels_first(y) if first else y


@operation
def conv(
    inputs: Any,
    kernel: Any,
    strides: Size = 1,
    padding: str | Sequence[int] = "valid",
    data_format: str | None = None,
    dilation_rate: Size = 1,
    bias: Any = None,
) -> Any:
    """Convolution (cross-correlation) of images or sequences.

    ``inputs`` (batch, height, width, channels) with ``kernel`` (height, width, channels / groups,
    filters), or (batch, length, channels) with (length, channels / groups, filters); ``bias``
    (filters,). ``padding`` is "valid", "same" or [top, bottom, left, right].

    >>> conv(np.ones((1, 5, 5, 2)), np.ones((3, 3, 2, 4)), strides=2, padding="same").shape
    (1, 3, 3, 4)
    """
    axes = operand(inputs).ndim - 2
    x, w, first = _as_image("conv", inputs, kernel, data_format)
    s = _window("conv", "strides", strides, axes)
    d = _window("conv", "dilation_rate", dilation_rate, axes)
    channels, depth = x.shape[3], w.shape[2]
    if not depth or channels % depth:
        raise ValueError(
            f"conv: the {channels} channels of the inputs are no multiple of the kernel's {depth}, "
            f"got inputs {operand(inputs).shape} and kernel {operand(kernel).shape}"
        )
    pads = explicit_padding("conv", padding, x.shape[1:3], w.shape[:2], s, d)
    row = [] if bias is None else [as_float(bias)]
    y = bind("conv2d", x, w, *row, strides=s, padding=pads, dilation=d, groups=channels // depth)
    return _back(y, axes, first)


@operation
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Size = 1,
    padding: str | Sequence[int] = "valid",
    data_format: str | None = None,
    dilation_rate: Size = 1,
    bias: Any = None,
) -> Any:
    """Each channel convolved with its own filters.

    ``kernel`` (height, width, channels, multiplier) gives channels * multiplier outputs.

    >>> depthwise_conv(np.ones((1, 4, 4, 3)), np.ones((3, 3, 3, 2))).shape
    (1, 2, 2, 6)
    """
    w = as_float(kernel)
    if w.ndim < 3:
        raise ValueError(
            f"depthwise_conv: kernel must have shape (height, width, channels, multiplier) or "
            f"(length, channels, multiplier), got {w.shape}"
        )
    channels = operand(inputs).shape[1 if channels_first(data_format) else -1]
    if w.shape[-2] != channels:
        raise ValueError(
            f"depthwise_conv: a kernel of shape {w.shape} needs inputs with {w.shape[-2]} "
            f"channels, got {operand(inputs).shape}"
        )
    flat = bind("reshape", w, shape=[*w.shape[:-2], 1, w.shape[-2] * w.shape[-1]])
    return conv(inputs, flat, strides, padding, data_format, dilation_rate, bias)


@operation
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Size = 1,
    padding: str | Sequence[int] = "valid",
    data_format: str | None = None,
    dilation_rate: Size = 1,
    bias: Any = None,
) -> Any:
    """A depthwise convolution, then a 1x1 one."""
    y = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(y, pointwise_kernel, 1, "valid", data_format, 1, bias)


@operation
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Size = 1,
    padding: str | Sequence[int] = "valid",
    output_padding: Size | None = None,
    data_format: str | None = None,
    dilation_rate: Size = 1,
    bias: Any = None,
    groups: int = 1,
) -> Any:
    """The transpose of a convolution, for upsampling.

    ``kernel`` (height, width, filters / groups, channels). "valid" makes (n - 1) * stride +
    max(kernel, stride) rows of n, "same" n * stride; [top, bottom, left, right] are cut off the
    (n - 1) * stride + kernel rows that all windows cover, ``output_padding`` rows added after.

    >>> conv_transpose(np.ones((1, 4, 4, 2)), np.ones((3, 3, 5, 2)), 2, "same").shape
    (1, 8, 8, 5)
    """
    name = "conv_transpose"
    axes = operand(inputs).ndim - 2
    x, w, first = _as_image(name, inputs, kernel, data_format)
    s = _window(name, "strides", strides, axes)
    d = _window(name, "dilation_rate", dilation_rate, axes)
    if isinstance(padding, str) and padding not in ("valid", "same"):
        raise ValueError(f"{name}: padding must be 'valid' or 'same', got {padding!r}")
    if w.shape[3] != x.shape[3] or groups < 1 or x.shape[3] % groups:
        raise ValueError(
            f"{name}: a kernel of shape {operand(kernel).shape} in {groups} groups needs inputs "
            f"with {w.shape[3]} channels, got {operand(inputs).shape}"
        )
    extra = None
    if output_padding is not None:
        both = [output_padding] * 2 if isinstance(output_padding, int) else list(output_padding)
        extra = both[-2:] if axes == 2 else [0, both[-1]]
    size: list[int] = []
    pads: list[int] = []
    cuts = None
    beyond = [0, 0]  # rows after all that windows can reach
    if not isinstance(padding, str):
        cuts = explicit_padding(name, padding, x.shape[1:3], w.shape[:2], s, d)
        extra = extra or [0, 0]
    for i in range(2):
        n, reach = x.shape[1 + i], d[i] * (w.shape[i] - 1) + 1
        if cuts is not None and extra is not None:
            before, after = cuts[2 * i : 2 * i + 2]
            within = min(extra[i], after + s[i] - 1)
            beyond[i] = extra[i] - within
            size.append((n - 1) * s[i] + reach - before - after + within)
            pads += [before, max(0, after - within)]
            continue
        if extra is not None:
            if not 0 <= extra[i] < s[i]:
                raise ValueError(f"{name}: output_padding must be below strides, got {extra}")
            cut = 2 * (reach // 2) if padding == "same" else 0
            out = (n - 1) * s[i] + reach - cut + extra[i]
        elif padding == "same":
            out = n * s[i]
        else:
            out = (n - 1) * s[i] + max(reach, s[i])
        total = max(0, (n - 1) * s[i] + reach - out)
        size.append(out)
        pads += [total // 2, total - total // 2]
    y = bind(
        "conv2d_input_grad",
        x,
        w,
        strides=s,
        padding=pads,
        dilation=d,
        groups=groups,
        input_shape=size,
    )
    if any(beyond):
        rows = [0, 0, 0, beyond[0], 0, beyond[1], 0, 0]
        y = bind("pad", y, pads=rows, interior=[0] * 4, value=0.0)
    if bias is not None:
        y = bind("add", y, as_float(bias))
    return _back(y, axes, first)


def im2col(
    inputs: Any,
    kernel_size: Size,
    strides: Size = 1,
    padding: str | Sequence[int] = "valid",
    dilation_rate: Size = 1,
) -> Any:
    """The windows of a convolution laid out as rows.

    (batch, height, width, channels) gives (batch, rows, columns, kernel_height * kernel_width *
    channels), in the order of a kernel's weights.

    >>> im2col(np.ones((1, 4, 4, 2)), 3).shape
    (1, 2, 2, 18)
    """
    x = as_float(inputs)
    if x.ndim != 4:
        raise ValueError(f"im2col: inputs must have 4 axes, got {x.shape}")
    k, s = pair("im2col", "kernel_size", kernel_size), pair("im2col", "strides", strides)
    d = pair("im2col", "dilation_rate", dilation_rate)
    pads = explicit_padding("im2col", padding, x.shape[1:3], k, s, d)
    return bind("im2col", x, kernel_shape=k, strides=s, padding=pads, dilation=d)


def col2im(
    columns: Any,
    input_size: Size,
    kernel_size: Size,
    strides: Size = 1,
    padding: str | Sequence[int] = "valid",
    dilation_rate: Size = 1,
) -> Any:
    """The transpose of ``im2col``: overlapping windows are added up."""
    size, k = pair("col2im", "input_size", input_size), pair("col2im", "kernel_size", kernel_size)
    s, d = pair("col2im", "strides", strides), pair("col2im", "dilation_rate", dilation_rate)
    pads = explicit_padding("col2im", padding, size, k, s, d)
    return bind(
        "col2im",
        as_float(columns),
        kernel_shape=k,
        strides=s,
        padding=pads,
        dilation=d,
        input_shape=size,
    )
