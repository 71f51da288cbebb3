"""Initial values of weights.

An initializer is called with a shape and returns a float32 array. Given the same ``seed`` it
returns the same values every time; without a seed it takes one from the process when it is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import random
from fastconv.graph.tensor import Array
from fastconv.saving.registry import (
    deserialize_keras_object,
    get_registered_object,
    serialize_keras_object,
    to_snake_case,
)

# Standard deviation of the standard normal distribution cut at +-2.
TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """Base class: override ``__call__(shape, dtype=None)`` and, to save it, ``get_config``."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        unset = ("input_axes", "output_axes", "dtype")  # written by some versions of Keras
        harmless = (None, "float32")
        return cls(**{k: v for k, v in config.items() if k not in unset or v not in harmless})

    def __repr__(self) -> str:
        inner = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({inner})"


class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.zeros(tuple(shape), dtype or "float32")


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.ones(tuple(shape), dtype or "float32")


class Constant(Initializer):
    """All ``value``, a number or an array that broadcasts to the shape.

    >>> Constant(2.0)((2,))
    array([2., 2.], dtype=float32)
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.array(np.broadcast_to(self.value, tuple(shape)), dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        return cls(deserialize_keras_object(config["value"]))


class Identity(Initializer):
    """The identity matrix times ``gain``; for 2-D shapes only."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices, got shape {tuple(shape)}")
        return np.asarray(self.gain * np.eye(shape[0], shape[1]), dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """An initializer with a seed: an int, a ``SeedGenerator``, or None for the process's next."""

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, dict):
            seed = random.SeedGenerator.from_config(seed.get("config", seed))
        if isinstance(seed, (str, float)):
            raise ValueError(f"an initializer's seed must be an integer or None, got {seed!r}")
        self._given = seed
        self.seed: random.Seed = random.next_seed() if seed is None else seed

    def get_config(self) -> dict[str, Any]:
        given = self._given
        return {"seed": given.seed if isinstance(given, random.SeedGenerator) else given}


class RandomUniform(RandomInitializer):
    """Uniform on [minval, maxval)."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: random.Seed = None
    ) -> None:
        self.minval = minval
        self.maxval = maxval
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return _uniform(shape, self.minval, self.maxval, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class RandomNormal(RandomInitializer):
    """Normal of the given mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: random.Seed = None) -> None:
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return _normal(shape, self.mean, self.stddev, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomNormal):
    """Normal, values beyond two standard deviations drawn again."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        return np.asarray(random.truncated_normal(shape, self.mean, self.stddev, seed=self.seed))


class VarianceScaling(RandomInitializer):
    """Random values whose variance is ``scale / fan``.

    Args:
        scale: a positive number.
        mode: the fan: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``.
        distribution: ``"truncated_normal"`` (its variance corrected for the truncation),
            ``"untruncated_normal"`` or ``"uniform"``.
        seed: an integer, a ``SeedGenerator``, or None for the process's next.

    Raises:
        ValueError: for arguments that are not of these kinds.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: random.Seed = None,
    ) -> None:
        if scale <= 0:
            raise ValueError(f"scale must be positive, got {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"mode must be 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}")
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in ("uniform", "truncated_normal", "untruncated_normal"):
            raise ValueError(
                "distribution must be 'uniform', 'truncated_normal' or 'untruncated_normal', "
                f"got {distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        fan_in, fan_out = compute_fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "truncated_normal":
            stddev = math.sqrt(variance) / TRUNCATED_STDDEV
            return np.asarray(random.truncated_normal(shape, 0.0, stddev, seed=self.seed))
        if self.distribution == "untruncated_normal":
            return _normal(shape, 0.0, math.sqrt(variance), self.seed)
        limit = math.sqrt(3 * variance)
        return _uniform(shape, -limit, limit, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
        }


class _Preset(VarianceScaling):
    """A named choice of scale, mode and distribution; only the seed is free."""

    settings: tuple[float, str, str]

    def __init__(self, seed: random.Seed = None) -> None:
        super().__init__(*self.settings, seed=seed)

    def get_config(self) -> dict[str, Any]:
        return RandomInitializer.get_config(self)


class GlorotUniform(_Preset):
    """Uniform on +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""

    settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Preset):
    """Truncated normal of variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    settings = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Preset):
    """Uniform on +-sqrt(6 / fan_in) (He et al., 2015)."""

    settings = (2.0, "fan_in", "uniform")


class HeNormal(_Preset):
    """Truncated normal of variance 2 / fan_in (He et al., 2015)."""

    settings = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Preset):
    """Uniform on +-sqrt(3 / fan_in) (LeCun et al., 1998)."""

    settings = (1.0, "fan_in", "uniform")


class LecunNormal(_Preset):
    """Truncated normal of variance 1 / fan_in (LeCun et al., 1998)."""

    settings = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """A matrix with orthonormal rows or columns, times ``gain`` (Saxe et al., 2013).

    Shapes of more than two dimensions are flattened to (all but the last, last).
    """

    def __init__(self, gain: float = 1.0, seed: random.Seed = None) -> None:
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs at least two dimensions, got {tuple(shape)}")
        rows, cols = math.prod(shape[:-1]), shape[-1]
        values = random.generator(self.seed).standard_normal((max(rows, cols), min(rows, cols)))
        q, r = np.linalg.qr(values)
        q *= np.sign(np.diag(r))
        matrix = q if rows >= cols else q.T
        return np.asarray(self.gain * matrix.reshape(tuple(shape)), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


def compute_fans(shape: Sequence[int]) -> tuple[float, float]:
    """Inputs and outputs of one unit: receptive field times channels.

    >>> compute_fans((3, 3, 16, 32))
    (144, 288)
    """
    if len(shape) < 1:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    receptive = math.prod(shape[:-2])
    return shape[-2] * receptive, shape[-1] * receptive


def _uniform(shape: Sequence[int], low: float, high: float, seed: random.Seed) -> Array:
    unit = random.generator(seed).random(tuple(shape), np.float32)
    return np.asarray(unit * np.float32(high - low) + np.float32(low))


def _normal(shape: Sequence[int], mean: float, stddev: float, seed: random.Seed) -> Array:
    unit = random.generator(seed).standard_normal(tuple(shape), np.float32)
    return np.asarray(unit * np.float32(stddev) + np.float32(mean))


_ALL: tuple[type[Initializer], ...] = (
    Zeros,
    Ones,
    Constant,
    Identity,
    RandomUniform,
    RandomNormal,
    TruncatedNormal,
    VarianceScaling,
    GlorotUniform,
    GlorotNormal,
    HeUniform,
    HeNormal,
    LecunUniform,
    LecunNormal,
    Orthogonal,
)
_BY_NAME: dict[str, type[Initializer]] = {
    **{c.__name__: c for c in _ALL},
    **{to_snake_case(c.__name__): c for c in _ALL},
    "uniform": RandomUniform,
    "normal": RandomNormal,
    "zero": Zeros,
    "one": Ones,
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
}

zeros = Zeros
ones = Ones
constant = Constant
identity = Identity
random_uniform = RandomUniform
random_normal = RandomNormal
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = Orthogonal
IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal


def serialize(initializer: Initializer) -> dict[str, Any]:
    """The config of an initializer, as Keras writes it."""
    result: dict[str, Any] = serialize_keras_object(initializer)
    return result


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The initializer of a config."""
    if isinstance(config, dict):
        config = {"module": "keras.initializers", **config}
    return deserialize_keras_object(config, custom_objects, _BY_NAME)


def get(identifier: Any) -> Any:
    """An initializer from a name, a config, a class, an array or a callable; None stays None.

    Raises:
        ValueError: if the name is unknown or the object is no initializer.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        found = get_registered_object(identifier, None, _BY_NAME)
        if found is None:
            raise ValueError(
                f"unknown initializer {identifier!r}; known: "
                f"{', '.join(sorted(n for n in _BY_NAME if n.islower()))}"
            )
        identifier = found
    elif isinstance(identifier, dict):
        identifier = deserialize(identifier)
    elif isinstance(identifier, (np.ndarray, list)):
        return Constant(np.asarray(identifier))
    if isinstance(identifier, type):
        identifier = identifier()
    if not callable(identifier):
        raise ValueError(f"{identifier!r} is not an initializer")
    return identifier
