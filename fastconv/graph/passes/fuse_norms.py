"""Batch norm: ReLU's mask in its gradient, its sums over the batch where its operand is made."""

from __future__ import annotations

from fastconv.graph.passes.flow import Flow


def fuse_norm_masks(flow: Flow) -> None:
    """batch_norm_grad multiplies its dy by ReLU's mask as it reads it, where nothing else did."""
    for step in list(flow.steps):
        if step.name != "batch_norm_grad" or step.attrs.get("mask"):
            continue
        masked = step.inputs[0]
        maker = masked.maker
        if (
            maker is None
            or maker.name != "pointwise"
            or maker.attrs["code"] != "relu_grad %0 %1"
            or any(v.shape != masked.shape or v.dtype != "float32" for v in maker.inputs)
        ):
            continue
        dy, y = maker.inputs
        elsewhere = [u for u in masked.users if u is not step]
        if any(flow.reaches(u, step) for u in elsewhere):
            continue
        flow.set_inputs(step, [dy, *step.inputs[1:5], y])
        step.attrs = {**step.attrs, "mask": "relu"}
        step.parts.append("relu_grad")
        if elsewhere or masked.pins:
            step.attrs["masked_dy"] = 1
            step.outputs.append(masked)
            masked.maker = step
        flow.remove(maker)
    flow.settle()


def fuse_moments(flow: Flow) -> None:
    """The mean and the variance that a batch norm takes of a convolution's result are summed up by
    the convolution, of blocks that are still in cache: one pass over memory less."""
    for step in list(flow.steps):
        if step.dead or step.name != "batch_norm" or step.attrs.get("given"):
            continue
        maker = step.inputs[0].maker
        if maker is None or maker.name != "conv2d" or len(maker.outputs) > 1:
            continue
        if step.inputs[0].dtype != "float32":
            continue
        moments = step.outputs[1:]
        step.outputs = step.outputs[:1]
        maker.outputs += moments
        for value in moments:
            value.maker = maker
        flow.set_inputs(step, [*step.inputs[:3], *moments, *step.inputs[3:]])
        step.attrs = {**step.attrs, "given": 1}
        maker.attrs = {**maker.attrs, "moments": 1}
        maker.parts.append("moments")
    flow.settle()
