"""What a layer accepts: rank and fixed sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastconv.graph.tensor import Shape


@dataclass(frozen=True)
class InputSpec:
    """Constraints on the shape of an input; what is None is free."""

    ndim: int | None = None
    min_ndim: int | None = None
    axes: Mapping[int, int | None] = field(default_factory=dict)

    def check(self, layer_name: str, shape: Shape) -> None:
        """Raises ValueError, naming the layer, where ``shape`` does not fit."""
        if self.ndim is not None and len(shape) != self.ndim:
            raise ValueError(
                f"layer {layer_name!r} expects inputs of {self.ndim} dimensions (the batch "
                f"included), got shape {shape}"
            )
        if self.min_ndim is not None and len(shape) < self.min_ndim:
            raise ValueError(
                f"layer {layer_name!r} expects inputs of at least {self.min_ndim} dimensions (the "
                f"batch included), got shape {shape}"
            )
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (None, size):
                raise ValueError(
                    f"layer {layer_name!r} expects size {size} along axis {axis} of its inputs, "
                    f"got shape {shape}"
                )
