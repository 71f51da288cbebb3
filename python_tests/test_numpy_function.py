"""NumPy functions as steps of programs, gradients of one's own, and subclasses that use them."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import Model, Sequential, callbacks, layers, losses, metrics, ops
from fastconv.graph import Program, Tensor, Variable, gradients, tracing
from fastconv.graph.lower import lower

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 6)).astype("float32")
Y = (X[:, :1] ** 2 + X[:, 1:2]).astype("float32")


def cube(x: Any) -> Any:
    return x**3


def cube_slope(dy: Any, x: Any) -> Any:
    return dy * 3 * x**2


class Cube(layers.Layer):
    """x^3 in NumPy, or of primitives."""

    def __init__(self, native: bool) -> None:
        super().__init__()
        self.native = native

    def call(self, inputs: Any) -> Any:
        if self.native:
            return ops.square(inputs) * inputs
        return ops.numpy_function(cube, inputs, gradient=cube_slope)


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_a_layer_in_numpy_trains_like_one_of_primitives(backend: str) -> None:
    found = []
    for native in (True, False):
        fastconv.config.set_random_seed(3)
        net = Sequential([layers.Input((6,)), layers.Dense(4), Cube(native), layers.Dense(1)])
        net.compile("adam", "mse", backend=backend)
        net.fit(X, Y, batch_size=7, epochs=3, verbose=0)  # the last batch is a part of one
        found.append((net.get_weights(), net.predict(X, verbose=0)))
    for a, b in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)


def test_several_inputs_and_no_gradient() -> None:
    def dot(a: Any, b: Any) -> Any:
        return (a * b).sum(axis=1)

    def slopes(dy: Any, a: Any, b: Any) -> Any:
        return dy[:, None] * b, None

    a, b = Tensor((None, 3)), Tensor((None, 3))
    y = ops.numpy_function(dot, [a, b], (None,), gradient=slopes)
    da, db = gradients(ops.sum(y), [a, b])
    xs = [X[:5, :3], X[:5, 3:]]
    program = lower(Program.of([a, b], [y, da, db]), 8)
    results = program.run(xs, 5)
    np.testing.assert_allclose(results[0], dot(*xs), rtol=1e-6)
    np.testing.assert_array_equal(results[1], xs[1])
    np.testing.assert_array_equal(results[2], np.zeros_like(xs[1]))
    np.testing.assert_allclose(ops.numpy_function(dot, xs, (5,)), dot(*xs), rtol=1e-6)
    assert gradients(ops.sum(ops.numpy_function(dot, [a, b], (None,))), [a]) == [None]


def test_an_exception_ends_the_step_and_changes_no_weight() -> None:
    calls = []

    def fails(x: Any) -> Any:
        calls.append(len(x))
        if len(calls) == 3:
            raise ZeroDivisionError("the third time")
        return x

    net = Sequential([layers.Input((6,)), layers.Dense(1)])
    net.add(layers.Lambda(lambda x: ops.numpy_function(fails, x, gradient=lambda dy, x: dy)))
    net.compile("sgd", "mse")
    net.fit(X[:16], Y[:16], batch_size=8, verbose=0)
    before = net.get_weights()
    with pytest.raises(ZeroDivisionError, match="the third time"):
        net.fit(X, Y, batch_size=8, verbose=0)
    for a, b in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    net.fit(X, Y, batch_size=8, verbose=0)


def test_wrong_shapes_are_named() -> None:
    x = Tensor((None, 3))
    program = lower(Program.of([x], [ops.numpy_function(cube, x, (None, 2))]), 4)
    with pytest.raises(ValueError, match=r"cube: returned shape \(4, 3\), expected \(4, 2\)"):
        program.run([X[:4, :3]], 4)
    with pytest.raises(ValueError, match="cube: returned shape"):
        ops.numpy_function(cube, X, (2, 2))


def test_a_gradient_of_ones_own() -> None:
    @ops.custom_gradient
    def rounded(x: Any) -> Any:
        return ops.round(x), lambda dy: dy * 2.0

    x = Tensor((None, 6))
    (slope,) = gradients(ops.sum(rounded(x)), [x])
    program = lower(Program.of([x], [rounded(x), slope]), 8)
    y, found = program.run([X[:5]], 5)
    np.testing.assert_array_equal(y, np.rint(X[:5]))
    np.testing.assert_array_equal(found, np.full((5, 6), 2.0))
    np.testing.assert_array_equal(rounded(X), np.rint(X))

    @ops.custom_gradient
    def wrong(x: Any) -> Any:
        return x * 1.0, lambda dy: (dy, dy)

    with pytest.raises(ValueError, match="returned 2 tensors for 1"):
        gradients(ops.sum(wrong(x)), [x])


class Scaled(layers.Layer):
    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs * self.scale + (0.1 if training else 0.0)


class Net(Model):
    def __init__(self) -> None:
        super().__init__()
        self.scaled, self.out = Scaled(), layers.Dense(1)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.out(ops.tanh(self.scaled(inputs, training=training)))


class Quartic(losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean((y_true - y_pred) ** 4, axis=-1)


class Largest(metrics.Metric):
    """The largest error yet."""

    def __init__(self) -> None:
        super().__init__(name="largest")
        self.top = self.add_variable((), initializer="zeros", name="top")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.top.assign(ops.maximum(self.top, ops.max(ops.abs(y_true - y_pred))))

    def result(self) -> Any:
        return self.top


class Halving(callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate) / 2


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_subclasses_train(backend: str) -> None:
    fastconv.config.set_random_seed(5)
    net = Net()
    net.compile("adam", Quartic(), metrics=[Largest()], backend=backend)
    history = net.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=[Halving()]).history
    assert history["loss"][-1] < history["loss"][0]
    assert float(net.optimizer.learning_rate) == pytest.approx(0.001 / 16)
    loss, largest = net.evaluate(X, Y, verbose=0)
    error = np.abs(Y - net.predict(X, verbose=0))
    assert largest == pytest.approx(float(error.max()), rel=1e-5)
    assert loss == pytest.approx(float((error**4).mean()), rel=1e-4)
    assert (net.scaled.scale.numpy() != 1.0).all()


def test_functions_that_ran_at_once_are_not_kept() -> None:
    class Table(np.ndarray):
        """An array that a weak reference can point to."""

    table = np.arange(6, dtype=np.float32).view(Table)
    alive = weakref.ref(table)

    def scaled(values: Any) -> Any:
        return lambda x: x * np.asarray(values)

    np.testing.assert_array_equal(ops.numpy_function(scaled(table), X), X * np.asarray(table))
    assert alive() is table
    del table
    gc.collect()
    assert alive() is None


def test_loops_and_branches() -> None:
    x = Tensor((None, 6))
    last, sums = ops.scan(lambda c, v: (c + v, c), np.float32(0.0), X[0])
    assert float(last) == pytest.approx(float(X[0].sum()), rel=1e-5)
    np.testing.assert_allclose(sums[1:], np.cumsum(X[0])[:-1], rtol=1e-4, atol=1e-6)
    y = ops.fori_loop(0, 3, lambda i, v: v * 2.0 + float(i), x)
    z = ops.cond(ops.max(x) > 100.0, lambda: x, lambda: -x)
    w = ops.switch(ops.cast(ops.max(x) > -100.0, "int32"), [lambda t: t, lambda t: t * 3.0], x)
    v = ops.while_loop(lambda a: ops.max(a) < 50.0, lambda a: a * 2.0, x, maximum_iterations=9)
    program = lower(Program.of([x], [y, z, w, v]), 4)
    a, b, c, d = program.run([X[:4]], 4)
    np.testing.assert_allclose(a, X[:4] * 8 + 4, rtol=1e-6)
    np.testing.assert_array_equal(b, -X[:4])
    np.testing.assert_allclose(c, X[:4] * 3, rtol=1e-6)
    eager = ops.while_loop(lambda a: ops.max(a) < 50.0, lambda a: a * 2.0, X[:4])
    np.testing.assert_array_equal(d, eager)
    with pytest.raises(ValueError, match="maximum_iterations"):
        ops.while_loop(lambda a: ops.max(a) < 50.0, lambda a: a, x)
    running = ops.associative_scan(lambda p, q: p + q, X[:4])
    np.testing.assert_allclose(running, np.cumsum(X[:4], 0), rtol=1e-5, atol=1e-6)
    with tracing():
        counter = Variable(np.float32(1.0))
        assert isinstance(ops.cond(counter > 0.0, lambda: counter, lambda: counter), Tensor)


def test_loops_and_branches_on_arrays() -> None:
    values = {"a": X[:3], "b": (X[:3, 0], None)}
    doubled = ops.map(lambda t: {"a": t["a"] * 2.0, "b": (t["b"][0] + 1.0, None)}, values)
    np.testing.assert_array_equal(doubled["a"], X[:3] * 2.0)
    np.testing.assert_array_equal(doubled["b"][0], X[:3, 0] + 1.0)
    assert doubled["b"][1] is None
    np.testing.assert_array_equal(ops.vectorized_map(ops.sum, X), [ops.sum(row) for row in X])
    last, before = ops.scan(lambda c, v: (c + v, c), np.float32(0.0), X[:4, 0], reverse=True)
    sums = np.cumsum(X[3::-1, 0])
    np.testing.assert_allclose(before, [*sums[2::-1], 0.0], rtol=1e-5)
    assert float(last) == pytest.approx(float(sums[-1]), rel=1e-5)
    assert ops.scan(lambda c, v: (c + v, None), np.float32(0.0), X[:4, 0])[1] is None
    assert ops.scan(lambda c, _: (c * 2, None), 1, length=5)[0] == 32
    backward = ops.associative_scan(lambda p, q: p + q, X[:4], reverse=True)
    np.testing.assert_allclose(backward, np.cumsum(X[3::-1], 0)[::-1], rtol=1e-5, atol=1e-6)
    branches = [lambda v: v, lambda v: -v]
    assert [ops.switch(i, branches, 3.0) for i in (-7, 0, 1, 9)] == [3.0, 3.0, -3.0, -3.0]
    pair = ops.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, v * 2.0), (0, 1.0))
    assert pair == (3, 8.0)
