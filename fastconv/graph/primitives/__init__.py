"""Every primitive, family by family; importing this package registers them all."""

from fastconv.graph.primitives import (
    host,
    linear,
    normalization,
    pointwise,
    pooling,
    random,
    reduction,
    shape,
    softmax,
    update,
)

__all__ = [
    "host",
    "linear",
    "normalization",
    "pointwise",
    "pooling",
    "random",
    "reduction",
    "shape",
    "softmax",
    "update",
]
