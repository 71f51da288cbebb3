"""Muon: steps of matrices with singular values of one size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastconv import ops
from fastconv.graph.tensor import Variable
from fastconv.optimizers.clock import LearningRate
from fastconv.optimizers.optimizer import Optimizer
from fastconv.utils.arguments import number, whole


class Muon(Optimizer):
    """Momentum whose step is orthogonalized (K. Jordan et al., "Muon", 2024), for the variables
    with two axes; Adam for all others, and for those that are left out.

    The step of an n x m matrix is multiplied by ``rms_rate * sqrt(max(n, m))``, so that it is as
    large as Adam's (arXiv:2502.16982).

    Args:
        learning_rate: a number or a schedule.
        adam_beta_1, adam_beta_2, epsilon: of Adam.
        adam_weight_decay: of the variables left to Adam.
        weight_decay: of the matrices.
        exclude_layers: patterns (regular expressions); variables whose path has one use Adam.
        exclude_embeddings: whether embeddings use Adam.
        muon_a, muon_b, muon_c: in each iteration a singular value s becomes a s + b s^3 + c s^5.
        adam_lr_ratio: Adam's rate over ``learning_rate``.
        momentum: decay of the sum of gradients.
        ns_steps: iterations of Newton and Schulz.
        nesterov: look one step ahead.
        rms_rate: size of the steps; None leaves them as they are.
        **options: those of :class:`Optimizer`.

    Raises:
        ValueError: for a decay outside of [0, 1), a number of iterations below 1, or a pattern that
            is none.

    >>> Muon(0.01).name
    'muon'
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        name: str = "muon",
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1.0,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay, name=name, **options)
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = _patterns(exclude_layers)
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate
        self._check_decays("adam_beta_1", "adam_beta_2", "momentum")
        for key in ("muon_a", "muon_b", "muon_c"):
            number("Muon", key, getattr(self, key))
        number("Muon", "adam_lr_ratio", adam_lr_ratio, 0)
        whole("Muon", "ns_steps", ns_steps)
        for key in ("adam_weight_decay", "rms_rate"):
            if getattr(self, key) is not None:
                number("Muon", key, getattr(self, key), 0)
        self._momentums: list[Variable] = []
        self._velocities: list[Variable | None] = []

    def _is_left_to_adam(self, variable: Variable) -> bool:
        if len(variable.shape) != 2:
            return True
        if self.exclude_embeddings and "embedding" in variable.path.lower():
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._momentums, self._velocities = [], []
        for v in variables:
            self._momentums.append(self.add_variable_from_reference(v, "momentum"))
            adam = self._is_left_to_adam(v)
            self._velocities.append(
                self.add_variable_from_reference(v, "velocity") if adam else None
            )

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        i = self._index_of(variable)
        m, v = self._momentums[i], self._velocities[i]
        if v is not None:
            self._adam_step(gradient, variable, learning_rate * self.adam_lr_ratio, m, v)
            return
        moved = m * self.momentum + gradient
        m.assign(moved)
        step = self._orthogonal(gradient + moved * self.momentum if self.nesterov else moved)
        if self.rms_rate is not None:
            step = step * (self.rms_rate * max(variable.shape) ** 0.5)
        variable.assign(variable - learning_rate * step)

    def _adam_step(
        self, gradient: Any, variable: Variable, rate: Any, m: Variable, v: Variable
    ) -> None:
        t = ops.cast(self.step, "float32")
        alpha = rate * ops.sqrt(1 - self.adam_beta_2**t) / (1 - self.adam_beta_1**t)
        mean = m + (gradient - m) * (1 - self.adam_beta_1)
        squares = v + (ops.square(gradient) - v) * (1 - self.adam_beta_2)
        m.assign(mean)
        v.assign(squares)
        variable.assign(variable - mean * alpha / (ops.sqrt(squares) + self.epsilon))

    def _orthogonal(self, x: Any) -> Any:
        """Newton and Schulz's iterations: the singular vectors stay, the values come near 1."""
        tall = x.shape[0] > x.shape[1]
        x = ops.transpose(x) if tall else x
        x = x / (ops.norm(x) + 1e-7)
        for _ in range(self.ns_steps):
            square = ops.matmul(x, ops.transpose(x))
            x = self.muon_a * x + ops.matmul(
                self.muon_b * square + self.muon_c * ops.matmul(square, square), x
            )
        return ops.transpose(x) if tall else x

    def _decay_of(self, variable: Variable) -> float:
        decay = self.adam_weight_decay if self._is_left_to_adam(variable) else self.weight_decay
        return 0.0 if decay is None or self._is_undecayed(variable) else float(decay)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "adam_beta_1": self.adam_beta_1,
            "adam_beta_2": self.adam_beta_2,
            "epsilon": self.epsilon,
            "exclude_layers": self.exclude_layers,
            "muon_a": self.muon_a,
            "muon_b": self.muon_b,
            "muon_c": self.muon_c,
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "ns_steps": self.ns_steps,
            "nesterov": self.nesterov,
            "exclude_embeddings": self.exclude_embeddings,
            "adam_weight_decay": self.adam_weight_decay,
            "rms_rate": self.rms_rate,
        }


def _patterns(given: Sequence[str] | None) -> list[str]:
    listed = [] if given is None else given
    if not isinstance(listed, (list, tuple)) or not all(isinstance(p, str) for p in listed):
        raise ValueError(f"Muon: exclude_layers must be a list of strings, got {given!r}")
    for pattern in listed:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"Muon: exclude_layers must be regular expressions, got {pattern!r}: {error}"
            ) from error
    return list(listed)
