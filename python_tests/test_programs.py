"""Whole training steps, simplified and fused, against the interpreter in float64."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from case import error
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastconv import _core, ops
from fastconv.graph import Program, Tensor, Trace, Variable, bind, gradients, tracing
from fastconv.graph.lower import lower
from fastconv.reference import run_program

CLASSES = 4


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = _core.num_threads()
    yield
    _core.set_num_threads(before)


class Net:
    """Weights are made when a layer is first applied."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.weights: list[Variable] = []
        self.moving: list[tuple[Variable, Any]] = []

    def weight(self, *shape: int, scale: float = 1.0, around: float = 0.0) -> Variable:
        value = around + scale * self.rng.standard_normal(shape)
        self.weights.append(Variable(value.astype(np.float32), name=f"w{len(self.weights)}"))
        return self.weights[-1]

    def conv(self, x: Any, filters: int, k: int, s: int, bias: bool, groups: int = 1) -> Any:
        c = x.shape[-1]
        groups = groups if c % groups == 0 and filters % groups == 0 else 1
        w = self.weight(k, k, c // groups, filters, scale=(k * k * c / groups) ** -0.5)
        b = self.weight(filters, scale=0.1) if bias else None
        return ops.conv(x, w, s, "same", "channels_last", bias=b)

    def dense(self, x: Any, units: int) -> Any:
        x = ops.flatten(x)
        w = self.weight(x.shape[1], units, scale=x.shape[1] ** -0.5)
        return ops.dense(x, w, self.weight(units, scale=0.1))

    def norm(self, x: Any) -> Any:
        c = x.shape[-1]
        gamma, beta = self.weight(c, scale=0.1, around=1.0), self.weight(c, scale=0.1)
        y, mean, _ = ops.batch_norm_statistics(x, gamma, beta)
        average = Variable(np.zeros(c, np.float32), trainable=False)
        self.moving.append((average, average * 0.9 + mean * 0.1))
        return y


def is_image(x: Any) -> bool:
    return x.ndim == 4 and min(x.shape[1:3]) >= 2


def residual(net: Net, x: Any) -> Any:
    y = ops.relu(net.norm(net.conv(x, x.shape[-1], 3, 1, False))) if is_image(x) else ops.tanh(x)
    return ops.relu(x + y)


def branches(net: Net, x: Any) -> Any:
    if not is_image(x):
        return ops.concatenate([ops.sigmoid(x), ops.elu(x)], axis=-1)
    return ops.concatenate([net.conv(x, 3, 1, 1, True), ops.relu(net.conv(x, 5, 3, 1, True))], -1)


def gate(net: Net, x: Any) -> Any:
    """Squeeze and excitation."""
    if not is_image(x):
        return x * ops.sigmoid(x)
    scale = ops.sigmoid(net.dense(ops.mean(x, axis=(1, 2)), x.shape[-1]))
    return x * ops.reshape(scale, (-1, 1, 1, x.shape[-1]))


LAYERS: dict[str, Callable[[Net, Any], Any]] = {
    "conv": lambda net, x: net.conv(x, 6, 3, 1, True) if is_image(x) else net.dense(x, 9),
    "conv relu": lambda net, x: (
        ops.relu(net.conv(x, 8, 3, 1, True)) if is_image(x) else ops.relu(x)
    ),
    "conv stride": lambda net, x: net.conv(x, 5, 3, 2, False) if is_image(x) else net.dense(x, 7),
    "conv 1x1": lambda net, x: (
        ops.gelu(net.conv(x, 16, 1, 1, True)) if is_image(x) else ops.gelu(x)
    ),
    "grouped": lambda net, x: net.conv(x, 8, 3, 1, True, 2) if is_image(x) else x,
    "depthwise": lambda net, x: (
        net.conv(x, x.shape[-1], 3, 1, True, x.shape[-1]) if is_image(x) else x
    ),
    "norm": lambda net, x: net.norm(x),
    "norm relu": lambda net, x: ops.relu(net.norm(x)),
    "relu": lambda net, x: ops.relu(x),
    "leaky relu": lambda net, x: ops.leaky_relu(x, 0.2),
    "relu6": lambda net, x: ops.relu6(x * 3.0),
    "silu": lambda net, x: ops.silu(x),
    "max pool": lambda net, x: (
        ops.max_pool(x, 2, None, "valid", "channels_last") if is_image(x) else ops.maximum(x, 0.1)
    ),
    "overlapping pool": lambda net, x: (
        ops.max_pool(x, 3, 2, "same", "channels_last") if is_image(x) else x
    ),
    "average pool": lambda net, x: (
        ops.average_pool(x, 2, None, "same", "channels_last") if is_image(x) else ops.softplus(x)
    ),
    "dropout": lambda net, x: ops.dropout(x, 0.25),
    "residual": residual,
    "branches": branches,
    "gate": gate,
    "dense": lambda net, x: net.dense(x, 11),
    "dense relu": lambda net, x: ops.relu(net.dense(x, 13)),
    "pad and crop": lambda net, x: (
        ops.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0)))[:, :-1, 1:] if is_image(x) else x[:, ::-1]
    ),
    "upsample": lambda net, x: (
        ops.repeat(ops.repeat(x, 2, 1), 2, 2) if is_image(x) and x.shape[1] < 6 else x
    ),
    "scale": lambda net, x: x * net.weight(x.shape[-1], scale=0.1, around=1.0) + 0.5,
    "global pool": lambda net, x: ops.mean(x, axis=(1, 2)) if is_image(x) else x,
    "softmax": lambda net, x: ops.softmax(x),
}
LOSSES = ("sparse", "categorical", "binary", "squares")
RULES = ("sgd", "momentum", "adam")


def make_loss(kind: str, y: Any, out: Any) -> Any:
    if kind == "sparse":
        return ops.mean(ops.sparse_categorical_crossentropy(y, ops.softmax(out)))
    target = ops.one_hot(y, CLASSES)
    if kind == "categorical":
        return ops.mean(ops.categorical_crossentropy(target, ops.softmax(out)))
    if kind == "binary":
        return ops.mean(ops.binary_crossentropy(target, ops.sigmoid(out)))
    return ops.mean(ops.square(out - target))


def train_step(names: list[str], loss: str, rule: str, decay: float, seed: int) -> Program:
    """Forward, loss, accuracy, backward, regularizer, moving averages, optimizer."""
    net = Net(seed)
    x, y, lr = Tensor((None, 8, 7, 3)), Tensor((None,), "int32"), Tensor(())
    t = Tensor((), "int32")
    trace = Trace()
    with tracing(trace):
        h: Any = x
        for name in names:
            h = LAYERS[name](net, h)
        out = net.dense(h, CLASSES)
        value = make_loss(loss, y, out)
        hits = ops.mean(ops.cast(ops.equal(ops.argmax(out, -1), y), "float32"))
        total = value
        if decay:
            for w in net.weights[:2]:
                total = total + decay * ops.sum(ops.square(trace.read(w)))
        leaves = [trace.leaf(w) for w in net.weights]
        grads = gradients(total, leaves)
        for w, leaf, g in zip(net.weights, leaves, grads, strict=True):
            if g is None:
                continue
            slots = [
                Variable(np.full(w.shape, 0.01, np.float32), trainable=False)
                for _ in range({"sgd": 0, "momentum": 1, "adam": 2}[rule])
            ]
            attrs = {
                "sgd": {},
                "momentum": {"momentum": 0.9, "nesterov": 0},
                "adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-4},
            }[rule]
            last = [lr, t] if rule == "adam" else [lr]
            new = bind(rule, leaf, g, *slots, *last, **attrs, weight_decay=0.0)
            for variable, result in zip((w, *slots), new, strict=True):
                variable.assign(result)
        for average, result in net.moving:
            average.assign(result)
    return Program.of([x, y, lr, t], [total, hits, out], trace.updates)


def feeds(batch: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal((batch, 8, 7, 3)).astype(np.float32),
        rng.integers(0, CLASSES, batch).astype(np.int32),
        np.asarray(1.0, np.float32),
        np.asarray(2, np.int32),
    ]


def native(program: Program, fed: list[np.ndarray], batch: int, max_batch: int) -> list[np.ndarray]:
    old = {v: v.numpy() for v in program.updates}
    outputs = [np.array(o) for o in lower(program, max_batch).run(fed, batch, seed=3, step=8)]
    new = [v.numpy() for v in program.updates]
    for variable, value in old.items():
        variable.assign(value)
    return [*outputs, *new]


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=7),
    st.sampled_from(LOSSES),
    st.sampled_from(RULES),
    st.sampled_from((0.0, 0.01)),
    st.integers(1, 5),
)
def test_any_net_trains_as_the_interpreter_says(names, loss, rule, decay, batch) -> None:
    program = train_step(names, loss, rule, decay, seed=1)
    fed = feeds(batch, seed=2)
    before = [v.numpy() for v in program.updates]
    after = dict(zip(program.updates, before, strict=True))
    exact = run_program(program, fed, after, seed=3, step=8, dtype="float64")
    _core.set_num_threads(1)
    alone = native(program, fed, batch, batch)
    for result, value in zip(alone, exact, strict=False):
        assert error(result, value) < 1e-4
    assert_same_steps(alone[len(exact) :], before, list(after.values()))
    _core.set_num_threads(3)
    for a, b in zip(native(program, fed, batch, batch + 3), alone, strict=True):
        assert a.tobytes() == b.tobytes()


def assert_same_steps(
    results: list[np.ndarray], before: list[np.ndarray], exact: list[np.ndarray]
) -> None:
    """The change of each variable, up to the rounding of its value and of all gradients."""
    steps = [new - old for new, old in zip(exact, before, strict=True)]
    largest = max((float(np.abs(step).max()) for step in steps), default=0.0)
    for result, old, new, step in zip(results, before, exact, steps, strict=True):
        wrong = np.abs((result - old) - step).max()
        assert wrong <= 5e-4 * np.abs(step).max() + 1e-5 * largest + 3e-7 * np.abs(new).max()
