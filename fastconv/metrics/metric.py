"""The base of the metrics: variables that a step adds to, and a result computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array, Variable
from fastconv.naming import unique_name


class Metric:
    """Accumulates over batches.

    A subclass makes its state with :meth:`add_variable`, adds to it in
    ``update_state(y_true, y_pred, sample_weight=None)`` with `fastconv.ops`, and computes the
    metric from it in ``result()``. The same ``update_state`` runs at once on arrays and becomes
    part of a compiled step.

    Args:
        name: the key in logs and histories; by default that of the class, with a number where the
            process has had it before.
        dtype: only ``"float32"``.
    """

    _direction: str | None = None  # "up" where more is better, "down", or None: nobody knows

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        del dtype
        self.name = name or unique_name(type(self).__name__)
        self.dtype = "float32"
        self._variables: list[Variable] = []

    def add_variable(
        self,
        shape: tuple[int, ...] = (),
        initializer: Any = "zeros",
        dtype: str = "float32",
        name: str = "variable",
    ) -> Variable:
        """State that starts from zero (or ones, or what ``initializer(shape, dtype=)`` gives)."""
        value: Array
        if callable(initializer):
            value = np.asarray(initializer(tuple(shape), dtype=dtype))
        else:
            value = np.full(tuple(shape), 1.0 if initializer == "ones" else 0.0)
        variable = Variable(
            value, dtype=dtype, trainable=False, name=name, path=f"{self.name}/{name}"
        )
        self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: tuple[int, ...] = (),
        initializer: Any = "zeros",
        dtype: str = "float32",
        name: str = "variable",
    ) -> Variable:
        """The older name of :meth:`add_variable`."""
        return self.add_variable(shape, initializer, dtype, name)

    @property
    def variables(self) -> list[Variable]:
        """The state, that of metrics held as attributes included."""
        inner = [m for m in vars(self).values() if isinstance(m, Metric)]
        return [*self._variables, *(v for m in inner for v in m.variables)]

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define update_state")

    def result(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define result")

    def reset_state(self) -> None:
        """Start over."""
        for variable in self.variables:
            variable.data[...] = 0

    reset_states = reset_state

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Update and return the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
