"""Bias, and scales of channels: rows that a convolution or dense layer takes in."""

from __future__ import annotations

from fastconv.graph.passes.flow import Flow, Step, Value

# Scaled weights pay off from so many uses of each weight in an image.
_SCALED_PIXELS = 64


def fuse_rows(flow: Flow) -> None:
    """Rows added to the result of a convolution or dense layer become its bias; rows that multiply
    it, as batch normalization does in inference, multiply weights and bias instead."""
    for step in list(flow.steps):
        if step.name not in ("conv2d", "dense"):
            continue
        if len(step.inputs) == 3:
            _mark_bias(step)
        while (user := flow.only_user(step.outputs[0])) is not None:
            result = step.outputs[0]
            row = _row_operand(user, result)
            if row is None:
                break
            x, weights, *bias = step.inputs
            if user.name == "multiply":
                if result.row_size < _SCALED_PIXELS * row.row_size:
                    break
                weights = _apply(flow, user, [weights, row])
                bias = [_apply(flow, user, [b, row]) for b in bias]
                step.parts.append("scale")
            elif bias:
                bias = [_apply(flow, user, [*bias, row])]
            else:
                bias = [row if user.name == "add" else _apply(flow, user, [row], "negative")]
                _mark_bias(step)
            flow.set_inputs(step, [x, weights, *bias])
            flow.remove(user)
            flow.set_output(step, 0, user.outputs[0])
            step.position = user.position
    flow.settle()


def _mark_bias(step: Step) -> None:
    step.attrs = {**step.attrs, "bias": 1}
    step.parts.append("bias")


def _row_operand(user: Step, result: Value) -> Value | None:
    """The row of channels that ``user`` multiplies ``result`` by, adds to it or subtracts."""
    if user.name not in ("multiply", "add", "subtract") or user.outputs[0].shape != result.shape:
        return None
    a, b = user.inputs
    row = b if a is result else a
    if user.name == "subtract" and row is a:
        return None
    fits = row.shape == result.shape[-1:] and row.dtype == "float32" and not row.batched
    return row if fits else None


def _apply(flow: Flow, user: Step, inputs: list[Value], name: str | None = None) -> Value:
    """What ``user`` does (or ``name``) to weights or a bias, just before it."""
    spec = (inputs[0].shape, inputs[0].dtype)
    position = user.position - 0.5
    made = flow.add(name or user.name, inputs, [spec], {}, scope=user.scope, position=position)
    return made.outputs[0]
