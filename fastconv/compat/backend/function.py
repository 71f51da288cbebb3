"""``K.function``: some tensors of a model from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.structure import flatten
from fastconv.graph.tensor import Array, Tensor
from fastconv.models import Model


class Function:
    """Computes symbolic tensors from values for others.

    Args:
        inputs: symbolic tensors, and maybe ``learning_phase()``.
        outputs: one symbolic tensor, or several.
    """

    def __init__(self, inputs: Sequence[Any], outputs: Any) -> None:
        self._symbolic = [isinstance(x, Tensor) for x in inputs]
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        self._single = isinstance(outputs, Tensor)
        self._model = Model(tensors, flatten(outputs))

    def __call__(self, inputs: Sequence[Any]) -> Any:
        """Arrays for the inputs, in order; 0 or 1 for ``learning_phase()``.

        Raises:
            ValueError: for another number of inputs.
        """
        if len(inputs) != len(self._symbolic):
            raise ValueError(f"the function takes {len(self._symbolic)} inputs, got {len(inputs)}")
        arrays = [v for v, symbolic in zip(inputs, self._symbolic, strict=True) if symbolic]
        phase = [v for v, symbolic in zip(inputs, self._symbolic, strict=True) if not symbolic]
        found: list[Array]
        if phase and int(phase[0]):
            found = list(self._model(arrays, training=True))
        else:
            found = list(self._model.predict_on_batch(arrays))
        return found[0] if self._single else found


def function(
    inputs: Sequence[Any], outputs: Any, updates: Any = None, name: str | None = None
) -> Function:
    """A function of arrays from symbolic inputs and outputs.

    Raises:
        ValueError: if updates are asked for.
    """
    del name
    if updates:
        raise ValueError("K.function: updates are not covered; use a layer or a custom loss")
    return Function(inputs, outputs)
