"""Random numbers: the seed of the process, and functions that draw tensors.

Every draw has its own seed, derived from the process's seed and a counter, so the numbers of one
draw do not depend on how many numbers another one took. Inside a program the numbers come from a
counter-based generator (seed, step, stream, position) and are the same for any number of threads.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph.primitive import bind, current_trace
from fastconv.graph.tensor import Tensor

_SEEDED_STREAM = 1 << 30  # streams of draws with a seed of their own start here


class _State:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.draws = 0


_state = _State(int.from_bytes(os.urandom(4), "little"))


def set_seed(seed: int) -> None:
    """Start the sequence of seeds over from ``seed``."""
    _state.seed = int(seed)
    _state.draws = 0


def get_seed() -> int:
    """The seed of the process: what :func:`set_seed` was given, or drawn by the system."""
    return _state.seed


def get_state() -> dict[str, int]:
    """Where the sequence of seeds stands, for :func:`set_state`."""
    return {"seed": _state.seed, "draws": _state.draws}


def set_state(state: dict[str, int]) -> None:
    """Go on with the sequence of seeds from where :func:`get_state` was called."""
    _state.seed = int(state["seed"])
    _state.draws = int(state["draws"])


def next_seed() -> int:
    """The next seed of the process, an integer in [0, 2**32).

    >>> set_seed(1)
    >>> a = next_seed()
    >>> set_seed(1)
    >>> a == next_seed(), a == next_seed()
    (True, False)
    """
    _state.draws += 1
    return int(np.random.SeedSequence((_state.seed, _state.draws)).generate_state(1)[0])


class SeedGenerator:
    """A sequence of seeds that starts from ``seed``, or from the process's own when it is None."""

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer))):
            raise TypeError(f"seed must be an integer or None, got {seed!r}")
        self.seed = next_seed() if seed is None else int(seed)
        self._draws = 0

    def next(self) -> int:
        self._draws += 1
        return int(np.random.SeedSequence((self.seed, self._draws)).generate_state(1)[0])

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        return cls(**config)


Seed = int | SeedGenerator | None


def generator(seed: Seed = None) -> np.random.Generator:
    """A NumPy generator for one draw."""
    if isinstance(seed, SeedGenerator):
        seed = seed.next()
    return np.random.Generator(np.random.Philox(next_seed() if seed is None else int(seed)))


def stream(seed: Seed = None) -> int:
    """The number of the random stream of a draw inside the current trace."""
    if seed is not None:
        number = seed.next() if isinstance(seed, SeedGenerator) else int(seed)
        return _SEEDED_STREAM + number % _SEEDED_STREAM
    trace = current_trace()
    return 0 if trace is None else trace.next_stream()


def _draw(name: str, shape: Sequence[Any], seed: Seed) -> Any:
    """Numbers in [0, 1) or normal ones: a node in a trace, an array outside."""
    from fastconv.ops.operand import resolve_shape

    dims, like = resolve_shape(name, shape)
    if like is not None:
        return bind(name, like, shape=dims, stream=stream(seed))
    if current_trace() is not None:
        return bind(name, shape=dims, stream=stream(seed))
    rng = generator(seed)
    size = tuple(dims)
    if name == "random_uniform":
        return rng.random(size, np.float32)
    return rng.standard_normal(size, np.float32)


def uniform(
    shape: Sequence[Any],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> Any:
    """Float32 numbers from the uniform distribution on [minval, maxval).

    >>> uniform((2, 3), seed=1).shape
    (2, 3)
    """
    _only_float32(dtype)
    unit = _draw("random_uniform", shape, seed)
    return unit if (minval, maxval) == (0.0, 1.0) else unit * _f32(maxval - minval) + _f32(minval)


def normal(
    shape: Sequence[Any],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> Any:
    """Float32 numbers from the normal distribution."""
    _only_float32(dtype)
    unit = _draw("random_normal", shape, seed)
    return unit if (mean, stddev) == (0.0, 1.0) else unit * _f32(stddev) + _f32(mean)


def normal_like(x: Any, mean: float = 0.0, stddev: float = 1.0, seed: Seed = None) -> Any:
    """Normal numbers of the shape of ``x``, its batch included."""
    from fastconv.ops import shape

    return normal(shape(x), mean, stddev, seed=seed)


def truncated_normal(
    shape: Sequence[Any],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: Seed = None,
) -> Any:
    """Float32 numbers of the normal distribution within two standard deviations of its mean."""
    _only_float32(dtype)
    if current_trace() is not None:
        from fastconv.ops.special import erfinv

        # The inverse of the distribution function, whose values there are +-erf(sqrt(2)).
        unit = _draw("random_uniform", shape, seed) * _f32(2) - _f32(1)
        drawn = erfinv(unit * _f32(math.erf(math.sqrt(2)))) * _f32(math.sqrt(2))
        return drawn * _f32(stddev) + _f32(mean)
    rng = generator(seed)
    values = rng.standard_normal(tuple(shape), np.float32)
    outside = np.abs(values) > 2
    while outside.any():
        values[outside] = rng.standard_normal(int(outside.sum()), np.float32)
        outside = np.abs(values) > 2
    return np.asarray(values * _f32(stddev) + _f32(mean))


def randint(
    shape: Sequence[Any], minval: int, maxval: int, dtype: str = "int32", seed: Seed = None
) -> Any:
    """Integers from [minval, maxval), all as likely.

    Raises:
        ValueError: if there are none, or more than 2^24 inside a layer, whose numbers have 24 bits.
    """
    if np.any(np.less_equal(maxval, minval)):
        raise ValueError(f"randint: maxval must be above minval, got {minval} and {maxval}")
    if current_trace() is not None:
        from fastconv.ops import cast, floor

        if np.any(np.subtract(maxval, minval) > 1 << 24):
            raise ValueError(
                f"randint: from {minval} to {maxval} are too many inside a layer, more than 2^24"
            )
        unit = _draw("random_uniform", shape, seed)
        return cast(floor(unit * _f32(maxval - minval)), dtype) + minval
    return generator(seed).integers(minval, maxval, tuple(shape)).astype(dtype)


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Any:
    """A copy of an array, shuffled along an axis.

    Raises:
        ValueError: inside a layer, for the axis of the batch.
    """
    if isinstance(x, Tensor) or current_trace() is not None:
        from fastconv.ops import argsort, take
        from fastconv.ops.operand import operand

        x = operand(x)
        size = x.shape[axis]
        if size is None:
            raise ValueError(
                f"shuffle: the batch axis of shape {x.shape} cannot be shuffled in a layer"
            )
        return take(x, argsort(_draw("random_uniform", (size,), seed)), axis=axis)
    return generator(seed).permutation(np.asarray(x), axis=axis)


def dropout(
    inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None
) -> Any:
    """Zero a fraction ``rate`` of the elements and scale the others by 1 / (1 - rate).

    Args:
        inputs: a tensor, or an array, whose result is float32.
        rate: the fraction, in [0, 1).
        noise_shape: shape of the mask, 1 where it is shared along a dimension; None in it means
            the input's own size.
        seed: an integer, a ``SeedGenerator``, or None for the process's next. In a program it names
            a stream of random numbers, and None takes the program's next.

    Raises:
        ValueError: if ``rate`` is not in [0, 1) or the noise does not broadcast to the inputs.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout's rate must be in [0, 1), got {rate!r}")
    shape = tuple(inputs.shape)
    noise: Any = shape if noise_shape is None else _noise(shape, noise_shape)
    if not isinstance(inputs, Tensor) and current_trace() is None:
        keep = generator(seed).random(noise, np.float32) >= rate
        scale = _f32(1 / (1 - rate))
        return np.where(keep, np.asarray(inputs) * scale, _f32(0)).astype(np.float32)
    if noise == shape:
        return bind("dropout", inputs, rate=float(rate), stream=stream(seed))
    ones = np.ones([1] * len(noise), np.float32)
    if noise and noise[0] is None:
        mask = bind("broadcast_to", ones, inputs, shape=[-1, *noise[1:]])
    else:
        mask = bind("broadcast_to", ones, shape=list(noise))
    return inputs * bind("dropout", mask, rate=float(rate), stream=stream(seed))


def _noise(shape: tuple[int | None, ...], noise: Sequence[int | None]) -> tuple[int | None, ...]:
    if len(noise) != len(shape):
        raise ValueError(f"dropout's noise_shape needs {len(shape)} dimensions, got {tuple(noise)}")
    full = tuple(s if n is None else n for n, s in zip(noise, shape, strict=True))
    if any(n not in (1, s) for n, s in zip(full, shape, strict=True)):
        raise ValueError(f"dropout's noise_shape {tuple(noise)} does not broadcast to {shape}")
    return full


def _f32(value: float) -> np.float32:
    return np.float32(value)


def _only_float32(dtype: str | None) -> None:
    if dtype not in (None, "float32"):
        raise ValueError(f"random numbers are float32, got dtype={dtype!r}")


__all__ = [
    "SeedGenerator",
    "dropout",
    "generator",
    "get_seed",
    "get_state",
    "next_seed",
    "normal",
    "normal_like",
    "randint",
    "set_seed",
    "set_state",
    "shuffle",
    "stream",
    "truncated_normal",
    "uniform",
]
