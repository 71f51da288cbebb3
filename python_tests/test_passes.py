"""What passes make of a program: the steps that remain, and what was fused into them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from traced import names, rows, variable

import fastconv.graph.primitives  # noqa: F401
from fastconv import ops
from fastconv.graph.autodiff import gradients
from fastconv.graph.lower import lower
from fastconv.graph.passes import Flow, Step, run_passes, simplify
from fastconv.graph.primitive import bind, tracing
from fastconv.graph.program import Program
from fastconv.graph.tensor import Tensor

CONV = {"strides": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 1}
POOL = {"pool": [2, 2], "strides": [2, 2], "padding": [0] * 4}


def image(channels: int = 4, size: int = 8) -> Tensor:
    return Tensor((None, size, size, channels))


def simplified(inputs: Sequence[Tensor], *outputs: Any) -> Flow:
    return simplify(Program.of(inputs, outputs))


def fused(inputs: Sequence[Tensor], *outputs: Any) -> list[Step]:
    return run_passes(Program.of(inputs, outputs)).steps


# Simplify


def test_equal_steps_become_one() -> None:
    x, w = rows(3), variable(3, 2)
    with tracing():
        y = bind("dense", x, w) + bind("dense", x, w)
        flow = simplified([x], y, bind("relu", x), bind("relu", x))
    assert Counter(names(flow)) == {"dense": 1, "add": 1, "relu": 1}
    assert flow.outputs[1] is flow.outputs[2]


def test_random_steps_stay_apart() -> None:
    x = rows(3)
    with tracing():
        y = bind("dropout", x, rate=0.5, stream=0) + bind("dropout", x, rate=0.5, stream=0)
        a, b = (bind("random_uniform", shape=[3], stream=1) for _ in range(2))
    assert Counter(names(simplified([x], y, a + b))) == {
        "dropout": 2,
        "random_uniform": 2,
        "add": 2,
    }


def test_steps_with_other_attributes_stay_apart() -> None:
    x = rows(3)
    y = bind("leaky_relu", x, negative_slope=0.1) + bind("leaky_relu", x, negative_slope=0.2)
    assert names(simplified([x], y)).count("leaky_relu") == 2


def test_constants_are_folded() -> None:
    x = rows(3)
    two = Tensor((3,), source=np.float32([1, 2, 3]))
    three = Tensor((3,), source=np.float32([4, 4, 4]))
    flow = simplified([x], x * (bind("exp", two) + three * 2.0))
    assert names(flow) == ["multiply"]
    np.testing.assert_allclose(flow.steps[0].inputs[1].constant, np.exp([1, 2, 3]) + 8, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x * 1.0,
        lambda x: 1.0 * x,
        lambda x: x + 0.0,
        lambda x: x - 0.0,
        lambda x: x / 1.0,
        lambda x: x**1.0,
        lambda x: bind("negative", bind("negative", x)),
        lambda x: bind("identity", x),
        lambda x: bind("stop_gradient", x),
        lambda x: bind("cast", x, dtype="float32"),
        lambda x: bind("dropout", x, rate=0.0, stream=0),
        lambda x: bind("reshape", x, shape=[-1, 2, 3]),
        lambda x: bind("reshape", bind("reshape", x, shape=[-1, 6]), shape=[-1, 2, 3]),
        lambda x: bind("transpose", bind("transpose", x, perm=[0, 2, 1]), perm=[0, 2, 1]),
        lambda x: bind("pad", x, pads=[0] * 6, interior=[0] * 3, value=0.0),
        lambda x: bind("slice", x, starts=[0] * 3, stops=[-1, 2, 3], steps=[1] * 3),
        lambda x: bind("sum", x, axes=[], keepdims=0),
        lambda x: bind("concatenate", x, axis=1),
        lambda x: bind("broadcast_to", x, shape=[-1, 2, 3]),
    ],
)
def test_what_changes_nothing_is_left_out(make: Any) -> None:
    x = rows(2, 3)
    flow = simplified([x], make(x))
    assert flow.steps == []
    assert flow.outputs == flow.inputs


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (lambda x: x + Tensor((4, 1, 1), source=np.zeros((4, 1, 1), np.float32)), "add"),
        (lambda x: 1.0 - x, "subtract"),
        (lambda x: 1.0 / x, "divide"),
        (lambda x: bind("cast", x, dtype="int32"), "cast"),
        (lambda x: bind("sum", x, axes=[1], keepdims=1), "sum"),
        (lambda x: bind("flip", x, axes=[1]), "flip"),
    ],
)
def test_what_looks_idle_and_is_not(make: Any, kept: str) -> None:
    x = Tensor((2, 3))
    assert names(simplified([x], make(x))) == [kept]


def test_the_batch_is_counted_without_holding_a_tensor() -> None:
    x = image()
    with tracing():
        y = bind("mean", bind("relu", x), axes=[0, 1, 2, 3])
        (grad,) = gradients(y, [x])
    flow = simplified([x], grad)
    counts = [s for s in flow.steps if s.name == "count"]
    assert [s.inputs for s in counts] == [flow.inputs]


def test_transposes_join_a_product() -> None:
    a, b = Tensor((3, 4)), Tensor((5, 4))
    (step,) = simplified([a, b], bind("matmul", a, bind("transpose", b, perm=[1, 0]))).steps
    assert (step.attrs["transpose_a"], step.attrs["transpose_b"]) == (0, 1)


def test_dead_steps_go() -> None:
    x = rows(3)
    y = bind("reshape", bind("exp", x) * 2.0, shape=[-1, 3, 1])
    assert names(simplified([x], bind("reshape", y, shape=[-1, 3]))) == ["exp", "multiply"]


def test_broadcasts_are_skipped_where_another_operand_has_the_shape() -> None:
    x, s = rows(3), Tensor(())
    spread = bind("broadcast_to", s, x, shape=[-1, 3])
    assert names(simplified([x, s], x * spread)) == ["multiply"]
    flow = simplified([x, s], bind("exp", spread * 2.0))
    assert names(flow) == ["multiply", "exp", "broadcast_to"]
    assert flow.steps[1].outputs[0].shape == ()


# Fuse: forward


def test_convolution_takes_bias_activation_and_pooling() -> None:
    x = image()
    with tracing():
        y = bind("relu", bind("conv2d", x, variable(3, 3, 4, 8), **CONV) + variable(8))
        pooled, _ = bind("max_pool2d", y, **POOL)
        (step,) = fused([x], pooled)
    assert step.name == "conv2d"
    assert step.parts == ["bias", "relu", "max_pool2d"]
    assert (step.attrs["bias"], step.attrs["epilogue"]) == (1, "relu %0")
    assert step.attrs["pool"] == [2, 2]
    assert [v.shape for v in step.outputs] == [(None, 4, 4, 8)] * 2
    assert [v.dtype for v in step.outputs] == ["float32", "uint8"]


def test_pooling_stays_alone_where_the_convolution_is_needed_too() -> None:
    x = image()
    with tracing():
        y = bind("conv2d", x, variable(3, 3, 4, 8), **CONV)
        pooled, _ = bind("max_pool2d", y, **POOL)
        steps = fused([x], pooled, y)
    assert [s.name for s in steps] == ["conv2d", "max_pool2d"]


@pytest.mark.parametrize(
    "other", [{"pool": [3, 3]}, {"strides": [1, 1]}, {"padding": [0, 1, 0, 1]}]
)
def test_other_pooling_stays_alone(other: dict[str, Any]) -> None:
    x = image()
    with tracing():
        y = bind("conv2d", x, variable(3, 3, 4, 8), **CONV)
        steps = fused([x], bind("max_pool2d", y, **{**POOL, **other})[0])
    assert [s.name for s in steps] == ["conv2d", "max_pool2d"]


def test_an_epilogue_has_rows_numbers_and_full_operands() -> None:
    x, other = rows(3), rows(5)
    with tracing():
        y = bind("dense", x, variable(3, 5)) * variable(5) + other * 1.0
        (step,) = fused([x, other], bind("tanh", y) * 0.5)
    assert step.attrs["epilogue"] == "multiply %0 %1; add %2 %3; tanh %4; multiply %5 0.5"
    assert step.attrs["extra"] == 2
    assert [v.shape for v in step.inputs[2:]] == [(5,), (None, 5)]


def test_rows_scale_large_results_through_the_weights() -> None:
    x, small = image(), image(4, 4)
    with tracing():
        w = variable(3, 3, 4, 8)
        y = bind("conv2d", x, w, **CONV) * variable(8) + variable(8)
        z = bind("conv2d", small, w, **CONV) * variable(8) + variable(8)
        scale, large, alone = fused([x, small], y, z)
    assert (scale.name, scale.outputs[0].shape) == ("pointwise", (3, 3, 4, 8))
    assert large.inputs[1] is scale.outputs[0]
    assert (large.attrs["bias"], large.parts) == (1, ["scale", "bias"])
    assert alone.attrs["epilogue"] == "multiply %0 %1; add %2 %3"


def test_an_epilogue_may_read_its_result_twice() -> None:
    x = rows(3)
    with tracing():
        y = bind("dense", x, variable(3, 5))
        (step,) = fused([x], y * bind("sigmoid", y))
    assert step.attrs["epilogue"] == "sigmoid %0; multiply %0 %1"


def test_an_epilogue_ends_where_a_value_is_needed_elsewhere() -> None:
    x = rows(3)
    with tracing():
        y = bind("relu", bind("dense", x, variable(3, 5)))
        z = bind("exp", y)
        dense, rest, total = fused([x], z, bind("sum", y, axes=[0]))
    assert dense.attrs["epilogue"] == "relu %0"
    assert {rest.name, total.name} == {"pointwise", "sum"}


def test_an_operand_made_from_the_statistics_is_no_part_of_the_epilogue() -> None:
    """batch_norm's mean leads back into the addition: fused, the step would need itself."""
    x = image()
    with tracing():
        y, mean, _ = bind("batch_norm", x, variable(4), variable(4), epsilon=1e-3)
        steps = fused([x], y + bind("exp", mean))
    assert [s.name for s in steps] == ["batch_norm", "pointwise", "pointwise"]


def test_batch_norm_takes_the_residual_sum_and_relu() -> None:
    x = image()
    with tracing():
        y, mean, variance = bind("batch_norm", x, variable(4), variable(4), epsilon=1e-3)
        (step,) = fused([x], bind("relu", y + x), mean, variance)
    assert step.attrs["epilogue"] == "add %0 %1; relu %2"


def test_an_epilogue_reaches_through_a_reshape() -> None:
    x, mask = rows(3), rows(2, 2, 5)
    with tracing():
        y = bind("reshape", bind("dense", x, variable(3, 20)), shape=[-1, 2, 2, 5])
        steps = fused([x, mask], bind("relu_grad", y, bind("identity", mask)))
    work = [s for s in steps if s.name != "reshape"]
    assert [s.attrs.get("epilogue") for s in work] == ["relu_grad %0 %1"]
    assert work[0].outputs[0].shape == (None, 20)


def test_rows_do_not_reach_through_a_reshape_of_channels() -> None:
    x = rows(3)
    with tracing():
        y = bind("reshape", bind("dense", x, variable(3, 20)), shape=[-1, 2, 2, 5])
        steps = fused([x], y * variable(5))
    assert [s.name for s in steps] == ["dense", "reshape", "pointwise"]
    assert "epilogue" not in steps[0].attrs


def test_pointwise_steps_gather() -> None:
    x, y = rows(6), rows(6)
    (step,) = fused([x, y], bind("exp", x) * y, bind("tanh", x) - 2.0, bind("greater", x, y))
    assert len(step.outputs) == 3
    assert [v.dtype for v in step.outputs] == ["float32", "float32", "bool"]
    assert step.attrs["results"] == sorted(step.attrs["results"])
    assert len(step.inputs) == 2


def test_a_group_does_not_wait_for_what_depends_on_it() -> None:
    """x -> a -> sum -> b with b reading x too: one step cannot hold a and b."""
    x = rows(6)
    a = bind("exp", x)
    b = x * bind("sum", a, axes=[1], keepdims=1)
    assert [s.name for s in fused([x], b)] == ["pointwise", "sum", "pointwise"]


# Fuse: backward


def convolutional_step(dropout: bool = True) -> list[Step]:
    x, labels = image(3), rows(dtype="int32")
    weights = [variable(3, 3, 3, 8), variable(8), variable(3, 3, 8, 8), variable(8)]
    last = variable(128, 5)
    with tracing() as trace:
        h: Any = x
        for i in (0, 2):
            h = bind("relu", bind("conv2d", h, weights[i], **CONV) + weights[i + 1])
        h = bind("max_pool2d", h, **POOL)[0]
        if dropout:
            h = bind("dropout", h, rate=0.5, stream=trace.next_stream())
        h = bind("dense", bind("reshape", h, shape=[-1, 128]), last)
        losses, _ = bind("sparse_softmax_cross_entropy", h, labels)
        loss = bind("mean", losses, axes=[0])
        every = [*weights, last]
        for w, g in zip(every, gradients(loss, [trace.leaf(w) for w in every]), strict=True):
            w.assign(bind("sgd", w, g, Tensor((), source=np.float32(0.1)), weight_decay=0.0)[0])
        return run_passes(Program.of([x, labels], [loss], trace.updates)).steps


def test_a_convolutional_step_is_fused_throughout() -> None:
    steps = convolutional_step()
    counts = Counter(s.name for s in steps if s.name != "reshape")
    assert counts["conv2d"] == counts["conv2d_weight_grad"] == 2
    assert counts["conv2d_input_grad"] == 1  # never of the first layer
    assert counts["optimizer_update"] == 1
    assert counts["sum"] == counts["max_pool2d"] == 0
    assert all(s.attrs["bias"] for s in steps if s.name == "conv2d_weight_grad")
    grad = next(s for s in steps if s.name == "conv2d_input_grad")
    assert grad.attrs["epilogue"] == "relu_grad %0 %1"
    # The masks of ReLU and dropout together, from the dropped pooled output.
    dense = next(s for s in steps if s.name == "dense_input_grad")
    assert dense.attrs["epilogue"] == "relu_grad %0 %1; multiply %2 2.0"
    pooled = next(s for s in steps if s.attrs.get("pool") == [2, 2])
    assert len(pooled.outputs[0].users) == 1  # by dropout alone
    assert steps[-1].name == "optimizer_update"


def test_weight_gradients_come_before_their_operands_grow_old() -> None:
    order = [s.name for s in convolutional_step() if s.name.endswith("_grad")]
    first = order.index("conv2d_weight_grad")
    assert order.index("dense_weight_grad") < order.index("dense_input_grad") < first
    assert order[first : first + 3] == [
        *("conv2d_weight_grad", "conv2d_input_grad", "conv2d_weight_grad")
    ]


def test_batch_norm_grad_reads_the_mask_itself() -> None:
    x, dy = image(), image()
    gamma, beta = variable(4), variable(4)
    with tracing():
        normal, mean, variance = bind("batch_norm", x, gamma, beta, epsilon=1e-3)
        y = bind("relu", normal)
        masked = bind("relu_grad", dy, y)
        dx, *_ = bind("batch_norm_grad", masked, x, gamma, mean, variance, epsilon=1e-3)
        kernel = variable(3, 3, 4, 2)
        alone = fused([x, dy], y, dx)
        shared = fused([x, dy], y, dx, bind("conv2d", masked, kernel, **CONV))
    grad = next(s for s in alone if s.name == "batch_norm_grad")
    assert (grad.attrs["mask"], grad.attrs.get("masked_dy"), len(grad.inputs)) == ("relu", None, 6)
    grad = next(s for s in shared if s.name == "batch_norm_grad")
    assert (grad.attrs["masked_dy"], len(grad.outputs)) == (1, 4)
    assert not any(s.name == "pointwise" for s in [*alone, *shared])


def test_a_convolution_sums_up_what_is_normalized() -> None:
    x, kernel, gamma, beta = image(), variable(3, 3, 4, 6), variable(6), variable(6)
    with tracing():
        y, mean, variance = bind(
            "batch_norm", bind("conv2d", x, kernel, **CONV), gamma, beta, epsilon=1e-3
        )
        steps = fused([x], bind("relu", y), mean, variance)
    assert [s.name for s in steps] == ["conv2d", "batch_norm"]
    convolution, norm = steps
    assert (convolution.attrs["moments"], norm.attrs["given"]) == (1, 1)
    assert norm.inputs[3:] == convolution.outputs[1:]
    assert norm.attrs["epilogue"] == "relu %0"


def test_a_rounding_weight_gradient_does_not_sum_the_bias_gradient() -> None:
    x, dy = rows(6), rows(3)
    with tracing():
        grad = bind("dense_weight_grad", x, dy, precision="bfloat16")
        total = bind("sum", dy, axes=[0], keepdims=0)
        steps = fused([x, dy], grad, total)
    assert [s.name for s in steps if "bias" in s.attrs] == []


def test_functions_of_the_user_run_each_time() -> None:
    calls: list[int] = []

    def count(x: Any) -> Any:
        calls.append(1)
        return np.full_like(x, len(calls))

    constant = variable(3)
    with tracing():
        one, two = (ops.numpy_function(count, constant) for _ in range(2))
        program = Program.of([], [one, two])
    frozen = lower(program, 1, frozen=True)
    for _ in range(2):
        frozen.run([], 1)
    assert len(calls) == 4


# Size


def sum_of(count: int) -> Program:
    inputs = [rows(4) for _ in range(count)]
    with tracing():
        level: list[Any] = list(inputs)
        while len(level) > 1:
            level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
    return Program.of(inputs, level)


def test_groups_that_merge_are_no_problem() -> None:
    flow = run_passes(sum_of(1024))
    assert sum(len(s.parts) for s in flow.steps) == 1023


def test_long_chains_of_moves_are_no_problem() -> None:
    x = rows(64, 64, 1)
    with tracing():
        y = bind("cast", x, dtype="bfloat16")
        for i in range(1500):
            y = bind("flip", y, axes=[1 + i % 2])
    assert len(run_passes(Program.of([x], [y])).steps) > 1500


def deep_program(blocks: int) -> Program:
    x, labels = image(4, 4), rows(dtype="int32")
    weights = []
    with tracing() as trace:
        h: Any = x
        for _ in range(blocks):
            w, gamma, beta = variable(3, 3, 4, 4), variable(4), variable(4)
            weights += [w, gamma, beta]
            y, mean, _ = bind("batch_norm", bind("conv2d", h, w, **CONV), gamma, beta, epsilon=1e-3)
            average = variable(4)
            average.assign(average * 0.9 + mean * 0.1)
            h = bind("relu", y + h)
        losses, _ = bind("sparse_softmax_cross_entropy", bind("mean", h, axes=[1, 2]), labels)
        loss = bind("mean", losses, axes=[0])
        rate = Tensor(())
        for w, g in zip(weights, gradients(loss, [trace.leaf(w) for w in weights]), strict=True):
            w.assign(bind("sgd", w, g, rate, weight_decay=0.0)[0])
        return Program.of([x, labels, rate], [loss], trace.updates)


def test_depth_is_no_problem() -> None:
    """Far deeper than Python's recursion."""
    blocks = 1200
    counts = Counter(s.name for s in run_passes(deep_program(blocks)).steps)
    assert counts["conv2d"] == counts["batch_norm"] == counts["conv2d_weight_grad"] == blocks
    assert counts["conv2d_input_grad"] == blocks - 1
    assert counts["optimizer_update"] == 1
    assert counts["pointwise"] < blocks / 4


def test_a_program_that_is_a_circle_is_refused() -> None:
    x = rows(3)
    flow = simplified([x], bind("sum", bind("exp", x), axes=[1]))
    flow.set_inputs(flow.steps[0], [flow.steps[1].outputs[0]])
    with pytest.raises(RuntimeError, match="circle"):
        flow.settle()


def test_dense_layers_of_a_vector() -> None:
    x, dy = np.array([3, 1], np.float32), np.array([2, 5], np.float32)
    w = np.array([[3, 1], [2, 7]], np.float32)
    np.testing.assert_array_equal(bind("dense", x, w), x @ w)
    np.testing.assert_array_equal(bind("dense_input_grad", dy, w), w @ dy)
    np.testing.assert_array_equal(bind("dense_weight_grad", x, dy), np.outer(x, dy))
