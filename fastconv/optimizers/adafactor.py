"""Adafactor: squared gradients by row and by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer
from fastconv.utils.arguments import number


class Adafactor(Optimizer):
    """Steps relative to the variable's size, over the root of a factored mean of squared gradients
    (Shazeer and Stern, arXiv:1804.04235, algorithms 4 and 5).

    Of a variable with two axes or more, the mean of squares is the product of means along its last
    axis and along the one before.

    Args:
        learning_rate: a number or a schedule: the most that a step may be, relative to the root of
            the mean square of the variable; it is at most ``1 / sqrt(step)`` too.
        beta_2_decay: the mean of squares decays by ``1 - step**beta_2_decay``.
        epsilon_1: added to the squares.
        epsilon_2: the least size of a variable.
        clip_threshold: the largest root mean square of a step, before its scaling.
        relative_step: kept in the configuration; the rate is bounded either way, as in Keras.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for an epsilon or threshold that is not positive, or a positive decay.

    >>> Adafactor(0.01).name
    'adafactor'
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        *,
        name: str = "adafactor",
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **options)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step
        for key in ("epsilon_1", "epsilon_2", "clip_threshold"):
            if number("Adafactor", key, getattr(self, key)) <= 0:
                raise ValueError(f"Adafactor: {key} must be > 0, got {getattr(self, key)}")
        if number("Adafactor", "beta_2_decay", beta_2_decay) > 0:
            raise ValueError(f"Adafactor: beta_2_decay must be <= 0, got {beta_2_decay}")
        self._rows: list[Variable] = []
        self._columns: list[Variable] = []
        self._velocities: list[Variable] = []

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._rows, self._columns, self._velocities = [], [], []
        for v in variables:
            by_row: tuple[int, ...] = ()  # Keras keeps two numbers here that nothing reads
            by_column: tuple[int, ...] = ()
            if _is_factored(v):
                by_row, by_column = v.shape[:-1], (*v.shape[:-2], v.shape[-1])
            self._rows.append(self._zeros(v, "rows", by_row))
            self._columns.append(self._zeros(v, "columns", by_column))
            self._velocities.append(self.add_variable_from_reference(v, "velocity"))

    def _zeros(self, owner: Variable, name: str, shape: tuple[int, ...]) -> Variable:
        return self._add_slot(owner, name, lambda: np.zeros(shape, np.float32))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        rows, columns, velocity = self._rows[i], self._columns[i], self._velocities[i]
        t = ops.cast(self.step, "float32")
        fresh = t**self.beta_2_decay
        squares = ops.square(gradient) + self.epsilon_1
        if not _is_factored(variable):
            mean = velocity + (squares - velocity) * fresh
        else:
            by_row = rows + (ops.mean(squares, axis=-1) - rows) * fresh
            by_column = columns + (ops.mean(squares, axis=-2) - columns) * fresh
            rows.assign(by_row)
            columns.assign(by_column)
            share = by_row / ops.mean(by_row, axis=-1, keepdims=True)
            mean = ops.expand_dims(share, -1) * ops.expand_dims(by_column, -2)
        velocity.assign(mean)
        step = gradient / ops.sqrt(mean)
        step = step / ops.maximum(1.0, _root_mean_square(step) / self.clip_threshold)
        rate = ops.minimum(learning_rate, 1 / ops.sqrt(t))
        size = ops.maximum(_root_mean_square(variable), self.epsilon_2)
        variable.assign(variable - size * rate * step)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }


def _is_factored(variable: Variable) -> bool:
    return len(variable.shape) >= 2


def _root_mean_square(x: Any) -> Any:
    return ops.sqrt(ops.mean(ops.square(x)))
