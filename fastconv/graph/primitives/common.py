"""What the shape rules and vjps of all families share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.primitive import Node, bind
from fastconv.graph.tensor import Shape, Tensor

_RANK = {"bool": 0, "uint8": 1, "int8": 1, "int16": 2, "int32": 3, "int64": 4}
_RANK |= {"bfloat16": 5, "float32": 6}


def promote(*dtypes: str) -> str:
    """The dtype of arithmetic between these: float32 wins over bfloat16 and that over integers,
    small ones of which compute as int32."""
    for dtype in dtypes:
        if dtype not in _RANK and dtype != "float64":
            raise TypeError(f"dtype {dtype} cannot be computed with; use float32, int32 or bool")
    if "float64" in dtypes:
        return "float64"
    return max((*dtypes, "int32"), key=_RANK.__getitem__)


def is_float(dtype: str) -> bool:
    return dtype == "bfloat16" or dtype.startswith("float")


def promote_to_float(*dtypes: str) -> str:
    """The float dtype of arithmetic between these."""
    dtype = promote(*dtypes)
    return dtype if is_float(dtype) else "float32"


def broadcast_shapes(name: str, *shapes: Shape) -> Shape:
    """NumPy's broadcasting, where None (the batch) goes with None and 1 only."""
    rank = max(len(s) for s in shapes)
    result: list[int | None] = []
    for axis in range(rank):
        dim: int | None = 1
        for shape in shapes:
            i = axis - rank + len(shape)
            if i < 0 or shape[i] == 1 or shape[i] == dim:
                continue
            if dim != 1:
                listed = " and ".join(str(s) for s in shapes)
                raise ValueError(f"{name}: shapes {listed} do not broadcast together")
            dim = shape[i]
        result.append(dim)
    if None in result[1:]:
        listed = " and ".join(str(s) for s in shapes)
        raise ValueError(f"{name}: shapes {listed} put the batch on an axis other than the first")
    return tuple(result)


def sized(shape: Shape) -> list[int]:
    """A shape as an attribute: -1 for the batch."""
    return [-1 if d is None else d for d in shape]


def unsized(shape: Sequence[int]) -> Shape:
    """The shape of such an attribute."""
    return tuple(None if d == -1 else d for d in shape)


def size_of(dims: Sequence[int | None]) -> int:
    """Elements of a shape without a batch."""
    n = 1
    for d in dims:
        assert d is not None
        n *= d
    return n


def need_rank(name: str, argument: str, x: Tensor, rank: int, layout: str) -> None:
    if x.ndim != rank:
        raise ValueError(f"{name}: {argument} must have shape {layout}, got {x.shape}")


def need_float(name: str, **arguments: Tensor) -> None:
    for argument, x in arguments.items():
        if not is_float(x.dtype):
            raise TypeError(f"{name}: {argument} must be float32, got {x.dtype}")


def need_shape(name: str, argument: str, x: Tensor, shape: Shape) -> None:
    if x.shape != shape:
        raise ValueError(f"{name}: {argument} must have shape {shape}, got {x.shape}")


def unbroadcast(grad: Any, like: Tensor) -> Any:
    """Sum a cotangent (None: there is none) over the axes along which ``like`` was broadcast."""
    if grad is None or grad.shape == like.shape:
        return grad
    extra = grad.ndim - like.ndim
    ones = [extra + i for i, d in enumerate(like.shape) if d == 1 and grad.shape[extra + i] != 1]
    leading = list(range(extra))
    if not leading:
        return bind("sum", grad, axes=ones, keepdims=1)
    total = bind("sum", grad, axes=leading + ones, keepdims=0)
    return total if total.shape == like.shape else bind("reshape", total, shape=sized(like.shape))


def keepdims_shape(shape: Shape, axes: Sequence[int]) -> Shape:
    return tuple(1 if i in axes else d for i, d in enumerate(shape))


def restore_axes(reduced: Any, shape: Shape, axes: Sequence[int]) -> Any:
    """A reduced tensor in a shape that broadcasts against the unreduced one."""
    kept = keepdims_shape(shape, axes)
    if reduced.shape == kept or list(axes) == list(range(len(axes))):
        return reduced
    return bind("reshape", reduced, shape=sized(kept))


def broadcast_like(x: Any, like: Tensor) -> Any:
    if x.shape == like.shape:
        return x
    if like.batched:
        return bind("broadcast_to", x, like, shape=sized(like.shape))
    return bind("broadcast_to", x, shape=sized(like.shape))


def batch_of(value: Any) -> Tensor | None:
    """The tensor whose batch size the symbolic scalar ``value`` is (its count along axis 0)."""
    node = value.node if isinstance(value, Tensor) else None
    if node is not None and node.op.name == "count" and node.attrs["axes"] == [0]:
        return node.inputs[0]
    return None


def not_differentiable(node: Node, cotangents: list[Tensor | None]) -> list[Tensor | None]:
    """The vjp of a primitive whose derivative is not zero, but not there to be taken."""
    raise NotImplementedError(
        f"{node.op.name} has no derivative: gradients through it can be taken once only"
    )
