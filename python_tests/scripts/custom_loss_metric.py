"""Losses and metrics of one's own, weights of samples and classes (Keras 3)."""

import keras
import numpy as np
from keras import layers, ops


class CustomMSE(keras.losses.Loss):
    def __init__(self, regularization_factor=0.1, name="custom_mse"):
        super().__init__(name=name)
        self.regularization_factor = regularization_factor

    def call(self, y_true, y_pred):
        mse = ops.mean(ops.square(y_true - y_pred), axis=-1)
        reg = ops.mean(ops.square(0.5 - y_pred), axis=-1)
        return mse + reg * self.regularization_factor


class CategoricalTruePositives(keras.metrics.Metric):
    def __init__(self, name="categorical_true_positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.true_positives = self.add_variable(shape=(), name="ctp", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.reshape(ops.argmax(y_pred, axis=1), (-1, 1))
        values = ops.cast(y_true, "int32") == ops.cast(y_pred, "int32")
        values = ops.cast(values, "float32")
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, "float32")
            values = ops.multiply(values, sample_weight)
        self.true_positives.assign_add(ops.sum(values))

    def result(self):
        return self.true_positives.value

    def reset_state(self):
        self.true_positives.assign(0.0)


def custom_mean_squared_error(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def focal(gamma=2.0):
    def loss(y_true, y_pred):
        y_pred = ops.clip(y_pred, 1e-7, 1 - 1e-7)
        p = ops.where(ops.equal(y_true, 1), y_pred, 1 - y_pred)
        return -ops.mean(ops.power(1 - p, gamma) * ops.log(p), axis=-1)

    return loss


rng = np.random.default_rng(0)
x = rng.normal(size=(600, 8)).astype("float32")
labels = x[:, :3].argmax(axis=1)
onehot = np.eye(3, dtype="float32")[labels]


def get_uncompiled_model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape=(8,), name="digits")
    h = layers.Dense(32, activation="relu", name="dense_1")(inputs)
    h = layers.Dense(32, activation="relu", name="dense_2")(h)
    outputs = layers.Dense(3, activation="softmax", name="predictions")(h)
    return keras.Model(inputs=inputs, outputs=outputs)


model = get_uncompiled_model()
model.compile(
    optimizer=keras.optimizers.RMSprop(learning_rate=3e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=[CategoricalTruePositives(), keras.metrics.SparseCategoricalAccuracy()],
)
history = model.fit(x, labels.reshape(-1, 1), batch_size=64, epochs=10, verbose=0)
print(sorted(history.history))
right = history.history["categorical_true_positives"][-1]
share = history.history["sparse_categorical_accuracy"][-1]
print("counts agree:", abs(right / 600 - share) < 1e-5, "learned:", share > 0.8)
assert abs(right / 600 - share) < 1e-5 and share > 0.8

for loss in (CustomMSE(), custom_mean_squared_error, focal(2.0)):
    model = get_uncompiled_model()
    model.compile(optimizer=keras.optimizers.RMSprop(3e-3), loss=loss, metrics=["accuracy"])
    history = model.fit(x, onehot, batch_size=64, epochs=10, verbose=0)
    print(sorted(history.history), history.history["accuracy"][-1] > 0.8)
    assert history.history["accuracy"][-1] > 0.8

model = get_uncompiled_model()
model.compile(
    optimizer="adam",
    loss=keras.losses.SparseCategoricalCrossentropy(),
    weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="weighted")],
    metrics=["accuracy"],
)
model.fit(x, labels, class_weight={0: 1.0, 1: 2.0, 2: 0.5}, batch_size=64, epochs=2, verbose=0)
sample_weight = np.where(labels == 1, 2.0, 1.0)
found = model.evaluate(x, labels, sample_weight=sample_weight, verbose=0, return_dict=True)
print(sorted(found))
p = model.predict(x, verbose=0).argmax(axis=1) == labels
assert abs(found["accuracy"] - p.mean()) < 1e-5
assert abs(found["weighted"] - (p * sample_weight).sum() / sample_weight.sum()) < 1e-5
metric = CategoricalTruePositives()
metric.update_state(np.array([[0], [1], [1]]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]))
print(float(metric.result()))
