"""A primitive as a layer: what arithmetic on the tensors of a functional model becomes."""

from __future__ import annotations

from typing import Any

from fastconv import random
from fastconv.graph.primitive import PRIMITIVES, bind
from fastconv.layers.layer import Layer


class OpLayer(Layer):
    """Applies the primitive ``op`` with fixed attributes.

    Args:
        op: the name of the primitive.
        attributes: its attributes, plain values.
    """

    def __init__(self, op: str, attributes: dict[str, Any], **kwargs: Any) -> None:
        if op not in PRIMITIVES:
            raise ValueError(f"unknown operation {op!r}")
        if kwargs.get("name") is None:
            from fastconv.layers.naming import unique_name

            kwargs["name"] = unique_name(op)
        super().__init__(**kwargs)
        self.op = op
        self.built = True
        self.attributes = dict(attributes)

    def call(self, *inputs: Any) -> Any:
        attributes = self.attributes
        if PRIMITIVES[self.op].stateful and "stream" in attributes:
            attributes = {**attributes, "stream": random.stream()}
        return bind(self.op, *inputs, **attributes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "op": self.op, "attributes": self.attributes}
