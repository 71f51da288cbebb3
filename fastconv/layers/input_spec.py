"""What a layer accepts: dtype, rank and fixed sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class InputSpec:
    """Constraints on an input; what is None is free.

    Args:
        dtype: the type of its elements.
        shape: all of its sizes, the batch's first.
        ndim: how many dimensions it has.
        max_ndim, min_ndim: the most and the fewest of them.
        axes: sizes along some axes.
        allow_last_axis_squeeze: a last axis of size 1 may be there or not.
        name: of the input, for messages.
    """

    dtype: str | None = None
    shape: Sequence[int | None] | None = None
    ndim: int | None = None
    max_ndim: int | None = None
    min_ndim: int | None = None
    axes: Mapping[int, int | None] = field(default_factory=dict)
    allow_last_axis_squeeze: bool = False
    name: str | None = None

    def check(self, layer_name: str, x: Any) -> None:
        """Raises ValueError, naming the layer, where a tensor or an array does not fit."""
        shape = tuple(x.shape)
        expected = self._missed(shape, str(x.dtype))
        if expected is not None:
            what = "inputs" if self.name is None else f"input {self.name!r}"
            got = x.dtype if expected.startswith("dtype") else f"shape {shape}"
            raise ValueError(f"layer {layer_name!r} expects {what} of {expected}, got {got}")

    def _missed(self, shape: tuple[int | None, ...], dtype: str) -> str | None:
        """The first of the constraints that is not met."""
        rank, batch = len(shape), "(the batch included)"
        if self.dtype is not None and dtype != self.dtype:
            return f"dtype {self.dtype}"
        if self.ndim is not None and rank != self.ndim and not self.allow_last_axis_squeeze:
            return f"{self.ndim} dimensions {batch}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"at least {self.min_ndim} dimensions {batch}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"at most {self.max_ndim} dimensions {batch}"
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (None, size):
                return f"size {size} along axis {axis}"
        if self.shape is not None and not _fits(
            self._squeezed(tuple(self.shape)), self._squeezed(shape)
        ):
            return f"shape {tuple(self.shape)}"
        return None

    def _squeezed(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape[:-1] if self.allow_last_axis_squeeze and shape[-1:] == (1,) else shape


def _fits(wanted: tuple[int | None, ...], shape: tuple[int | None, ...]) -> bool:
    return len(wanted) == len(shape) and all(
        None in (a, b) or a == b for a, b in zip(wanted, shape, strict=True)
    )
