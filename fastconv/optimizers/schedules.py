"""Learning rates that follow the global step.

A schedule is called with a step (0 for the first update) and returns a learning rate. It is never
part of a program: `fit` computes the rates of an epoch ahead and feeds one to each step, so a
schedule costs no recompilation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from fastconv.saving.registry import deserialize_keras_object, serialize_keras_object
from fastconv.utils.arguments import number

Rates = npt.NDArray[np.float64]


class LearningRateSchedule:
    """Base of the schedules; a subclass of a user overrides ``__call__(step)``."""

    def __call__(self, step: Any) -> Any:
        """The learning rate at ``step``: a float, or an array for an array of steps."""
        rates = self._formula(np.asarray(step, np.float64))
        return float(rates) if rates.ndim == 0 else rates

    def rates(self, steps: Rates) -> Rates:
        """The learning rates at all of ``steps`` at once."""
        if type(self).__call__ is LearningRateSchedule.__call__:
            return self._formula(steps)
        flat = [float(self(int(s))) for s in steps.ravel()]
        return np.array(flat, np.float64).reshape(steps.shape)

    def _formula(self, steps: Rates) -> Rates:
        raise NotImplementedError(
            f"learning rate schedule {type(self).__name__} must override __call__(self, step)"
        )

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(
            f"learning rate schedule {type(self).__name__} must override get_config() to be saved"
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        return cls(**config)


def _check_steps(owner: LearningRateSchedule, steps: float, argument: str = "decay_steps") -> float:
    if number(type(owner).__name__, argument, steps) <= 0:
        raise ValueError(f"{type(owner).__name__}: {argument} must be > 0, got {steps}")
    return steps


class ExponentialDecay(LearningRateSchedule):
    """``initial * decay_rate ** (step / decay_steps)``; ``staircase`` floors the exponent.

    >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)
    0.025
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _check_steps(self, decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def _formula(self, steps: Rates) -> Rates:
        p = steps / self.decay_steps
        if self.staircase:
            p = np.floor(p)
        return np.asarray(self.initial_learning_rate * np.power(float(self.decay_rate), p))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class InverseTimeDecay(LearningRateSchedule):
    """``initial / (1 + decay_rate * step / decay_steps)``; ``staircase`` floors the quotient."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _check_steps(self, decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def _formula(self, steps: Rates) -> Rates:
        p = steps / self.decay_steps
        if self.staircase:
            p = np.floor(p)
        return np.asarray(self.initial_learning_rate / (1.0 + self.decay_rate * p))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to and including step ``boundaries[i]``, the last value after all of them.

    >>> PiecewiseConstantDecay([100, 200], [1.0, 0.5, 0.1])([100, 101, 201]).tolist()
    [1.0, 0.5, 0.1]
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "PiecewiseConstantDecay: boundaries must be one fewer than values, got "
                f"{len(boundaries)} boundaries and {len(values)} values"
            )
        if any(b <= a for a, b in pairwise(boundaries)):
            raise ValueError(f"PiecewiseConstantDecay: boundaries must increase, got {boundaries}")
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name

    def _formula(self, steps: Rates) -> Rates:
        piece = np.searchsorted(np.asarray(self.boundaries, np.float64), steps, side="left")
        return np.asarray(np.asarray(self.values, np.float64)[piece])

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(LearningRateSchedule):
    """``(initial - end) * (1 - step / decay_steps) ** power + end``, then constant.

    With ``cycle`` the decay starts over instead, each time stretched to the next multiple of
    ``decay_steps``.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _check_steps(self, decay_steps)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def _formula(self, steps: Rates) -> Rates:
        span: Any = float(self.decay_steps)
        if self.cycle:
            span = span * np.maximum(np.ceil(steps / span), 1.0)
        else:
            steps = np.minimum(steps, span)
        start, end = self.initial_learning_rate, self.end_learning_rate
        return np.asarray((start - end) * np.power(1.0 - steps / span, self.power) + end)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class CosineDecay(LearningRateSchedule):
    """Half a cosine from ``initial_learning_rate`` down to ``alpha`` times it.

    With ``warmup_target`` the rate first climbs linearly from ``initial_learning_rate`` to the
    target in ``warmup_steps``, and decays from there (Loshchilov and Hutter, arXiv:1608.03983).
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _check_steps(self, decay_steps)
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def _formula(self, steps: Rates) -> Rates:
        start = self.initial_learning_rate
        if self.warmup_target is None:
            return self._cosine(steps, start)
        decayed = self._cosine(steps - self.warmup_steps, self.warmup_target)
        if self.warmup_steps == 0:
            return decayed
        warm = start + (self.warmup_target - start) * steps / self.warmup_steps
        return np.where(steps < self.warmup_steps, warm, decayed)

    def _cosine(self, steps: Rates, start: float) -> Rates:
        done = np.clip(steps, 0, self.decay_steps) / self.decay_steps
        cosine = 0.5 * (1.0 + np.cos(math.pi * done))
        return np.asarray(start * ((1 - self.alpha) * cosine + self.alpha))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decays one after another, each ``t_mul`` times longer and ``m_mul`` times as high."""

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = _check_steps(self, first_decay_steps, "first_decay_steps")
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def _formula(self, steps: Rates) -> Rates:
        done = steps / self.first_decay_steps
        if self.t_mul == 1.0:
            restart = np.floor(done)
            done = done - restart
        else:
            # The sum of the geometric series of periods says which restart this is. The nudge keeps
            # a step that is exactly a restart from rounding down into the period before.
            ratio = np.log(1.0 - done * (1.0 - self.t_mul)) / math.log(self.t_mul)
            restart = np.floor(ratio + 1e-12)
            before = (1.0 - self.t_mul**restart) / (1.0 - self.t_mul)
            done = (done - before) / self.t_mul**restart
        cosine = 0.5 * self.m_mul**restart * (1.0 + np.cos(math.pi * done))
        return np.asarray(self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha))

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


def serialize(learning_rate_schedule: LearningRateSchedule) -> Any:
    """The schedule as Keras writes it in a file."""
    return serialize_keras_object(learning_rate_schedule)


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> LearningRateSchedule:
    """A schedule from what :func:`serialize` gave; raises ValueError for an unknown class."""
    schedule = deserialize_keras_object(
        {"module": "keras.optimizers.schedules", **config}, custom_objects
    )
    if not isinstance(schedule, LearningRateSchedule):
        raise TypeError(f"{config} is not the config of a learning rate schedule")
    return schedule
