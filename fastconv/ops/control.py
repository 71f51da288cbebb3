"""Branches and loops: in a program every branch is computed and loops are written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastconv.graph import Tensor, bind
from fastconv.ops.elementwise import equal, where
from fastconv.ops.layout import moveaxis, stack
from fastconv.ops.operand import operand

Step = Callable[..., Any]


def _each(f: Callable[..., Any], *trees: Any) -> Any:
    """f of the tensors at each place of (nested lists, tuples and dicts of) tensors."""
    first = trees[0]
    if isinstance(first, dict):
        return {k: _each(f, *(t[k] for t in trees)) for k in first}
    if isinstance(first, (list, tuple)):
        return type(first)(_each(f, *parts) for parts in zip(*trees, strict=True))
    return None if first is None else f(*trees)


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [x for v in tree.values() for x in _leaves(v)]
    if isinstance(tree, (list, tuple)):
        return [x for v in tree for x in _leaves(v)]
    return [] if tree is None else [tree]


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """What ``true_fn`` returns where ``pred`` holds, else what ``false_fn`` does.

    >>> float(cond(True, lambda: 1.0, lambda: 2.0))
    1.0
    """
    if not isinstance(operand(pred), Tensor):
        return true_fn() if bool(operand(pred)) else false_fn()
    return _each(lambda a, b: where(pred, a, b), true_fn(), false_fn())


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """What the branch at an index, limited to those that there are, returns."""
    at = operand(index)
    if not isinstance(at, Tensor):
        return branches[min(max(int(at), 0), len(branches) - 1)](*operands)
    results = [branch(*operands) for branch in branches]
    at = bind("minimum", bind("maximum", at, 0), len(branches) - 1)
    chosen = results[-1]
    for i, result in enumerate(results[:-1]):
        chosen = _each(lambda a, b, i=i: where(equal(at, i), a, b), result, chosen)
    return chosen


def fori_loop(lower: int, upper: int, body_fun: Step, init_val: Any) -> Any:
    """The last of ``value = body_fun(i, value)`` for i from ``lower`` to ``upper - 1``."""
    value = init_val
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def while_loop(
    cond: Callable[..., Any],
    body: Step,
    loop_vars: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """The last of ``loop_vars = body(*loop_vars)`` as long as ``cond(*loop_vars)`` holds.

    Raises:
        ValueError: in a program, if ``maximum_iterations`` is not given: that many are written out.
    """
    single = not isinstance(loop_vars, (list, tuple))
    values = [loop_vars] if single else list(loop_vars)
    i = 0
    running: Any = None
    while maximum_iterations is None or i < maximum_iterations:
        go = operand(cond(*values))
        if isinstance(go, Tensor):
            if maximum_iterations is None:
                raise ValueError("while_loop: in a program it needs maximum_iterations")
            running = go if running is None else bind("logical_and", running, go)
        elif running is None and not bool(go):
            break
        made = body(*values)
        made = [made] if not isinstance(made, (list, tuple)) else list(made)
        if running is None:
            values = made
        else:
            values = _each(partial(where, running), made, values)
        i += 1
    if single:
        return values[0]
    return type(loop_vars)(values)


def _count(name: str, xs: Any, length: int | None = None) -> int:
    sizes = {operand(x).shape[0] for x in _leaves(xs)} | ({length} if length is not None else set())
    if len(sizes) != 1 or None in sizes:
        raise ValueError(f"{name}: the first axes must have one known size, got {sizes}")
    return int(sizes.pop() or 0)


def scan(
    f: Step,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """The last ``carry`` of ``carry, y = f(carry, x)`` for each x of the first axis, and the ys.

    >>> total, sums = scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0]))
    >>> float(total), sums
    (3.0, array([1., 3.], dtype=float32))
    """
    del unroll
    carry, ys = init, []
    n = _count("scan", xs, length)
    for i in reversed(range(n)) if reverse else range(n):
        carry, y = f(carry, None if xs is None else _each(lambda x, i=i: operand(x)[i], xs))
        ys.append(y)
    if reverse:
        ys.reverse()
    if not ys or not _leaves(ys[0]):
        return carry, None
    return carry, _each(lambda *parts: stack(parts), *ys)


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """f of each slice of the first axis."""
    return scan(lambda carry, x: (carry, f(x)), None, xs)[1]


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """``map``."""
    return map(function, elements)


def associative_scan(f: Step, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Running combinations ``f(before, x)`` along an axis."""
    first = _each(lambda x: moveaxis(operand(x), axis, 0), elems)
    n = _count("associative_scan", first)
    order = list(reversed(range(n))) if reverse else list(range(n))
    made = [_each(lambda x: x[order[0]], first)]
    for i in order[1:]:
        made.append(f(made[-1], _each(lambda x, i=i: x[i], first)))
    if reverse:
        made.reverse()
    return _each(lambda *parts: moveaxis(stack(parts), 0, axis), *made)
