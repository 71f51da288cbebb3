"""ONNX's published cases of single operators, run through fastconv's ops and layers.

At the end of a run pytest prints how many of each operator ran and passed, and names the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="runs the cases of the onnx package")

from onnx_nodes import OPERATORS, OutOfScopeError, run_graph  # noqa: E402

DTYPES = {"float16", "float32", "float64", "int32", "int64", "bool", "uint8"}


def known(value: Any) -> np.ndarray:
    """An array of a dtype that can be computed with."""
    if isinstance(value, onnx.TensorProto):
        value = onnx.numpy_helper.to_array(value)
    if not isinstance(value, (np.ndarray, np.generic)):
        raise OutOfScopeError("has no sequences")
    if str(value.dtype) not in DTYPES:
        raise OutOfScopeError(f"has no {value.dtype}")
    return np.asarray(value)


def cases() -> Iterator[Any]:
    """The cases of one node each, of operators that there is a function for."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = load_model_tests(kind="node")
    for case in found:
        nodes = case.model.graph.node
        if len(nodes) == 1 and nodes[0].op_type in OPERATORS:
            yield case


CASES = sorted(cases(), key=lambda c: (c.model.graph.node[0].op_type, c.name))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name.removeprefix("test_"))
def test_node(case: Any, record_property: Any) -> None:
    record_property("onnx operator", case.model.graph.node[0].op_type)
    for inputs, outputs in case.data_sets:
        try:
            given, wanted = [known(v) for v in inputs], [known(v) for v in outputs]
            with np.errstate(all="ignore"):
                results = run_graph(case.model, given)
        except OutOfScopeError as reason:
            record_property("onnx out of scope", f"{case.name}: {reason}")
            pytest.skip(f"out of scope: fastconv {reason}")
        assert len(results) == len(wanted)
        for result, expected in zip(results, wanted, strict=True):
            array = np.asarray(result)
            assert array.shape == expected.shape
            assert (array.dtype.kind == "f") == (expected.dtype.kind == "f")
            np.testing.assert_allclose(array, expected, rtol=max(case.rtol, 1e-4), atol=1e-5)
