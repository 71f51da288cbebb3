"""Backward passes: masks move to where they are small, bias gradients join weight gradients."""

from __future__ import annotations

import numpy as np

from fastconv.graph.passes.flow import Flow, Step, Value

# Gradients of activations from their output: linear in dy, and made of y at the same place only.
_MASKS = ("relu_grad", "leaky_relu_grad", "tanh_grad", "sigmoid_grad", "elu_grad")
_WEIGHT_GRADS = ("conv2d_weight_grad", "dense_weight_grad")


def move_masks(flow: Flow) -> None:
    """Apply an activation's gradient before the gradient of the max-pool that follows it, and read
    a ReLU's mask from what dropout left of its output.

    At the place of a maximum the pooled value is the activation's output, and elsewhere the
    gradient is zero: the exchange is exact, the unpooled output is not needed any more, and the
    work shrinks by the size of the window. Where dropout dropped, the gradient is zero anyway, so
    the mask of dropout(y) serves for y, and it holds dropout's own mask too.
    """
    for step in list(flow.steps):
        if step.dead or step.name not in _MASKS:
            continue
        inner = _through_max_pool(flow, step)
        if inner.name == "relu_grad":
            _through_dropout(flow, inner)
    flow.settle()


def _through_max_pool(flow: Flow, mask: Step) -> Step:
    dy, y = mask.inputs
    grad = dy.maker
    if grad is None or grad.name != "max_pool2d_grad" or flow.only_user(dy) is not mask:
        return mask
    pool = grad.inputs[1].maker
    if pool is None or pool.name != "max_pool2d" or pool.inputs[0] is not y:
        return mask
    pooled, index = pool.outputs
    d = grad.inputs[0]
    early = flow.add(
        mask.name,
        [d, pooled],
        [(d.shape, d.dtype)],
        mask.attrs,
        scope=mask.scope,
        position=grad.position - 0.5,
    )
    flow.set_inputs(grad, [early.outputs[0], index])
    flow.becomes_other(dy)
    flow.replace(mask.outputs[0], dy)
    flow.remove(mask)
    return early


def _through_dropout(flow: Flow, mask: Step) -> None:
    dy, y = mask.inputs
    drop = dy.maker
    if drop is None or drop.name != "dropout" or flow.only_user(dy) is not mask:
        return
    for user in y.users:
        if user.name == "dropout" and user.attrs == drop.attrs:
            dropped = user.outputs[0]
            break
    else:
        return
    d = drop.inputs[0]
    scale = Value((), "float32", source=np.asarray(1.0 / (1.0 - drop.attrs["rate"]), np.float32))
    flow.set_inputs(mask, [d, dropped])
    scaled = flow.add(
        "multiply",
        [],
        [(d.shape, d.dtype)],
        {},
        scope=mask.scope,
        position=mask.position + 0.5,
    )
    flow.replace(mask.outputs[0], scaled.outputs[0])
    flow.set_inputs(scaled, [mask.outputs[0], scale])


def fuse_bias_grads(flow: Flow) -> None:
    """A bias gradient, the sum of dy over everything but channels, is the weight gradient's second
    result: it reads dy anyway. One that rounds dy to bfloat16 would sum it so."""
    for step in list(flow.steps):
        rounds = step.attrs.get("precision", "float32") != "float32"
        if step.name not in _WEIGHT_GRADS or step.attrs.get("bias") or rounds:
            continue
        dy = step.inputs[1]
        rank = len(dy.shape)
        for user in list(dy.users):
            if (
                user.name == "sum"
                and list(user.attrs["axes"]) == list(range(rank - 1))
                and len(user.outputs[0].shape) == 1
                and not any(flow.reaches(user, v.maker) for v in step.inputs)
            ):
                step.attrs = {**step.attrs, "bias": 1}
                step.outputs.append(user.outputs[0])
                user.outputs[0].maker = step
                flow.remove(user)
                break
    flow.settle()
