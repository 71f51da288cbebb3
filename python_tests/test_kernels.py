"""Every primitive in C++ against the reference in float64, on the ISA in use.

``FASTCONV_ISA`` chooses the ISA; the whole file runs once for each that the machine has.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from case import Case, error
from cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import _core
from fastconv.graph import Program, Tensor, Variable, bind
from fastconv.graph.lower import lower
from fastconv.reference import run_program

SEED, STEP = 11, 6


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = _core.num_threads()
    yield
    _core.set_num_threads(before)


def exact(program: Program, feeds: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs, then new values of variables, in float64."""
    old = {v: v.numpy() for v in program.updates}
    outputs = run_program(program, feeds, old, seed=SEED, step=STEP, dtype="float64")
    return [*outputs, *(old[v] for v in program.updates)]


def native(
    program: Program, feeds: list[np.ndarray], batch: int, max_batch: int
) -> list[np.ndarray]:
    """The same in C++, by a plan whose memory is full of NaN from the run before; variables get
    their old values back."""
    old = {v: v.numpy() for v in program.updates}
    plan = lower(program, max_batch)
    spoilt = [np.full_like(x, np.nan) if x.dtype == np.float32 else x for x in feeds]
    for arrays in (spoilt, feeds):
        outputs = plan.run(arrays, batch, seed=SEED, step=STEP)
        new = [v.numpy() for v in program.updates]
        for variable, value in old.items():
            variable.assign(value)
    return [*(np.array(o) for o in outputs), *new]


def assert_same_bits(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    for x, y in zip(a, b, strict=True):
        assert x.dtype == y.dtype
        assert x.tobytes() == y.tobytes()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    """Within the bound, and the same bits for 1, 2 and 5 threads and for a larger plan."""
    program = case.program()
    feeds = [a for a, arg in zip(case.arrays(), case.args, strict=True) if not arg.variable]
    expected = exact(program, feeds)
    _core.set_num_threads(1)
    alone = native(program, feeds, case.batch, case.batch)
    for result, value in zip(alone, expected, strict=True):
        assert error(result, value) <= case.bound
    for count in (2, 5):
        _core.set_num_threads(count)
        assert_same_bits(native(program, feeds, case.batch, case.batch), alone)
    if any(arg.batched for arg in case.args):
        assert_same_bits(native(program, feeds, case.batch, case.batch + 3), alone)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_operands_that_nobody_needs_any_more(case: Case) -> None:
    """A result may be put where an operand was: the same bits."""
    program = case.program()
    feeds = [a for a, arg in zip(case.arrays(), case.args, strict=True) if not arg.variable]
    expected = native(program, feeds, case.batch, case.batch)
    lowered = lower(program, case.batch)
    tensors = list(lowered.tensors)
    steps: list[Any] = []

    def copy_of(i: int) -> int:
        dtype, shape, batched, *_ = tensors[i]
        tensors.append((dtype, shape, batched, "temp", None))
        steps.append(("copy", [i], [len(tensors) - 1], {}, "copy"))
        return len(tensors) - 1

    copies = {i: copy_of(i) for i in lowered.inputs}
    for s in lowered.steps:
        steps.append((s.name, [copies.get(i, i) for i in s.inputs], s.outputs, s.attrs, s.label))
    outputs = [copy_of(copies.get(i, i)) for i in lowered.outputs]
    plan = _core.Plan(tensors, steps, lowered.inputs, outputs, case.batch)
    old = {v: v.numpy() for v in program.updates}
    found = [np.array(o) for o in plan.run(feeds, case.batch, seed=SEED, step=STEP)]
    found += [v.numpy() for v in program.updates]
    for variable, value in old.items():
        variable.assign(value)
    assert_same_bits(found, expected)


CONVOLUTIONS = [c for c in CASES if c.op.startswith("conv2d")]


@pytest.mark.parametrize("algorithm", ["im2col", "direct", "winograd"])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_algorithms(case: Case, algorithm: str) -> None:
    """Each agrees with the reference on all shapes; one that cannot do a shape leaves it."""
    program = case.program()
    lowered = lower(program, case.batch)
    steps = [
        (s.name, s.inputs, s.outputs, {**s.attrs, "algorithm": algorithm}, s.label)
        for s in lowered.steps
    ]
    plan = _core.Plan(lowered.tensors, steps, lowered.inputs, lowered.outputs, case.batch)
    expected = exact(program, case.arrays())
    for result, value in zip(plan.run(case.arrays(), case.batch), expected, strict=True):
        assert error(result, value) <= 2 * case.bound


LINEAR = [c for c in CASES if c.op in ("matmul", "dense", "conv2d") and len(c.args) == 2]


@pytest.mark.parametrize("case", LINEAR, ids=str)
def test_flops(case: Case) -> None:
    """The plan counts the operations that the table counts."""
    plan = lower(case.program(), case.batch).plan
    assert sum(step["flops"] for step in plan.summary()) == pytest.approx(case.flops)


# Drawn shapes

FEW = settings(max_examples=40, deadline=None, derandomize=True)


def check(program: Program, feeds: list[np.ndarray], batch: int, bound: float) -> None:
    expected = exact(program, feeds)
    _core.set_num_threads(1)
    alone = native(program, feeds, batch, batch + 2)
    for result, value in zip(alone, expected, strict=True):
        assert error(result, value) <= bound
    _core.set_num_threads(3)
    assert_same_bits(native(program, feeds, batch, max(1, batch)), alone)


def normals(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@st.composite
def windows(draw: st.DrawFn) -> dict[str, list[int]]:
    k = [draw(st.integers(1, 5)) for _ in range(2)]
    d = [draw(st.integers(1, 2)) for _ in range(2)]
    pads = [draw(st.integers(0, k[i // 2] - 1)) for i in range(4)]
    reach = [d[i] * (k[i] - 1) + 1 for i in range(2)]
    low = [max(1, reach[i] - pads[2 * i] - pads[2 * i + 1]) for i in range(2)]
    size = [draw(st.integers(low[i], low[i] + 14)) for i in range(2)]
    strides = [draw(st.integers(1, 3)) for _ in range(2)]
    return {"kernel": k, "dilation": d, "padding": pads, "size": size, "strides": strides}


@FEW
@given(
    windows(),
    st.integers(0, 4),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
)
def test_conv2d_of_any_shape(window, batch, groups, depth, width, bias) -> None:
    geometry = {k: window[k] for k in ("strides", "padding", "dilation")} | {"groups": groups}
    (kh, kw), (h, w) = window["kernel"], window["size"]
    c, f = depth * groups, width * groups
    x, kernel = Tensor((None, h, w, c)), Tensor((kh, kw, depth, f))
    row = [Tensor((f,))] if bias else []
    y = bind("conv2d", x, kernel, *row, **geometry)
    feeds = [normals((batch, h, w, c), 0), normals((kh, kw, depth, f), 1)]
    feeds += [normals((f,), 2)] if bias else []
    check(Program.of([x, kernel, *row], [y]), feeds, batch, 1e-5)
    dy = Tensor(y.shape)
    dx = bind("conv2d_input_grad", dy, kernel, **geometry, input_shape=[h, w])
    grads = [dx]
    made = (
        bind("conv2d_weight_grad", x, dy, **geometry, kernel_shape=[kh, kw], bias=int(bias))
        if bias
        else (bind("conv2d_weight_grad", x, dy, **geometry, kernel_shape=[kh, kw]),)
    )
    grads += list(made)
    feeds = [feeds[0], feeds[1], normals((batch, *y.shape[1:]), 3)]
    check(Program.of([x, kernel, dy], grads), feeds, batch, 1e-5)


@FEW
@given(windows(), st.integers(0, 4), st.integers(1, 40))
def test_pooling_of_any_shape(window, batch, channels) -> None:
    h, w = (n + 5 for n in window["size"])
    attrs = {"pool": window["kernel"], "strides": window["strides"], "padding": window["padding"]}
    x = Tensor((None, h, w, channels))
    y, index = bind("max_pool2d", x, **attrs)
    dx = bind("max_pool2d_grad", y, index, **attrs, input_shape=[h, w])
    mean = bind("average_pool2d", x, **attrs)
    back = bind("average_pool2d_grad", mean, **attrs, input_shape=[h, w])
    feed = [normals((batch, h, w, channels), 0)]
    check(Program.of([x], [y, index, dx, mean, back]), feed, batch, 2e-6)


@FEW
@given(st.integers(0, 40), st.integers(1, 70), st.integers(1, 70), st.booleans())
def test_products_of_any_shape(m, k, n, bias) -> None:
    x, w, dy = Tensor((None, k)), Tensor((k, n)), Tensor((None, n))
    row = [Tensor((n,))] if bias else []
    y = bind("dense", x, w, *row)
    dx = bind("dense_input_grad", dy, w)
    dw, db = bind("dense_weight_grad", x, dy, bias=1)
    product = bind("matmul", x, dy, transpose_a=1, transpose_b=0)
    feeds = [normals((m, k), 0), normals((k, n), 1), normals((m, n), 2), normals((n,), 3)]
    program = Program.of([x, w, dy, *row], [y, dx, dw, db, product])
    check(program, feeds[: 3 + bias], m, 4e-6)


@FEW
@given(st.integers(0, 5), st.lists(st.integers(1, 20), min_size=1, max_size=3), st.data())
def test_pointwise_of_any_shape(batch, dims, data) -> None:
    """Chains of pointwise work with operands that broadcast."""
    x = Tensor((None, *dims))
    small = [d if data.draw(st.booleans()) else 1 for d in dims]
    small = small[data.draw(st.integers(0, len(dims) - 1)) :]
    y = Tensor(tuple(small))
    a = bind("relu", x * y + 0.5)
    b = bind("where", bind("greater", x, y), a, bind("tanh", x))
    feeds = [normals((batch, *dims), 0), normals(tuple(small), 1)]
    check(Program.of([x, y], [a, b, a * b]), feeds, batch, 1e-6)


@FEW
@given(st.integers(1, 6), st.lists(st.integers(1, 40), min_size=1, max_size=3), st.data())
def test_reductions_of_any_shape(batch, dims, data) -> None:
    x = Tensor((None, *dims))
    rank = len(dims) + 1
    axes = sorted(data.draw(st.sets(st.integers(0, rank - 1), min_size=1)))
    keepdims = int(data.draw(st.booleans()))
    made = [bind(name, x, axes=axes, keepdims=keepdims) for name in ("sum", "mean", "max", "min")]
    axis = data.draw(st.integers(0, rank - 1))
    made.append(bind("argmax", x, axis=axis))
    # the sum of many normal numbers may be near zero: measure it against their size
    feed = normals((batch, *dims), 0) + np.float32(2.0)
    check(Program.of([x], made), [feed], batch, 2e-6)


def test_sums_over_an_empty_batch_are_zero() -> None:
    x = Tensor((None, 5))
    made = [bind("sum", x, axes=[0], keepdims=0), bind("count", x, axes=[0, 1])]
    results = native(Program.of([x], made), [np.zeros((0, 5), np.float32)], 0, 4)
    assert results[0].tolist() == [0.0] * 5
    assert float(results[1]) == 0.0


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 88.0, -88.0, 3e38], np.float32)


DEFINED_EVERYWHERE = (
    *("exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "tanh", "sigmoid", "softplus", "relu"),
    *("erf", "absolute", "negative", "sign", "floor", "isnan", "isfinite", "reciprocal", "square"),
)


@pytest.mark.parametrize("name", DEFINED_EVERYWHERE)
def test_special_values(name) -> None:
    """Infinities and NaN go through as they do in NumPy."""
    x = Tensor(SPECIAL.shape)
    program = Program.of([x], [bind(name, x)])
    with np.errstate(all="ignore"):
        expected = run_program(program, [SPECIAL])[0]
    (result,) = native(program, [SPECIAL], 1, 1)
    if result.dtype == np.bool_:
        np.testing.assert_array_equal(result, expected)
        return
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(result), nan)
    np.testing.assert_allclose(result[~nan], expected[~nan], rtol=2e-6, atol=1e-37)


def test_dropout_keeps_the_elements_that_the_reference_keeps() -> None:
    x = Tensor((None, 1237))
    program = Program.of([x], [bind("dropout", x, rate=0.35, stream=9)])
    feed = [np.ones((7, 1237), np.float32)]
    expected = run_program(program, feed, seed=2**40 + 3, step=2**33 + 1)[0]
    result = lower(program, 7).run(feed, 7, seed=2**40 + 3, step=2**33 + 1)[0]
    np.testing.assert_array_equal(result, expected)
    again = lower(program, 7).run(feed, 7, seed=2**40 + 3, step=2**33 + 2)[0]
    assert not np.array_equal(again, result)


def test_an_update_reads_the_old_values() -> None:
    a, b = Variable(normals((3, 4), 0)), Variable(normals((3, 4), 1))
    before = a.numpy(), b.numpy()
    x, y = Tensor(a.shape, source=a), Tensor(b.shape, source=b)
    program = Program.of([], [x + y], {a: y * 1.0, b: x * 1.0})
    lower(program, 1).run([], 1)
    np.testing.assert_array_equal(a.numpy(), before[1])
    np.testing.assert_array_equal(b.numpy(), before[0])
