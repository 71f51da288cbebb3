"""Lowered programs against the interpreter: the same outputs, the same variables afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv.graph.primitives  # noqa: F401
from fastconv import ops
from fastconv.graph import report
from fastconv.graph.autodiff import gradients
from fastconv.graph.lower import Lowered, lower
from fastconv.graph.primitive import Trace, bind, tracing
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array, Tensor, Variable
from fastconv.reference import run_program

BATCH = 5


def variable(shape: Sequence[int], seed: int = 0, scale: float = 1.0, name: str = "v") -> Variable:
    values = np.random.default_rng(seed).standard_normal(shape) * scale
    return Variable(values.astype(np.float32), path=name)


def check(
    program: Program, feeds: Sequence[Any], *, tolerance: float = 2e-5, max_batch: int = BATCH
) -> Lowered:
    """Run once natively and once with the interpreter; both start from the same variables."""
    sources = [t.source for node in program.nodes for t in node.inputs]
    variables = {s for s in sources if isinstance(s, Variable)} | set(program.updates)
    store = {v: v.data.copy() for v in variables}
    expected = run_program(program, feeds, store, seed=7, step=3)
    lowered = lower(program, max_batch)
    rows = [len(f) for t, f in zip(program.inputs, feeds, strict=True) if t.batched]
    found = lowered.run(feeds, rows[0] if rows else 1, seed=7, step=3)
    for a, b, tensor in zip(found, expected, program.outputs, strict=True):
        assert a.dtype == tensor.dtype
        assert a.shape == b.shape
        assert_close(a, b, tolerance)
    for v in variables:
        assert_close(v.data, store[v], tolerance)
    return lowered


def assert_close(a: Array, b: Array, tolerance: float) -> None:
    scale = np.abs(np.asarray(b, np.float64)).max(initial=1e-3)
    np.testing.assert_allclose(a, b, rtol=tolerance * 10, atol=tolerance * scale)


# Random nets


def window(pad: int, stride: int = 1) -> dict[str, Any]:
    return {"strides": [stride] * 2, "padding": [pad] * 4, "dilation": [1, 1], "groups": 1}


POOL = {"pool": [2, 2], "strides": [2, 2], "padding": [0] * 4}
Layer = Callable[[Any, "Net"], Any]


class Net:
    def __init__(self) -> None:
        self.weights: list[Variable] = []
        self.trace = Trace()

    def weight(self, *shape: int, scale: float | None = None) -> Variable:
        fan = np.prod(shape[:-1]) if len(shape) > 1 else 4.0
        made = variable(shape, len(self.weights), scale or float(fan) ** -0.5, "w")
        made.path = f"w{len(self.weights)}"
        self.weights.append(made)
        return made


def conv(stride: int = 1, pad: int = 1, bias: str = "add") -> Layer:
    def layer(x: Any, net: Net) -> Any:
        w, b = net.weight(3, 3, x.shape[-1], 4), net.weight(4)
        if bias == "input":
            return bind("conv2d", x, w, b, **window(pad, stride))
        y = bind("conv2d", x, w, **window(pad, stride))
        return y + b if bias == "add" else y

    return layer


def unary(name: str, **attrs: Any) -> Layer:
    return lambda x, net: bind(name, x, **attrs)


def norm(x: Any, net: Net) -> Any:
    channels = x.shape[-1]
    y, mean, var = bind("batch_norm", x, net.weight(channels), net.weight(channels), epsilon=1e-3)
    for value in (mean, var):
        average = variable((channels,), 50, 1.0, "average")
        average.assign(average * 0.9 + value * 0.1)
    return y


def inference_norm(x: Any, net: Net) -> Any:
    gamma, beta = net.weight(x.shape[-1]), net.weight(x.shape[-1])
    mean, var = (variable((x.shape[-1],), s, 1.0) for s in (60, 61))
    scale = gamma * bind("rsqrt", bind("square", var) + 1e-3)
    return (x - mean) * scale + beta


def dropout(x: Any, net: Net) -> Any:
    return bind("dropout", x, rate=0.25, stream=net.trace.next_stream())


def gelu(x: Any, net: Net) -> Any:
    return x * 0.5 * (bind("erf", x * 0.70710678) + 1.0)


def residual(x: Any, net: Net) -> Any:
    return bind("relu", conv(bias="none")(x, net) + x) if x.shape[-1] == 4 else x


def norm_residual(x: Any, net: Net) -> Any:
    return bind("relu", norm(x, net) + x)


def gate(x: Any, net: Net) -> Any:
    return x * bind("sigmoid", bind("mean", x, axes=[1, 2], keepdims=1))


def branches(x: Any, net: Net) -> Any:
    parts = [conv()(x, net), bind("relu", conv(bias="none")(x, net)), x]
    return bind("concatenate", *parts, axis=3)


def max_pool(x: Any, net: Net) -> Any:
    return bind("max_pool2d", x, **POOL)[0] if min(x.shape[1:3]) >= 2 else x


def overlapping_pool(x: Any, net: Net) -> Any:
    return bind("max_pool2d", x, pool=[3, 3], strides=[1, 1], padding=[1] * 4)[0]


def average_pool(x: Any, net: Net) -> Any:
    return bind("average_pool2d", x, **POOL) if min(x.shape[1:3]) >= 2 else x


def mirrored(x: Any, net: Net) -> Any:
    return bind("flip", bind("transpose", x, perm=[0, 2, 1, 3]), axes=[1])


LAYERS: dict[str, Layer] = {
    "conv": conv(),
    "strided conv": conv(2, 1, "none"),
    "conv with bias": conv(1, 1, "input"),
    "relu": unary("relu"),
    "tanh": unary("tanh"),
    "leaky_relu": unary("leaky_relu", negative_slope=0.1),
    "elu": unary("elu", alpha=0.7),
    "gelu": gelu,
    "norm": norm,
    "inference norm": inference_norm,
    "dropout": dropout,
    "residual": residual,
    "norm residual": norm_residual,
    "gate": gate,
    "branches": branches,
    "max_pool": max_pool,
    "overlapping pool": overlapping_pool,
    "average_pool": average_pool,
    "mirrored": mirrored,
}


def train_program(names: Sequence[str], rule: str, penalty: float, depth: int) -> Program:
    net = Net()
    with tracing(net.trace) as trace:
        x, labels, rate = Tensor((None, 6, 6, 3)), Tensor((None,), "int32"), Tensor(())
        step = Tensor((), "int32")
        h: Any = x
        for name in names:
            with trace.named(name):
                h = LAYERS[name](h, net)
        h = bind("reshape", h, shape=[-1, int(np.prod(h.shape[1:]))])
        for _ in range(depth):
            h = bind("dense", h, net.weight(h.shape[1], 7)) + net.weight(7)
            h = dropout(bind("relu", h), net)
        logits = bind("dense", h, net.weight(h.shape[1], 3), net.weight(3))
        losses, probabilities = bind("sparse_softmax_cross_entropy", logits, labels)
        loss = bind("mean", losses, axes=[0])
        hits = bind("equal", bind("argmax", probabilities, axis=1), labels)
        total = variable((), 0, 1.0, "total")
        total.assign_add(bind("sum", bind("cast", hits, dtype="float32"), axes=[0]))
        if penalty:
            for w in net.weights[:3]:
                axes = list(range(w.ndim))
                loss = loss + bind("sum", bind("square", w), axes=axes) * penalty
                loss = loss + bind("sum", bind("absolute", w), axes=axes) * penalty
        grads = gradients(loss, [trace.leaf(w) for w in net.weights])
        for w, g in zip(net.weights, grads, strict=True):
            if g is not None:
                update(rule, w, g, rate, step)
        return Program.of([x, labels, rate, step], [loss, probabilities], trace.updates)


def update(rule: str, w: Variable, g: Any, rate: Any, step: Any) -> None:
    v = variable(w.shape, 9, 0.1, f"{w.path}/slot")
    v.data[...] = np.abs(v.data)
    if rule == "by hand":
        v.assign(v * 0.9 + bind("square", g))
        w.assign(w - rate * g * bind("rsqrt", v + 1.0))
    elif rule == "sgd":
        w.assign(bind("sgd", w, g, rate, weight_decay=0.01)[0])
    elif rule == "momentum":
        new, slot = bind("momentum", w, g, v, rate, momentum=0.9, nesterov=1, weight_decay=0.0)
        w.assign(new)
        v.assign(slot)
        w.assign(bind("minimum", w, 0.5))  # a constraint
    else:
        slots = (v, variable(w.shape, 10, 0.0, f"{w.path}/second"))
        new, *state = bind(
            *("adam", w, g, *slots, rate, step),
            beta_1=0.9,
            beta_2=0.99,
            epsilon=1.0,
            weight_decay=0.1,
        )
        w.assign(new)
        for slot, value in zip(slots, state, strict=True):
            slot.assign(value)


def feeds(rows: int = BATCH) -> list[Any]:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((rows, 6, 6, 3)).astype(np.float32)
    return [x, rng.integers(0, 3, rows).astype(np.int32), np.float32(0.05), np.int32(2)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(LAYERS)), max_size=6),
    st.sampled_from(["by hand", "sgd", "momentum", "adam"]),
    st.sampled_from([0.0, 0.01]),
    st.integers(0, 2),
    st.integers(1, BATCH),
)
def test_random_nets_train_as_the_interpreter_does(
    names: list[str], rule: str, penalty: float, depth: int, rows: int
) -> None:
    check(train_program(names, rule, penalty, depth), feeds(rows), tolerance=2e-4)


@pytest.mark.parametrize("name", sorted(LAYERS))
@pytest.mark.parametrize("after", ["relu", "max_pool", "dropout", "norm"])
def test_pairs_of_layers(name: str, after: str) -> None:
    check(train_program(["conv", name, after], "sgd", 0.0, 0), feeds(), tolerance=2e-4)


@pytest.mark.parametrize("layers", [["norm", "relu"], ["norm residual"]])
def test_batch_norm_masks_its_own_gradient(layers: list[str]) -> None:
    program = train_program(["conv", *layers, "mirrored"], "sgd", 0.0, 0)
    lowered = check(program, feeds(), tolerance=2e-4)
    (grad,) = (s for s in lowered.steps if s.name == "batch_norm_grad")
    assert grad.attrs["mask"] == "relu"
    assert grad.attrs.get("masked_dy", 0) == (layers == ["norm residual"])


@pytest.mark.parametrize("bias", ["add", "input", "none"])
def test_inference_norm_is_folded_into_the_weights(bias: str) -> None:
    net, x = Net(), Tensor((None, 10, 10, 3))
    with tracing(net.trace):
        y = bind("relu", inference_norm(conv(bias=bias)(x, net), net))
        program = Program.of([x], [max_pool(y, net)])
    lowered = check(program, [rows(10, 10, 3)])
    assert [s.name for s in lowered.steps][2:] == ["conv2d"]
    assert {s.result for s in lowered.steps[:2]} == {(4,), (3, 3, 3, 4)}


# What programs may look like at their edges


def batch_input(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor((None, *shape), dtype)


def rows(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal((BATCH, *shape)).astype(np.float32)


def test_program_without_nodes() -> None:
    x, v = batch_input(3), variable((2,))
    constant = Tensor((2,), source=np.float32([1, 2]))
    leaf = Tensor(v.shape, source=v)
    lowered = check(Program.of([x], [x, leaf, constant, x]), [rows(3)])
    assert {s.name for s in lowered.steps} == {"copy"}
    assert lower(Program.of([], []), 1).run([], 1) == []


def test_outputs_may_come_twice_and_be_reshaped() -> None:
    x = batch_input(2, 3)
    with tracing():
        y = bind("relu", x)
        flat = bind("reshape", y, shape=[-1, 6])
        same = bind("reshape", x, shape=[-1, 3, 2])
    check(Program.of([x], [y, y, flat, flat, same, same]), [rows(2, 3)])


def test_an_output_shows_the_value_before_the_update() -> None:
    v = variable((3,))
    before = v.numpy()
    with tracing() as trace:
        old = trace.read(v)
        v.assign(v + 1.0)
        new = trace.read(v)
        program = Program.of([], [old, new, new * 2.0], trace.updates)
    found = lower(program, 1).run([], 1)
    for array, expected in zip(found, [before, before + 1, (before + 1) * 2], strict=True):
        np.testing.assert_array_equal(array, expected)
    np.testing.assert_array_equal(v.data, before + 1)


def test_variables_may_trade_places() -> None:
    a, b, c = (variable((4,), seed) for seed in (1, 2, 3))
    with tracing() as trace:
        olds = [trace.leaf(v) for v in (a, b, c)]
        updates = dict(zip((a, b, c), (olds[1], olds[2], olds[0]), strict=True))
        program = Program.of([], [olds[0]], updates)
    check(program, [])


def test_readers_of_the_old_value_come_before_the_update() -> None:
    x, w = batch_input(3), variable((3, 3))
    with tracing() as trace:
        old = trace.leaf(w)
        w.assign(w * 0.5)
        y = bind("dense", x, old)
        z = bind("dense", y, trace.read(w))
        program = Program.of([x], [bind("dense", z, old)], trace.updates)
    check(program, [rows(3)])


def test_the_result_of_an_update_goes_on() -> None:
    """A moving average of what the optimizer wrote, and a look back at the value before."""
    x, w = batch_input(3), variable((3, 2), 1)
    average, moved = variable((3, 2), 2), variable((3, 2), 3)
    with tracing() as trace:
        loss = bind("sum", bind("square", bind("dense", x, w)), axes=[0, 1])
        (grad,) = gradients(loss, [trace.leaf(w)])
        rate = Tensor(())
        w.assign(bind("sgd", w, grad, rate, weight_decay=0.0)[0])
        average.assign(average * 0.9 + w * 0.1)
        moved.assign(trace.read(w) - trace.leaf(w))
        program = Program.of([x, rate], [loss], trace.updates)
    check(program, [rows(3), np.float32(0.01)])


def test_one_variable_with_two_updates_in_a_row() -> None:
    w = variable((4,), 1)
    g = Tensor((4,))
    with tracing() as trace:
        rate = Tensor(())
        for _ in range(2):
            w.assign(bind("sgd", w, g, rate, weight_decay=0.1)[0])
        program = Program.of([g, rate], [], trace.updates)
    check(program, [np.float32([1, 2, 3, 4]), np.float32(0.1)])


def test_nadam_keeps_one_product_for_each_variable() -> None:
    ws = [variable((3,), 1), variable((2, 2), 2)]
    gs = [Tensor((3,)), Tensor((2, 2))]
    product = Variable(np.float32(0.9), path="product")
    with tracing() as trace:
        rate, t = Tensor(()), Tensor((), "int32")
        for w, g in zip(ws, gs, strict=True):
            m, v = (Variable(np.zeros(w.shape, np.float32)) for _ in range(2))
            new = bind(
                *("nadam", w, g, m, v, trace.leaf(product), rate, t),
                beta_1=0.9,
                beta_2=0.999,
                epsilon=1e-7,
                weight_decay=0.0,
            )
            for target, value in zip((w, m, v, product), new, strict=True):
                target.assign(value)
        program = Program.of([*gs, rate, t], [], trace.updates)
    check(program, [np.float32([1, 2, 3]), np.ones((2, 2), np.float32), np.float32(0.1), 3])


def test_dtypes() -> None:
    x, i, flag = batch_input(4), batch_input(4, dtype="int32"), batch_input(4, dtype="bool")
    with tracing():
        outputs = [
            bind("greater", x, 0.0),
            i + 1,
            bind("logical_and", flag, bind("less", i, 2)),
            bind("where", flag, i, bind("negative", i)),
            bind("cast", x * 10.0, dtype="int32"),
            bind("cast", bind("cast", x * 2.0, dtype="int32"), dtype="float32"),
            bind("sum", i, axes=[1]),
            bind("sum", bind("cast", flag, dtype="float32"), axes=[0]),
            bind("argmax", x, axis=1),
            bind("cast", flag, dtype="int32") + i,
        ]
    ints = np.arange(BATCH * 4, dtype=np.int32).reshape(BATCH, 4) % 5
    check(Program.of([x, i, flag], outputs), [rows(4), ints, ints > 1])


def test_constants_fill_tensors_of_the_batch() -> None:
    x = batch_input(3)
    with tracing():
        ones = bind("broadcast_to", 1.0, x, shape=[-1, 3])
        row = bind("broadcast_to", np.float32([1, 2, 3]), x, shape=[-1, 3])
        outputs = [ones, row, row * x, bind("sum", ones, axes=[0, 1]), ones * 3.0 + 1.0]
    check(Program.of([x], outputs), [rows(3)])


def test_more_operands_than_one_step_takes() -> None:
    xs = [batch_input(2) for _ in range(40)]
    with tracing():
        total = xs[0] * 1.5
        for x in xs[1:]:
            total = bind("tanh", total) + x
    lowered = check(Program.of(xs, [total]), [rows(2) * i for i in range(40)])
    assert 3 <= len(lowered.steps) <= 5


def test_a_batch_may_be_smaller_than_the_plans() -> None:
    program = train_program(["conv", "norm", "relu", "max_pool"], "sgd", 0.0, 1)
    check(program, feeds(3), max_batch=64, tolerance=2e-4)


def test_unknown_tensor() -> None:
    stranger = Tensor((None, 3), name="stranger")
    with tracing():
        y = bind("relu", stranger)
    with pytest.raises(ValueError, match="'stranger'"):
        lower(Program.of([], [y]), 4)
    with pytest.raises(ValueError, match="max_batch"):
        lower(Program.of([], []), -1)


# Tables


def test_tables_fit_a_terminal() -> None:
    lowered = lower(train_program(["conv", "relu", "max_pool", "norm"], "adam", 0.0, 1), 8)
    text = str(report.plan_table(lowered))
    assert max(map(len, text.splitlines())) <= report.WIDTH
    assert "conv2d + bias + relu" in text
    assert "optimizer_update" in text
    assert "arena" in text
    assert "batch 8" in text
    assert all(f" {row['step']} " in text for row in lowered.describe())

    times = np.full(len(lowered.steps), 2e3)
    for kind, times_as_many in (("conv2d", 2), ("optimizer_update", 1)):
        at = [row["name"] for row in lowered.describe()].index(kind)
        whole, half = (lowered.describe(batch=rows)[at]["flops"] for rows in (8, 4))
        assert whole == times_as_many * half > 0
    timed = str(report.profile_table(lowered, times, steps=2, batch=4))
    assert max(map(len, timed.splitlines())) <= report.WIDTH
    assert "GFLOP/s" in timed
    assert "1.00" in timed  # microseconds: 2000 ns in two steps
    with pytest.raises(ValueError, match="times"):
        report.profile_table(lowered, times[1:], steps=1, batch=4)
    with pytest.raises(ValueError, match="steps"):
        report.profile_table(lowered, times, steps=0, batch=4)
    with pytest.raises(ValueError, match="numpy"):
        report.plan_table(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("batches", [(7, 5, 3), (2, 7)])
def test_a_frozen_plan_makes_a_row_for_each_of_the_batch_anew(batches: tuple[int, ...]) -> None:
    with tracing():
        x = Tensor((None, 6))
        program = Program.of([x], [ops.sum(ops.ones_like(x), axis=0), ops.ones_like(x) * 2.0])
    frozen = lower(program, 7, frozen=True)
    for n in batches:
        rows, twos = frozen.run([np.zeros((n, 6), np.float32)], n)
        np.testing.assert_array_equal(rows, np.full(6, n))
        np.testing.assert_array_equal(twos, np.full((n, 6), 2.0))
