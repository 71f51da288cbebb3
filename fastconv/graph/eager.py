"""A primitive on arrays, at once: float32 work by the C++ core, the rest in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastconv import reference
from fastconv.graph.precision import dtype_as_run, precision_of
from fastconv.graph.primitive import PRIMITIVES, Primitive, as_array, bind, tracing
from fastconv.graph.primitives.update import RULES
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array, Tensor, Variable

_NATIVE_DTYPES = frozenset({"float32", "int32", "uint8", "bool"})
_MOVES = frozenset(
    {"reshape", "transpose", "concatenate", "slice", "pad", "broadcast_to", "take", "scatter_add"}
    | {"one_hot", "flip", "identity", "stop_gradient", "cast", "count", "numpy_function"}
    | {"custom_gradient"}
)
_CACHED_BYTES = 1 << 22  # plans of more keep no memory once they ran
Key = tuple[tuple[tuple[int, ...], str], ...]


class _Work(NamedTuple):
    """How a primitive runs on arrays of certain shapes."""

    plan: Any  # None: in NumPy
    dtypes: list[str]
    many: bool  # several outputs


def run(op: Primitive, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """The result of one primitive, or a tuple where it has several outputs."""
    like = next((_name(x.dtype) for x in inputs if isinstance(x, (np.ndarray, Variable))), None)
    arrays = [as_array(x, like=like) for x in inputs]
    attrs = {**attrs, **precision_of(op.name)}
    # A function of the host is made for one call: it would be kept, and push plans out.
    cached = op.name != "numpy_function" and sum(a.nbytes for a in arrays) <= _CACHED_BYTES
    prepare = _work if cached else _work.__wrapped__
    work = prepare(
        op.name,
        tuple((a.shape, _name(a.dtype)) for a in arrays),
        tuple((k, tuple(v) if isinstance(v, (list, tuple)) else v) for k, v in attrs.items()),
    )
    state = _random_state() if op.stateful else {}
    if work.plan is not None:
        results = work.plan.run(arrays, 1, **state)
    else:
        value = reference.EVAL[op.name](*arrays, **attrs, **state)
        values = value if isinstance(value, tuple) else (value,)
        results = [
            _owned(np.asarray(v, dtype_as_run(dtype)), arrays)
            for v, dtype in zip(values, work.dtypes, strict=True)
        ]
    return tuple(results) if work.many else results[0]


_NAMES: dict[Any, str] = {}


def _name(dtype: Any) -> str:
    """``str(dtype)``, which NumPy composes anew each time."""
    known = _NAMES.get(dtype)
    if known is None:
        _NAMES[dtype] = known = str(dtype)
    return known


def _owned(result: Array, arrays: Sequence[Array]) -> Array:
    """The result, copied where it is a view of an argument: a variable changes in place."""
    return result.copy() if any(np.may_share_memory(result, a) for a in arrays) else result


def _random_state() -> dict[str, int]:
    from fastconv.random import next_seed

    return {"seed": next_seed(), "step": 0}


@lru_cache(maxsize=512)
def _work(name: str, key: Key, frozen: tuple[tuple[str, Any], ...]) -> _Work:
    op = PRIMITIVES[name]
    attrs = {k: list(v) if isinstance(v, tuple) else v for k, v in frozen}
    inputs = [Tensor(shape, dtype) for shape, dtype in key]
    made = op.shape_rule(*inputs, **attrs)
    specs = made if isinstance(made, list) else [made]
    shapes = [shape for shape, _ in key] + [shape for shape, _ in specs]
    native = (
        specs[0][1] == "float32"
        and name not in _MOVES
        and name not in RULES
        and all(dtype in _NATIVE_DTYPES for _, dtype in key)
        and not any(0 in shape for shape in shapes)
    )
    plan = _plan(name, inputs, attrs) if native else None
    return _Work(plan, [dtype for _, dtype in specs], isinstance(made, list))


def forget_plans() -> None:
    """Make plans anew from here on, after a setting that they depend on has changed."""
    _work.cache_clear()


def _plan(name: str, inputs: list[Tensor], attrs: dict[str, Any]) -> Any:
    from fastconv.graph.lower import lower

    with tracing():  # a primitive without inputs is symbolic only in a trace
        made = bind(name, *inputs, **attrs)
    return lower(Program.of(inputs, list(made) if isinstance(made, tuple) else [made]), 1)
