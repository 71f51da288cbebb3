"""Optimizer updates: known values, the NumPy rules in float64, penalties in the fused pass."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastconv import _core
from fastconv.reference.update import EVAL

Array = npt.NDArray[Any]
RunOp = Callable[..., list[Array]]

ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
RMSPROP = {"rho": 0.9, "epsilon": 1e-7}
# name: (attributes, slots of elements, takes the step)
RULES: dict[str, tuple[dict[str, Any], int, bool]] = {
    "sgd": ({}, 0, False),
    "momentum": ({"momentum": 0.9, "nesterov": 0}, 1, False),
    "rmsprop": (RMSPROP, 1, False),
    "rmsprop_momentum": ({**RMSPROP, "momentum": 0.5}, 2, False),
    "rmsprop_centered": (RMSPROP, 2, False),
    "rmsprop_centered_momentum": ({**RMSPROP, "momentum": 0.5}, 3, False),
    "adam": (ADAM, 2, True),
    "adam_amsgrad": (ADAM, 3, True),
    "adagrad": ({"epsilon": 1e-7}, 1, False),
    "adadelta": ({"rho": 0.95, "epsilon": 1e-7}, 2, False),
    "nadam": (ADAM, 2, True),
    "adamax": (ADAM, 2, True),
}

# (name, changed attributes, rate, slots from, w after each of three steps of g = 1 from w = 1), as
# Keras computes them.
KNOWN: list[tuple[str, dict[str, Any], float, float, list[float]]] = [
    ("sgd", {}, 0.1, 0, [0.9, 0.8, 0.7]),
    ("momentum", {}, 0.1, 0, [0.9, 0.71, 0.439]),
    ("momentum", {"nesterov": 1}, 0.1, 0, [0.81, 0.539, 0.1951]),
    ("rmsprop", {}, 0.1, 0, [0.68377, 0.45436, 0.26226]),
    ("adam", {}, 0.1, 0, [0.9, 0.8, 0.7]),
    ("adam", {"weight_decay": 0.004}, 0.1, 0, [0.89960, 0.79924, 0.69892]),
    ("adagrad", {}, 0.1, 0.1, [0.90465, 0.83565, 0.77885]),
    ("adadelta", {}, 1.0, 0, [0.998586, 0.997154, 0.995709]),
    ("nadam", {}, 0.1, 0, [0.89372, 0.81636, 0.74523]),
    ("adamax", {}, 0.1, 0, [0.9, 0.8, 0.7]),
]


def scalar(value: float, dtype: str = "float32") -> Array:
    return np.array(value, dtype)


def new_slots(name: str, shape: tuple[int, ...], fill: float = 0) -> list[Array]:
    slots = [np.full(shape, fill, np.float32) for _ in range(RULES[name][1])]
    return [*slots, scalar(1)] if name == "nadam" else slots


def clock(name: str, rate: float, step: int) -> list[Array]:
    return [scalar(rate), *([scalar(step, "int32")] if RULES[name][2] else [])]


def step_one(
    run_op: RunOp,
    name: str,
    w: Array,
    g: Array,
    slots: list[Array],
    rate: float,
    step: int,
    **attrs: Any,
) -> list[Array]:
    outputs = [(a.shape, "float32") for a in (w, *slots)]
    return run_op(name, [w, g, *slots, *clock(name, rate, step)], outputs, **attrs)


@pytest.mark.parametrize(("name", "changes", "rate", "fill", "expected"), KNOWN)
def test_known_values(
    run_op: RunOp,
    name: str,
    changes: dict[str, Any],
    rate: float,
    fill: float,
    expected: list[float],
) -> None:
    attrs = {**RULES[name][0], **changes}
    w, g, slots = np.ones(3, np.float32), np.ones(3, np.float32), new_slots(name, (3,), fill)
    for step, value in enumerate(expected, 1):
        w, *slots = step_one(run_op, name, w, g, slots, rate, step, **attrs)
        np.testing.assert_allclose(w, value, rtol=1e-5)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("shape", [(), (1,), (5, 7), (333,)], ids=str)
def test_rules(run_op: RunOp, name: str, shape: tuple[int, ...]) -> None:
    attrs = {**RULES[name][0], "weight_decay": 0.02}
    rng = np.random.default_rng(1)
    w = rng.standard_normal(shape).astype(np.float32)
    slots = [np.asarray(rng.random(s.shape) * 0.2, np.float32) for s in new_slots(name, shape)]
    for slot in slots[:1]:
        slot += np.float32(0.5)  # a mean square, above the square of any mean
    exact = [a.astype(np.float64) for a in (w, *slots)]
    for step in range(1, 6):
        g = rng.standard_normal(shape).astype(np.float32)
        w, *slots = step_one(run_op, name, w, g, slots, 0.05, step, **attrs)
        times = [np.float64(scalar(0.05)), *([step] if RULES[name][2] else [])]
        exact = list(EVAL[name](exact[0], g.astype(np.float64), *exact[1:], *times, **attrs))
        for got, expected in zip((w, *slots), exact, strict=True):
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


SHAPES = [(3,), (), (0,), (40, 50), (17,), (300, 111), (1,), (20, 900)]


def step_all(
    name: str,
    ws: list[Array],
    gs: list[Array],
    slots: list[list[Array]],
    rate: float,
    step: int,
    **attrs: Any,
) -> None:
    """Updates the variables and their slots in place."""
    tensors: list[tuple[str, Any, bool, str, Any]] = [
        ("float32", (), False, "input", None),
        ("int32", (), False, "input", None),
    ]
    inputs, outputs = [0, 1], []
    for w, g, own in zip(ws, gs, slots, strict=True):
        first = len(tensors)
        for array, kind in ((w, "variable"), (g, "constant"), *((s, "variable") for s in own)):
            tensors.append(("float32", array.shape, False, kind, array))
        inputs += range(first, len(tensors))
        outputs += [first, *range(first + 2, len(tensors))]
    attrs = {**RULES[name][0], "kind": name, **attrs}
    plan = _core.Plan(tensors, [("optimizer_update", inputs, outputs, attrs, "")], [0, 1], [], 1)
    plan.run([scalar(rate), scalar(step, "int32")], 1)


def some_variables(name: str) -> tuple[list[Array], list[Array], list[list[Array]]]:
    rng = np.random.default_rng(2)
    ws = [np.asarray(rng.standard_normal(shape), np.float32) for shape in SHAPES]
    gs = [np.asarray(rng.standard_normal(shape) * 3, np.float32) for shape in SHAPES]
    slots = [new_slots(name, shape) for shape in SHAPES]
    return ws, gs, slots


@pytest.mark.parametrize("name", RULES)
def test_all_variables_at_once(run_op: RunOp, name: str) -> None:
    ws, gs, slots = some_variables(name)
    decays = [0.1 * i for i in range(len(ws))]
    expected = [
        step_one(run_op, name, w, g, own, 0.01, 3, **RULES[name][0], weight_decay=decay)
        for w, g, own, decay in zip(ws, gs, slots, decays, strict=True)
    ]
    first = [w.copy() for w in ws], [[s.copy() for s in own] for own in slots]
    for threads in (1, 2, 5):
        _core.set_num_threads(threads)
        ws = [w.copy() for w in first[0]]
        slots = [[s.copy() for s in own] for own in first[1]]
        step_all(name, ws, gs, slots, 0.01, 3, weight_decays=decays)
        for w, own, wanted in zip(ws, slots, expected, strict=True):
            for got, value in zip((w, *own), wanted, strict=True):
                np.testing.assert_array_equal(got, value)


def test_nadam_with_one_schedule_for_all() -> None:
    ws, gs, slots = some_variables("nadam")
    alone = [w.copy() for w in ws]
    step_all("nadam", alone, gs, [[s.copy() for s in own] for own in slots], 0.01, 1)
    product = scalar(1)
    tensors: list[tuple[str, Any, bool, str, Any]] = [
        ("float32", (), False, "input", None),
        ("int32", (), False, "input", None),
        ("float32", (), False, "variable", product),
    ]
    inputs, outputs = [0, 1], []
    for w, g, own in zip(ws, gs, slots, strict=True):
        first = len(tensors)
        for array, kind in ((w, "variable"), (g, "constant"), *((s, "variable") for s in own[:2])):
            tensors.append(("float32", array.shape, False, kind, array))
        inputs += [*range(first, len(tensors)), 2]
        outputs += [first, *range(first + 2, len(tensors)), 2]
    attrs = {**ADAM, "kind": "nadam"}
    plan = _core.Plan(tensors, [("optimizer_update", inputs, outputs, attrs, "")], [0, 1], [], 1)
    plan.run([scalar(0.01), scalar(1, "int32")], 1)
    np.testing.assert_allclose(product, 0.9 * (1 - 0.5 * 0.96), rtol=1e-6)
    for w, expected in zip(ws, alone, strict=True):
        np.testing.assert_array_equal(w, expected)


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_penalties(name: str) -> None:
    results = []
    for threads in (1, 2, 5):
        _core.set_num_threads(threads)
        ws, gs, slots = some_variables(name)
        l1 = [0.1 * (i % 3) for i in range(len(ws))]
        l2 = [0.2 * (i % 2) for i in range(len(ws))]
        exact = [w.astype(np.float64) for w in ws]
        exact_slots = [[s.astype(np.float64) for s in own] for own in slots]
        for step in (1, 2):
            times = [np.float64(scalar(0.01)), *([step] if RULES[name][2] else [])]
            for i, w in enumerate(exact):
                g = gs[i].astype(np.float64) + l1[i] * np.sign(w) + 2 * l2[i] * w
                exact[i], *exact_slots[i] = EVAL[name](
                    w, g, *exact_slots[i], *times, **RULES[name][0]
                )
            step_all(name, ws, gs, slots, 0.01, step, l1=l1, l2=l2)
        for w, wanted in zip(ws, exact, strict=True):
            np.testing.assert_allclose(w, wanted, rtol=1e-4, atol=1e-5)
        results.append(ws)
    for other in results[1:]:
        for w, again in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(w, again)


def test_decay_is_not_rounded_away(run_op: RunOp) -> None:
    """1 - 1e-8 is 1 in float32: the decay must be taken from w, not w multiplied."""
    w = np.linspace(1, 2, 20000, dtype=np.float32)
    first = w.astype(np.float64).sum()
    g = np.zeros_like(w)
    for _ in range(20):
        (w,) = step_one(run_op, "sgd", w, g, [], 0.001, 1, weight_decay=1e-3)
    expected = first * (1 - 1e-6) ** 20
    np.testing.assert_allclose(first - w.astype(np.float64).sum(), first - expected, rtol=0.05)


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"kind": "sgdd"}, "no update rule named 'sgdd'"),
        ({"kind": "adam"}, "expected lr, t and 4 tensors a variable"),
        ({"kind": "sgd", "weight_decays": [0.1, 0.2]}, "weight_decays must have 1 numbers, got 2"),
    ],
)
def test_errors(attrs: dict[str, Any], message: str) -> None:
    w = np.zeros(3, np.float32)
    tensors = [
        ("float32", (), False, "input", None),
        ("int32", (), False, "input", None),
        ("float32", (3,), False, "variable", w),
        ("float32", (3,), False, "constant", w),
    ]
    step = ("optimizer_update", [0, 1, 2, 3], [2], attrs, "")
    with pytest.raises(ValueError, match=message):
        _core.Plan(tensors, [step], [0, 1], [], 1)
