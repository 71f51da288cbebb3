"""Arguments that the layers of images share: pairs, padding, the place of the channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import ops


def sizes(
    layer: str, argument: str, value: int | Sequence[int], rank: int, zero: bool = False
) -> tuple[int, ...]:
    """``value`` as ``rank`` whole numbers, positive ones unless ``zero`` is allowed.

    Raises:
        ValueError: naming the layer and the argument.
    """
    items = [value] * rank if isinstance(value, (int, np.integer)) else value
    lowest = 0 if zero else 1
    try:
        result = tuple(int(v) for v in items)
        good = all(int(v) == v for v in items)
    except (TypeError, ValueError):
        result, good = (), False
    if not good or len(result) != rank or any(v < lowest for v in result):
        kind = "whole numbers" if zero else "positive whole numbers"
        raise ValueError(f"{layer}: {argument} must be one or {rank} {kind}, got {value!r}")
    return result


def padding_name(layer: str, value: Any, *, causal: bool = False) -> str:
    """``"valid"`` or ``"same"``, in any case; ``"causal"`` where a layer has it.

    Raises:
        ValueError: for anything else.
    """
    name = value.lower() if isinstance(value, str) else value
    if causal and name == "causal":
        return "causal"
    if name not in ("valid", "same"):
        raise ValueError(f"{layer}: padding must be 'valid' or 'same', got {value!r}")
    return str(name)


def channels_last(x: Any, data_format: str) -> Any:
    """(batch, ..., channels) from the layout of ``data_format``."""
    if data_format == "channels_last":
        return x
    rank = len(x.shape)
    return ops.transpose(x, (0, *range(2, rank), 1))


def restored(x: Any, data_format: str) -> Any:
    """The layout of ``data_format`` from (batch, ..., channels)."""
    if data_format == "channels_last":
        return x
    rank = len(x.shape)
    return ops.transpose(x, (0, rank - 1, *range(1, rank - 1)))


def channel_axis(data_format: str) -> int:
    return -1 if data_format == "channels_last" else 1
