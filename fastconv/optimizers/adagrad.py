"""Adagrad and Adadelta: rates scaled by the history of squared gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer
from fastconv.utils.arguments import number


class Adagrad(Optimizer):
    """``a += g^2``, ``w -= lr * g / sqrt(a + epsilon)`` (Duchi et al., 2011).

    Args:
        learning_rate: a number or a schedule.
        initial_accumulator_value: what ``a`` starts from.
        epsilon: keeps the division finite.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for a negative epsilon or first value.
    """

    decays_in_update = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *,
        name: str = "adagrad",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        number(type(self).__name__, "initial_accumulator_value", initial_accumulator_value, 0)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        self._check_decays()
        self._accumulators: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        (self._accumulators,) = self.add_slots(
            variables, "accumulator", fill=self.initial_accumulator_value
        )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        a = self._accumulators[self._index_of(variable)]
        self._run_update(
            "adagrad",
            variable,
            (a,),
            variable,
            gradient,
            a,
            learning_rate,
            epsilon=float(self.epsilon),
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }


class Adadelta(Optimizer):
    """Steps in the units of the variable (Zeiler, arXiv:1212.5701).

    ``a = rho * a + (1 - rho) * g^2``, ``u = sqrt(d + epsilon) / sqrt(a + epsilon) * g``,
    ``d = rho * d + (1 - rho) * u^2``, ``w -= lr * u``. The default rate is the paper's, 1.0.

    Args:
        learning_rate: a number or a schedule.
        rho: decay of both averages.
        epsilon: keeps the quotient finite, and starts the first steps.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for a rho outside of [0, 1) or a negative epsilon.
    """

    decays_in_update = True

    def __init__(
        self,
        learning_rate: LearningRate = 1.0,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        *,
        name: str = "adadelta",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.rho = rho
        self.epsilon = epsilon
        self._check_decays("rho")
        self._accumulated_grads: list[Variable] = []
        self._accumulated_delta_vars: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._accumulated_grads, self._accumulated_delta_vars = self.add_slots(
            variables, "accumulated_grad", "accumulated_delta_var"
        )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        slots = (self._accumulated_grads[i], self._accumulated_delta_vars[i])
        self._run_update(
            "adadelta",
            variable,
            slots,
            variable,
            gradient,
            *slots,
            learning_rate,
            rho=float(self.rho),
            epsilon=float(self.epsilon),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
