"""The policy bfloat16: layers round their results, and the backward pass finds them in half the
bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import DTypePolicy, _core, layers, ops
from fastconv.graph import Program, Tensor, gradients, passes
from fastconv.graph.lower import lower
from fastconv.graph.passes.keep_rounded import is_rounded
from fastconv.reference.bfloat16 import round_to_bfloat16

RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def threads_and_policy() -> Iterator[None]:
    before = fastconv.config.num_threads()
    yield
    fastconv.config.set_num_threads(before)
    fastconv.config.set_dtype_policy("float32")


def deep(dtype: str = "bfloat16") -> fastconv.Model:
    """Convolutions with normalization, a shortcut, pooling, dropout and a reshape."""
    fastconv.config.set_random_seed(4)
    fastconv.config.set_dtype_policy(dtype)
    x = inputs = layers.Input((14, 14, 3))
    for filters in (16, 16, 24, 24):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    y = layers.BatchNormalization()(layers.Conv2D(24, 3, padding="same", use_bias=False)(x))
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Dropout(0.2)(layers.LeakyReLU()(layers.Conv2D(32, 3)(x)))
    x = layers.Dense(40, activation="tanh")(layers.Flatten()(x))
    model = fastconv.Model(inputs, layers.Dense(5, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fastconv.config.set_dtype_policy("float32")
    return model


X = RNG.standard_normal((70, 14, 14, 3)).astype(np.float32)
Y = RNG.integers(0, 5, 70)


def trained(model: fastconv.Model, **options: Any) -> list[np.ndarray]:
    history = model.fit(X, Y, batch_size=32, epochs=2, verbose=0, **options).history
    return [*model.get_weights(), *(np.array(v) for v in history.values())]


def plan_of(model: fastconv.Model) -> tuple[str, float]:
    """The table of the plan of training, and the megabytes of its arena."""
    tables: list[str] = []
    model.plan_summary(print_fn=tables.append)
    total = next(line for line in tables[0].splitlines() if " total " in line)
    return tables[0], float(total.split()[-1])


# In the core


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1003])
def test_rows_are_stored_and_loaded(count: int) -> None:
    x = RNG.standard_normal((3, count)).astype(np.float32)
    if count > 9:
        x[0, :9] = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3.4e38, 1 + 2**-8]
    half = ("bfloat16", [3, count], True, "temp", None)
    tensors = [("float32", [3, count], True, "input", None), half]
    tensors += [("float32", [3, count], True, "temp", None)]
    same = {"code": "identity %0", "results": [1]}
    steps = [("pointwise", [0], [1], same, ""), ("pointwise", [1], [2], same, "")]
    for threads in (1, 3):
        fastconv.config.set_num_threads(threads)
        (y,) = _core.Plan(tensors, steps, [0], [2], 3).run([x], 3)
        assert y.tobytes() == round_to_bfloat16(x).tobytes()


@pytest.mark.parametrize("shape", [(), (1,), (5,), (4, 1), (1, 1, 5), (3, 4, 1), (3, 1, 5)])
def test_operands_broadcast(shape: tuple[int, ...]) -> None:
    a, b = (RNG.standard_normal(s).astype(np.float32) for s in (shape, (3, 4, 5)))
    tensors = [("float32", list(a.shape), False, "input", None)]
    tensors += [("float32", [3, 4, 5], False, "input", None)]
    tensors += [("bfloat16", list(a.shape), False, "temp", None)]
    tensors += [("float32", [3, 4, 5], False, "temp", None)]
    steps = [("pointwise", [0], [2], {"code": "identity %0", "results": [1]}, "")]
    steps += [("pointwise", [2, 1], [3], {"code": "multiply %0 %1", "results": [2]}, "")]
    (y,) = _core.Plan(tensors, steps, [0, 1], [3], 1).run([a, b], 1)
    np.testing.assert_array_equal(y, round_to_bfloat16(a) * b)


def test_nothing_else_reads_or_writes_them() -> None:
    x, y, half = (
        (dtype, [4], False, kind, None)
        for dtype, kind in (("float32", "input"), ("float32", "temp"), ("bfloat16", "temp"))
    )
    same = {"code": "identity %0", "results": [1]}
    with pytest.raises(ValueError, match="copy: tensor 1 is bfloat16, which only pointwise"):
        _core.Plan([x, half], [("copy", [0], [1], {}, "")], [0], [1], 1)
    with pytest.raises(ValueError, match="outputs: tensor 1 is bfloat16"):
        _core.Plan([x, half], [("pointwise", [0], [1], same, "")], [0], [1], 1)
    for kind in ("input", "variable", "constant"):
        value = None if kind == "input" else np.zeros(4, np.uint16)
        given = ("bfloat16", [4], False, kind, value)
        with pytest.raises(ValueError, match=r"only temporaries may be bfloat16|dtype"):
            _core.Plan([given, y], [("pointwise", [0], [1], same, "")], [0], [1], 1)


# In programs


def test_what_is_known_to_be_rounded() -> None:
    x = Tensor((None, 8, 8, 64))
    half = ops.cast(x, "bfloat16")
    made = [
        half,
        ops.relu(half),
        ops.reshape(half, (-1, 4096)),
        ops.concatenate([half, half], axis=1),
    ]
    others = [x * 2, half * 3, ops.concatenate([half, ops.cast(x * 2, half.dtype), x], axis=1)]
    flow = passes.simplify(Program.of([x], [*made, *others]))
    values = [flow.tensors[id(t)] for t in (*made, *others)]
    assert [is_rounded(v, {}) for v in values] == [True] * 4 + [False] * 3
    assert flow.tensors[id(made[0])] is values[0]
    twice = passes.simplify(Program.of([x], [ops.cast(half, "bfloat16")]))
    assert [s.name for s in twice.steps] == ["cast"]


def test_a_result_waits_in_half_the_bytes() -> None:
    x = Tensor((None, 4096))
    y = h = ops.cast(x * 3, "bfloat16")
    for _ in range(6):
        y = ops.sum(ops.cast(y, "float32") * 1.01, axis=1, keepdims=True) + y
    z = ops.reshape(ops.flip(y, 1), (-1, 64, 64)) * ops.reshape(h, (-1, 64, 64))
    (dx,) = gradients(ops.sum(z * z), [x])
    made = lower(Program.of([x], [dx, z]), 8)
    assert any(t[0] == "bfloat16" for t in made.tensors)
    a = RNG.standard_normal((8, 4096)).astype(np.float32)
    found = made.run([a], 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "keep_rounded", lambda flow: None)
        plain = lower(Program.of([x], [dx, z]), 8)
    assert not any(t[0] == "bfloat16" for t in plain.tensors)
    for left, right in zip(found, plain.run([a], 8), strict=True):
        assert left.tobytes() == right.tobytes()


# In training


def test_the_policy() -> None:
    policy = DTypePolicy("bfloat16")
    assert policy.rounds_results
    assert not DTypePolicy("mixed_bfloat16").rounds_results
    layer = layers.Dense(3, dtype="bfloat16")
    assert layer.compute_dtype == "bfloat16"
    assert layer(layers.Input((5,))).dtype == "bfloat16"
    assert {w.dtype for w in layer.weights} == {"float32"}
    y = layer(RNG.standard_normal((2, 5)).astype(np.float32))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, round_to_bfloat16(y))
    again = layers.Dense.from_config(layer.get_config())
    assert again.dtype_policy == policy


def test_storage_changes_no_bit_and_takes_less() -> None:
    small, plain = deep(), deep()
    found = trained(small)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "keep_rounded", lambda flow: None)
        expected = trained(plain)
    for a, b in zip(found, expected, strict=True):
        assert a.tobytes() == b.tobytes()
    (table, arena), (_, more) = plan_of(small), plan_of(plain)
    assert table.count("to bfloat16") >= 4
    assert arena < 0.9 * more


def test_the_same_bits_on_any_number_of_threads() -> None:
    made = []
    for count in (1, 2, 5):
        fastconv.config.set_num_threads(count)
        made.append(trained(deep()))
    for other in made[1:]:
        for a, b in zip(made[0], other, strict=True):
            assert a.tobytes() == b.tobytes()


def test_training_is_as_the_reference_has_it() -> None:
    model = deep()
    assert model.verify(X, Y, batch_size=32).ok
    predicted = model.predict(X, verbose=0)
    np.testing.assert_array_equal(predicted, round_to_bfloat16(predicted))
    full = deep("float32")
    losses = [
        m.fit(X, Y, batch_size=32, epochs=4, verbose=0).history["loss"] for m in (model, full)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.05)
    assert losses[0][-1] < losses[0][0]
