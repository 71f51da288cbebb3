"""Results in bfloat16 wait for the backward pass in half the bytes.

Layers with the dtype policy ``bfloat16`` round their results. Such a result is read by the next
layers and then, much later, by gradients: in between it is kept as bfloat16, from which it is made
again. Nothing is lost, so the numbers do not depend on what is kept how.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastconv.graph.passes.flow import Flow, Step, Value
from fastconv.graph.precision import BFLOAT16

_LEAST = 1 << 10  # elements for each row of the batch: smaller results stay as they are
_NEAR = 4.0  # steps between two readers that share what is kept as float32
_MOVES = frozenset({"max_pool2d", "relu", "transpose", "slice", "flip", "concatenate", "reshape"})


def is_rounded(value: Value, known: dict[Value, bool]) -> bool:
    """Whether every element of ``value`` is a bfloat16 for certain; ``known`` keeps what is found
    out for the next time."""
    pending = [value]
    while pending:
        last = pending[-1]
        moved = last.maker is not None and last.maker.name in _MOVES
        sources = last.maker.inputs if moved and last.maker is not None else []
        missing = [v for v in sources if v not in known] if last not in known else []
        pending += missing
        if not missing:
            known.setdefault(pending.pop(), _made_rounded(last, known))
    return known[value]


def _made_rounded(value: Value, known: dict[Value, bool]) -> bool:
    maker = value.maker
    if maker is None:
        return False
    if maker.name == "cast":
        return bool(maker.attrs["dtype"] == BFLOAT16)
    if maker.name in _MOVES:
        return value is maker.outputs[0] and all(known[v] for v in maker.inputs)
    lines: list[str] = []
    if maker.name == "pointwise":
        last = maker.attrs["results"][maker.outputs.index(value)] - len(maker.inputs)
        lines = maker.attrs["code"].split("; ")[: last + 1]
    elif value is maker.outputs[0]:
        lines = maker.attrs.get("epilogue", "").split("; ")
    return bool(lines) and lines[-1].startswith("cast ") and lines[-1].endswith(f" {BFLOAT16}")


def keep_rounded(flow: Flow) -> None:
    """Between readers that are far apart, keep rounded results as bfloat16."""
    known: dict[Value, bool] = {}
    for step in list(flow.steps):
        for value in step.outputs:
            if (
                step.name != "reshape"
                and value.batched
                and value.dtype == "float32"
                and value.row_size >= _LEAST
                and not any(v.pins for v in _views(value))
                and is_rounded(value, known)
            ):
                _keep(flow, step, value)
    flow.settle()


def _views(value: Value) -> Iterator[Value]:
    """``value`` and what shows its elements in other shapes."""
    yield value
    for user in value.users:
        if user.name == "reshape":
            yield from _views(user.outputs[0])


def _keep(flow: Flow, maker: Step, value: Value) -> None:
    reads = sorted(
        ((u.position, u, v) for v in _views(value) for u in v.users if u.name != "reshape"),
        key=lambda read: read[0],
    )
    groups: list[list[tuple[float, Step, Value]]] = [[]]
    before = maker.position
    for read in reads:
        if read[0] - before > _NEAR:
            groups.append([])
        groups[-1].append(read)
        before = read[0]
    if len(groups) == 1:
        return
    made_until = max((read[0] for read in groups[0]), default=maker.position)
    kept = _identity(flow, value, BFLOAT16, maker, made_until + 0.25)
    for group in groups[1:]:
        again: dict[Value, Value] = {}
        position = group[0][0] - 0.25
        for _, reader, view in group:
            if reader.name == "pointwise" and view is value:
                _read_instead(flow, reader, view, kept)
                continue
            if view not in again:
                root = again.get(value) or _identity(flow, kept, "float32", maker, position)
                again[value] = root
                again[view] = root if view is value else _reshaped(flow, root, view, position)
            _read_instead(flow, reader, view, again[view])


def _identity(flow: Flow, value: Value, dtype: str, maker: Step, position: float) -> Value:
    step = flow.add(
        "pointwise",
        [value],
        [(value.shape, dtype)],
        {"code": "identity %0", "results": [1]},
        scope=maker.scope,
        position=position,
    )
    step.parts = [f"to {dtype}"]
    return step.outputs[0]


def _reshaped(flow: Flow, value: Value, like: Value, position: float) -> Value:
    attrs = {"shape": [-1 if d is None else d for d in like.shape]}
    step = flow.add("reshape", [value], [(like.shape, value.dtype)], attrs, position=position)
    return step.outputs[0]


def _read_instead(flow: Flow, reader: Step, value: Value, other: Value) -> None:
    flow.set_inputs(reader, [other if v is value else v for v in reader.inputs])
