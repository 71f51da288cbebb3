"""Random tensors against the reference generator, and their distributions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastconv import _core
from fastconv.reference.philox import random_normal, random_uniform

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]


def plan(name: str, shape: tuple[int, ...], stream: int) -> Any:
    tensors = [("float32", shape, False, "temp", None)]
    step: Any = (name, [], [0], {"shape": list(shape), "stream": stream}, "")
    return _core.Plan(tensors, [step], [], [0], 1)


@pytest.mark.parametrize("shape", [(3,), (64,), (1000,), (5, 77, 41), (0,), ()], ids=str)
def test_against_reference(shape: tuple[int, ...]) -> None:
    for seed, step in ((0, 0), (2**40 + 7, 3), (1, 2**33 + 1)):
        where: dict[str, Any] = {"shape": shape, "stream": 5, "seed": seed, "step": step}
        [u] = plan("random_uniform", shape, 5).run([], 1, seed, step)
        np.testing.assert_array_equal(u, random_uniform(**where))
        [z] = plan("random_normal", shape, 5).run([], 1, seed, step)
        np.testing.assert_allclose(z, random_normal(**where), 1e-5, 3e-6)


def test_threads(run_op: RunOp) -> None:
    for name in ("random_uniform", "random_normal"):
        run_op(name, [], [((300, 401), "float32")], shape=[300, 401], stream=1)


def test_batch(run_op: RunOp) -> None:
    """The rows of a batch do not depend on how many there are."""
    x = np.zeros((7, 2), np.float32)
    attrs: dict[str, Any] = {"shape": [-1, 33], "stream": 2, "max_batch": 9}
    [some] = run_op("random_normal", [x], [((7, 33), "float32")], batch=7, **attrs)
    [fewer] = run_op("random_normal", [x[:3]], [((3, 33), "float32")], batch=3, **attrs)
    np.testing.assert_array_equal(some[:3], fewer)


def test_distribution() -> None:
    n = 200_000
    [u] = plan("random_uniform", (n,), 0).run([], 1, 11, 0)
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.004
    counts = np.histogram(u, 64, (0, 1))[0]
    assert np.sum((counts - n / 64) ** 2 / (n / 64)) < 120  # chi squared, 63 degrees of freedom
    [z] = plan("random_normal", (n,), 0).run([], 1, 11, 0)
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs(np.mean(z**4) - 3) < 0.1
    [other] = plan("random_normal", (n,), 1).run([], 1, 11, 0)
    for a, b in ((z, other), (z[:-1], z[1:]), (z[:-16], z[16:])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.01
