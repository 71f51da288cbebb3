"""Plans of the core that must not be made: each would read or write what is not its own."""

from typing import Any

import numpy as np
import pytest

from fastconv import _core

F = "float32"


def tensor(
    shape: list[int], kind: str = "temp", dtype: str = F, batched: bool = False, value: Any = None
) -> Any:
    return (dtype, shape, batched, kind, value)


def plan(tensors: list[Any], steps: list[Any], inputs: list[int], outputs: list[int]) -> Any:
    return _core.Plan(tensors, [(*s, "") for s in steps], inputs, outputs, 4)


COPY = ("copy", [0], [1], {})


def test_inputs_that_nobody_feeds() -> None:
    x = tensor([4, 3], "input")
    with pytest.raises(ValueError, match="not among the plan's inputs"):
        plan([x, x], [], [0], [1])
    with pytest.raises(ValueError, match="not among the plan's inputs"):
        plan([x, tensor([4, 3])], [COPY], [], [1])
    view = tensor([12], "alias", value=0)
    with pytest.raises(ValueError, match="not among the plan's inputs"):
        plan([x, view], [], [], [1])


@pytest.mark.parametrize("kind", ["input", "constant"])
def test_what_must_not_be_written(kind: str) -> None:
    value = np.zeros((4, 3), F) if kind == "constant" else None
    target = tensor([4, 3], kind, value=value)
    inputs = [0, 1] if kind == "input" else [0]
    with pytest.raises(ValueError, match="may not be written"):
        plan([tensor([4, 3], "input"), target], [COPY], inputs, [1])
    view = tensor([12], "alias", value=1)
    step = ("copy", [0], [2], {})
    with pytest.raises(ValueError, match=r"may not be written"):
        plan([tensor([4, 3], "input"), target, view], [step], inputs, [2])


def test_a_view_of_rows_has_rows() -> None:
    x = tensor([4, 3], "input", batched=True)
    with pytest.raises(ValueError, match="differ"):
        plan([x, tensor([4, 3], "alias", value=0)], [], [0], [1])


def test_results_of_another_type_or_of_rows() -> None:
    x, row = tensor([4, 6, 5], "input"), tensor([5], "input")
    out = tensor([4, 6, 5])
    for wrong in (tensor([5], dtype="uint8"), tensor([5], dtype="float64")):
        step = ("batch_norm", [0, 1, 2], [3, 4, 5], {"epsilon": 1e-3})
        with pytest.raises(ValueError, match="expected float32"):
            plan([x, row, row, out, tensor([5]), wrong], [step], [0, 1, 2], [3])
    x, dy = tensor([4, 5], "input", batched=True), tensor([4, 4], "input", batched=True)
    step = ("dense_weight_grad", [0, 1], [2, 3], {"bias": 1})
    for wrong in (tensor([4], batched=True), tensor([4], dtype="int32"), tensor([5])):
        with pytest.raises(ValueError, match="dense_weight_grad"):
            plan([x, dy, tensor([5, 4]), wrong], [step], [0, 1], [2])
    image = tensor([4, 3, 3, 4], "input", batched=True)
    attrs = {"strides": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "kernel_shape": [1, 1]}
    for groups in (1, 4):
        weights = tensor([1, 1, 4 // groups, 4])
        step = ("conv2d_weight_grad", [0, 1], [2, 3], {**attrs, "groups": groups, "bias": 1})
        with pytest.raises(ValueError, match="bias"):
            plan([image, image, weights, tensor([4], batched=True)], [step], [0, 1], [2])


@pytest.mark.parametrize("shape", [[2], []])
def test_rows_for_an_input_that_has_none(shape: list[int]) -> None:
    made = plan([tensor(shape, "input"), tensor(shape)], [("copy", [0], [1], {})], [0], [1])
    with pytest.raises(ValueError, match="input 0 has no rows"):
        made.run_epoch([(0, np.zeros([9, *shape], np.float32), 2.0, 0.0)], None, 9, 4, [])


@pytest.mark.parametrize("batched", [False, True])
def test_an_index_has_the_rows_of_what_was_pooled(batched: bool) -> None:
    window = {"strides": [2, 2], "padding": [0] * 4, "pool": [2, 2]}
    x, weights = tensor([4, 4, 4, 3], "input", batched=batched), tensor([1, 1, 3, 3], "input")
    y = tensor([4, 2, 2, 3], batched=batched)
    index = tensor([4, 2, 2, 3], dtype="uint8", batched=not batched)
    with pytest.raises(ValueError, match="max_pool2d: the index"):
        plan([x, y, index], [("max_pool2d", [0], [1, 2], window)], [0], [1])
    attrs = {**window, "strides": [1, 1], "dilation": [1, 1], "groups": 1}
    with pytest.raises(ValueError, match="conv2d: the pooled output and its uint8 index"):
        plan([x, weights, y, index], [("conv2d", [0, 1], [2, 3], attrs)], [0, 1], [2])


def test_two_results_in_the_place_of_one_operand() -> None:
    """The first of them is read by nobody."""
    tensors = [tensor([4, 3], "input"), *(tensor([4, 3]) for _ in range(4))]
    tape = ("pointwise", [1], [2, 3], {"code": "negative %0; square %1", "results": [2, 1]})
    steps = [("copy", [0], [1], {}), tape, ("copy", [3], [4], {})]
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(F)
    np.testing.assert_array_equal(plan(tensors, steps, [0], [4]).run([x], 4)[0], -x)


def test_a_result_that_is_listed_twice() -> None:
    tensors = [tensor([4, 3], "input"), tensor([4, 3])]
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(F)
    square = ("pointwise", [0], [1], {"code": "square %0", "results": [1]})
    for y in plan(tensors, [square], [0], [1, 1]).run([x], 4):
        np.testing.assert_array_equal(y, x * x)


def test_products_of_nothing_are_refused() -> None:
    dense = [tensor([4, 0], "input"), tensor([4, 3], "input"), tensor([0, 3]), tensor([3])]
    with pytest.raises(ValueError, match="dense_weight_grad: x has no features"):
        plan(dense, [("dense_weight_grad", [0, 1], [2, 3], {"bias": 1})], [0, 1], [2, 3])
    attrs = {"strides": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "groups": 1}
    step = ("conv2d_weight_grad", [0, 1], [2], {**attrs, "kernel_shape": [2, 2]})
    conv = [tensor([4, 5, 5, 2], "input"), tensor([4, 4, 4, 0], "input"), tensor([2, 2, 2, 0])]
    with pytest.raises(ValueError, match="no filters"):
        plan(conv, [step], [0, 1], [2])
    with pytest.raises(ValueError, match="at least 1"):
        _core.measure_peaks(0)
