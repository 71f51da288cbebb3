"""A fixture that runs one operation of the core, for any number of threads."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastconv import _core

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]


def _run_op(
    name: str,
    inputs: Sequence[Array],
    outputs: Sequence[tuple[Sequence[int], str]],
    batch: int | None = None,
    static: Collection[int] = (),
    static_outputs: Collection[int] = (),
    max_batch: int | None = None,
    **attrs: Any,
) -> list[Array]:
    """The outputs of one op: the same bits for 1, 2 and 5 threads, and for two maximal batches.

    Each plan runs on NaN first, so that its memory is full of it.

    With `batch`, shape[0] of every tensor is the batch, except for the `static` ones.
    """

    def run(most: int) -> list[Array]:
        tensors: list[tuple[str, Sequence[int], bool, str, None]] = []
        for i, array in enumerate(inputs):
            batched = batch is not None and i not in static
            shape = [most, *array.shape[1:]] if batched else array.shape
            tensors.append((array.dtype.name, shape, batched, "input", None))
        for i, (output_shape, dtype) in enumerate(outputs):
            batched = batch is not None and i not in static_outputs
            shape = [most, *output_shape[1:]] if batched else output_shape
            tensors.append((dtype, shape, batched, "temp", None))
        ins = list(range(len(inputs)))
        outs = list(range(len(inputs), len(tensors)))
        plan = _core.Plan(tensors, [(name, ins, outs, attrs, name)], ins, outs, most)
        spoilt = [np.full_like(x, np.nan) if x.dtype == np.float32 else x for x in inputs]
        plan.run(spoilt, most if batch is None else batch)
        return plan.run(list(inputs), most if batch is None else batch)

    most = max_batch or max(1, batch or 1)
    results = run(most)
    for threads, other_batch in ((1, most), (2, most + 3), (5, most)):
        _core.set_num_threads(threads)
        for result, again in zip(results, run(other_batch), strict=True):
            np.testing.assert_array_equal(
                result.ravel().view(np.uint8),
                again.ravel().view(np.uint8),
                err_msg=f"{threads} threads",
            )
    return results


@pytest.fixture(autouse=True)
def same_threads_after() -> Iterator[None]:
    threads = _core.num_threads()
    yield
    _core.set_num_threads(threads)


@pytest.fixture
def run_op() -> RunOp:
    _core.set_num_threads(1)
    return _run_op
