"""Learning rate schedules: those of Keras step by step, subclasses, wrong values."""

import numpy as np
import pytest
from real_keras import import_keras

from fastconv import optimizers
from fastconv.optimizers import schedules

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")

SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    (
        "ExponentialDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True},
    ),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True},
    ),
    ("PiecewiseConstantDecay", {"boundaries": [3, 10], "values": [0.3, 0.2, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "alpha": 0.1}),
    (
        "CosineDecay",
        {
            "initial_learning_rate": 0.0,
            "decay_steps": 9,
            "warmup_target": 0.2,
            "warmup_steps": 4,
        },
    ),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 5, "m_mul": 0.9}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 5, "t_mul": 1.0}),
]


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_schedule_is_that_of_keras(name, options):
    keras = import_keras()
    ours = getattr(schedules, name)(**options)
    theirs = getattr(keras.optimizers.schedules, name)(**options)
    expected = [float(theirs(step)) for step in range(24)]
    np.testing.assert_allclose(ours.rates(np.arange(24.0)), expected, rtol=1e-4, atol=1e-7)
    assert ours(8) == pytest.approx(expected[8], rel=1e-4)
    assert schedules.deserialize(schedules.serialize(ours))(8) == ours(8)


def test_user_schedule_is_called_step_by_step():
    class Halving(schedules.LearningRateSchedule):
        def __call__(self, step):
            return 1.0 if step < 2 else 0.5

    np.testing.assert_array_equal(optimizers.SGD(Halving()).rates(0, 4), [1, 1, 0.5, 0.5])


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_call_of_a_subclass_of_a_schedule_is_what_counts(name, options):
    base = getattr(schedules, name)

    class Scaled(base):
        def __call__(self, step):
            return super().__call__(step) * 0.1

    rates = optimizers.SGD(Scaled(**options)).rates(0, 12)
    np.testing.assert_allclose(rates, base(**options)(np.arange(12)) * 0.1, rtol=1e-6)


def test_schedules_refuse_nonsense():
    with pytest.raises(ValueError, match="decay_steps"):
        schedules.ExponentialDecay(0.1, 0, 0.5)
    with pytest.raises(ValueError, match="one fewer"):
        schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="boundaries must increase"):
        schedules.PiecewiseConstantDecay([2, 2], [0.1, 0.2, 0.3])
    with pytest.raises(NotImplementedError, match="must override __call__"):
        schedules.LearningRateSchedule()(3)
    with pytest.raises(NotImplementedError, match="must override get_config"):
        schedules.LearningRateSchedule().get_config()
