"""Every public operation, with arrays and sizes that nobody would choose.

A new operation is covered by its signature; one that needs an argument of a new name needs a row
in ``ARGUMENTS``.
"""

import inspect
import math
import warnings
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
    *("sorted_sequence", "bins", "condition", "variable"),
}
LISTS = {"xs", "condlist", "choicelist"}
SEVERAL = {"operands", "arrays"}
ARGUMENTS: dict[str, Any] = {
    "axes": st.sampled_from([0, (0,), (0, 1), (-1, 9)]),
    "axis": PLACE,
    "axis1": PLACE,
    "axis2": PLACE,
    "beta": NUMBER,
    "block_size": COUNT,
    "default_value": NUMBER,
    "destination": PLACE,
    "dtype": NAMES,
    "fill_value": NUMBER,
    "indices_or_sections": st.one_of(COUNT, st.just([1, 2]), st.just([5, -1])),
    "input_size": st.sampled_from([(3, 3), (0, 1), (2**40, 2**40)]),
    "k": COUNT,
    "kernel_size": st.sampled_from([(1, 1), (2, 3), (0, 1), (2**40, 2**40)]),
    "key": PLACE,
    "kth": PLACE,
    "max_val": NUMBER,
    "N": st.sampled_from([0, 1, 5, -1, 2**40, 2**63]),
    "n": st.sampled_from([0, 1, 5, -1, 2**40, 2**63]),
    "newshape": SHAPE,
    "num_classes": COUNT,
    "output_size": COUNT,
    "pad_width": st.one_of(COUNT, st.just([(1, 2)]), st.just([(1, 0), (0, 2)])),
    "pattern": st.sampled_from(["a b -> b a", "a b -> (a b)", "a ->", "nonsense"]),
    "pool_size": COUNT,
    "q": st.sampled_from([0, 0.5, 1, 50, -1, math.nan]),
    "rate": NUMBER,
    "repeats": st.one_of(COUNT, st.just((2, 3)), st.just((2**33, 2**33))),
    "shape": SHAPE,
    "shift": PLACE,
    "source": PLACE,
    "start": NUMBER,
    "stop": NUMBER,
    "subscripts": st.sampled_from(["ij->ji", "ii", "...i->...", "nonsense"]),
    "threshold": NUMBER,
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
ALL = sorted(n for n in set(ops.__all__) - FUNCTIONS if inspect.isfunction(getattr(ops, n)))


def needed(name: str) -> list[str]:
    """The names of the arguments without a default."""
    parameters = inspect.signature(getattr(ops, name)).parameters.values()
    named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.default is p.empty]
    for parameter in named:
        known = parameter in ARRAYS | LISTS | SEVERAL | ARGUMENTS.keys()
        assert known, f"{name}: add {parameter} to ARGUMENTS"
    return named


@st.composite
def array(draw: Any, shape: Any = None) -> Array:
    """Small whole numbers of any type, in an ordinary layout."""
    shape = draw(st.lists(SIZES, max_size=4)) if shape is None else shape
    values = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 4, shape)
    return values.astype(draw(st.sampled_from(["float32", "float32", *DTYPES])))


@st.composite
def call(draw: Any, name: str, parameters: list[str]) -> list[Any]:
    """Arguments, more or less fitting each other."""
    fitting = draw(st.booleans())
    if fitting and name in FITTING:
        arrays = [n in ARRAYS for n in parameters]
        pairs = zip(FITTING[name], arrays, strict=True)
        return [draw(array(value)) if is_array else value for value, is_array in pairs]
    first = draw(array())
    arguments: list[Any] = []
    for parameter in parameters:
        other = first.copy() if fitting else draw(array())
        if parameter in ARRAYS:
            arguments.append(other)
        elif parameter in LISTS:
            arguments.append([first, other])
        elif parameter in SEVERAL:
            arguments += [first, other][: draw(st.integers(0, 2))]
        else:
            arguments.append(draw(ARGUMENTS[parameter]))
    return arguments


def outcome(name: str, arguments: list[Any]) -> list[Array] | Exception:
    config.set_random_seed(3)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = getattr(ops, name)(*arguments)
    except (*REFUSALS, np.linalg.LinAlgError) as refusal:
        return refusal
    return [np.asarray(m) for m in (made if isinstance(made, (tuple, list)) else (made,))]


def relaid(argument: Any, layout: Any) -> Any:
    if isinstance(argument, list):
        return [relaid(a, layout) for a in argument]
    odd = isinstance(argument, np.ndarray) and argument.ndim and argument.dtype.kind not in "OS"
    return layout(argument) if odd else argument


@pytest.mark.parametrize("name", ALL)
def test_any_layout_gives_the_same_bits(name: str) -> None:
    """Or the same error; and the arguments stay as they were."""
    parameters = needed(name)

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data: Any) -> None:
        plain = data.draw(call(name, parameters))
        expected = outcome(name, plain)
        odd = relaid(plain, data.draw(st.sampled_from(LAYOUTS)))
        kept = [np.array(a) for a in odd if isinstance(a, np.ndarray)]
        found = outcome(name, odd)
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
        for a, b in zip((a for a in odd if isinstance(a, np.ndarray)), kept, strict=True):
            np.testing.assert_array_equal(a, b)

    check()
