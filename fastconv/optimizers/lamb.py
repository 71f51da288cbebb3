"""LAMB: Adam's direction, in steps as long as each variable allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops
from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer


class Lamb(Optimizer):
    """Adam's step ``u``, scaled to the length of the variable: ``w -= lr * (|w| / |u|) * u``
    (You et al., arXiv:1904.00962). A variable or step of length 0 moves by ``lr * u``.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of their squares.
        epsilon: keeps the quotient finite.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for a decay outside of [0, 1) or a negative epsilon.

    >>> Lamb(0.01).name
    'lamb'
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        name: str = "lamb",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self._check_decays("beta_1", "beta_2")
        self._momentums: list[Variable] = []
        self._velocities: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._momentums, self._velocities = self.add_slots(variables, "momentum", "velocity")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        m, v = self._momentums[i], self._velocities[i]
        t = ops.cast(self.step, "float32")
        mean = m + (gradient - m) * (1 - self.beta_1)
        squares = v + (ops.square(gradient) - v) * (1 - self.beta_2)
        m.assign(mean)
        v.assign(squares)
        root = ops.sqrt(squares / (1 - self.beta_2**t)) + self.epsilon
        step = mean / (1 - self.beta_1**t) / root
        size, length = ops.norm(variable), ops.norm(step)
        known = ops.logical_and(size > 0.0, length > 0.0)
        ratio = ops.where(known, size / ops.where(known, length, 1.0), 1.0)
        variable.assign(variable - ratio * learning_rate * step)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
