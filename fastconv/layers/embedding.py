"""Vectors for whole numbers."""

from __future__ import annotations

import warnings
from typing import Any

from fastconv import constraints, initializers, ops, regularizers
from fastconv.graph.primitive import Indices, current_trace
from fastconv.graph.tensor import Array, Tensor
from fastconv.layers.layer import Layer
from fastconv.utils.arguments import whole


class Embedding(Layer):
    """A learned row of ``output_dim`` numbers for each whole number below ``input_dim``.

    (batch, ...) of integers gives (batch, ..., output_dim). Weight: embeddings (input_dim,
    output_dim). ``input_length``, of Keras 2, is accepted with a warning.

    Raises:
        ValueError: for a size below 1, or ``mask_zero=True``; for a number outside of 0 to
            ``input_dim - 1`` in an array or in the data of a model that has it for an input.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        *,
        input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mask_zero:
            raise ValueError("Embedding: mask_zero=True is not supported, there are no masks")
        if input_length is not None:
            warnings.warn(
                "Embedding: input_length is deprecated and changes nothing: remove it", stacklevel=2
            )
        self.input_dim = whole("Embedding", "input_dim", input_dim)
        self.output_dim = whole("Embedding", "output_dim", output_dim)
        self.mask_zero = False
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self._given = weights
        self._init_arguments = ((), {})  # which hold the weights too, and get_config does without

    def build(self, input_shape: Any) -> None:
        del input_shape
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        if self._given is not None:
            self.embeddings.assign(self._given[0] if isinstance(self._given, list) else self._given)
            self._given = None

    def call(self, inputs: Any) -> Any:
        x = ops.convert_to_tensor(inputs)
        trace = current_trace()
        if not isinstance(x, Tensor):
            check_rows(x, self.name, self.input_dim)
        elif trace is not None:
            trace.indices.append(Indices(x, self.input_dim, layer=self.name))
        indices = x if str(x.dtype) == "int32" else ops.cast(x, "int32")
        return ops.take(self.embeddings, indices, axis=0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
        }


def check_rows(indices: Array, layer: str, rows: int) -> None:
    """Raises ValueError where an index has no row in the table of a layer."""
    if indices.size == 0:
        return
    low, high = indices.min(), indices.max()
    if low <= -1 or high >= rows:  # fractions are cut off
        wrong = low if low <= -1 else high
        error = ValueError(
            f"layer {layer!r} has input_dim={rows}, so its inputs must be from 0 to {rows - 1}; "
            f"they hold {int(wrong)}"
        )
        error.layer = layer  # type: ignore[attr-defined]
        raise error
