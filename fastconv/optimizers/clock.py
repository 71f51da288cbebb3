"""What an optimizer knows of time: the steps it has made, and the learning rate of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array, Tensor, Variable
from fastconv.optimizers.schedules import LearningRateSchedule
from fastconv.utils.arguments import number, whole

LearningRate = float | LearningRateSchedule | Callable[[], float]


class Clock:
    """The base of optimizers that counts steps and gives the rate.

    Args:
        learning_rate: a number, a schedule, or a function of no arguments.
        decay: the rate is divided by one plus ``decay`` times the number of steps made.
        gradient_accumulation_steps: steps for one update; None for one.

    Raises:
        TypeError: for a rate that is none of them.
        ValueError: for a negative or infinite rate, a negative decay, or less than 2 steps.
    """

    def __init__(
        self,
        learning_rate: LearningRate,
        decay: float,
        gradient_accumulation_steps: int | None = None,
    ) -> None:
        kind = type(self).__name__
        every = gradient_accumulation_steps
        if every is not None:
            every = whole(kind, "gradient_accumulation_steps", every, 2)
        self.gradient_accumulation_steps = every
        self.decay = number(kind, "decay", decay, 0)
        self._iterations = Variable(
            np.zeros((), np.int64), dtype="int64", trainable=False, name="iterations"
        )
        self._fed: Sequence[Tensor] | None = None
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
    def steps_made(self) -> Variable:
        """The number of steps made, with an update or without."""
        return self._iterations

    @property
    def iterations(self) -> Any:
        """Number of updates made; inside a compiled step, as a tensor."""
        if self._fed is None and self.gradient_accumulation_steps is None:
            return self._iterations
        return self.step - 1

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
        """The 1-based number of the update that is made or gathered for, as an int32 scalar."""
        if self._fed is not None:
            return self._fed[1] if self.gradient_accumulation_steps is None else self._fed[2]
        return np.asarray(self._update_of(int(self._iterations)), np.int32)

    @property
    def is_due(self) -> Any:
        """Whether this step makes an update; inside a compiled step, a tensor."""
        if self.gradient_accumulation_steps is None:
            return True
        if self._fed is not None:
            return self._fed[3]
        return self._is_due(int(self._iterations))

    def _update_of(self, step: Any) -> Any:
        """The 1-based number of the update that the 0-based step is for."""
        return step // (self.gradient_accumulation_steps or 1) + 1

    def _is_due(self, step: Any) -> Any:
        return (step + 1) % (self.gradient_accumulation_steps or 1) == 0

    # ---- compiled steps

    def step_inputs(self) -> list[Tensor]:
        """What the inputs of a compiled step end with: the rate and the 1-based number of the step;
        with accumulation, also the number of the update, and whether it is made."""
        inputs = [Tensor((), "float32", name="learning_rate"), Tensor((), "int32", name="step")]
        if self.gradient_accumulation_steps is not None:
            inputs += [Tensor((), "int32", name="update"), Tensor((), "bool", name="is_due")]
        return inputs

    def step_values(self, first: int, count: int) -> list[Array]:
        """Their values in ``count`` steps from number ``first`` (0-based)."""
        steps = np.arange(first, first + count)
        values = [self.rates(first, count), (steps + 1).astype(np.int32)]
        if self.gradient_accumulation_steps is not None:
            values += [self._update_of(steps).astype(np.int32), self._is_due(steps)]
        return values

    @contextmanager
    def fed(self, inputs: Sequence[Tensor]) -> Iterator[None]:
        """Inside, rate and step are these :meth:`step_inputs` of the program being traced."""
        self._fed = inputs
        try:
            yield
        finally:
            self._fed = None
