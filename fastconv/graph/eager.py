"""A primitive on arrays, at once: float32 work by the C++ core, the rest in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from fastconv import reference
from fastconv.graph.primitive import Primitive, as_array, bind, tracing
from fastconv.graph.primitives.update import RULES
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array, Tensor, Variable

_NATIVE_DTYPES = frozenset({"float32", "int32", "uint8", "bool"})
_MOVES = frozenset(
    {"reshape", "transpose", "concatenate", "slice", "pad", "broadcast_to", "take", "scatter_add"}
    | {"one_hot", "flip", "identity", "stop_gradient", "cast", "count"}
)
Key = tuple[tuple[tuple[int, ...], str], ...]


def run(op: Primitive, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """The result of one primitive, or a tuple where it has several outputs."""
    like = next((str(x.dtype) for x in inputs if isinstance(x, (np.ndarray, Variable))), None)
    arrays = [as_array(x, like=like) for x in inputs]
    specs = op.shape_rule(*(Tensor(a.shape, str(a.dtype)) for a in arrays), **attrs)
    listed = specs if isinstance(specs, list) else [specs]
    state = _random_state() if op.stateful else {}
    if _is_native(op, arrays, listed):
        results = _run_plan(op, arrays, attrs, state)
    else:
        value = reference.EVAL[op.name](*arrays, **attrs, **state)
        values = value if isinstance(value, tuple) else (value,)
        results = [
            _owned(np.asarray(v, dtype), arrays)
            for v, (_, dtype) in zip(values, listed, strict=True)
        ]
    return tuple(results) if isinstance(specs, list) else results[0]


def _owned(result: Array, arrays: Sequence[Array]) -> Array:
    """The result, copied where it is a view of an argument: a variable changes in place."""
    return result.copy() if any(np.may_share_memory(result, a) for a in arrays) else result


def _random_state() -> dict[str, int]:
    from fastconv.random import next_seed

    return {"seed": next_seed(), "step": 0}


def _is_native(op: Primitive, arrays: Sequence[Array], specs: Sequence[Any]) -> bool:
    return (
        specs[0][1] == "float32"
        and op.name not in _MOVES
        and op.name not in RULES
        and all(a.size and str(a.dtype) in _NATIVE_DTYPES for a in arrays)
        and all(0 not in shape for shape, _ in specs)
    )


def _run_plan(
    op: Primitive, arrays: Sequence[Array], attrs: dict[str, Any], state: dict[str, int]
) -> list[Array]:
    key = tuple((a.shape, str(a.dtype)) for a in arrays)
    frozen = tuple(
        (k, tuple(v) if isinstance(v, (list, tuple)) else v) for k, v in sorted(attrs.items())
    )
    results: list[Array] = _plan(op.name, key, frozen).run(list(arrays), 1, **state)
    return results


@lru_cache(maxsize=512)
def _plan(name: str, key: Key, frozen: tuple[tuple[str, Any], ...]) -> Any:
    from fastconv.graph.lower import lower

    attrs = {k: list(v) if isinstance(v, tuple) else v for k, v in frozen}
    inputs = [Tensor(shape, dtype) for shape, dtype in key]
    with tracing():  # a primitive without inputs is symbolic only in a trace
        made = bind(name, *inputs, **attrs)
    return lower(Program.of(inputs, list(made) if isinstance(made, tuple) else [made]), 1)
