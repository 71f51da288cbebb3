"""Each primitive in C++ against the same in NumPy, on its largest case of the table.

pytest bench/test_primitives.py --benchmark-max-time=0.1 --benchmark-columns=median,ops
"""

from __future__ import annotations

from typing import Any

import pytest
from cases import CASES, Case

from fastconv.graph import PRIMITIVES
from fastconv.graph.lower import lower
from fastconv.reference import EVAL


def largest() -> list[Case]:
    """One case for each primitive: most FLOPs, then most elements."""
    best: dict[str, Case] = {}
    for case in sorted(CASES, key=lambda c: (c.flops, sum(a.size for a in c.arrays()))):
        best[case.op] = case
    return sorted(best.values(), key=lambda c: c.op)


@pytest.mark.parametrize("case", largest(), ids=str)
@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_primitive(case: Case, engine: str, benchmark: Any) -> None:
    benchmark.group = str(case)
    benchmark.extra_info["flops"] = case.flops
    arrays = case.arrays()
    state = {"seed": 1, "step": 1} if PRIMITIVES[case.op].stateful else {}
    if engine == "numpy":
        benchmark(EVAL[case.op], *arrays, **case.attrs, **state)
        return
    plan = lower(case.program(), case.batch)
    inputs = [a for a, arg in zip(arrays, case.args, strict=True) if not arg.variable]
    benchmark(plan.run, inputs, case.batch, **state)
