"""Training against Keras: the same weights and the same order give the same history."""

import numpy as np
import pytest
from real_keras import import_keras

import fastconv
from fastconv import layers, optimizers, regularizers
from fastconv.models import Model, Sequential

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),
    pytest.mark.parametrize("backend", ["native", "numpy"]),
]
RNG = np.random.default_rng(0)
X = RNG.standard_normal((70, 8)).astype("float32")
LABELS = (X[:, :3].argmax(axis=1)).astype("int64")
BINARY = (X[:, 0] > 0).astype("int64")
ONE_HOT = np.eye(3)[LABELS]
IMAGES = RNG.uniform(0, 1, (40, 8, 8, 2)).astype("float32")
IMAGE_LABELS = (IMAGES.mean(axis=(1, 2, 3)) > 0.5).astype("int64")


def mlp(module, sequential, units, activation, **options):
    dense = module.Dense
    return sequential(
        [
            module.Input((8,)),
            dense(9, activation="tanh", **options),
            dense(units, activation=activation),
        ]
    )


def pair(units, activation, **options):
    """The same net here and in Keras, with the same weights."""
    keras = import_keras()
    ours = mlp(layers, Sequential, units, activation, **options)
    theirs = mlp(keras.layers, keras.Sequential, units, activation, **options)
    ours.set_weights(theirs.get_weights())
    return keras, ours, theirs


def same_history(ours, theirs, rtol=2e-4):
    assert list(ours.history) == list(theirs.history)
    for key, values in theirs.history.items():
        assert all(isinstance(v, float) for v in ours.history[key])
        np.testing.assert_allclose(ours.history[key], values, rtol=rtol, atol=1e-5, err_msg=key)


TASKS = [
    (1, "sigmoid", "binary_crossentropy", BINARY, "adam"),
    (3, "softmax", "sparse_categorical_crossentropy", LABELS, "sgd"),
    (3, "softmax", "categorical_crossentropy", ONE_HOT, "rmsprop"),
    (3, "linear", "mse", ONE_HOT, "adagrad"),
]


@pytest.mark.parametrize(("units", "activation", "loss", "y", "optimizer"), TASKS)
def test_history(backend, units, activation, loss, y, optimizer):
    _, ours, theirs = pair(units, activation)
    metrics = ["accuracy"] if loss != "mse" else ["mae"]
    options = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}
    ours.compile(optimizer, loss, metrics=metrics, backend=backend)
    theirs.compile(optimizer, loss, metrics=metrics)
    a = ours.fit(X, y, validation_split=0.2, **options)
    b = theirs.fit(X, y, validation_split=0.2, **options)
    same_history(a, b)
    np.testing.assert_allclose(
        ours.evaluate(X, y, verbose=0), theirs.evaluate(X, y, verbose=0), rtol=2e-4
    )
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X, verbose=0), atol=2e-5)
    for v, w in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(v, w, atol=1e-4)


def test_regularizers_are_in_the_loss(backend):
    keras = import_keras()
    ours = mlp(layers, Sequential, 1, "sigmoid", kernel_regularizer="l2", bias_regularizer="l1")
    theirs = mlp(
        keras.layers,
        keras.Sequential,
        1,
        "sigmoid",
        kernel_regularizer="l2",
        bias_regularizer="l1",
    )
    ours.set_weights(theirs.get_weights())
    for model, more in ((ours, {"backend": backend}), (theirs, {})):
        model.compile("sgd", "binary_crossentropy", **more)
    options = {"epochs": 2, "shuffle": False, "verbose": 0, "validation_data": (X[:9], BINARY[:9])}
    same_history(ours.fit(X, BINARY, **options), theirs.fit(X, BINARY, **options))
    assert regularizers.get("l2").get_config()["l2"] == pytest.approx(0.01)


@pytest.mark.parametrize("by_class", [False, True])
def test_weights_of_rows_and_classes(backend, by_class):
    _, ours, theirs = pair(3, "softmax")
    for model, more in ((ours, {"backend": backend}), (theirs, {})):
        model.compile(
            "sgd",
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            weighted_metrics=["sparse_categorical_crossentropy"],
            **more,
        )
    weights = RNG.uniform(0, 2, len(X)).astype("float32")
    options = {"epochs": 2, "shuffle": False, "verbose": 0}
    if by_class:
        options["class_weight"] = {0: 1.0, 1: 3.0, 2: 0.5}
    else:
        options["sample_weight"] = weights
    same_history(ours.fit(X, LABELS, **options), theirs.fit(X, LABELS, **options))
    np.testing.assert_allclose(
        ours.evaluate(X, LABELS, sample_weight=weights, verbose=0),
        theirs.evaluate(X, LABELS, sample_weight=weights, verbose=0),
        rtol=2e-4,
    )


def test_conv_net_with_batch_norm(backend):
    keras = import_keras()

    def net(module, sequential):
        return sequential(
            [
                module.Input((8, 8, 2)),
                module.Conv2D(4, 3, padding="same", use_bias=False),
                module.BatchNormalization(momentum=0.5),
                module.Activation("relu"),
                module.MaxPooling2D(2),
                module.Flatten(),
                module.Dense(2, activation="softmax"),
            ]
        )

    ours, theirs = net(layers, Sequential), net(keras.layers, keras.Sequential)
    ours.set_weights(theirs.get_weights())
    for model, more in ((ours, {"backend": backend}), (theirs, {})):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **more)
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}
    options["validation_data"] = (IMAGES[:10], IMAGE_LABELS[:10])
    same_history(
        ours.fit(IMAGES, IMAGE_LABELS, **options),
        theirs.fit(IMAGES, IMAGE_LABELS, **options),
        rtol=2e-3,
    )


def test_several_outputs(backend):
    keras = import_keras()

    def net(module, model):
        x = module.Input((8,), name="x")
        h = module.Dense(6, activation="relu", name="h")(x)
        a = module.Dense(1, activation="sigmoid", name="a")(h)
        b = module.Dense(3, activation="softmax", name="b")(h)
        return model(x, [a, b])

    ours, theirs = net(layers, Model), net(keras.layers, keras.Model)
    ours.set_weights(theirs.get_weights())
    for model, more in ((ours, {"backend": backend}), (theirs, {})):
        model.compile(
            "sgd",
            {"a": "binary_crossentropy", "b": "sparse_categorical_crossentropy"},
            loss_weights={"a": 0.3, "b": 2.0},
            metrics={"a": ["accuracy"], "b": ["accuracy", "mse"][:1]},
            **more,
        )
    options = {"epochs": 2, "shuffle": False, "verbose": 0}
    y = [BINARY.astype("float32")[:, None], LABELS]
    same_history(ours.fit(X, y, **options), theirs.fit(X, y, **options))
    found = ours.evaluate(X, y, verbose=0, return_dict=True)
    expected = theirs.evaluate(X, y, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=2e-4)


def test_schedule_clipping_and_decay(backend):
    keras, ours, theirs = pair(3, "softmax")
    for model, module, more in ((ours, optimizers, {"backend": backend}), (theirs, None, {})):
        module = module or keras.optimizers
        schedule = module.schedules.ExponentialDecay(0.05, 3, 0.7)
        optimizer = module.Adam(schedule, weight_decay=0.01, global_clipnorm=0.5)
        model.compile(optimizer, "sparse_categorical_crossentropy", **more)
    options = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}
    same_history(ours.fit(X, LABELS, **options), theirs.fit(X, LABELS, **options))


def test_moving_averages_end_in_the_weights(backend):
    keras, ours, theirs = pair(1, "sigmoid")
    for model, module, more in ((ours, optimizers, {"backend": backend}), (theirs, None, {})):
        module = module or keras.optimizers
        optimizer = module.SGD(0.5, use_ema=True, ema_momentum=0.6, ema_overwrite_frequency=3)
        model.compile(optimizer, "binary_crossentropy", **more)
    options = {"epochs": 2, "batch_size": 16, "shuffle": False, "verbose": 0}
    same_history(ours.fit(X, BINARY, **options), theirs.fit(X, BINARY, **options))
    for v, w in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(v, w, atol=1e-4)


def test_single_batches(backend):
    _, ours, theirs = pair(1, "sigmoid")
    for model, more in ((ours, {"backend": backend}), (theirs, {})):
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"], **more)
    for i in range(3):
        rows = slice(i * 20, i * 20 + 20)
        y = BINARY[rows, None]
        found = ours.train_on_batch(X[rows], y)
        np.testing.assert_allclose(found, theirs.train_on_batch(X[rows], y), rtol=2e-4)
    ours.reset_metrics()
    theirs.reset_metrics()
    y = BINARY[:, None]
    np.testing.assert_allclose(ours.test_on_batch(X, y), theirs.test_on_batch(X, y), rtol=2e-4)
    np.testing.assert_allclose(
        ours.predict_on_batch(X), np.asarray(theirs.predict_on_batch(X)), atol=2e-5
    )


def test_callbacks_see_the_same(backend):
    keras, ours, theirs = pair(1, "sigmoid")
    for model, more in ((ours, {"backend": backend}), (theirs, {})):
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"], **more)

    def callbacks(module):
        return [
            module.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.02),
            module.EarlyStopping("val_loss", patience=2, min_delta=0.01),
        ]

    options = {"epochs": 12, "shuffle": False, "verbose": 0, "validation_split": 0.3}
    a = ours.fit(X, BINARY, callbacks=callbacks(fastconv.callbacks), **options)
    b = theirs.fit(X, BINARY, callbacks=callbacks(keras.callbacks), **options)
    same_history(a, b)


def test_callbacks_with_methods_of_ones_own(backend):
    keras, ours, theirs = pair(1, "sigmoid")
    calls = []
    for k, model, more in ((fastconv, ours, {"backend": backend}), (keras, theirs, {})):

        class Stopping(k.callbacks.EarlyStopping):
            def get_monitor_value(self, logs):
                return (logs["loss"] + logs["val_loss"]) / 2

            def _is_improvement(self, monitor_value, reference_value):
                return monitor_value < 0

        class Lowering(k.callbacks.ReduceLROnPlateau):
            asked = 0

            def in_cooldown(self):
                self.asked += 1
                return True

        lowering = Lowering("loss")
        model.compile("sgd", "binary_crossentropy", **more)
        stopping = Stopping("mean of both", mode="min", patience=2)
        options = {"epochs": 5, "shuffle": False, "verbose": 0, "validation_split": 0.3}
        history = model.fit(X, BINARY, callbacks=[stopping, lowering], **options)
        calls.append((history.epoch, stopping.stopped_epoch, stopping.best, lowering.asked))
    assert calls[0] == calls[1]


def test_csv_log_of_some_validations(backend, tmp_path):
    keras, ours, theirs = pair(1, "sigmoid")
    tables = []
    for k, model, more in ((fastconv, ours, {"backend": backend}), (keras, theirs, {})):
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy"], **more)
        path = tmp_path / k.__name__
        options = {"shuffle": False, "verbose": 0, "validation_data": (X[:9], BINARY[:9])}
        every_other = k.callbacks.CSVLogger(path)
        model.fit(X, BINARY, epochs=4, validation_freq=2, callbacks=[every_other], **options)
        more_lines = k.callbacks.CSVLogger(path, append=True)
        model.fit(X, BINARY, epochs=2, callbacks=[more_lines], shuffle=False, verbose=0)
        tables.append([line.split(",") for line in path.read_text().splitlines()])
    assert len(tables[0]) == len(tables[1]) == 7
    assert tables[0][0] == tables[1][0]
    numbers = [np.array(table[1:])[:, 1:] for table in tables]
    numbers = [np.where(n == "NA", "nan", n).astype(float) for n in numbers]
    np.testing.assert_allclose(*numbers, rtol=2e-4)


@pytest.mark.filterwarnings("ignore:.*ran out")
@pytest.mark.parametrize("steps", [2, 4, 5, 7])
def test_epochs_of_so_many_batches_of_a_sequence(backend, steps):
    _, ours, theirs = pair(1, "sigmoid")
    keras = import_keras()
    found = []
    for k, model, more in ((fastconv, ours, {"backend": backend}), (keras, theirs, {})):

        class Numbered(k.utils.PyDataset):
            def __init__(self):
                super().__init__()
                self.asked = []

            def __len__(self):
                return 5

            def __getitem__(self, index):
                self.asked.append(index)
                return X[index::5], BINARY[index::5]

        model.compile("sgd", "binary_crossentropy", **more)
        data, held = Numbered(), Numbered()
        options = {"epochs": 4, "shuffle": False, "verbose": 0}
        history = model.fit(data, steps_per_epoch=steps, **options).history
        model.fit(X, BINARY, validation_data=held, validation_steps=2, **options)
        shape = model.predict(Numbered(), steps=steps, verbose=0).shape
        asked = data.asked[1:], held.asked[-4:]  # the first look is at the shapes
        found.append((asked, shape, history["loss"]))
    assert found[0][:2] == found[1][:2]
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=2e-4)


class Batches(fastconv.callbacks.Callback):
    """Counts batches; Keras calls the same methods."""

    def __init__(self):
        super().__init__()
        self.trained = self.tested = 0

    def on_train_batch_end(self, batch, logs=None):
        self.trained += 1

    def on_test_batch_end(self, batch, logs=None):
        self.tested += 1


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_of_a_step_follow_from_the_number_of_steps(backend, shuffle):
    _, ours, theirs = pair(1, "sigmoid")
    found = []
    for model, more in ((ours, {"backend": backend}), (theirs, {})):
        model.compile("sgd", "binary_crossentropy", **more)
        counts = [Batches() for _ in range(4)]
        options = {"verbose": 0, "shuffle": shuffle, "epochs": 2, "callbacks": counts[:1]}
        held = {"validation_data": (X, BINARY)}
        model.fit(X, BINARY, steps_per_epoch=3, **held, **options)
        options["callbacks"] = counts[1:2]
        model.fit(X, BINARY, **held, validation_steps=2, **options)
        options["callbacks"] = counts[2:3]
        model.fit(X, BINARY, 20, steps_per_epoch=1, **held, validation_steps=2, **options)
        loss = model.evaluate(X, BINARY, steps=4, verbose=0, callbacks=counts[3:])
        shapes = [model.predict(X, steps=n, verbose=0).shape for n in (1, 2, 3)]
        shapes.append(model.predict(X, steps=2, batch_size=9, verbose=0).shape)
        if not shuffle:
            np.testing.assert_allclose(loss, ours.evaluate(X, BINARY, verbose=0), rtol=1e-4)
        found.append(([(c.trained, c.tested) for c in counts], shapes))
    assert found[0] == found[1]


def trained_alike(backend, build, x, y, compiled=lambda k: {"loss": "mse"}, **options):
    """One net here and in Keras: the same history and the same weights."""
    keras = import_keras()
    found = []
    for k in (fastconv, keras):
        model = build(k)
        extra = {"backend": backend} if k is fastconv else {}
        model.compile(k.optimizers.SGD(0.01), **compiled(k), **extra)
        history = model.fit(x, y, verbose=0, shuffle=False, **options).history
        found.append([*history.values(), *model.get_weights()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_no_gradient_flows_through_an_assignment(backend):
    def build(k):
        class Center(k.layers.Layer):
            def build(self, shape):
                self.center = self.add_weight(
                    shape=(shape[-1],), initializer="zeros", trainable=False, name="center"
                )
                self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

            def call(self, x):
                self.center.assign(k.ops.mean(x, axis=0))
                self.scale.assign(self.scale * 1.5)
                return (x - self.center) * self.scale

        dense = k.layers.Dense(3, kernel_initializer="ones")
        return k.Sequential([k.layers.Input((8,)), dense, Center()])

    trained_alike(backend, build, X, X[:, :3], batch_size=35, epochs=2)


def test_a_convolution_of_ones_own(backend):
    def build(k):
        class Standardized(k.layers.Conv2D):
            def convolution_op(self, inputs, kernel):
                kernel = kernel - k.ops.mean(kernel, axis=(0, 1, 2), keepdims=True)
                return super().convolution_op(inputs, kernel)

        ramp = np.linspace(-1, 1, 3 * 3 * 2 * 4).reshape(3, 3, 2, 4)
        layer = Standardized(4, 3, kernel_initializer=k.initializers.Constant(ramp))
        return k.Sequential([k.layers.Input((8, 8, 2)), layer, k.layers.Flatten()])

    target = np.zeros((40, 6 * 6 * 4))
    trained_alike(backend, build, IMAGES, target, batch_size=20, epochs=2)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
def test_weights_of_rows_for_a_loss_of_the_whole_batch(backend, reduction):
    def build(k):
        dense = k.layers.Dense(1, activation="sigmoid", kernel_initializer="ones")
        return k.Sequential([k.layers.Input((8,)), dense])

    weights = np.linspace(0.5, 2, len(X))
    y = BINARY[:, None].astype("float32")
    trained_alike(
        backend,
        build,
        X,
        y,
        lambda k: {"loss": k.losses.Dice(reduction=reduction)},
        sample_weight=weights,
    )
    trained_alike(
        backend,
        build,
        X,
        y,
        lambda k: {"loss": lambda a, b: k.ops.mean(k.ops.square(a - b))},
        class_weight={0: 1.0, 1: 2.0},
    )


def test_merged_inputs_of_other_ranks(backend):
    def build(k):
        x = k.layers.Input((8,))
        wide = k.layers.RepeatVector(3)(k.layers.Dense(4, kernel_initializer="ones")(x))
        narrow = k.layers.Dense(4, kernel_initializer="ones")(x)
        merged = [k.layers.Add()([wide, narrow]), k.layers.Multiply()([narrow, wide])]
        return k.Model(x, k.layers.Flatten()(k.layers.Concatenate()(merged)))

    trained_alike(backend, build, X, np.zeros((len(X), 24)))
