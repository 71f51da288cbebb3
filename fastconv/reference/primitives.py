"""Every primitive by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv.reference import (
    host,
    linear,
    normalization,
    philox,
    pointwise,
    pooling,
    reduction,
    shape,
    softmax,
    update,
)

EVAL: dict[str, Callable[..., Any]] = {
    **pointwise.EVAL,
    **reduction.EVAL,
    **shape.EVAL,
    **linear.EVAL,
    **pooling.EVAL,
    **normalization.EVAL,
    **softmax.EVAL,
    **philox.EVAL,
    **update.EVAL,
    **host.EVAL,
}
