"""Adamax and Nadam: Adam with the infinity norm, and with Nesterov momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.graph.primitive import current_trace
from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer


class Adamax(Optimizer):
    """Adam with the infinity norm (section 7.1 of arXiv:1412.6980).

    ``u = max(beta_2 * u, |g|)``, ``w -= lr * m / ((1 - beta_1^t) * (u + epsilon))``.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the norm.
        epsilon: keeps the division finite.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for a beta outside of [0, 1) or a negative epsilon.
    """

    decays_in_update = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        name: str = "adamax",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self._check_decays("beta_1", "beta_2")
        self._m: list[Variable] = []
        self._u: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._m, self._u = self.add_slots(variables, "momentum", "norm")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        slots = (self._m[i], self._u[i])
        self._run_update(
            "adamax",
            variable,
            slots,
            variable,
            gradient,
            *slots,
            learning_rate,
            self.step,
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            epsilon=float(self.epsilon),
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


class Nadam(Optimizer):
    """Adam with Nesterov momentum (Dozat, 2015), with the momentum schedule of ``0.96^t``.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of squared gradients.
        epsilon: keeps the division finite.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for a beta outside of [0, 1) or a negative epsilon.
    """

    decays_in_update = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        name: str = "nadam",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self._check_decays("beta_1", "beta_2")
        self._momentums: list[Variable] = []
        self._velocities: list[Variable] = []
        self._u_products: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        product = self._u_products[0].numpy() if self._u_products else np.float32(1.0)
        super().build(variables)
        self._momentums, self._velocities = self.add_slots(variables, "momentum", "velocity")
        self._u_products[:] = [
            self._slots.take(v, "u_product", lambda: _Shared(self._u_products)) for v in variables
        ]
        for copy in self._u_products:
            copy.data[...] = product
        self._slots.used += self._u_products[:1]

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        slots = (self._momentums[i], self._velocities[i], self._u_products[i])
        self._run_update(
            "nadam",
            variable,
            slots,
            variable,
            gradient,
            *slots,
            learning_rate,
            self.step,
            beta_1=float(self.beta_1),
            beta_2=float(self.beta_2),
            epsilon=float(self.epsilon),
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


class _Shared(Variable):
    """The product of Nadam's momenta: one number in files, a copy beside each variable in steps."""

    def __init__(self, copies: list[Variable]) -> None:
        super().__init__(np.float32(1.0), trainable=False, name="u_product")
        self.copies = copies

    def assign(self, value: Any) -> Any:
        result = super().assign(value)
        if current_trace() is None:
            for copy in self.copies:
                copy.data[...] = self.data
        return result
