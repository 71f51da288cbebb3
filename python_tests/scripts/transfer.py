"""Frozen features, bottleneck outputs, then fine-tuning (Keras 3)."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
prototypes = rng.normal(size=(6, 12, 12, 1))
y = rng.integers(0, 6, size=900)
x = (prototypes[y] + 0.8 * rng.normal(size=(900, 12, 12, 1))).astype("float32")
first, second = y < 3, y >= 3

keras.utils.set_random_seed(0)
base_model = keras.Sequential(
    [
        keras.Input((12, 12, 1)),
        layers.Conv2D(16, 3, activation="relu", name="block1_conv"),
        layers.BatchNormalization(name="block1_norm"),
        layers.MaxPooling2D(name="block1_pool"),
        layers.Conv2D(16, 3, activation="relu", name="block2_conv"),
        layers.Flatten(name="flat"),
    ],
    name="base",
)
model = keras.Sequential([base_model, layers.Dense(3, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x[first], y[first], epochs=4, verbose=0)

base_model.trainable = False
inputs = keras.Input(shape=(12, 12, 1))
h = base_model(inputs, training=False)
h = layers.Dropout(0.2)(h)
outputs = layers.Dense(3, activation="softmax")(h)
model = keras.Model(inputs, outputs)
print(len(model.weights), len(model.trainable_weights), len(model.non_trainable_weights))
before = [w.copy() for w in base_model.get_weights()]
model.compile(
    optimizer=keras.optimizers.Adam(),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=[keras.metrics.SparseCategoricalAccuracy()],
)
history = model.fit(x[second], y[second] - 3, epochs=12, verbose=0)
assert all(np.array_equal(a, b) for a, b in zip(before, base_model.get_weights()))
print("frozen, learned:", history.history["sparse_categorical_accuracy"][-1] > 0.9)
assert history.history["sparse_categorical_accuracy"][-1] > 0.9

extractor = keras.Model(
    inputs=base_model.inputs, outputs=base_model.get_layer("block2_conv").output
)
features = extractor.predict(x[second], verbose=0)
print(features.shape)
top = keras.Sequential(
    [keras.Input(features.shape[1:]), layers.Flatten(), layers.Dense(3, activation="softmax")]
)
top.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = top.fit(features, y[second] - 3, epochs=6, verbose=0)
assert history.history["accuracy"][-1] > 0.9

base_model.trainable = True
for layer in base_model.layers[:3]:
    layer.trainable = False
print([layer.name for layer in base_model.layers if layer.trainable and layer.weights])
model.compile(keras.optimizers.Adam(1e-5), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x[second], y[second] - 3, epochs=1, verbose=0)
after = base_model.get_weights()
print([bool(np.array_equal(a, b)) for a, b in zip(before, after)])
