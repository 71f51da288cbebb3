"""What an optimizer knows of time: the steps it has made, and the learning rate of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array, Tensor, Variable
from fastconv.optimizers.schedules import LearningRateSchedule
from fastconv.utils.arguments import number

LearningRate = float | LearningRateSchedule | Callable[[], float]


class Clock:
    """The base of optimizers that counts steps and gives the rate.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        decay: the rate is divided by ``1 + decay * iterations``.

    Raises:
        TypeError: for a rate that is none of them.
        ValueError: for a negative or infinite rate or a negative decay.
    """

    def __init__(self, learning_rate: LearningRate, decay: float) -> None:
        self.decay = number(type(self).__name__, "decay", decay, 0)
        self._iterations = Variable(
            np.zeros((), np.int64), dtype="int64", trainable=False, name="iterations"
        )
        self._fed: tuple[Tensor, Tensor] | None = None
        self._learning_rate: Variable | LearningRateSchedule | Callable[[], float]
        if isinstance(learning_rate, LearningRateSchedule) or callable(learning_rate):
            self._learning_rate = learning_rate
        else:
            self._learning_rate = Variable(
                self._checked_rate(learning_rate),
                dtype="float32",
                trainable=False,
                name="learning_rate",
            )

    def _checked_rate(self, rate: Any) -> float:
        if not hasattr(rate, "__float__") or np.ndim(rate) != 0:
            raise TypeError(
                f"{type(self).__name__}: learning_rate must be a number or a schedule, got {rate!r}"
            )
        value = float(rate)
        if not np.isfinite(value) or value < 0:
            raise ValueError(
                f"{type(self).__name__}: learning_rate must be finite and >= 0, got {value}"
            )
        return value

    @property
    def iterations(self) -> Any:
        """Number of updates made; inside a compiled step, the step's own count as a tensor."""
        return self._iterations if self._fed is None else self._fed[1] - 1

    @property
    def learning_rate(self) -> Any:
        """The rate: a variable, which can be assigned to, or the current value of a schedule."""
        if self._fed is not None:
            return self._fed[0]
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self.rates(int(self._iterations), 1)[0]

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        if isinstance(rate, LearningRateSchedule) or callable(rate):
            self._learning_rate = rate
        elif isinstance(self._learning_rate, Variable):
            self._learning_rate.assign(self._checked_rate(rate))
        else:
            raise TypeError(
                f"the learning rate of this {type(self).__name__} follows "
                f"{type(self._learning_rate).__name__} and cannot be set to {rate!r}: "
                "make the optimizer with a number instead"
            )

    lr = learning_rate

    def rates(self, first: int, count: int) -> Array:
        """Learning rates of ``count`` steps from number ``first`` (0-based), float32.

        Raises:
            ValueError: if one is not finite.
        """
        steps = np.arange(first, first + count, dtype=np.float64)
        base: Any
        if isinstance(self._learning_rate, LearningRateSchedule):
            base = self._learning_rate.rates(steps)
        elif isinstance(self._learning_rate, Variable):
            base = np.full(count, self._learning_rate.data, np.float64)
        else:
            base = np.full(count, float(self._learning_rate()), np.float64)
        if self.decay:
            base = base / (1.0 + self.decay * steps)
        found = np.asarray(base, np.float32)
        if not np.isfinite(found).all():
            at = int(np.argmin(np.isfinite(found)))
            raise ValueError(
                f"{type(self).__name__}: the learning rate of step {first + at + 1} is {found[at]}"
            )
        return found

    @property
    def asks_for_rate(self) -> bool:
        """Whether the rate is a function, which is asked before each step."""
        return not isinstance(self._learning_rate, (Variable, LearningRateSchedule))

    def _current_rate(self) -> Any:
        if self._fed is not None:
            return self._fed[0]
        return np.asarray(self.rates(int(self._iterations), 1)[0])

    @property
    def step(self) -> Any:
        """The 1-based number of the step being made, as an int32 scalar."""
        if self._fed is not None:
            return self._fed[1]
        return np.asarray(int(self._iterations) + 1, np.int32)

    @contextmanager
    def fed(self, learning_rate: Tensor, step: Tensor) -> Iterator[None]:
        """Inside, the rate and the 1-based step are these inputs of the program being traced."""
        self._fed = (learning_rate, step)
        try:
            yield
        finally:
            self._fed = None
