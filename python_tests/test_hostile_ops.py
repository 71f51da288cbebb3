"""Every public operation, with arrays and sizes that nobody would choose.

A new operation is covered by its signature; one that needs an argument of a new name needs a row
in ``ARGUMENTS``.
"""

import inspect
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_hostile import DTYPES, LAYOUTS, REFUSALS, Array

from fastconv import config, ops

SIZES = st.sampled_from([0, 1, 1, 2, 3, 3, 5, 7])
COUNT = st.sampled_from([1, 1, 2, 2, 3, 0, -1, 2**40, 2**63, 2**64 + 1])
PLACE = st.sampled_from([0, 0, 1, -1, 7, 2**31, 2**32, -(2**63)])
SHAPE = st.one_of(st.lists(SIZES, max_size=3).map(tuple), st.sampled_from([(2**32, 2**32), (-1,)]))
NUMBER = st.sampled_from([0.0, 0.5, 1.0, -1.0, math.inf, math.nan, 2.0**40])
NAMES = st.sampled_from(["float32", "int32", "bool", "float16", "nonsense"])
ARRAYS = {
    *("x", "x1", "x2", "y", "a", "b", "inputs", "data", "target", "output", "indices", "values"),
    *("segment_ids", "updates", "start_indices", "kernel", "depthwise_kernel", "pointwise_kernel"),
    *("columns", "mean", "variance", "gamma", "targets", "predictions", "array", "tensor"),
    *("sorted_sequence", "bins", "condition", "variable", "bias", "weights", "scale", "offset"),
}
LISTS = {"xs", "condlist", "choicelist"}
SEVERAL = {"operands", "arrays"}
WRONG = st.sampled_from(["x", 1.5, None, (1, 2, 3), [[1]], math.nan, b"1", True])
FLAG = st.sampled_from([True, True, False, 0, 2, None, "x"])
WINDOW = st.one_of(
    st.sampled_from([1, 2, 3, (1, 2), (2, 1), 1, 2]), st.sampled_from([0, -1, 2**31, 2**63]), WRONG
)
ARGUMENTS: dict[str, Any] = {
    "axes": st.sampled_from([0, (0,), (0, 1), (-1, 9)]),
    "axis": st.one_of(PLACE, PLACE, WRONG, st.sampled_from([None, (0, 1), (-1, 0), (0, 0), ()])),
    "axis1": PLACE,
    "axis2": PLACE,
    "beta": NUMBER,
    "alpha": NUMBER,
    "approximate": FLAG,
    "assume_unique": FLAG,
    "atol": NUMBER,
    "axisa": PLACE,
    "axisb": PLACE,
    "axisc": PLACE,
    "base": NUMBER,
    "block_size": COUNT,
    "compute_uv": FLAG,
    "constant_values": NUMBER,
    "data_format": st.sampled_from(["channels_last", "channels_first", "nonsense", 1]),
    "decimals": st.sampled_from([0, 1, 2, -1, 400, -400, "x"]),
    "default": NUMBER,
    "default_value": NUMBER,
    "dilation_rate": WINDOW,
    "dx": NUMBER,
    "destination": PLACE,
    "dtype": NAMES,
    "endpoint": FLAG,
    "epsilon": NUMBER,
    "equal_nan": FLAG,
    "fill_value": NUMBER,
    "from_logits": FLAG,
    "full_matrices": FLAG,
    "groups": COUNT,
    "increasing": FLAG,
    "indexing": st.sampled_from(["xy", "ij", "nonsense"]),
    "indices_or_sections": st.one_of(COUNT, st.just([1, 2]), st.just([5, -1])),
    "initial": NUMBER,
    "input_size": st.sampled_from([(3, 3), (0, 1), (2**40, 2**40)]),
    "invert": FLAG,
    "k": COUNT,
    "keepdims": FLAG,
    "kernel_size": st.sampled_from([(1, 1), (2, 3), (0, 1), (2**40, 2**40)]),
    "key": PLACE,
    "kth": PLACE,
    "lower": FLAG,
    "M": st.sampled_from([0, 1, 5, -1, 2**40, 2**63]),
    "max_val": NUMBER,
    "method": st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest", "nonsense"]),
    "minlength": COUNT,
    "mode": st.sampled_from(["constant", "reflect", "symmetric", "reduced", "r", "nonsense"]),
    "N": st.sampled_from([0, 1, 5, -1, 2**40, 2**63]),
    "n": st.sampled_from([0, 1, 5, -1, 2**40, 2**63]),
    "nan": NUMBER,
    "neginf": NUMBER,
    "negative_slope": NUMBER,
    "newshape": SHAPE,
    "noise_shape": SHAPE,
    "num": COUNT,
    "num_classes": COUNT,
    "num_segments": COUNT,
    "ord": st.sampled_from([None, 1, 2, 0, -1, math.inf, "fro", "nuc", "nonsense"]),
    "order": NUMBER,
    "output_padding": WINDOW,
    "output_size": COUNT,
    "p": NUMBER,
    "padding": st.sampled_from(["same", "valid", "nonsense", 0, 1, (1, 0), -1, 2**31, 1.5]),
    "pad_width": st.one_of(COUNT, st.just([(1, 2)]), st.just([(1, 0), (0, 2)])),
    "pattern": st.sampled_from(["a b -> b a", "a b -> (a b)", "a ->", "nonsense"]),
    "pool_size": COUNT,
    "posinf": NUMBER,
    "q": st.sampled_from([0, 0.5, 1, 50, -1, math.nan]),
    "range": st.sampled_from([(0, 3), (1, 1), (3, 0), (math.nan, 1), 5]),
    "rate": NUMBER,
    "rcond": NUMBER,
    "reduction": st.sampled_from(["add", "max", "min", "mul", "nonsense"]),
    "repeats": st.one_of(COUNT, st.just((2, 3)), st.just((2**33, 2**33))),
    "retstep": FLAG,
    "return_counts": FLAG,
    "return_inverse": FLAG,
    "rtol": NUMBER,
    "seed": st.sampled_from([0, 7, -1, 2**64, "x"]),
    "shape": SHAPE,
    "shift": PLACE,
    "side": st.sampled_from(["left", "right", "nonsense"]),
    "size": COUNT,
    "sorted": FLAG,
    "source": PLACE,
    "sparse": FLAG,
    "start": NUMBER,
    "step": NUMBER,
    "stop": NUMBER,
    "strides": WINDOW,
    "subscripts": st.sampled_from(["ij->ji", "ii", "...i->...", "nonsense"]),
    "threshold": NUMBER,
    "tol": NUMBER,
    "upper": FLAG,
    "x_max": NUMBER,
    "x_min": NUMBER,
}
FITTING: dict[str, list[Any]] = {  # what is rarely drawn: shapes of arrays, or other arguments
    "adaptive_average_pool": [(2, 5, 4, 3), 2],
    "adaptive_max_pool": [(2, 5, 4, 3), 2],
    "argpartition": [(3, 5), 1],
    "average_pool": [(2, 5, 4, 3), 2],
    "batch_norm_statistics": [(4, 3), (3,), (3,)],
    "bincount": [(7,)],
    "cdist": [(4, 3), (5, 3)],
    "cholesky": [(1, 1)],
    "cholesky_inverse": [(1, 1)],
    "col2im": [(2, 3, 3, 4), (4, 4), (2, 2)],
    "conv": [(2, 5, 5, 3), (3, 3, 3, 2)],
    "conv_transpose": [(2, 5, 5, 3), (3, 3, 2, 3)],
    "cross": [(4, 3), (4, 3)],
    "dense": [(4, 3), (3, 2)],
    "depthwise_conv": [(2, 5, 5, 3), (3, 3, 3, 2)],
    "depth_to_space": [(2, 3, 2, 8), 2],
    "det": [(2, 3, 3)],
    "eigh": [(2, 2)],
    "glu": [(3, 4)],
    "im2col": [(2, 5, 4, 3), (2, 3)],
    "in_top_k": [(4,), (4, 5), 2],
    "inv": [(1, 1)],
    "logdet": [(3, 3)],
    "lstsq": [(4, 2), (4,)],
    "max_pool": [(2, 5, 4, 3), 2],
    "multi_hot": [(3, 4), 5],
    "rearrange": [(3, 4), "a b -> b a"],
    "repeat": [(3, 4), 2],
    "scatter": [(4, 1), (4, 2), (5, 2)],
    "scatter_update": [(5, 2), (4, 1), (4, 2)],
    "separable_conv": [(2, 5, 5, 3), (3, 3, 3, 1), (1, 1, 3, 2)],
    "slice": [(4, 3), (2,), (1, 0)],
    "slice_update": [(7, 6), (2,), (2, 1)],
    "slogdet": [(3, 3)],
    "solve": [(1, 1), (1, 2)],
    "solve_triangular": [(1, 1), (1, 2)],
    "space_to_depth": [(2, 4, 6, 3), 2],
    "sparse_categorical_crossentropy": [(5,), (5, 4)],
    "take": [(4, 3), (5,)],
    "take_along_axis": [(4, 3), (4, 3)],
    "tensordot": [(2, 3, 4), (3, 4, 2)],
    "top_k": [(3, 5), 2],
    "trace": [(3, 4)],
    "vander": [(4,)],
}
FUNCTIONS = {"associative_scan", "cond", "custom_gradient", "fori_loop", "map", "numpy_function"}
FUNCTIONS |= {"scan", "switch", "vectorized_map", "while_loop"}
HANDED_BACK = {"convert_to_numpy"}  # arrays as they are
UNSET = {"empty", "empty_like"}  # results are whatever was in the memory
OF_TYPES = {"dtype", "full_like", "bitwise_not", "bitwise_invert"}  # depend on the dtype itself
OF_TYPES |= {"pad", "scatter", "scatter_update"}  # write other numbers into it
UNLIKE = {"argsort", "argpartition", "digitize", "reciprocal"}  # ties, falling bins, floats
ALL = sorted(n for n in set(ops.__all__) - FUNCTIONS if inspect.isfunction(getattr(ops, n)))
drawn = settings(
    max_examples=16,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def needed(name: str) -> list[str]:
    """The names of the arguments without a default."""
    return [p.name for p in parameters(name) if p.default is p.empty]


def optional(name: str) -> list[str]:
    """The names of the others."""
    return [p.name for p in parameters(name) if p.default is not p.empty]


def parameters(name: str) -> list[inspect.Parameter]:
    listed = inspect.signature(getattr(ops, name)).parameters.values()
    named = [p for p in listed if p.kind is not p.VAR_KEYWORD]
    for p in named:
        known = p.name in ARRAYS | LISTS | SEVERAL | ARGUMENTS.keys()
        assert known, f"{name}: add {p.name} to ARGUMENTS"
    return named


@st.composite
def array(draw: Any, shape: Any = None) -> Array:
    """Small whole numbers of any type, in an ordinary layout."""
    shape = draw(st.lists(SIZES, max_size=4)) if shape is None else shape
    least = draw(st.sampled_from([0, 0, -3]))
    values = np.random.default_rng(draw(st.integers(0, 9))).integers(least, 4, shape)
    return values.astype(draw(st.sampled_from(["float32", "float32", *DTYPES])))


@dataclass
class Call:
    arguments: list[Any]
    options: dict[str, Any]

    def changed(self, change: Any) -> "Call":
        """With other arrays."""
        options = {k: each(v, change) for k, v in self.options.items()}
        return Call([each(a, change) for a in self.arguments], options)

    def arrays(self) -> list[Array]:
        found: list[Array] = []
        self.changed(lambda a: found.append(a))
        return found


def each(argument: Any, change: Any) -> Any:
    if isinstance(argument, list) and any(isinstance(a, np.ndarray) for a in argument):
        return [each(a, change) for a in argument]
    return change(argument) if isinstance(argument, np.ndarray) else argument


@st.composite
def call(draw: Any, name: str) -> Call:
    """Arguments, more or less fitting each other, and each option in a third of the calls."""
    options = {}
    for option in optional(name):
        if draw(st.integers(0, 2)) == 0:
            options[option] = draw(array() if option in ARRAYS else ARGUMENTS[option])
    fitting = draw(st.booleans())
    if fitting and name in FITTING:
        pairs = zip(FITTING[name], needed(name), strict=True)
        return Call([draw(array(v)) if n in ARRAYS else v for v, n in pairs], options)
    first = draw(array())
    arguments: list[Any] = []
    for parameter in needed(name):
        other = first.copy() if fitting else draw(array())
        if parameter in ARRAYS:
            arguments.append(other)
        elif parameter in LISTS:
            arguments.append([first, other])
        elif parameter in SEVERAL:
            arguments += [first, other][: draw(st.integers(0, 2))]
        else:
            arguments.append(draw(ARGUMENTS[parameter]))
    return Call(arguments, options)


def outcome(function: Any, made: Call) -> list[Array] | Exception:
    config.set_random_seed(3)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = function(*made.arguments, **made.options)
    except (*REFUSALS, np.linalg.LinAlgError) as refusal:
        return refusal
    return [np.asarray(m) for m in (result if isinstance(result, (tuple, list)) else (result,))]


@pytest.mark.parametrize("name", ALL)
def test_any_layout_gives_the_same_bits(name: str) -> None:
    """Or the same error; and the arguments stay as they were."""

    @drawn
    @given(st.data())
    def check(data: Any) -> None:
        plain = data.draw(call(name))
        expected = outcome(getattr(ops, name), plain)
        layout = data.draw(st.sampled_from(LAYOUTS))
        odd = plain.changed(lambda a: layout(a) if a.ndim and a.dtype.kind not in "OS" else a)
        kept = [np.array(a) for a in odd.arrays()]
        found = outcome(getattr(ops, name), odd)
        if isinstance(expected, Exception):
            assert type(found) is type(expected)
        else:
            assert not isinstance(found, Exception), found
            for a, b in zip(found, expected, strict=True):
                assert a.dtype == b.dtype or name in HANDED_BACK
                assert a.dtype.isnative or name in HANDED_BACK
                assert a.shape == b.shape
                if name not in UNSET:
                    np.testing.assert_array_equal(a, b)
        for a, b in zip(odd.arrays(), kept, strict=True):
            np.testing.assert_array_equal(a, b)

    check()


# What NumPy computes for other dtypes may differ in the last bits from the core's.
SAME_STEPS = {"float16", "float32", "float64", "int32", "uint8", "bool"}


def converted(array: Array) -> Array:
    """As float32 or int32, where that holds the same numbers; so computed with by every op."""
    if array.dtype.kind not in "biuf":
        return array
    with np.errstate(all="ignore"):
        plain = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
    return plain if np.array_equal(plain, array) else array


@pytest.mark.parametrize("name", sorted(set(ALL) - UNSET - HANDED_BACK - OF_TYPES))
def test_any_dtype_gives_the_same_numbers(name: str) -> None:
    """As arrays of float32 and int32 do, or an error; and as NumPy's function of the name does."""

    @drawn
    @given(st.data())
    def check(data: Any) -> None:
        odd = data.draw(call(name))
        found = outcome(getattr(ops, name), odd)
        if isinstance(found, Exception):
            return
        plain = odd.changed(converted)
        expected = outcome(getattr(ops, name), plain)
        assert not isinstance(expected, Exception), expected
        exact = all(str(a.dtype.newbyteorder("=")) in SAME_STEPS for a in odd.arrays())
        for a, b in zip(found, expected, strict=True):
            assert a.shape == b.shape
            if exact or a.dtype.kind != "f":
                np.testing.assert_array_equal(a, b)
            else:
                np.testing.assert_allclose(a.astype(float), b.astype(float), 1e-5, 1e-6)

        def widened(a: Array) -> Array:
            return a.astype(np.float64 if a.dtype.kind == "f" else np.int64)

        small = all(a.dtype.kind in "biuf" and np.array_equal(widened(a), a) for a in odd.arrays())
        numbers = [v for v in (*odd.arguments, *odd.options.values()) if isinstance(v, int)]
        small = small and max(numbers, default=0) < 2**20  # NumPy would be at work for days
        small = small and "dtype" not in odd.options
        if name in UNLIKE or not small or not hasattr(np, name):
            return
        numpy = outcome(getattr(np, name), odd.changed(widened))
        if isinstance(numpy, Exception):
            return
        for a, b in zip(found, numpy, strict=True):
            np.testing.assert_allclose(np.asarray(a, float), b, rtol=1e-4, atol=1e-5)

    check()


def test_calls_that_were_wrong_once() -> None:
    """Found by the drawn ones: wrong numbers, hours of work, errors that name nothing."""
    small = np.array([3, 1, 2], np.uint8)
    np.testing.assert_array_equal(ops.diff(small), [-2, 1])
    three = np.array(3, np.float32)
    np.testing.assert_array_equal(ops.tensordot(three, three, axes=0), 9)
    np.testing.assert_array_equal(ops.dense([3.0], [[3.0, 2.0]], [1.0, 0.0]), [10, 6])
    np.testing.assert_array_equal(ops.left_shift(np.array(True), np.array(True)), 2)
    assert ops.bincount(np.zeros((1, 0), bool), minlength=1).shape == (1, 1)
    np.testing.assert_array_equal(ops.bincount(small.reshape(1, 3)), [[0, 1, 1, 1]])
    assert ops.diff(small, 2**40).shape == (0,)
    for refused in (
        lambda: ops.diff(small, -1),
        lambda: ops.vander(small, 2**40),
        lambda: ops.arange(3, step=0),
        lambda: ops.celu(small, 0.0),
        lambda: ops.round(small, -400),
        lambda: ops.im2col(np.ones((1, 4, 4, 1)), 1, strides=2**63),
    ):
        with pytest.raises(ValueError, match=r"diff|vander|arange|celu|round|im2col"):
            refused()
