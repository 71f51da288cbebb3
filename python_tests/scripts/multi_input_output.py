"""Two kinds of input, two answers: a functional model in Keras's own manner."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
pictures = rng.normal(size=(512, 8, 8, 1)).astype("float32")
numbers = rng.normal(size=(512, 5)).astype("float32")
side = (pictures[:, :, :4].mean(axis=(1, 2, 3)) > pictures[:, :, 4:].mean(axis=(1, 2, 3))).astype(
    int
)
total = numbers.sum(axis=1, keepdims=True)

picture_input = keras.Input(shape=(8, 8, 1), name="picture")
number_input = keras.Input(shape=(5,), name="numbers")
x = layers.Conv2D(8, 3, activation="relu", name="convolution")(picture_input)
x = layers.Flatten()(x)
y = layers.Dense(16, activation="relu")(number_input)
both = layers.concatenate([x, y])
both = layers.Dense(32, activation="relu")(both)
side_pred = layers.Dense(1, activation="sigmoid", name="side")(both)
total_pred = layers.Dense(1, name="total")(both)
model = keras.Model(inputs=[picture_input, number_input], outputs=[side_pred, total_pred])
model.compile(
    optimizer=keras.optimizers.Adam(1e-2),
    loss={"side": keras.losses.BinaryCrossentropy(), "total": "mean_squared_error"},
    loss_weights={"side": 1.0, "total": 0.2},
    metrics={"side": ["accuracy", keras.metrics.AUC(name="auc")], "total": "mae"},
)
history = model.fit(
    {"picture": pictures, "numbers": numbers},
    {"side": side, "total": total},
    epochs=20,
    batch_size=32,
    validation_split=0.25,
    verbose=0,
)
print(sorted(history.history))
found = model.evaluate([pictures, numbers], [side, total], verbose=0, return_dict=True)
print(sorted(found))
print(found["side_accuracy"] > 0.75, found["total_mae"] < 1.0)
a, b = model.predict({"picture": pictures[:3], "numbers": numbers[:3]}, verbose=0)
print(a.shape, b.shape, model.output_names)
assert found["side_accuracy"] > 0.75
assert found["total_mae"] < 1.0
print(
    model.get_layer("convolution").output.shape,
    [w.shape for w in model.get_layer("convolution").get_weights()],
)
