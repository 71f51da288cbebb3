"""Optimizers: the rules step by step, options, state, configuration."""

import copy

import numpy as np
import pytest
from real_keras import import_keras, to_numpy

from fastconv import callbacks, layers, optimizers
from fastconv.graph.tensor import Variable
from fastconv.models import Sequential
from fastconv.optimizers import schedules

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")

THREE_STEPS = [  # gradient 1 from w = 1 with rate 0.1
    ("SGD", {"learning_rate": 0.1}, [0.9, 0.8, 0.7]),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}, [0.9, 0.71, 0.439]),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, [0.81, 0.539, 0.1951]),
    ("RMSprop", {"learning_rate": 0.1}, [0.68377, 0.45436, 0.26226]),
    ("Adam", {"learning_rate": 0.1}, [0.9, 0.8, 0.7]),
    ("Adagrad", {"learning_rate": 0.1}, [0.90465, 0.83565, 0.77885]),
    ("Adadelta", {}, [0.998586, 0.997154, 0.995709]),
    ("Nadam", {"learning_rate": 0.1}, [0.89372, 0.81636, 0.74523]),
    ("Adamax", {"learning_rate": 0.1}, [0.9, 0.8, 0.7]),
    ("AdamW", {"learning_rate": 0.1}, [0.89960, 0.79924, 0.69892]),
    ("Ftrl", {"learning_rate": 0.1}, [0.60314, 0.53414, 0.47734]),
    ("Lamb", {"learning_rate": 0.1}, [0.9, 0.81, 0.729]),
    ("Adafactor", {"learning_rate": 0.1}, [0.9, 0.81, 0.729]),
    ("Muon", {"learning_rate": 0.1}, [0.89960, 0.79924, 0.69892]),
]
OPTIONS = [
    ("SGD", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "weight_decay": 0.01}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True, "clipnorm": 0.5}),
    ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True, "momentum": 0.9, "weight_decay": 0.1}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("Adam", {"learning_rate": 0.01, "global_clipnorm": 1.0}),
    ("Adam", {"learning_rate": 0.01, "clipvalue": 0.3, "weight_decay": 0.02}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.9}),
    (
        "Adam",
        {
            "learning_rate": 0.01,
            "use_ema": True,
            "ema_momentum": 0.8,
            "ema_overwrite_frequency": 2,
        },
    ),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.2}),
    ("Adadelta", {"learning_rate": 0.7, "rho": 0.9}),
    ("Nadam", {"learning_rate": 0.02, "beta_1": 0.8}),
    ("Adamax", {"learning_rate": 0.02, "epsilon": 1e-4}),
    ("Lion", {"learning_rate": 0.02, "weight_decay": 0.1}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "gradient_accumulation_steps": 2}),
    ("Adam", {"learning_rate": 0.01, "clipnorm": 0.4, "gradient_accumulation_steps": 3}),
    (
        "AdamW",
        {
            "learning_rate": 0.01,
            "weight_decay": 0.1,
            "use_ema": True,
            "ema_momentum": 0.8,
            "ema_overwrite_frequency": 2,
            "gradient_accumulation_steps": 2,
        },
    ),
    ("Ftrl", {"learning_rate": 0.1}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "learning_rate_power": -0.7,
            "initial_accumulator_value": 0.3,
            "l1_regularization_strength": 0.2,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.05,
            "beta": 0.4,
            "weight_decay": 0.1,
        },
    ),
    ("Lamb", {"learning_rate": 0.05}),
    ("Lamb", {"learning_rate": 0.05, "beta_1": 0.7, "weight_decay": 0.2, "clipnorm": 1.0}),
    ("Adafactor", {"learning_rate": 0.1}),
    (
        "Adafactor",
        {
            "learning_rate": 2.0,
            "beta_2_decay": -0.6,
            "epsilon_2": 0.9,
            "clip_threshold": 0.8,
            "relative_step": False,
            "weight_decay": 0.01,
        },
    ),
    ("Muon", {"learning_rate": 0.02}),
    ("Muon", {"learning_rate": 0.02, "nesterov": False, "rms_rate": None, "ns_steps": 3}),
    ("Muon", {"learning_rate": 0.02, "weight_decay": None, "adam_weight_decay": 0.3}),
    ("Muon", {"learning_rate": 0.02, "exclude_layers": ["v0"], "adam_lr_ratio": 0.5}),
]


def make(name, options):
    return getattr(optimizers, name)(**options)


@pytest.mark.parametrize(("name", "options", "expected"), THREE_STEPS)
def test_three_steps(name, options, expected):
    optimizer = make(name, options)
    w = Variable(np.float32(1.0), name="w")
    found = []
    for _ in expected:
        optimizer.apply_gradients([(np.float32(1.0).reshape(()), w)])
        found.append(float(w))
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    assert int(optimizer.iterations) == 3


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_trajectory_is_that_of_keras(name, options):
    keras = import_keras()
    rng = np.random.default_rng(3)
    starts = [rng.standard_normal((3, 4)), rng.standard_normal(5)]
    if name == "Nadam":  # Keras on torch multiplies its momentum product once for each variable
        del starts[1]
    ours = [Variable(s, name=f"v{i}") for i, s in enumerate(starts)]
    theirs = [keras.Variable(s.astype("float32"), name=f"v{i}") for i, s in enumerate(starts)]
    optimizer, reference = make(name, options), getattr(keras.optimizers, name)(**options)
    for _ in range(6):
        grads = [rng.standard_normal(s.shape).astype("float32") for s in starts]
        optimizer.apply_gradients(zip(grads, ours, strict=True))
        tensors = [keras.ops.convert_to_tensor(g) for g in grads]
        reference.apply_gradients(zip(tensors, theirs, strict=True))
        for v, k in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(v.numpy(), k.numpy(), rtol=3e-5, atol=3e-6)
    state = [keras.ops.convert_to_numpy(v.value) for v in reference.variables]
    assert [v.shape for v in optimizer.variables] == [s.shape for s in state]
    for v, s in zip(optimizer.variables, state, strict=True):
        np.testing.assert_allclose(v.numpy(), s, rtol=1e-4, atol=1e-5)


def test_ftrl_moves_nothing_where_it_would_divide_by_zero():
    w = Variable(np.float32([1.0, -2.0]), name="w")
    optimizer = optimizers.Ftrl(0.0)
    optimizer.apply_gradients([(np.float32([1.0, 0.0]), w)])
    np.testing.assert_array_equal(w.numpy(), [1.0, -2.0])
    optimizer = optimizers.Ftrl(0.1, initial_accumulator_value=0.0)
    optimizer.apply_gradients([(np.float32([1.0, 0.0]), w)])
    np.testing.assert_allclose(w.numpy(), [0.9, -2.0], rtol=1e-6)


def test_variables_are_interleaved_by_variable():
    optimizer = optimizers.Adam()
    optimizer.build([Variable(np.zeros(2), name="a"), Variable(np.zeros(3), name="b")])
    names = [v.name for v in optimizer.variables]
    assert names == [
        *("iterations", "learning_rate", "momentum", "velocity", "momentum", "velocity")
    ]
    assert optimizer.variables[0].dtype == "int64"


def test_restored_state_continues_the_trajectory():
    for name in ("Nadam", "Adam", "RMSprop"):
        first, second = make(name, {}), make(name, {})
        a = [Variable(np.ones(2), name="a"), Variable(np.ones(1), name="b")]
        b = [Variable(np.ones(2), name="a"), Variable(np.ones(1), name="b")]
        grads = [np.full(2, 0.3, np.float32), np.full(1, -2.0, np.float32)]
        for _ in range(3):
            first.apply_gradients(zip(grads, a, strict=True))
        second.build(b)
        second.set_weights([v.numpy() for v in first.variables])
        for v, w in zip(a, b, strict=True):
            w.assign(v.numpy())
        first.apply_gradients(zip(grads, a, strict=True))
        second.apply_gradients(zip(grads, b, strict=True))
        for v, w in zip(a, b, strict=True):
            np.testing.assert_array_equal(v.numpy(), w.numpy())


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_slots_stay_with_their_variables(name, options):
    """Building for some of the variables, and for all again, changes nothing."""
    gradients = [np.full(2, 0.3, np.float32), np.full(1, -2.0, np.float32)]

    def trained(rebuilt):
        optimizer = make(name, options)
        variables = [Variable(np.ones(2), name="a"), Variable(np.ones(1), name="b")]
        for _ in range(3):
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        if rebuilt:
            before = [v.numpy() for v in optimizer.variables]
            optimizer.build(variables[1:])
            assert len(optimizer.variables) <= len(before)
            optimizer = copy.deepcopy(optimizer) if rebuilt == "copied" else optimizer
            variables = optimizer._slots.owners
            optimizer.build(variables)
            for v, w in zip(optimizer.variables, before, strict=True):
                np.testing.assert_array_equal(v.numpy(), w)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return [v.numpy() for v in variables]

    for rebuilt in (True, "copied"):
        for v, w in zip(trained(rebuilt), trained(False), strict=True):
            np.testing.assert_array_equal(v, w)


def test_slots_of_one_name_are_kept_apart():
    class Twice(optimizers.Optimizer):
        def build(self, variables):
            super().build(variables)
            self.pairs = [
                (self.add_variable_from_reference(v), self.add_variable_from_reference(v))
                for v in variables
            ]

    twice, v = Twice(), Variable(np.ones(2), name="a")
    twice.build([v])
    first = twice.pairs[0]
    assert first[0] is not first[1]
    twice.build([v])
    assert all(a is b for a, b in zip(first, twice.pairs[0], strict=True))


def test_averages_of_variables_that_come_later_begin_with_their_values():
    optimizer = optimizers.SGD(0.1, use_ema=True)
    a, b = Variable(np.ones(1), name="a"), Variable(np.ones(1), name="b")
    optimizer.apply_gradients([(np.ones(1), a)])
    optimizer.build([a, b])
    optimizer.finalize_variable_values([a, b])
    np.testing.assert_array_equal([a.numpy()[0], b.numpy()[0]], np.float32([0.9, 1.0]))


def test_an_optimizer_is_that_of_one_model():
    adam = optimizers.Adam()
    adam.build([Variable(np.ones(1), name=f"w{i}") for i in range(5)])
    with pytest.raises(ValueError, match=r"'adam' is that of 'w0', 'w1', 'w2', \.\.\. and .* 'v':"):
        adam.build([Variable(np.ones(1), name="v")])
    assert len(adam.variables) == 12


def test_old_argument_names():
    optimizer = optimizers.RMSprop(lr=0.5, decay=0.1)
    assert float(optimizer.learning_rate) == 0.5
    assert float(optimizer.lr) == 0.5
    np.testing.assert_allclose(optimizer.rates(0, 3), [0.5, 0.5 / 1.1, 0.5 / 1.2], rtol=1e-6)
    assert optimizer.get_config()["decay"] == 0.1


def test_learning_rate_can_be_set():
    optimizer = optimizers.SGD(0.1)
    optimizer.learning_rate = 0.2
    assert float(optimizer.lr) == pytest.approx(0.2)
    optimizer.learning_rate.assign(0.3)
    assert optimizer.rates(5, 2).tolist() == pytest.approx([0.3, 0.3])
    scheduled = optimizers.SGD(schedules.ExponentialDecay(1.0, 1, 0.5))
    with pytest.raises(TypeError, match="ExponentialDecay"):
        scheduled.learning_rate = 0.1


def test_gradients_may_be_lists():
    w = Variable([1.0, 2.0], name="w")
    optimizers.SGD(0.5).apply_gradients([([1.0, 2.0], w)])
    assert w.numpy().tolist() == [0.5, 1.0]
    with pytest.raises(ValueError, match=r"gradient of 'w' has shape \(1,\), expected \(2,\)"):
        optimizers.SGD(0.5).apply_gradients([([1.0], w)])


def test_excluded_variables_do_not_decay():
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    kernel, bias = Variable(np.ones(2), name="kernel"), Variable(np.ones(2), name="bias")
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    zero = np.zeros(2, np.float32)
    optimizer.apply_gradients([(zero, kernel), (zero, bias)])
    np.testing.assert_allclose(kernel.numpy(), 0.95)
    np.testing.assert_array_equal(bias.numpy(), 1.0)
    with pytest.raises(ValueError, match="before the first step"):
        optimizer.exclude_from_weight_decay(var_names=["x"])


def test_constraints_hold_after_the_step():
    w = Variable(np.array([0.1, 0.5]), name="w")
    w.constraint = lambda v: np.maximum(v.numpy(), 0.0)
    optimizers.SGD(1.0).apply_gradients([(np.array([0.3, 0.3], np.float32), w)])
    np.testing.assert_allclose(w.numpy(), [0.0, 0.2], atol=1e-7)


def test_custom_rule():
    class SignDescent(optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            from fastconv import ops

            self.assign_sub(variable, ops.sign(gradient) * learning_rate)

    optimizer = SignDescent(0.25, weight_decay=0.1)
    w = Variable(np.array([1.0, -1.0]), name="w")
    optimizer.apply_gradients([(np.array([5.0, -0.1], np.float32), w)])
    np.testing.assert_allclose(w.numpy(), [0.725, -0.725], rtol=1e-6)


@pytest.mark.parametrize("name", sorted(optimizers.OPTIMIZERS))
def test_config_round_trip(name):
    first = optimizers.get(name)
    again = optimizers.deserialize(optimizers.serialize(first))
    assert type(again) is type(first)
    assert again.get_config() == first.get_config()
    assert type(optimizers.get(name.lower())) is type(first)


def test_schedule_is_in_the_config():
    first = optimizers.Adam(schedules.CosineDecay(0.1, 10, warmup_target=0.5, warmup_steps=3))
    again = optimizers.deserialize(optimizers.serialize(first))
    np.testing.assert_array_equal(again.rates(0, 12), first.rates(0, 12))


def test_keras_reads_and_writes_the_same_config():
    keras = import_keras()
    ours = optimizers.serialize(optimizers.SGD(0.5, momentum=0.25, clipnorm=2.0))
    theirs = keras.optimizers.deserialize(ours)
    assert theirs.momentum == 0.25
    back = optimizers.deserialize(keras.optimizers.serialize(theirs))
    assert back.clipnorm == 2.0
    assert float(back.learning_rate) == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimizers.get("adm"), "Did you mean 'Adam'"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), "at most one"),
        (lambda: optimizers.SGD(learning_rate=-1.0), "learning_rate"),
        (lambda: optimizers.SGD(learning_rate=float("nan")), "learning_rate"),
        (lambda: optimizers.SGD(momentum=2.0), "momentum"),
        (lambda: optimizers.Adam(beta_1=1.0), r"Adam: beta_1 must be in \[0, 1\), got 1.0"),
        (lambda: optimizers.AdamW(beta_2=-0.1), "AdamW: beta_2"),
        (lambda: optimizers.Adamax(beta_1=2), "Adamax: beta_1"),
        (lambda: optimizers.Nadam(beta_2=float("nan")), "Nadam: beta_2"),
        (lambda: optimizers.RMSprop(rho=2), "RMSprop: rho"),
        (lambda: optimizers.Adadelta(rho=1), "Adadelta: rho"),
        (lambda: optimizers.Adagrad(epsilon=-1), "Adagrad: epsilon must be >= 0, got -1"),
        (lambda: optimizers.Adam(epsilon=float("inf")), "Adam: epsilon"),
        (lambda: optimizers.Adam(use_ema=True, ema_momentum=2.0), "ema_momentum"),
        (lambda: optimizers.Adam(clipnorm=0.0), "clipnorm"),
        (lambda: optimizers.Adam(beta_1="a"), r"Adam: beta_1 must be in \[0, 1\), got 'a'"),
        (lambda: optimizers.Nadam(beta_2=None), r"Nadam: beta_2 must be in \[0, 1\), got None"),
        (lambda: optimizers.RMSprop(epsilon="a"), "RMSprop: epsilon must be >= 0, got 'a'"),
        (lambda: optimizers.RMSprop(momentum=[1]), "RMSprop: momentum must be in"),
        (lambda: optimizers.SGD(momentum="a"), r"SGD: momentum must be in \[0, 1\], got 'a'"),
        (
            lambda: optimizers.SGD(gradient_accumulation_steps=1),
            "SGD: gradient_accumulation_steps must be a whole number, at least 2, got 1",
        ),
        (lambda: optimizers.SGD(clipnorm="a"), "SGD: clipnorm must be a number, got 'a'"),
        (lambda: optimizers.SGD(clipvalue=[1]), r"SGD: clipvalue must be a number, got \[1\]"),
        (lambda: optimizers.SGD(weight_decay="a"), "SGD: weight_decay must be >= 0, got 'a'"),
        (lambda: optimizers.Ftrl(beta=-1), "Ftrl: beta must be >= 0, got -1"),
        (
            lambda: optimizers.Ftrl(l1_regularization_strength="a"),
            "Ftrl: l1_regularization_strength",
        ),
        (
            lambda: optimizers.Ftrl(learning_rate_power=0.5),
            "Ftrl: learning_rate_power must be <= 0",
        ),
        (lambda: optimizers.Lamb(beta_2=1.0), r"Lamb: beta_2 must be in \[0, 1\), got 1.0"),
        (lambda: optimizers.Adafactor(clip_threshold=0), "Adafactor: clip_threshold must be > 0"),
        (lambda: optimizers.Adafactor(beta_2_decay=0.8), "Adafactor: beta_2_decay must be <= 0"),
        (lambda: optimizers.Muon(ns_steps=0), "Muon: ns_steps must be a whole number, at least 1"),
        (lambda: optimizers.Muon(rms_rate="a"), "Muon: rms_rate must be >= 0, got 'a'"),
        (lambda: optimizers.Muon(exclude_layers="dense"), "must be a list of strings, got 'dense'"),
        (lambda: optimizers.Muon(exclude_layers=["("]), "must be regular expressions, got '\\('"),
        (lambda: optimizers.SGD(ema_momentum="a"), r"SGD: ema_momentum must be in \[0, 1\]"),
        (lambda: optimizers.SGD(ema_overwrite_frequency="a"), "SGD: ema_overwrite_frequency must"),
        (lambda: optimizers.SGD(loss_scale_factor=0), "SGD: loss_scale_factor must be > 0, got 0"),
        (lambda: optimizers.SGD(decay="a"), "SGD: decay must be >= 0, got 'a'"),
        (lambda: optimizers.Lion(beta_1="a"), "Lion: beta_1 must be a number, got 'a'"),
        (lambda: optimizers.Adagrad(initial_accumulator_value="a"), "initial_accumulator_value"),
        (lambda: optimizers.schedules.CosineDecay(0.1, "a"), "CosineDecay: decay_steps must be"),
        (lambda: optimizers.Adam(weight_decay=-0.1), "weight_decay must be >= 0"),
        (lambda: optimizers.SGD(decay=-0.1), "decay must be >= 0"),
        (lambda: optimizers.SGD(use_ema=True, ema_overwrite_frequency=0), "at least 1, got 0"),
        (lambda: optimizers.SGD().apply([np.ones(2)]), "needs a built optimizer"),
        (lambda: optimizers.SGD(lambda: 0.1).get_config(), "is a function cannot be saved"),
    ],
)
def test_wrong_values(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_scale_of_the_loss_is_taken_from_gradients():
    keras = import_keras()
    found = []
    for module, variable in ((optimizers, Variable), (keras.optimizers, keras.Variable)):
        optimizer = module.SGD(0.5, loss_scale_factor=6.0, clipvalue=0.4)
        w = variable(np.ones(2, np.float32))
        gradient = optimizer.scale_loss(np.array([0.1, 0.9], np.float32))
        optimizer.apply_gradients([(keras.ops.convert_to_tensor(gradient), w)])
        found.append(to_numpy(w.numpy() if module is optimizers else w.value))
    np.testing.assert_allclose(*found, rtol=1e-6)
    again = optimizers.SGD.from_config(optimizers.SGD(loss_scale_factor=6.0).get_config())
    assert again.loss_scale_factor == 6.0


def test_scale_of_the_loss_changes_nothing_in_compiled_steps():
    weights = []
    for scale in (None, 8.0):
        model = Sequential([layers.Input((3,)), layers.Dense(2, kernel_initializer="ones")])
        model.compile(optimizers.Adam(0.1, loss_scale_factor=scale), "mse")
        model.fit(np.eye(3), np.ones((3, 2)), epochs=2, verbose=0)
        weights.append(model.get_weights())
    np.testing.assert_array_equal(weights[0][0], weights[1][0])


def test_wrong_arguments():
    with pytest.raises(TypeError, match="beta_3"):
        optimizers.Adam(beta_3=0.5)
    with pytest.raises(TypeError, match="learning_rate"):
        optimizers.Adam("fast")
    with pytest.raises(TypeError, match="Adam: learning_rate must be a number or a schedule"):
        optimizers.Adam(None)
    with pytest.raises(TypeError, match="optimizer must be"):
        optimizers.get(3)
    w = Variable(np.ones(2), name="w")
    with pytest.raises(ValueError, match=r"gradient of 'w'.*\(3,\)"):
        optimizers.SGD().apply_gradients([(np.ones(3, np.float32), w)])
    np.testing.assert_array_equal(w.numpy(), 1.0)


def test_gradients_alone_go_to_the_variables_it_was_built_for():
    w, other = Variable(np.ones(2), name="w"), Variable(np.ones(2), name="other")
    sgd = optimizers.get(optimizers.SGD)
    sgd.learning_rate = 0.5
    sgd.build([w])
    sgd.apply([np.float32([1, 2])])
    np.testing.assert_array_equal(w.numpy(), [0.5, 0])
    with pytest.raises(ValueError, match="2 gradients for 1 variables"):
        sgd.apply([np.ones(2), np.ones(2)])
    with pytest.raises(ValueError, match="was built without variable 'other'"):
        sgd.apply_gradients([(np.ones(2), other)])
    with pytest.raises(NotImplementedError, match="must define update_step"):
        optimizers.Optimizer(0.1).apply_gradients([(np.ones(2), w)])
    np.testing.assert_array_equal(w.numpy(), [0.5, 0])


def test_states_that_do_not_fit_change_nothing():
    w = Variable(np.ones(2), name="w")
    adam = optimizers.Adam()
    adam.build([w])
    before = [v.numpy().copy() for v in adam.variables]
    with pytest.raises(ValueError, match="has 4 variables, got 1 arrays"):
        adam.set_weights(before[:1])
    with pytest.raises(ValueError, match=r"has shape \(2,\), got \(3,\)"):
        adam.set_weights([before[0] + 1, *before[1:3], np.ones(3)])
    for v, expected in zip(adam.variables, before, strict=True):
        np.testing.assert_array_equal(v.numpy(), expected)


def test_a_rate_that_is_a_function_is_asked_at_every_step():
    rates = iter([1.0, 0.25])
    w = Variable(np.zeros(1), name="w")
    sgd = optimizers.SGD(lambda: next(rates))
    sgd.apply_gradients([(np.ones(1), w)])
    sgd.apply_gradients([(np.ones(1), w)])
    np.testing.assert_array_equal(w.numpy(), [-1.25])


def test_a_rate_that_is_a_function_is_asked_at_every_step_of_fit():
    def trained(each_batch: bool) -> np.ndarray:
        model = Sequential([layers.Input((1,)), layers.Dense(1, kernel_initializer="ones")])
        sgd = optimizers.SGD()
        sgd.learning_rate = lambda: 0.1 if int(sgd.iterations) < 2 else 0.0
        model.compile(sgd, "mse")
        seen = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
        x = np.ones((8, 1), np.float32)
        model.fit(x, 0 * x, 2, callbacks=[seen] if each_batch else None, verbose=0)
        return model.get_weights()[0]

    np.testing.assert_array_equal(trained(True), trained(False))
    np.testing.assert_allclose(trained(True), [[0.68]], rtol=1e-6)


def test_a_rate_that_is_not_finite_names_the_step():
    model = Sequential([layers.Input((1,)), layers.Dense(1)])
    decay = optimizers.schedules.CosineDecayRestarts(0.1, 1, t_mul=0.5)
    model.compile(optimizers.SGD(decay), "mse")
    before = model.get_weights()
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match="SGD: the learning rate of step 3 is nan"),
    ):
        model.fit(np.ones((8, 1)), np.ones((8, 1)), 2, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_configurations_name_optimizers_and_schedules():
    rmsprop = optimizers.get({"class_name": "rmsprop", "config": {"rho": 0.5}})
    assert rmsprop.get_config()["rho"] == 0.5
    with pytest.raises(TypeError, match="not the config of an optimizer"):
        optimizers.get({"class_name": "L2", "module": "keras.regularizers", "config": {}})
    with pytest.raises(TypeError, match="not the config of a learning rate schedule"):
        schedules.deserialize({"class_name": "L2", "module": "keras.regularizers", "config": {}})
