"""Files written while a model trains, and what is read from them."""

import csv
import os
import tempfile

import keras
import numpy as np
from keras import layers

folder = tempfile.mkdtemp()
rng = np.random.default_rng(0)
x = rng.normal(size=(400, 10)).astype("float32")
y = (x[:, 0] + x[:, 1] > 0).astype("float32")


def create_model():
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(16, activation="relu", kernel_initializer="he_uniform"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.5, momentum=0.9),
        loss="binary_crossentropy",
        metrics=[keras.metrics.BinaryAccuracy(name="acc")],
    )
    return model


keras.utils.set_random_seed(0)
model = create_model()
history = model.fit(
    x,
    y,
    epochs=6,
    batch_size=50,
    validation_split=0.25,
    verbose=0,
    callbacks=[
        keras.callbacks.ModelCheckpoint(
            os.path.join(folder, "model_{epoch:02d}-{val_loss:.2f}.keras"), verbose=0
        ),
        keras.callbacks.ModelCheckpoint(
            filepath=os.path.join(folder, "best.keras"),
            monitor="val_acc",
            mode="max",
            save_best_only=True,
        ),
        keras.callbacks.ModelCheckpoint(
            os.path.join(folder, "w.weights.h5"), save_weights_only=True, save_freq="epoch"
        ),
        keras.callbacks.CSVLogger(os.path.join(folder, "log.csv")),
        keras.callbacks.EarlyStopping(
            monitor="val_loss", patience=10, restore_best_weights=False, verbose=1
        ),
        keras.callbacks.ReduceLROnPlateau(
            monitor="val_loss", factor=0.2, patience=1, min_lr=0.001, min_delta=10
        ),
        keras.callbacks.BackupAndRestore(os.path.join(folder, "backup")),
    ],
)
print(sorted(f.split("-")[0] for f in os.listdir(folder) if f != "backup"))
print(sorted(history.history))
print(["%.4f" % v for v in history.history["learning_rate"]])
with open(os.path.join(folder, "log.csv")) as f:
    rows = list(csv.DictReader(f))
print(len(rows), list(rows[0]))

best = keras.models.load_model(os.path.join(folder, "best.keras"))
_, acc = best.evaluate(x[300:], y[300:], verbose=0)
assert abs(acc - max(history.history["val_acc"])) < 1e-6
fresh = create_model()
fresh.load_weights(os.path.join(folder, "w.weights.h5"))
assert np.allclose(fresh.predict(x, verbose=0), model.predict(x, verbose=0))
rebuilt = keras.models.model_from_json(model.to_json())
rebuilt.set_weights(model.get_weights())
assert np.allclose(rebuilt.predict(x, verbose=0), model.predict(x, verbose=0))
copy = keras.models.clone_model(model)
print([w.shape for w in copy.get_weights()], len(best.optimizer.variables))

model = create_model()
history = model.fit(
    x,
    y,
    epochs=40,
    validation_data=(x, y),
    verbose=0,
    callbacks=[
        keras.callbacks.EarlyStopping(
            "val_loss", min_delta=10, patience=2, restore_best_weights=True
        )
    ],
)
assert len(history.epoch) == 3
