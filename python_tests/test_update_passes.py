"""Updates of variables as passes leave them: fused, in place, and nothing written too early."""

from __future__ import annotations

import numpy as np
import pytest
from traced import names, rows, variable

import fastconv.graph.primitives  # noqa: F401
from fastconv.graph.autodiff import gradients
from fastconv.graph.lower import lower
from fastconv.graph.passes import run_passes
from fastconv.graph.primitive import bind, tracing
from fastconv.graph.program import Program
from fastconv.graph.tensor import Tensor, Variable
from fastconv.reference import run_program


def test_small_updates_gather_by_shape() -> None:
    x = rows(6)
    with tracing() as trace:
        for _ in range(5):
            v = variable(6)
            v.assign(v * 0.9 + bind("sum", x, axes=[0]) * 0.1)
        flow = run_passes(Program.of([x], [], trace.updates))
    assert names(flow) == ["sum", "pointwise"]
    assert len(flow.steps[1].outputs) == 5


def test_penalties_become_numbers_of_the_update() -> None:
    x, w = rows(3), variable(3, 2)
    with tracing() as trace:
        y = bind("sum", bind("dense", x, w), axes=[0, 1])
        y = y + bind("sum", bind("square", w), axes=[0, 1]) * 0.01
        y = y + 0.25 * bind("sum", bind("absolute", w), axes=[0, 1])
        (grad,) = gradients(y, [trace.leaf(w)])
        rate = Tensor(())
        w.assign(bind("sgd", w, grad, rate, weight_decay=0.5)[0])
        flow = run_passes(Program.of([x, rate], [], trace.updates))
    update = flow.steps[-1]
    assert not any(s.name == "pointwise" for s in flow.steps if w.shape == s.outputs[0].shape)
    assert (update.attrs["l1"], update.attrs["weight_decays"]) == ([0.25], [0.5])
    np.testing.assert_allclose(update.attrs["l2"], [0.01], rtol=1e-6)


def test_updates_of_one_kind_become_one_step() -> None:
    rate = Tensor(())
    gs, ws = [Tensor((3,)) for _ in range(4)], [variable(3) for _ in range(4)]
    with tracing() as trace:
        for i, (w, g) in enumerate(zip(ws, gs, strict=True)):
            v = variable(3)
            new, slot = bind(
                *("momentum", w, g, v, rate),
                momentum=0.9 if i < 3 else 0.5,
                nesterov=0,
                weight_decay=0.1 * i,
            )
            w.assign(new)
            v.assign(slot)
        flow = run_passes(Program.of([*gs, rate], [], trace.updates))
    assert names(flow) == ["optimizer_update"] * 2
    assert flow.steps[0].attrs["weight_decays"] == pytest.approx([0.0, 0.1, 0.2])
    assert all(v.home is not None for s in flow.steps for v in s.outputs)


def check_updates(program: Program) -> None:
    """Variables become what they become one after the other, in the reference."""
    expected = {v: v.numpy() for v in program.updates}
    outputs = run_program(program, [], expected)
    for got, want in zip(lower(program, 1).run([], 1), outputs, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)
    for written, value in expected.items():
        np.testing.assert_allclose(written.numpy(), value, rtol=1e-6)


@pytest.mark.parametrize("size", [(), (5,), (2, 3)])
@pytest.mark.parametrize("apart", [False, True])
def test_a_gradient_that_is_a_variable_is_read_before_it_is_written(
    size: tuple[int, ...], apart: bool
) -> None:
    """As of a game: the gradient of each player is the other."""
    a, b = variable(*size), variable(*size)
    rate, other = Variable(np.float32(0.1)), Variable(np.float32(0.1))
    with tracing() as trace:
        x, y = trace.read(a), trace.read(b)
        a.assign(bind("sgd", x, y, rate, weight_decay=0.0)[0])
        b.assign(bind("sgd", y, x, other if apart else rate, weight_decay=0.0)[0])
    check_updates(Program.of([], [], trace.updates))


def test_a_slot_that_is_the_gradient() -> None:
    a, v, rate = variable(4), variable(4), Variable(np.float32(0.1))
    with tracing() as trace:
        x, slot = trace.read(a), trace.read(v)
        new = bind("momentum", x, slot, slot, rate, momentum=0.9, nesterov=0, weight_decay=0.0)
        a.assign(new[0])
        v.assign(new[1])
    check_updates(Program.of([], [], trace.updates))


def test_an_update_that_is_not_assigned_writes_nothing() -> None:
    a, b, rate = variable(4), variable(4), Variable(np.float32(0.1))
    before = a.numpy()
    with tracing() as trace:
        new = bind("sgd", trace.read(a), trace.read(b) * 2.0, rate, weight_decay=0.0)[0]
        b.assign(new)
    check_updates(Program.of([], [new], trace.updates))
    np.testing.assert_array_equal(a.numpy(), before)


def test_variables_that_exchange_their_values() -> None:
    a, b = variable(4), Variable(np.float32([1, 2, 3, 4]))
    with tracing() as trace:
        x, y = trace.read(a), trace.read(b)
        a.assign(y)
        b.assign(x)
    check_updates(Program.of([], [x + 0.0, y], trace.updates))
