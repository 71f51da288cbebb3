"""Every registered primitive and layer, with arrays and sizes that nobody would choose.

A new primitive is covered by its row in cases.py, a new layer by its signature; one whose
constructor needs an argument of a new name needs a row in ``ARGUMENTS``.
"""

import inspect
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from case import Case, error
from cases import CASES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastconv import config, layers, ops
from fastconv.graph import bind
from fastconv.graph.lower import lower
from fastconv.models import Sequential
from fastconv.reference import run_program

Array = npt.NDArray[Any]
REFUSALS = (ValueError, TypeError, MemoryError, OverflowError, IndexError)
FIRST = {case.op: case for case in reversed(CASES)}
RANDOM = {"dropout", "random_uniform", "random_normal"}


def misaligned(array: Array) -> Array:
    view = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def strided(array: Array) -> Array:
    if array.ndim == 0:
        return array
    wide = np.zeros(tuple(3 * d for d in array.shape), array.dtype)
    view = wide[tuple(slice(None, None, 3) for _ in array.shape)]
    view[...] = array
    return view


def backwards(array: Array) -> Array:
    turned = tuple(slice(None, None, -1) for _ in array.shape)
    return array[turned].copy()[turned]


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


def broadcast(array: Array) -> Array:
    """Strides of zero, where all rows are equal."""
    if array.ndim == 0 or array.shape[0] == 0 or not (array == array[:1]).all():
        return array
    return np.broadcast_to(array[:1], array.shape)


def swapped(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder(">"))


def columns_first(array: Array) -> Array:
    return array.copy(order="F")


SAME = [misaligned, strided, backwards, read_only, broadcast, columns_first]


def run(op: str, arrays: list[Array], attrs: dict[str, Any]) -> list[Array]:
    config.set_random_seed(5)
    made = bind(op, *arrays, **attrs)
    return [np.asarray(m) for m in (made if isinstance(made, tuple) else (made,))]


def at_once(op: str) -> Case:
    """A case of an operation whose shapes hold without a batch."""
    cases = [case for case in CASES if case.op == op]
    return next(c for c in cases if isinstance(outcome(op, c.arrays(), c.attrs), list))


def outcome(op: str, arrays: list[Array], attrs: dict[str, Any]) -> Any:
    with np.errstate(all="ignore"):
        try:
            return run(op, arrays, attrs)
        except REFUSALS as refusal:
            return refusal


@pytest.mark.parametrize("op", sorted(FIRST))
def test_primitives_take_any_layout(op: str) -> None:
    """The same bits as from plain arrays, and arguments that stay as they were."""
    case = at_once(op)
    plain = case.arrays()
    expected = run(op, plain, case.attrs)
    for layout in SAME:
        odd = [layout(a) for a in plain]
        for found, value in zip(run(op, odd, case.attrs), expected, strict=True):
            assert found.dtype == value.dtype
            np.testing.assert_array_equal(found, value)
        for a, b in zip(odd, plain, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("op", sorted(FIRST))
def test_primitives_take_any_dtype(op: str) -> None:
    """Numbers of another type: the right result, or an error that can be caught."""
    case = at_once(op)
    plain = case.arrays()
    expected = run(op, plain, case.attrs)
    for dtype in (">f4", "f8", ">f8"):
        odd = [a.astype(dtype) if a.dtype.kind == "f" else swapped(a) for a in plain]
        found = outcome(op, odd, case.attrs)
        assert isinstance(found, list), (dtype, found)
        if op not in RANDOM:
            for a, b in zip(found, expected, strict=True):
                assert error(a.astype(b.dtype), b) <= 1e-4, dtype
    rng = np.random.default_rng(2)
    small = [rng.integers(1, 4, a.shape) if a.dtype.kind == "f" else a for a in plain]
    for dtype in ("longdouble", "f2", "i1", "u1", "i4", "i8", "u8", "?"):
        indices = dtype in ("longdouble", "f2")  # stay as they are
        numbers = [
            a if indices and b.dtype.kind != "f" else a.astype(dtype)
            for a, b in zip(small, plain, strict=True)
        ]
        if op not in RANDOM:
            as_known(op, numbers, plain, case.attrs)
    for dtype in ("O", "S3", "c8", "M8[s]"):
        assert not plain or isinstance(
            outcome(op, [np.ones(a.shape, dtype) for a in plain], case.attrs), Exception
        )


def as_known(op: str, odd: list[Array], plain: list[Array], attrs: dict[str, Any]) -> None:
    """The numbers that the same values give as the types that the primitive is known by."""
    found = outcome(op, odd, attrs)
    if isinstance(found, Exception):
        assert any(a.dtype.kind in "biu" or a.dtype == np.longdouble for a in odd), found
        return
    known = [a.astype(b.dtype) for a, b in zip(odd, plain, strict=True)]
    with np.errstate(all="ignore"):
        expected = run(op, known, attrs)
    floats = any(a.dtype == np.float16 for a in odd)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        if floats:
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(a.astype(float), b.astype(float), 1e-5, 1e-5)


@pytest.mark.parametrize("case", [c for c in CASES if any(a.batched for a in c.args)], ids=str)
def test_primitives_of_no_rows(case: Case) -> None:
    """A batch of none in a plan for many, as in NumPy."""
    program = case.program()
    feeds = [a for a, arg in zip(case.arrays(), case.args, strict=True) if not arg.variable]
    batched = [arg.batched for arg in case.args if not arg.variable]
    feeds = [a[:0] if b else a for a, b in zip(feeds, batched, strict=True)]
    old = {v: v.numpy() for v in program.updates}
    found = lower(program, case.batch).run(feeds, 0)
    for variable, value in old.items():
        variable.assign(value)
    with np.errstate(all="ignore"):
        try:
            expected = run_program(program, feeds, dict(old))
        except ValueError:
            return  # NumPy has no largest value of nothing
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        if a.size and case.op not in RANDOM | {"batch_norm"}:
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-42, 3e38, -3e38], np.float32)
SPREADING = ("conv2d", "matmul", "dense", "col2im", "prod", "log_softmax_grad")


@pytest.mark.parametrize("op", sorted(op for op, c in FIRST.items() if c.differentiable))
def test_numbers_that_are_none(op: str) -> None:
    """NaN, infinities, zeros of both signs and the smallest and largest numbers, as in NumPy."""
    case = FIRST[op]
    arrays = case.arrays()
    rng = np.random.default_rng(1)
    for i, array in enumerate(arrays):
        if array.dtype != np.float32 or array.size < 2 or case.args[i].variable:
            continue
        changed = [a.copy() for a in arrays]
        places = rng.choice(array.size, max(1, array.size // 9), replace=False)
        changed[i].ravel()[places] = rng.choice(SPECIAL, len(places))
        feeds = [a for a, arg in zip(changed, case.args, strict=True) if not arg.variable]
        program = case.program()
        old = {v: v.numpy() for v in program.updates}
        with np.errstate(all="ignore"):
            expected = run_program(program, feeds, dict(old), seed=3)
        found = lower(program, case.batch).run(feeds, case.batch, seed=3)
        for variable, value in old.items():
            variable.assign(value)
        for a, b in zip(found, expected, strict=True):
            if b.dtype != np.float32:
                continue
            bad = ~np.isfinite(b)
            if op.startswith(SPREADING):  # sums in another order meet NaN earlier, or overflow
                assert not np.isfinite(a[np.isnan(b)]).any()
                continue
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
            ordinary = np.abs(b) < 1e30
            np.testing.assert_array_equal(a[bad & ~np.isnan(b)], b[bad & ~np.isnan(b)])
            np.testing.assert_allclose(a[ordinary], b[ordinary], rtol=1e-4, atol=1e-6)


SIZES = st.sampled_from([0, 1, 1, 2, 3, 3, 5, 7, 11, 13])
COUNT = st.sampled_from([1, 2, 3, 7, 0, -1, 2**40, 2**63])  # no size that a machine may have
WINDOW = st.one_of(st.integers(1, 4), st.sampled_from([9, 0, 2**40, 2**62]))
FRACTION = st.sampled_from([0.0, 0.25, 0.5, 0.99, 1.0, -1.0, math.nan])
ARGUMENTS: dict[str, Any] = {
    "activation": st.sampled_from(["relu", "softmax", "nonsense"]),
    "alpha": st.sampled_from([0.0, 0.5, -1.0, math.inf]),
    "axes": st.sampled_from([1, 2, -1, (1, 1), (1, 9)]),
    "axis": st.sampled_from([-1, 1, 0, 7, [1], [1, 2]]),
    "cropping": WINDOW,
    "data_format": st.sampled_from(["channels_last", "channels_first"]),
    "depth_multiplier": COUNT,
    "dilation_rate": WINDOW,
    "dims": st.sampled_from([(1,), (2, 1), (3, 1, 2), (1, 1, 1), (0, 1)]),
    "equation": st.sampled_from(["...x,xy->...y", "abc,cd->abd", "ab,bc->ac", "a->", "nonsense"]),
    "factor": FRACTION,
    "filters": COUNT,
    "function": st.sampled_from([ops.relu, lambda x: x + 1.0, lambda x: x[:, :0]]),
    "groups": COUNT,
    "height": COUNT,
    "width": COUNT,
    "height_factor": FRACTION,
    "width_factor": FRACTION,
    "input_dim": COUNT,
    "interpolation": st.sampled_from(["nearest", "bilinear"]),
    "kernel_size": WINDOW,
    "n": COUNT,
    "negative_slope": st.sampled_from([0.0, 0.3, -1.0]),
    "output_dim": COUNT,
    "output_shape": st.sampled_from([5, (None, 5), (2, 2), (0,)]),
    "output_size": WINDOW,
    "padding": st.sampled_from(["same", "valid", "causal", 1, 2**40]),
    "pool_size": WINDOW,
    "rate": FRACTION,
    "scale": st.sampled_from([0.0, 2.0, math.inf]),
    "seed": st.just(1),
    "size": WINDOW,
    "stddev": FRACTION,
    "strides": WINDOW,
    "target_shape": st.sampled_from([(-1,), (1, -1), (-1, -1), (7,), (0, -1), (2**40, 2**40)]),
    "units": COUNT,
}
LAYERS = sorted(
    {
        item
        for item in map(layers.__dict__.get, layers.__all__)
        if isinstance(item, type) and issubclass(item, layers.Layer)
    }
    - {layers.Layer, layers.InputLayer, layers.OpLayer},
    key=lambda item: item.__name__,
)


@st.composite
def made(draw: Any, kind: type) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The shape of an example, and arguments."""
    rank = 2 if "1D" in kind.__name__ else 3
    rank = draw(st.sampled_from([rank, rank, rank, rank, 1, 2, 3, 4]))
    shape = tuple(draw(SIZES) for _ in range(rank))
    options = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        named = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        needed = named and parameter.default is parameter.empty
        assert name in ARGUMENTS or not needed, f"{kind.__name__}: add {name} to ARGUMENTS"
        if needed or (name in ARGUMENTS and draw(st.integers(0, 2)) == 0):
            options[name] = draw(ARGUMENTS[name])
    return shape, options


MERGING = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum)
MERGING = (*MERGING, layers.Minimum, layers.Concatenate, layers.Dot)


@pytest.mark.parametrize("kind", LAYERS, ids=lambda k: k.__name__)
def test_layers_of_any_shape(kind: Any) -> None:
    """Predictions as in NumPy, or an error."""

    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(made(kind), st.integers(1, 3))
    def check(case: Any, rows: int) -> None:
        shape, options = case
        x = np.random.default_rng(rows).standard_normal((rows, *shape)).astype(np.float32)

        def result(backend: str) -> Any:
            config.set_random_seed(1)
            layer = kind(**options)
            model: Any = Sequential([layers.Input(shape)])
            if kind in MERGING:
                entry = layers.Input(shape)
                model = layers_model(entry, layer([entry, ops.negative(entry)]))
            else:
                model.add(layer)
            if math.prod(model.output_shape[1:]) > 1e5:
                return None
            model.compile("sgd", "mse", backend=backend)
            return model.predict(x, batch_size=2, verbose=0)

        found = expected = None
        try:
            found = result("native")
        except REFUSALS:
            return
        if found is None:
            return
        try:
            with np.errstate(all="ignore"):
                expected = result("numpy")
        except IndexError:  # the core gives NaN for an index that is out of range
            assert np.isnan(found).any()
            return
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)

    check()


def layers_model(entry: Any, output: Any) -> Any:
    from fastconv.models import Model

    return Model(entry, output)
