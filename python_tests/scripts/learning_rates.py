"""Learning rates by schedule and by callback; optimizers and their options."""

import math

import keras
import numpy as np
from keras.callbacks import LearningRateScheduler
from keras.layers import Dense, Input
from keras.models import Sequential

rng = np.random.default_rng(0)
X = rng.normal(size=(256, 4)).astype("float32")
Y = X @ np.array([[1.0], [2.0], [-1.0], [0.5]], "float32")


def step_decay(epoch):
    initial_lrate = 0.1
    drop = 0.5
    epochs_drop = 2.0
    return initial_lrate * math.pow(drop, math.floor((1 + epoch) / epochs_drop))


def train(optimizer, callbacks=(), epochs=4):
    keras.utils.set_random_seed(3)
    model = Sequential([Input((4,)), Dense(8, activation="tanh"), Dense(1)])
    model.compile(loss="mse", optimizer=optimizer)
    history = model.fit(X, Y, epochs=epochs, batch_size=32, callbacks=list(callbacks), verbose=0)
    return model, history.history


model, history = train(
    keras.optimizers.SGD(learning_rate=0.0, momentum=0.9), [LearningRateScheduler(step_decay)]
)
print(["%.4f" % v for v in history["learning_rate"]])
_, history = train("adam", [LearningRateScheduler(lambda epoch, lr: lr * 0.9, verbose=0)])
print(["%.6f" % v for v in history["learning_rate"]])

S = keras.optimizers.schedules
for schedule in (
    S.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.96, staircase=True),
    S.PiecewiseConstantDecay([10, 20], [0.1, 0.05, 0.01]),
    S.PolynomialDecay(0.1, 100, 0.01, power=0.5),
    S.InverseTimeDecay(0.1, 10, 0.5),
    S.CosineDecay(0.1, 32, alpha=0.1),
    S.CosineDecay(0.0, 32, warmup_target=0.1, warmup_steps=8),
    S.CosineDecayRestarts(0.1, 10),
):
    model, history = train(keras.optimizers.SGD(schedule))
    values = ["%.4f" % float(schedule(step)) for step in (0, 5, 15, 31)]
    print(
        type(schedule).__name__,
        values,
        "%.4f" % float(model.optimizer.learning_rate),
        history["loss"][-1] < history["loss"][0],
    )

O = keras.optimizers
for optimizer in (
    "sgd",
    "rmsprop",
    "adagrad",
    "adamax",
    "nadam",
    "adamw",
    O.SGD(0.01, momentum=0.9, nesterov=True),
    O.Adam(0.01, beta_1=0.8, beta_2=0.99, epsilon=1e-8, amsgrad=True),
    O.AdamW(0.01, weight_decay=0.01),
    O.RMSprop(0.01, rho=0.9, momentum=0.5, centered=True),
    O.Adam(0.01, clipnorm=1.0),
    O.Adam(0.01, clipvalue=0.5),
    O.Adam(0.01, global_clipnorm=1.0),
    O.SGD(0.01, weight_decay=1e-3, use_ema=True, ema_momentum=0.9),
    O.get({"class_name": "Adam", "config": {"learning_rate": 0.02}}),
):
    model, history = train(optimizer)
    assert history["loss"][-1] < history["loss"][0], optimizer
    print(
        type(model.optimizer).__name__,
        len(model.optimizer.variables),
        int(model.optimizer.iterations),
    )
model.optimizer.learning_rate = 0.5
model.optimizer.learning_rate.assign(0.25)
print(float(model.optimizer.learning_rate), sorted(model.optimizer.get_config())[:6])
