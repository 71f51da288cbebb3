"""Pointwise work on a fresh result becomes the epilogue of the step that makes it."""

from __future__ import annotations

import heapq

from fastconv.graph.passes import tape
from fastconv.graph.passes.flow import Flow, Step, Value
from fastconv.graph.tensor import Shape

# Steps that can run an epilogue, with the number of inputs of their own (without a bias).
_PRODUCERS = {
    "conv2d": 2,
    "conv2d_input_grad": 2,
    "dense": 2,
    "dense_input_grad": 2,
    "matmul": 2,
    "batch_norm": 3,
    "average_pool2d": 1,
    "max_pool2d_grad": 2,
    "average_pool2d_grad": 1,
}
_MOST_INSTRUCTIONS = 24
_MOST_EXTRAS = 8


def fuse_epilogues(flow: Flow) -> None:
    """The longest run of pointwise steps behind a result that leaves one value to be written."""
    for step in list(flow.steps):
        if step.dead or step.name not in _PRODUCERS:
            continue
        result = step.outputs[0]
        shaped = flow.only_user(result)
        if shaped is not None and shaped.name == "reshape":
            _absorb(flow, step, shaped)
        else:
            _absorb(flow, step, None)
    flow.settle()


def _absorb(flow: Flow, step: Step, reshape: Step | None) -> None:
    """Fuse what follows the result of ``step``, or the reshape of it, which then comes last."""
    result = step.outputs[0]
    start = result if reshape is None else reshape.outputs[0]
    if start.dtype != "float32":
        return
    members = _region(flow, step, start, rows=start.shape[-1:] == result.shape[-1:])
    if not members:
        return
    last = members[-1].outputs[0]
    extras = [v for v in tape.operands(members, [start]) if v is not start]
    code, _ = tape.write(members, [start, *extras], [last])
    if reshape is not None:
        position = members[0].position - 0.5
        extras = [
            _reshaped(flow, v, result.shape, position) if v.shape == start.shape else v
            for v in extras
        ]
    own = _PRODUCERS[step.name] + int(step.attrs.get("bias", 0))
    flow.set_inputs(step, [*step.inputs[:own], *extras])
    step.attrs = {**step.attrs, "epilogue": code, "extra": len(extras)}
    step.parts.extend(m.name for m in members)
    step.position = members[-1].position
    for member in members:
        flow.remove(member)
    if reshape is None:
        flow.set_output(step, 0, last)
    else:
        flow.becomes_other(step.outputs[0])
        reshape.position = step.position
        flow.set_output(reshape, 0, last)


def _reshaped(flow: Flow, value: Value, shape: Shape, position: float) -> Value:
    """The same elements in another shape."""
    maker = value.maker
    if maker is not None and maker.name == "reshape" and maker.inputs[0].shape == shape:
        return maker.inputs[0]
    attrs = {"shape": [-1 if d is None else d for d in shape]}
    step = flow.add("reshape", [value], [(shape, value.dtype)], attrs, position=position)
    return step.outputs[0]


def _region(flow: Flow, step: Step, start: Value, *, rows: bool) -> list[Step]:
    """Pointwise steps that read ``start`` and each other, in order, such that of all their values
    only the last one is read outside. With ``rows``, operands may be rows of channels."""
    # Other results of the step may lead back to an operand.
    branches = len(step.outputs) > 1
    inside = {start}
    readers = {start: len(start.users) + (1 if start.pins else 0)}  # outside the region
    exposed = 1
    members: list[Step] = []
    extras: set[Value] = set()
    best = 0
    queue: list[tuple[float, int, Step]] = []
    seen: set[Step] = set()

    def push(value: Value) -> None:
        for user in value.users:
            if user not in seen:
                seen.add(user)
                heapq.heappush(queue, (user.position, len(seen), user))

    push(start)
    while queue and len(members) < _MOST_INSTRUCTIONS:
        user = heapq.heappop(queue)[2]
        if not user.pointwise or user.name == "broadcast_to":
            continue
        out = user.outputs[0]
        outside = [v for v in user.inputs if v not in inside]
        if out.shape != start.shape or not all(_fits(v, start, rows) for v in outside):
            continue
        if branches and any(flow.reaches(step, v.maker) for v in outside):
            continue
        more = extras.union(v for v in outside if v.scalar is None)
        if len(more) > _MOST_EXTRAS or (user.name == "dropout" and outside):
            continue
        extras = more
        members.append(user)
        inside.add(out)
        for value in set(user.inputs) & inside:
            readers[value] -= 1
            exposed -= readers[value] == 0
        readers[out] = len(out.users) + (1 if out.pins else 0)
        exposed += 1
        if exposed == 1 and out.dtype == "float32":
            best = len(members)
        push(out)
    return members[:best]


def _fits(value: Value, result: Value, rows: bool) -> bool:
    """An operand of an epilogue: of the result's shape, a row of its channels, or a number."""
    if value.dtype not in ("float32", "bool", "int32", "uint8"):
        return False
    if value.shape == result.shape:
        return True
    if value.batched:
        return False
    return value.row_size == 1 or (rows and value.shape == result.shape[-1:])


def fuse_max_pool(flow: Flow) -> None:
    """conv2d, its epilogue, and max-pooling by 2 of a result that nothing else reads."""
    for step in list(flow.steps):
        if step.name != "conv2d":
            continue
        pool = flow.only_user(step.outputs[0])
        if (
            pool is None
            or pool.name != "max_pool2d"
            or list(pool.attrs["pool"]) != [2, 2]
            or list(pool.attrs["strides"]) != [2, 2]
            or any(pool.attrs["padding"])
        ):
            continue
        outputs = pool.outputs
        flow.remove(pool)
        step.outputs = outputs
        for value in outputs:
            value.maker = step
        step.attrs = {**step.attrs, "pool": [2, 2]}
        step.position = pool.position
        step.parts.append("max_pool2d")
    flow.settle()
