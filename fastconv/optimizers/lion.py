"""Lion: the sign of a moving average of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops
from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer
from fastconv.utils.arguments import number


class Lion(Optimizer):
    """``w -= lr * sign(beta_1 * m + (1 - beta_1) * g)``, ``m = beta_2 * m + (1 - beta_2) * g``.

    Every weight moves by the learning rate, which is to be 3 to 10 times smaller than Adam's
    (arXiv:2302.06675).

    Args:
        learning_rate: a number or a schedule.
        beta_1: share of the mean of gradients in the direction, in (0, 1].
        beta_2: decay of the mean.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for another ``beta_1``.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        *,
        name: str = "lion",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        number("Lion", "beta_2", beta_2)
        if not 0 < number("Lion", "beta_1", beta_1) <= 1:
            raise ValueError(f"Lion: beta_1 must be in (0, 1], got {beta_1}")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self._m: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        (self._m,) = self.add_slots(variables, "momentum")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        m = self._m[self._index_of(variable)]
        direction = ops.sign(m * self.beta_1 + gradient * (1 - self.beta_1))
        variable.assign(variable - learning_rate * direction)
        m.assign(m * self.beta_2 + gradient * (1 - self.beta_2))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}
