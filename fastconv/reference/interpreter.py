"""Runs any program with the NumPy primitives: the oracle of tests, the baseline of benchmarks."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import numpy as np

from fastconv.graph.precision import as_run
from fastconv.graph.primitive import Node
from fastconv.graph.program import Program
from fastconv.graph.tensor import Array, Tensor, Variable
from fastconv.reference.philox import STATEFUL
from fastconv.reference.primitives import EVAL


def run_program(
    program: Program,
    feeds: Sequence[Any],
    variables: MutableMapping[Variable, Array] | None = None,
    *,
    seed: int = 0,
    step: int = 0,
    dtype: str = "float32",
    look: Callable[[Node, Sequence[Array]], None] | None = None,
) -> list[Array]:
    """The outputs of a program for inputs in its order; updates are written at the end.

    Variables are read from ``variables`` (and written there) where it has them, else their own
    arrays are used. Random numbers follow from ``(seed, step)``. ``dtype="float64"`` computes
    every float tensor in double precision. ``look`` is shown the results of every node.
    """
    store = {} if variables is None else variables
    values: dict[int, Array] = {}

    def of(tensor: Tensor) -> Array:
        known = values.get(id(tensor))
        if known is not None:
            return known
        source = tensor.source
        if source is None:
            raise ValueError(f"{tensor!r} is neither an input of the program nor computed by it")
        if isinstance(source, Variable):
            array = store.get(source, source.data)
            source = array.copy() if source in program.updates else array  # written at the end
        values[id(tensor)] = result = _floats(np.asarray(source), dtype)
        return result

    if len(feeds) != len(program.inputs):
        raise ValueError(f"the program has {len(program.inputs)} inputs, got {len(feeds)}")
    for tensor, value in zip(program.inputs, feeds, strict=True):
        values[id(tensor)] = _floats(np.asarray(value), dtype)
    for node in program.nodes:
        results = run_node(node, [of(t) for t in node.inputs], seed=seed, step=step, dtype=dtype)
        for tensor, value in zip(node.outputs, results, strict=True):
            values[id(tensor)] = value
        if look is not None:
            look(node, results)
    outputs = [of(t) for t in program.outputs]
    updated = [(variable, of(tensor)) for variable, tensor in program.updates.items()]
    for variable, array in updated:
        if variables is not None and variable in variables:
            variables[variable] = np.array(array)
        else:
            variable.data[...] = array
    return outputs


def run_node(
    node: Node, inputs: Sequence[Array], *, seed: int = 0, step: int = 0, dtype: str = "float32"
) -> list[Array]:
    """The results of one node for values of its inputs."""
    attrs, _ = as_run(node)
    if node.op.name in STATEFUL:
        attrs.update(seed=seed, step=step)
    if node.op.name == "cast" and attrs["dtype"].startswith("float"):
        attrs["dtype"] = dtype
    made = EVAL[node.op.name](*inputs, **attrs)
    return [np.asarray(v) for v in (made if isinstance(made, tuple) else (made,))]


def _floats(x: Array, dtype: str) -> Array:
    return x.astype(dtype, copy=False) if x.dtype.kind == "f" else x
