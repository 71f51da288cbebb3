"""Every vjp against finite differences in float64."""

import numpy as np
import pytest
from case import Case
from cases import CASES

from fastconv.graph import PRIMITIVES, Program, Tensor, bind, gradients, tracing
from fastconv.graph.lower import lower
from fastconv.graph.primitives.update import RULES
from fastconv.reference import run_program

STEP = 1e-6
DIFFERENTIABLE = [c for c in CASES if c.differentiable and PRIMITIVES[c.op].vjp is not None]


def weighted_sum(case: Case, inputs: list[Tensor], rng: np.random.Generator) -> Tensor:
    """A scalar that depends on every float output, each element with a weight of its own."""
    with tracing():
        made = bind(case.op, *inputs, **case.attrs)
    total = None
    for output in made if isinstance(made, tuple) else (made,):
        if output.dtype != "float32":
            continue
        shape = [case.batch if d is None else d for d in output.shape]
        weights = Tensor(output.shape, source=rng.standard_normal(shape).astype(np.float32))
        axes = list(range(output.ndim))
        part = bind("sum", bind("multiply", output, weights), axes=axes, keepdims=0)
        total = part if total is None else bind("add", total, part)
    assert total is not None
    return total


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_vjp_is_the_derivative(case: Case) -> None:
    rng = np.random.default_rng(1)
    arrays = [a.astype(np.float64) if a.dtype == np.float32 else a for a in case.arrays()]
    inputs = [
        Tensor(
            (None, *array.shape[1:]) if arg.batched else array.shape,
            "float32" if array.dtype.kind == "f" else str(array.dtype),
        )
        for arg, array in zip(case.args, arrays, strict=True)
    ]
    target = weighted_sum(case, inputs, rng)
    floats = [i for i, t in enumerate(inputs) if t.dtype == "float32"]
    grads = gradients(target, [inputs[i] for i in floats])
    known = [(i, g) for i, g in zip(floats, grads, strict=True) if g is not None]
    value = Program.of(inputs, [target])
    slope = Program.of(inputs, [g for _, g in known])
    slopes = run_program(slope, arrays, dtype="float64", seed=5, step=2)
    assert known or case.op in ("stop_gradient", "one_hot")
    for (i, symbol), grad in zip(known, slopes, strict=True):
        assert symbol.shape == inputs[i].shape
        assert grad.shape == arrays[i].shape
        for _ in range(2):
            direction = rng.standard_normal(arrays[i].shape)
            ends = []
            for sign in (1.0, -1.0):
                moved = list(arrays)
                moved[i] = arrays[i] + sign * STEP * direction
                ends.append(run_program(value, moved, dtype="float64", seed=5, step=2)[0])
            measured = float(ends[0] - ends[1]) / (2 * STEP)
            scale = float(np.abs(grad * direction).sum()) + 1e-3
            assert abs(measured - float((grad * direction).sum())) < 2e-6 * scale


def test_sources_that_do_not_matter_have_no_gradient() -> None:
    x, y = Tensor((None, 3)), Tensor((None, 3))
    target = bind("sum", bind("square", x), axes=[0, 1], keepdims=0)
    dx, dy = gradients(target, [x, y])
    assert dx is not None
    assert dy is None


def test_a_tensor_used_twice_gets_both_gradients() -> None:
    x = Tensor((None, 3))
    target = bind("sum", x * x + x, axes=[0, 1], keepdims=0)
    (dx,) = gradients(target, [x])
    assert dx is not None
    value = np.array([[1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(run_program(Program.of([x], [dx]), [value])[0], 2 * value + 1)


def test_only_scalars_have_gradients() -> None:
    x = Tensor((None, 3))
    with pytest.raises(ValueError, match="scalar"):
        gradients(x * 2.0, [x])


def test_nothing_flows_through_stop_gradient() -> None:
    x = Tensor((None, 3))
    target = bind("sum", bind("stop_gradient", x) * x, axes=[0, 1], keepdims=0)
    (dx,) = gradients(target, [x])
    assert dx is not None
    value = np.array([[1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(run_program(Program.of([x], [dx]), [value])[0], value)


def test_second_derivative() -> None:
    """d2/dx2 of sum(tanh(x)) is -2 tanh(x) (1 - tanh(x)^2)."""
    x = Tensor((None, 4))
    (first,) = gradients(bind("sum", bind("tanh", x), axes=[0, 1], keepdims=0), [x])
    assert first is not None
    (second,) = gradients(bind("sum", first, axes=[0, 1], keepdims=0), [x])
    assert second is not None
    value = np.linspace(-2, 2, 8).reshape(2, 4)
    result = run_program(Program.of([x], [second]), [value], dtype="float64")[0]
    t = np.tanh(value)
    np.testing.assert_allclose(result, -2 * t * (1 - t * t), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_powers_at_zero_have_derivatives(exponent: float) -> None:
    x = Tensor((3,))
    (first,) = gradients(bind("sum", x**exponent, axes=[0], keepdims=0), [x])
    assert first is not None
    (second,) = gradients(bind("sum", first, axes=[0], keepdims=0), [x])
    assert second is not None
    program = Program.of([x], [first, second])
    value = np.float32([0, 2, -3])
    expected = [
        [exponent * v ** max(exponent - 1, 0) for v in value],
        [exponent * (exponent - 1)] * 3,
    ]
    np.testing.assert_array_equal(run_program(program, [value]), expected)
    np.testing.assert_array_equal(lower(program, 1).run([value], 1), expected)


def test_only_steps_draws_and_updates_pass_no_gradient() -> None:
    silent = {name for name, op in PRIMITIVES.items() if op.vjp is None and op.repeatable}
    comparisons = {"equal", "greater", "greater_equal", "less", "less_equal", "not_equal"}
    tests = {"isfinite", "isnan", "logical_and", "logical_not", "logical_or"}
    steps = {"ceil", "floor", "floor_divide", "round", "sign"}
    indices = {"argmax", "argmin", "count", "one_hot"}
    assert silent - set(RULES) == comparisons | tests | steps | indices | {"stop_gradient"}


def test_a_derivative_that_is_not_there_is_an_error_and_not_zero() -> None:
    x, row, labels = Tensor((None, 4)), Tensor((4,)), Tensor((None,), "int32")
    image = Tensor((None, 4, 4, 1))
    window = {"pool": [2, 2], "strides": [2, 2], "padding": [0, 0, 0, 0]}
    normalized = bind("batch_norm", x, row, row, epsilon=1e-3)[0]
    cases = {
        "batch_norm_grad": (normalized, x),
        "max_pool2d_grad": (bind("max_pool2d", image, **window)[0], image),
        "sparse_softmax_cross_entropy_grad": (
            bind("sparse_softmax_cross_entropy", x, labels)[0],
            x,
        ),
    }
    for name, (y, source) in cases.items():
        total = bind("sum", y * y, axes=list(range(y.ndim)), keepdims=0)
        (first,) = gradients(total, [source])
        assert first is not None
        target = bind("sum", first, axes=list(range(first.ndim)), keepdims=0)
        with pytest.raises(NotImplementedError, match=f"^{name} has no derivative"):
            gradients(target, [source])
