"""RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer
from fastconv.utils.arguments import number


class RMSprop(Optimizer):
    """``v = rho * v + (1 - rho) * g^2``, ``w -= lr * g / sqrt(v + epsilon)`` (Tieleman, Hinton).

    Args:
        learning_rate: a number or a schedule.
        rho: decay of the average of squared gradients.
        momentum: the steps are accumulated with this factor when it is not 0.
        epsilon: inside the square root.
        centered: divide by the standard deviation of the gradient instead of its root mean square.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for a rho outside of [0, 1), a momentum outside of [0, 1] or a negative epsilon.
    """

    decays_in_update = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *,
        name: str = "rmsprop",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        number(type(self).__name__, "momentum", momentum, 0, 1)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self._check_decays("rho")
        self.centered = centered
        self._velocities: list[Variable] = []
        self._momentums: list[Variable] = []
        self._average_gradients: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        (self._velocities,) = self.add_slots(variables, "velocity")
        if self.momentum:
            (self._momentums,) = self.add_slots(variables, "momentum")
        if self.centered:
            (self._average_gradients,) = self.add_slots(variables, "average_gradient")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        slots = [self._velocities[i]]
        rule = "rmsprop"
        attrs = {"rho": float(self.rho), "epsilon": float(self.epsilon)}
        if self.centered:
            rule += "_centered"
            slots.append(self._average_gradients[i])
        if self.momentum:
            rule += "_momentum"
            slots.append(self._momentums[i])
            attrs["momentum"] = float(self.momentum)
        self._run_update(rule, variable, slots, variable, gradient, *slots, learning_rate, **attrs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
