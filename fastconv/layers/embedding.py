"""Vectors for whole numbers."""

from __future__ import annotations

from typing import Any

from fastconv import constraints, initializers, ops, regularizers
from fastconv.layers.layer import Layer, as_size


class Embedding(Layer):
    """A learned row of ``output_dim`` numbers for each whole number below ``input_dim``.

    (batch, ...) of integers gives (batch, ..., output_dim). Weight: embeddings (input_dim,
    output_dim).

    Raises:
        ValueError: for a size below 1, or ``mask_zero=True``.
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mask_zero:
            raise ValueError("Embedding: mask_zero=True is not supported, there are no masks")
        for name, size in (("input_dim", input_dim), ("output_dim", output_dim)):
            if as_size(size, f"Embedding: {name}") < 1:
                raise ValueError(f"Embedding: {name} must be at least 1, got {size}")
        self.input_dim = int(input_dim)
        self.output_dim = int(output_dim)
        self.mask_zero = False
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self._given = weights

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

    def call(self, inputs: Any) -> Any:
        x = ops.convert_to_tensor(inputs)
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
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
        }
