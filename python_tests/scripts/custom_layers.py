"""Layers of one's own: weights, blocks of layers, losses, configuration, files (Keras 3)."""

import os
import tempfile

import keras
import numpy as np
from keras import initializers, layers, ops, regularizers


@keras.saving.register_keras_serializable(package="my_package")
class Linear(layers.Layer):
    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True
        )
        self.b = self.add_weight(
            shape=(self.units,), initializer=initializers.Constant(0.1), trainable=True, name="b"
        )

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units})
        return config


@keras.saving.register_keras_serializable(package="my_package")
class MLPBlock(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.linear_1 = Linear(16)
        self.linear_2 = Linear(16)
        self.linear_3 = Linear(1)

    def build(self, input_shape):
        self.linear_1.build(input_shape)
        self.linear_2.build((input_shape[0], 16))
        self.linear_3.build((input_shape[0], 16))

    def call(self, inputs):
        x = self.linear_1(inputs)
        x = keras.activations.relu(x)
        x = self.linear_2(x)
        x = keras.activations.relu(x)
        return self.linear_3(x)


@keras.saving.register_keras_serializable(package="my_package")
class ActivityLoss(layers.Layer):
    def __init__(self, rate=1e-2, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs, training=None):
        self.add_loss(self.rate * ops.mean(ops.abs(inputs)))
        return inputs

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


class RunningSum(layers.Layer):
    def __init__(self, dim):
        super().__init__()
        self.total = self.add_weight(initializer="zeros", shape=(dim,), trainable=False)

    def call(self, inputs):
        self.total.assign(self.total + ops.sum(inputs, axis=0))
        return self.total


class Antirectifier(layers.Layer):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] * 2)

    def call(self, inputs):
        inputs = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        inputs = inputs / ops.sqrt(ops.sum(ops.square(inputs), axis=-1, keepdims=True) + 1e-6)
        return ops.concatenate([ops.relu(inputs), ops.relu(-inputs)], axis=-1)


linear = Linear(4)
y = linear(np.ones((2, 2), "float32"))
print(tuple(y.shape), len(linear.weights), len(linear.trainable_weights), linear.units)
assert [tuple(w.shape) for w in linear.weights] == [(2, 4), (4,)]

my_sum = RunningSum(2)
print(ops.convert_to_numpy(my_sum(np.ones((2, 2), "float32"))))
print(ops.convert_to_numpy(my_sum(np.ones((2, 2), "float32"))))
print("non-trainable:", len(my_sum.non_trainable_weights), "trainable:", my_sum.trainable_weights)

rng = np.random.default_rng(0)
x = rng.normal(size=(512, 6)).astype("float32")
y = (x[:, :1] * x[:, 1:2]).astype("float32")
keras.utils.set_random_seed(1)
inputs = keras.Input((6,))
h = Antirectifier()(inputs)
print(h.shape)
h = layers.Dense(32, activation="relu", kernel_regularizer=regularizers.L2(1e-4))(
    layers.Concatenate()([h, inputs])
)
h = ActivityLoss(1e-3)(h)
outputs = MLPBlock()(h)
model = keras.Model(inputs, outputs)
model.compile(keras.optimizers.Adam(5e-3), "mse", metrics=["mae"])
history = model.fit(x, y, epochs=30, verbose=0)
print("mse falls:", history.history["loss"][-1] < 0.4 * history.history["loss"][0])
assert history.history["loss"][-1] < 0.4 * history.history["loss"][0]

inner = keras.Sequential([keras.Input((6,)), ActivityLoss(), MLPBlock()])
path = os.path.join(tempfile.mkdtemp(), "model.keras")
inner.save(path)
again = keras.models.load_model(path)
assert np.allclose(again.predict(x, verbose=0), inner.predict(x, verbose=0), atol=1e-6)
assert isinstance(again.layers[-1], MLPBlock)
print(again.layers[0].get_config()["rate"], Linear.from_config(linear.get_config()).units)
