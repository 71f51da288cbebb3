"""FTRL: follow the regularized leader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import ops
from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer
from fastconv.utils.arguments import number


class Ftrl(Optimizer):
    """Weights that small gradients leave at exactly 0 (McMahan et al., "Ad click prediction", 2013,
    algorithm 1).

    With ``p`` the negative of ``learning_rate_power`` and ``g'`` the gradient plus
    ``2 * l2_shrinkage * w``: ``z += g' - ((a + g^2)^p - a^p) / lr * w``, ``a += g^2``,
    ``w = (clip(z, -l1, l1) - z) / ((beta + a^p) / lr + 2 * l2)``. Nothing moves at rate 0, and no
    weight whose divisor is 0.

    Args:
        learning_rate: a number or a schedule.
        learning_rate_power: how the rate falls with the sum of squared gradients, at most 0.
        initial_accumulator_value: what ``a`` starts from.
        l1_regularization_strength: the bound below which a weight is 0.
        l2_regularization_strength: draws weights to 0.
        l2_shrinkage_regularization_strength: the same, through the gradient.
        beta: added to the root of ``a``, as in the paper.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for a negative strength or first value, or a positive power.

    >>> Ftrl(0.1, l1_regularization_strength=0.01).name
    'ftrl'
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        *,
        name: str = "ftrl",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for key in (
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
            "beta",
        ):
            number("Ftrl", key, getattr(self, key), 0)
        if number("Ftrl", "learning_rate_power", learning_rate_power) > 0:
            raise ValueError(f"Ftrl: learning_rate_power must be <= 0, got {learning_rate_power}")
        self._accumulators: list[Variable] = []
        self._linears: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        rows = [
            (
                self.add_variable_from_reference(v, "accumulator", self.initial_accumulator_value),
                self.add_variable_from_reference(v, "linear"),
            )
            for v in variables
        ]
        self._accumulators = [row[0] for row in rows]
        self._linears = [row[1] for row in rows]

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        a, z = self._accumulators[i], self._linears[i]
        l1, power = self.l1_regularization_strength, -self.learning_rate_power
        moves = learning_rate > 0.0
        rate = ops.where(moves, learning_rate, 1.0)
        total = a + ops.square(gradient)
        root = total**power
        shrunk = gradient + (2 * self.l2_shrinkage_regularization_strength) * variable
        moved = z + shrunk - (root - a**power) / rate * variable
        curvature = (self.beta + root) / rate + 2 * self.l2_regularization_strength
        known = curvature > 0.0
        least = (ops.clip(moved, -l1, l1) - moved) / ops.where(known, curvature, 1.0)
        variable.assign(ops.where(ops.logical_and(moves, known), least, variable))
        a.assign(ops.where(moves, total, a))
        z.assign(ops.where(moves, moved, z))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }
