"""Random numbers: a function of (seed, step, stream, position), so that a rerun repeats them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv.graph.primitive import Spec, primitive
from fastconv.graph.primitives.common import unsized
from fastconv.graph.tensor import Tensor


def _rule(name: str) -> Any:
    def rule(*like: Tensor, shape: Sequence[int], stream: int) -> Spec:
        del stream
        result = unsized(shape)
        if any(d is None for d in result[1:]) or any(d is not None and d < 0 for d in result):
            raise ValueError(f"{name}: shape must be whole numbers, got {list(shape)}")
        if result[:1] == (None,) and not (like and like[0].batched):
            raise ValueError(f"{name}: shape {result} needs a batched tensor to take the batch of")
        return result, "float32"

    return rule


primitive("random_uniform", _rule("random_uniform"), stateful=True)
primitive("random_normal", _rule("random_normal"), stateful=True)
