"""Callbacks of one's own (Keras 3)."""

import keras
import numpy as np
from keras import layers


class Order(keras.callbacks.Callback):
    """Notes what is called."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append(("train begin", sorted(logs or {})))

    def on_train_end(self, logs=None):
        self.calls.append(("train end", sorted(logs or {})))

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(("epoch begin", epoch, sorted(logs or {})))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("epoch end", epoch, sorted(logs or {})))

    def on_test_begin(self, logs=None):
        self.calls.append(("test begin", sorted(logs or {})))

    def on_test_end(self, logs=None):
        self.calls.append(("test end", sorted(logs or {})))

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("train batch begin", batch, sorted(logs or {})))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("train batch end", batch, sorted(logs or {})))

    def on_test_batch_end(self, batch, logs=None):
        self.calls.append(("test batch end", batch, sorted(logs or {})))

    def on_predict_begin(self, logs=None):
        self.calls.append(("predict begin", sorted(logs or {})))

    def on_predict_batch_end(self, batch, logs=None):
        self.calls.append(("predict batch end", batch, sorted(logs or {})))

    def on_predict_end(self, logs=None):
        self.calls.append(("predict end", sorted(logs or {})))


class EarlyStoppingAtMinLoss(keras.callbacks.Callback):
    def __init__(self, patience=0):
        super().__init__()
        self.patience = patience
        self.best_weights = None

    def on_train_begin(self, logs=None):
        self.wait = 0
        self.stopped_epoch = 0
        self.best = np.inf

    def on_epoch_end(self, epoch, logs=None):
        current = logs.get("loss")
        if np.less(current, self.best):
            self.best = current
            self.wait = 0
            self.best_weights = self.model.get_weights()
        else:
            self.wait += 1
            if self.wait >= self.patience:
                self.stopped_epoch = epoch
                self.model.stop_training = True
                self.model.set_weights(self.best_weights)

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")


class Schedule(keras.callbacks.Callback):
    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule

    def on_epoch_begin(self, epoch, logs=None):
        if not hasattr(self.model.optimizer, "learning_rate"):
            raise ValueError('Optimizer must have a "learning_rate" attribute.')
        lr = self.model.optimizer.learning_rate
        scheduled_lr = self.schedule(epoch, float(lr))
        self.model.optimizer.learning_rate = scheduled_lr
        print(f"Epoch {epoch}: learning rate is {float(np.array(scheduled_lr)):.4f}.")


class LossHistory(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        if batch == 1:
            assert self.params["epochs"] and self.params["steps"] == 2


x = np.linspace(-1, 1, 64, dtype="float32").reshape(64, 1)
y = 3 * x + 1


def get_model(rate=0.1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mean_squared_error", metrics=["mean_absolute_error"])
    return model


order = Order()
model = get_model()
model.fit(x, y, batch_size=32, epochs=1, verbose=0, validation_split=0.5, callbacks=[order])
model.evaluate(x, y, batch_size=32, verbose=0, callbacks=[order])
model.predict(x, batch_size=32, verbose=0, callbacks=[order])
for call in order.calls:
    print(*call)
history = get_model(0.9).fit(
    x, y, batch_size=64, epochs=50, verbose=0, callbacks=[EarlyStoppingAtMinLoss(2)]
)
print("stopped early or ran out:", len(history.history["loss"]) <= 50)
losses = LossHistory()
rates = [0.05, 0.02, 0.01]
history = get_model().fit(
    x, y, batch_size=32, epochs=3, verbose=0, callbacks=[Schedule(lambda e, lr: rates[e]), losses]
)
print(len(losses.losses), sorted(history.history))
seen = []
get_model().fit(
    x,
    y,
    epochs=2,
    verbose=0,
    callbacks=[
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: seen.append(epoch),
            on_train_end=lambda logs: seen.append("end"),
        ),
        keras.callbacks.TerminateOnNaN(),
    ],
)
print(seen)
