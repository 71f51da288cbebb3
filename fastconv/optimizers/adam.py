"""Adam and its decoupled weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer


class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba, arXiv:1412.6980, the efficient form of section 2.1).

    ``m += (g - m)(1 - beta_1)``, ``v += (g^2 - v)(1 - beta_2)``,
    ``w -= lr * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)``.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of squared gradients.
        epsilon: "epsilon hat" of the paper.
        amsgrad: divide by the largest ``v`` so far (Reddi et al., 2018).
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
        amsgrad: bool = False,
        *,
        name: str = "adam",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self._check_decays("beta_1", "beta_2")
        self.amsgrad = amsgrad
        self._momentums: list[Variable] = []
        self._velocities: list[Variable] = []
        self._velocity_hats: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._momentums, self._velocities = self.add_slots(variables, "momentum", "velocity")
        if self.amsgrad:
            (self._velocity_hats,) = self.add_slots(variables, "velocity_hat")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        slots = [self._momentums[i], self._velocities[i]]
        if self.amsgrad:
            slots.append(self._velocity_hats[i])
        self._run_update(
            "adam_amsgrad" if self.amsgrad else "adam",
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
            "amsgrad": self.amsgrad,
        }


class AdamW(Adam):
    """Adam whose variables shrink by ``lr * weight_decay`` before each step (arXiv:1711.05101).

    Args:
        learning_rate: a number or a schedule.
        weight_decay: decay of every variable that is not excluded.
        beta_1, beta_2, epsilon, amsgrad: as in :class:`Adam`.
        **options: those of :class:`Optimizer`.
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *,
        name: str = "adamw",
        **options: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError("AdamW needs a weight_decay, got None (use Adam)")
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
            name=name,
            weight_decay=weight_decay,
            **options,
        )
