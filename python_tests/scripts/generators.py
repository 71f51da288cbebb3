"""Data that comes batch by batch: generators, and a Sequence of one's own."""

import math

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
X = rng.normal(size=(500, 6)).astype("float32")
Y = (X[:, :2].sum(axis=1) > 0).astype("int32")


class Batches(keras.utils.PyDataset):
    """Batches of arrays."""

    def __init__(self, x, y, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y = x, y
        self.batch_size = batch_size
        self.ended = 0

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, idx):
        low = idx * self.batch_size
        high = min(low + self.batch_size, len(self.x))
        return self.x[low:high], self.y[low:high]

    def on_epoch_end(self):
        self.ended += 1


class Old(keras.utils.Sequence):
    def __init__(self, x_set, y_set, batch_size):
        self.x, self.y = x_set, y_set
        self.batch_size = batch_size

    def __len__(self):
        return int(np.ceil(len(self.x) / float(self.batch_size)))

    def __getitem__(self, idx):
        batch_x = self.x[idx * self.batch_size : (idx + 1) * self.batch_size]
        batch_y = self.y[idx * self.batch_size : (idx + 1) * self.batch_size]
        return np.array(batch_x), np.array(batch_y)


def generate(batch_size):
    while True:
        at = rng.integers(0, len(X), batch_size)
        yield X[at], Y[at]


def once(batch_size):
    for i in range(0, len(X), batch_size):
        yield X[i : i + batch_size], Y[i : i + batch_size], np.ones(len(X[i : i + batch_size]))


def get_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    return model


model = get_model()
data = Batches(X, Y, 32, workers=2, use_multiprocessing=False, max_queue_size=4)
history = model.fit(data, epochs=4, validation_data=Batches(X, Y, 64), verbose=0)
assert data.ended >= 4
print(len(data), sorted(history.history), history.history["accuracy"][-1] > 0.9)
assert history.history["accuracy"][-1] > 0.9
one = model.evaluate(X, Y, verbose=0, batch_size=32)
two = model.evaluate(data, verbose=0)
print(np.allclose(one, two, atol=1e-5), model.predict(data, verbose=0).shape)
assert np.allclose(one, two, atol=1e-5)
model = get_model()
history = model.fit(
    generate(32),
    steps_per_epoch=10,
    epochs=3,
    validation_data=generate(32),
    validation_steps=3,
    verbose=0,
)
print(int(model.optimizer.iterations), len(history.history["val_loss"]))
model.fit(once(50), verbose=0)
print(int(model.optimizer.iterations))
model = get_model()
model.fit(Old(X, Y, 32), epochs=2, shuffle=False, verbose=0)
print(int(model.optimizer.iterations))
print(model.predict((X[i : i + 100] for i in range(0, 500, 100)), verbose=0).shape)
print(model.predict(generate(20), steps=3, verbose=0).shape)
