"""Layers of several inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from fastconv import ops
from fastconv.layers.layer import Layer


class Merge(Layer):
    """Combines two or more inputs of one shape (or broadcastable ones), left to right.

    Inputs of fewer dimensions get new ones behind the batch.

    Raises:
        ValueError: if there are fewer than two inputs or their shapes do not fit.
    """

    combine: Callable[[Any, Any], Any]
    needs = 2

    def _check_inputs(self, inputs: Any) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < self.needs:
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}) needs a list of at least "
                f"{self.needs} inputs"
            )
        self._check_shapes([tuple(x.shape) for x in inputs])

    def _check_shapes(self, shapes: list[Any]) -> None:
        for shape in shapes[1:]:
            pairs = zip(reversed(shapes[0][1:]), reversed(shape[1:]), strict=False)
            if any(a != b and 1 not in (a, b) for a, b in pairs):
                raise ValueError(
                    f"layer {self.name!r} ({type(self).__name__}) needs inputs of one shape, got "
                    f"{', '.join(map(str, shapes))}"
                )

    def call(self, inputs: Sequence[Any]) -> Any:
        rank = max(len(x.shape) for x in inputs)
        return reduce(type(self).combine, [self._with_rank(x, rank) for x in inputs])

    @staticmethod
    def _with_rank(x: Any, rank: int) -> Any:
        missing = rank - len(x.shape)
        return ops.expand_dims(x, tuple(range(1, 1 + missing))) if missing else x


class Add(Merge):
    """The sum of the inputs."""

    combine = staticmethod(ops.add)


class Subtract(Merge):
    """The first of two inputs minus the second."""

    combine = staticmethod(ops.subtract)

    def _check_inputs(self, inputs: Any) -> None:
        super()._check_inputs(inputs)
        if len(inputs) != 2:
            raise ValueError(f"layer {self.name!r} (Subtract) needs 2 inputs, got {len(inputs)}")


class Multiply(Merge):
    """The product of the inputs."""

    combine = staticmethod(ops.multiply)


class Average(Merge):
    """The mean of the inputs."""

    combine = staticmethod(ops.add)

    def call(self, inputs: Sequence[Any]) -> Any:
        return super().call(inputs) / float(len(inputs))


class Maximum(Merge):
    """The elementwise maximum of the inputs."""

    combine = staticmethod(ops.maximum)


class Minimum(Merge):
    """The elementwise minimum of the inputs."""

    combine = staticmethod(ops.minimum)


class Concatenate(Merge):
    """The inputs one after another along ``axis``; their other dimensions must agree."""

    needs = 1

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def _check_shapes(self, shapes: list[Any]) -> None:
        rank = len(shapes[0])
        if not -rank <= self.axis < rank or any(len(s) != rank for s in shapes):
            self._refuse(shapes)
        axis = self.axis % rank
        if len({s[1:axis] + s[max(axis, 0) + 1 :] for s in shapes}) > 1 and axis > 0:
            self._refuse(shapes)

    def _refuse(self, shapes: list[Any]) -> None:
        raise ValueError(
            f"layer {self.name!r} (Concatenate) joins along axis {self.axis}: the other dimensions "
            f"must agree, got {', '.join(map(str, shapes))}"
        )

    def call(self, inputs: Sequence[Any]) -> Any:
        return ops.concatenate(list(inputs), axis=self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class Dot(Merge):
    """Sums of products of two inputs over an axis of each.

    Args:
        axes: the axis, or one for each input; not 0, the batch.
        normalize: divide by the norms first: the cosine of the angle.
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = [axes, axes] if isinstance(axes, int) else list(axes)
        if len(given) != 2 or 0 in given:
            raise ValueError(f"Dot: axes must be an axis after the batch or two, got {axes!r}")
        self.axes = axes if isinstance(axes, int) else tuple(axes)
        self.normalize = bool(normalize)

    def _check_shapes(self, shapes: list[Any]) -> None:
        axes = self._axes(shapes) if len(shapes) == 2 else []
        sizes = {s[a] if 0 < a < len(s) else None for a, s in zip(axes, shapes, strict=False)}
        if len(sizes) != 1 or None in sizes:
            raise ValueError(
                f"layer {self.name!r} (Dot) needs two inputs of one size along axes {self.axes}, "
                f"got {', '.join(map(str, shapes))}"
            )

    def _axes(self, shapes: list[Any]) -> list[int]:
        given = [self.axes] * 2 if isinstance(self.axes, int) else list(self.axes)
        return [a + len(s) if a < 0 else a for a, s in zip(given, shapes, strict=True)]

    def call(self, inputs: Sequence[Any]) -> Any:
        x, y = inputs
        a, b = self._axes([x.shape, y.shape])
        if self.normalize:
            x, y = (_unit(t, i) for t, i in ((x, a), (y, b)))
        rows = [chr(ord("b") + i) for i in range(x.ndim - 1)]
        columns = [chr(ord("n") + i) for i in range(y.ndim - 1)]
        rows[a - 1] = columns[b - 1] = "z"
        kept = [c for c in rows + columns if c != "z"]
        y = ops.einsum(f"a{''.join(rows)},a{''.join(columns)}->a{''.join(kept)}", x, y)
        return y if kept else ops.expand_dims(y, -1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        a, b = self._axes(list(input_shape))
        x, y = (tuple(s) for s in input_shape)
        kept = (*x[1:a], *x[a + 1 :], *y[1:b], *y[b + 1 :])
        return (x[0], *(kept or (1,)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def _unit(x: Any, axis: int) -> Any:
    total = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(total, 1e-12))


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """``Dot(axes, **kwargs)(inputs)``."""
    return Dot(axes, **kwargs)(inputs)


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """``Add(**kwargs)(inputs)``."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """``Subtract(**kwargs)(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """``Multiply(**kwargs)(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """``Average(**kwargs)(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """``Concatenate(axis, **kwargs)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)
