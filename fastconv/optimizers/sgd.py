"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer
from fastconv.utils.arguments import number


class SGD(Optimizer):
    """``w -= lr * g``; with momentum ``v = momentum * v - lr * g``, ``w += v``.

    ``nesterov`` steps by ``momentum * v - lr * g`` instead (Sutskever et al., 2013).

    Args:
        learning_rate: a number or a schedule.
        momentum: in [0, 1].
        nesterov: look ahead along the velocity.
        **options: those of :class:`Optimizer`.
    """

    decays_in_update = True

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        name: str = "SGD",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        number(type(self).__name__, "momentum", momentum, 0, 1)
        self.momentum = momentum
        self.nesterov = nesterov
        self.momentums: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        if self.momentum:
            (self.momentums,) = self.add_slots(variables, "momentum")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        if not self.momentum:
            self._run_update("sgd", variable, (), variable, gradient, learning_rate)
            return
        v = self.momentums[self._index_of(variable)]
        self._run_update(
            "momentum",
            variable,
            (v,),
            variable,
            gradient,
            v,
            learning_rate,
            momentum=float(self.momentum),
            nesterov=int(self.nesterov),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
