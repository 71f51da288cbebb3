"""fit, evaluate, predict: what they return, reproducibility, several inputs, both backends."""

import copy
import hashlib
import pickle
import re
import signal
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from fastconv import callbacks, config, layers, ops, optimizers
from fastconv.models import Model, Sequential
from fastconv.saving.saving import load_model

RNG = np.random.default_rng(1)
X = RNG.standard_normal((75, 6)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int64")


def net(**options):
    return Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, activation="relu", **options),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def compiled(optimizer="adam", metrics=("accuracy",), **options):
    config.set_random_seed(3)
    model = net()
    model.compile(optimizer, "binary_crossentropy", metrics=list(metrics), **options)
    return model


def trained(threads=None, backend="native", **options):
    before = config.num_threads()
    if threads is not None:
        config.set_num_threads(threads)
    try:
        model = compiled(backend=backend)
        history = model.fit(X, Y, epochs=3, verbose=0, **options)
    finally:
        config.set_num_threads(before)
    return model, history.history


def test_history_and_results():
    model = compiled()
    history = model.fit(X, Y, epochs=4, validation_split=0.2, verbose=0)
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == [0, 1, 2, 3]
    assert model.history is history
    assert history.history["loss"][-1] < history.history["loss"][0]
    loss, accuracy = model.evaluate(X, Y, verbose=0)
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == {
        "accuracy": accuracy,
        "loss": loss,
    }
    p = model.predict(X)
    assert (p.shape, p.dtype) == ((75, 1), np.float32)
    classes = model.predict_classes(X)
    assert (classes.shape, classes.dtype) == ((75, 1), np.int32)
    assert accuracy == pytest.approx((classes[:, 0] == Y).mean())
    assert model.metrics_names == ["loss", "accuracy"]


def test_loss_alone_is_a_number():
    model = compiled(metrics=())
    assert isinstance(model.evaluate(X, Y, verbose=0), float)


def test_a_second_fit_continues():
    once, twice = compiled(), compiled()
    once.fit(X, Y, epochs=4, verbose=0)
    twice.fit(X, Y, epochs=2, verbose=0)
    second = twice.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)
    assert second.epoch == [2, 3]
    for v, w in zip(once.get_weights(), twice.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


def test_the_same_bits_again_and_for_any_threads():
    model, history = trained(1)
    for threads in (1, 2):
        other, again = trained(threads)
        assert again == history
        for v, w in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(v, w)


def conv_net(optimizer="adam", backend="native"):
    config.set_random_seed(11)
    model = Sequential(
        [
            layers.Input((10, 10, 3)),
            layers.Conv2D(12, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], backend=backend
    )
    return model


def test_conv_net_has_the_same_bits_on_any_number_of_threads():
    images = RNG.integers(0, 256, (198, 10, 10, 3), dtype=np.uint8)
    labels = images.mean(axis=(1, 2)).argmax(axis=1)
    before = config.num_threads()
    digests = set()
    try:
        for threads in (1, 2, 3, 8):
            config.set_num_threads(threads)
            model = conv_net()
            model.fit(images, labels, batch_size=10, epochs=10, verbose=0)
            assert int(model.optimizer.iterations) == 200
            weights = b"".join(w.tobytes() for w in model.get_weights())
            digests.add(hashlib.sha256(weights).hexdigest())
    finally:
        config.set_num_threads(before)
    assert len(digests) == 1


def test_images_stay_bytes():
    images = RNG.integers(0, 256, (60, 10, 10, 3), dtype=np.uint8)
    labels = RNG.integers(0, 4, 60).astype(np.uint8)
    a, b = conv_net(), conv_net()
    first = a.fit(images, labels, epochs=2, verbose=0)
    second = b.fit(images.astype("float64"), labels.astype("int64"), epochs=2, verbose=0)
    assert first.history == second.history


def test_backends_agree():
    model, history = trained()
    other, reference = trained(backend="numpy")
    for key, values in history.items():
        np.testing.assert_allclose(values, reference[key], rtol=1e-4)
    np.testing.assert_allclose(model.predict(X), other.predict(X), atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_backends_agree_after_20_steps_of_a_conv_net(optimizer):
    """Weights, losses and predictions to 1e-4."""
    images = np.random.default_rng(0).uniform(size=(98, 10, 10, 3)).astype(np.float32)
    labels = images.mean(axis=(1, 2)).argmax(axis=1)
    models = [conv_net(optimizer, backend) for backend in ("native", "numpy")]
    histories = [m.fit(images, labels, batch_size=10, epochs=2, verbose=0) for m in models]
    assert [int(m.optimizer.iterations) for m in models] == [20, 20]
    for key, values in histories[0].history.items():
        np.testing.assert_allclose(values, histories[1].history[key], atol=1e-4)
    np.testing.assert_allclose(*(m.predict(images) for m in models), atol=1e-4)
    for v, w in zip(*(m.get_weights() for m in models), strict=True):
        np.testing.assert_allclose(v, w, atol=1e-4)


def test_dropout_is_the_same_in_both_backends():
    def run(backend):
        config.set_random_seed(5)
        model = Sequential(
            [
                layers.Input((6,)),
                layers.Dense(16, activation="relu"),
                layers.Dropout(0.5),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("sgd", "binary_crossentropy", backend=backend)
        return model.fit(X, Y, epochs=2, verbose=0).history["loss"]

    np.testing.assert_allclose(run("native"), run("numpy"), rtol=1e-4)


def test_shuffling_changes_the_order_and_not_the_rows():
    seen = []

    def note(y_true, y_pred):
        return ops.mean(ops.square(y_pred - y_true), axis=-1)

    class Watch(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

    orders = []
    for shuffle in (False, True):
        config.set_random_seed(1)
        model = net()
        model.compile("sgd", note)
        model.fit(X, Y, batch_size=1, shuffle=shuffle, callbacks=[Watch()], verbose=0)
        orders.append(list(seen))
        seen.clear()
    assert len(orders[0]) == len(orders[1]) == 75
    assert orders[0] != orders[1]


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_batch_by_batch_is_the_same_as_whole_epochs(backend):
    class Watch(callbacks.Callback):
        batches = 0

        def on_train_batch_end(self, batch, logs=None):
            assert batch == self.batches % 3
            self.batches += 1

    whole, by_batch = compiled(backend=backend), compiled(backend=backend)
    a = whole.fit(X, Y, epochs=2, verbose=0, batch_size=32)
    watch = Watch()
    b = by_batch.fit(X, Y, epochs=2, verbose=0, batch_size=32, callbacks=[watch])
    assert watch.batches == 6
    assert a.history == b.history


def test_generator_is_the_same_as_arrays():
    def batches():
        while True:
            for start in range(0, 75, 25):
                yield X[start : start + 25], Y[start : start + 25]

    arrays, generator = compiled(), compiled()
    a = arrays.fit(X, Y, batch_size=25, epochs=3, shuffle=False, verbose=0)
    b = generator.fit(
        batches(),
        steps_per_epoch=3,
        epochs=3,
        verbose=0,
        validation_data=batches(),
        validation_steps=3,
    )
    assert a.history["loss"] == b.history["loss"]
    assert len(b.history["val_loss"]) == 3
    assert generator.evaluate(batches(), steps=3, verbose=0) == pytest.approx(
        generator.evaluate(X, Y, batch_size=25, verbose=0)
    )
    x_only = (X[i : i + 25] for i in range(0, 75, 25))
    np.testing.assert_array_equal(generator.predict(x_only), generator.predict(X, batch_size=25))


def test_iterations_count_the_steps():
    model = compiled()
    model.fit(X, Y, epochs=2, batch_size=32, verbose=0)
    assert int(model.optimizer.iterations) == 6
    model.fit(X, Y, epochs=1, steps_per_epoch=2, verbose=0)
    assert int(model.optimizer.iterations) == 8
    model.train_on_batch(X, Y)
    assert int(model.optimizer.iterations) == 9


def test_schedules_set_the_rate_of_every_step():
    schedule = optimizers.schedules.PiecewiseConstantDecay([2], [0.5, 0.0])
    model = compiled(optimizers.SGD(schedule))
    model.fit(X, Y, batch_size=25, verbose=0)
    at_three = model.get_weights()
    model.fit(X, Y, batch_size=25, verbose=0)
    for v, w in zip(at_three, model.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


def test_frozen_layers_keep_their_weights_after_compile():
    model = compiled()
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = False
    with pytest.warns(UserWarning, match="compiled again"):
        model.fit(X, Y, verbose=0)
    model.compile("adam", "binary_crossentropy")
    before = [w.copy() for w in model.get_weights()]
    model.fit(X, Y, verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])


def test_adding_a_layer_makes_new_programs():
    model = compiled()
    assert model.predict(X).shape == (75, 1)
    model.add(layers.Dense(4))
    assert model.predict(X).shape == (75, 4)


def test_weights_set_between_fits_are_used():
    model = compiled()
    model.fit(X, Y, verbose=0)
    zeros = [np.zeros_like(w) for w in model.get_weights()]
    model.set_weights(zeros)
    np.testing.assert_array_equal(model.predict(X), 0.5)


def test_several_inputs_and_outputs():
    a, b = layers.Input((3,), name="a"), layers.Input((2,), name="b")
    h = layers.Concatenate()([layers.Dense(4)(a), layers.Dense(4)(b)])
    outputs = [layers.Dense(1, name="p", activation="sigmoid")(h), layers.Dense(2, name="q")(h)]
    model = Model([a, b], outputs)
    model.compile(
        "adam",
        {"p": "binary_crossentropy", "q": "mse"},
        loss_weights={"q": 0.5},
        metrics={"p": "accuracy", "q": ["mae", "mse"]},
    )
    xa, xb = X[:, :3], X[:, 3:5]
    q = X[:, :2] * 2
    first = model.fit({"a": xa, "b": xb}, {"p": Y, "q": q}, epochs=2, verbose=0)
    assert sorted(first.history) == list(first.history)
    assert set(first.history) == {
        *("loss", "p_loss", "q_loss", "p_accuracy", "q_mae", "q_mse"),
    }
    total = first.history["p_loss"][0] + 0.5 * first.history["q_loss"][0]
    assert first.history["loss"][0] == pytest.approx(total, rel=1e-5)
    results = model.evaluate([xa, xb], [Y, q], verbose=0)
    assert len(results) == len(model.metrics_names) == 6
    p, q_pred = model.predict([xa, xb])
    assert (p.shape, q_pred.shape) == ((75, 1), (75, 2))
    same = model.predict({"b": xb, "a": xa})
    np.testing.assert_array_equal(same[1], q_pred)


def test_outputs_without_a_loss_need_no_targets():
    def train(y, loss, **options):
        config.set_random_seed(0)
        x = layers.Input((6,))
        h = layers.Dense(4, activation="relu")(x)
        model = Model(x, [layers.Dense(1, name="p")(h), layers.Dense(2, name="q")(h)])
        model.compile("sgd", loss)
        return model.fit(X, y, verbose=0, **options).history["loss"][0]

    target = Y[:, None].astype("float32")
    expected = train([target, None], ["mse", None])
    assert train({"p": target}, {"p": "mse"}) == expected
    assert train([target], ["mse", None]) == expected
    weights = np.linspace(0, 1, 75)
    weighted = train([target, None], ["mse", None], sample_weight={"p": weights})
    assert weighted == train([target, None], ["mse", None], sample_weight=weights) != expected


def test_shared_metric_names_are_kept_apart():
    from fastconv.metrics import Precision

    model = compiled(metrics=[Precision(thresholds=0.3), Precision(thresholds=0.8), "accuracy"])
    history = model.fit(X, Y, verbose=0).history
    assert set(history) == {"accuracy", "loss", "precision", "precision_1"}
    model = compiled(metrics=["accuracy"], weighted_metrics=["accuracy", "mae"])
    history = model.fit(X, Y, verbose=0).history
    assert list(history) == ["accuracy", "loss", "mae", "weighted_accuracy"]


def test_limited_epochs_in_the_given_order_go_on_through_the_data():
    whole, limited = compiled("sgd"), compiled("sgd")
    whole.fit(X, Y, batch_size=10, shuffle=False, verbose=0)
    history = limited.fit(
        *(X, Y),
        batch_size=10,
        epochs=3,
        steps_per_epoch=3,
        shuffle=False,
        verbose=0,
        validation_data=(X, Y),
        validation_steps=2,
    )
    assert int(limited.optimizer.iterations) == int(whole.optimizer.iterations) == 8
    for v, w in zip(whole.get_weights(), limited.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    first = limited.evaluate(X, Y, batch_size=10, steps=2, verbose=0)
    assert history.history["val_loss"][-1] == pytest.approx(np.ravel(first)[0])


def test_added_losses_train_without_targets():
    x = layers.Input((6,))
    h = layers.Dense(2)(x)
    y = layers.Dense(6)(h)
    model = Model(x, y)
    model.add_loss(ops.mean(ops.square(y - x)))
    model.compile("adam")
    history = model.fit(X, epochs=20, batch_size=16, verbose=0).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]


def test_custom_loss_metric_and_compute_loss():
    def spread(y_true, y_pred):
        return ops.mean(ops.absolute(y_pred - y_true), axis=-1)

    class Doubled(Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 2.0 * super().compute_loss(x, y, y_pred, sample_weight)

    results = []
    for cls in (Sequential, Doubled):
        config.set_random_seed(0)
        model = cls([layers.Input((6,)), layers.Dense(1)])
        model.compile("sgd", spread, metrics=[spread])
        results.append(model.evaluate(X, Y.astype("float32"), verbose=0))
    assert results[0][0] == pytest.approx(results[0][1])
    assert results[1][0] == pytest.approx(2 * results[0][0])
    assert model.metrics_names == ["loss", "spread"]


def test_subclassed_model_is_built_from_the_data():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.hidden = layers.Dense(5, activation="relu")
            self.head = layers.Dense(1, activation="sigmoid")

        def call(self, inputs, training=None):
            return self.head(self.hidden(inputs))

    model = Net()
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(X, Y, epochs=2, verbose=0)
    assert len(model.weights) == 4
    assert history.history["loss"][1] < history.history["loss"][0]
    assert model.predict(X[:2]).shape == (2, 1)


def test_compile_anew_drops_metrics():
    model = compiled()
    model.fit(X, Y, verbose=0)
    model.compile("sgd", "mse")
    assert list(model.fit(X, Y, verbose=0).history) == ["loss"]


def test_compile_config_round_trip():
    model = compiled(optimizers.SGD(0.25, momentum=0.5))
    again = net()
    again.compile_from_config(model.get_compile_config())
    assert again.optimizer.momentum == 0.5
    again.set_weights(model.get_weights())
    assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    assert len(again.optimizer.variables) == 2 + 4


def test_max_batch_does_not_change_results():
    model = compiled()
    alone = model.predict(X[:5])
    model.predict(X, batch_size=64)
    np.testing.assert_array_equal(model.predict(X[:5]), alone)
    np.testing.assert_array_equal(model.predict(X)[:5], alone)


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt here, even if a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interruption_leaves_whole_steps(interruptible):
    model = compiled()
    model.fit(X, Y, verbose=0)
    done = int(model.optimizer.iterations)
    running = threading.Event()

    class Running(callbacks.Callback):
        def on_train_progress(self, steps, logs=None):
            running.set()

    def interrupt():
        running.wait()
        signal.raise_signal(signal.SIGINT)

    big = np.tile(X, (4000, 1))
    labels = np.tile(Y, 4000)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(big, labels, epochs=10000, batch_size=8, verbose=0, callbacks=[Running()])
    thread.join()
    steps = int(model.optimizer.iterations) - done
    assert steps > 0
    assert all(np.isfinite(w).all() for w in model.get_weights())
    model.fit(X, Y, epochs=1, batch_size=25, verbose=0)
    assert int(model.optimizer.iterations) == done + steps + 3


def test_resumed_from_a_file_the_bits_are_the_same(tmp_path):
    def begin():
        config.set_random_seed(3)
        model = Sequential(
            [
                layers.Input((6,)),
                layers.Dense(8, activation="relu"),
                layers.Dropout(0.5),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("nadam", "binary_crossentropy", metrics=["accuracy"])
        return model

    whole, half = begin(), begin()
    whole.fit(X, Y, epochs=4, verbose=0)
    path = tmp_path / "half.keras"
    half.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.ModelCheckpoint(path)])
    resumed = load_model(path)
    resumed.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)
    for v, w in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_a_model_train_on_their_own(duplicate):
    model = compiled()
    model.fit(X, Y, epochs=2, verbose=0)
    twin = duplicate(model)
    before = model.get_weights()
    twin.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)
    for v, w in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    model.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)
    for v, w in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


def test_backup_and_restore(tmp_path):
    class Crash(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise OSError("out of power")

    whole, broken, again = compiled(), compiled(), compiled()
    whole.fit(X, Y, epochs=4, verbose=0)
    backup = callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(OSError, match="out of power"):
        broken.fit(X, Y, epochs=4, verbose=0, callbacks=[backup, Crash()])
    history = again.fit(X, Y, epochs=4, verbose=0, callbacks=[backup])
    assert history.epoch == [0, 1, 2, 3]
    for v, w in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    assert not (tmp_path / "backup").exists()


def test_class_weights_multiply_row_weights():
    by_both, by_hand = compiled("sgd"), compiled("sgd")
    rows = np.linspace(0.5, 2.0, 75)
    by_both.fit(X, Y, sample_weight=rows, class_weight={0: 1.0, 1: 3.0}, verbose=0)
    by_hand.fit(X, Y, sample_weight=rows * np.where(Y == 1, 3.0, 1.0), verbose=0)
    for v, w in zip(by_both.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-6)


def test_tables_of_plans(capsys):
    model = compiled()
    with pytest.raises(ValueError, match="call fit"):
        model.plan_summary()
    model.fit(X, Y, verbose=0)
    tables = []
    assert model.plan_summary() is None
    assert "optimizer_update" in capsys.readouterr().out
    model.plan_summary(print_fn=tables.append)
    assert "optimizer_update" in tables[0]
    before = model.get_weights()
    steps = int(model.optimizer.iterations)
    assert model.profile(X, Y) is None
    assert "us" in capsys.readouterr().out
    model.profile(X, Y, print_fn=tables.append)
    assert "optimizer_update" in tables[1]
    assert int(model.optimizer.iterations) == steps
    for v, w in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    slow = compiled(backend="numpy")
    slow.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="native"):
        slow.plan_summary()


def test_tables_of_plans_in_notebooks(monkeypatch, capsys):
    model = compiled()
    model.fit(X, Y, verbose=0)
    shown, lines = [], []
    display = SimpleNamespace(display=shown.append)
    ipython = SimpleNamespace(get_ipython=object, display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    model.plan_summary()
    model.profile(X, Y)
    assert capsys.readouterr().out == ""
    model.plan_summary(print_fn=lines.append)
    assert str(shown[0]) == lines[0]
    summary, profile = (report._repr_html_() for report in shown)
    rows = int(re.search(r"(\d+) steps", lines[0])[1])
    assert summary.count("<tr>") == rows + 2
    assert "<th>MFLOP</th>" in summary
    assert "<td>total</td>" in summary
    assert "<th>GFLOP/s</th>" in profile
    assert profile.endswith("</p>")


def test_predict_before_compile():
    model = net()
    assert model.predict(X).shape == (75, 1)
    assert not model.compiled
    assert model.get_compile_config() is None


def test_a_step_of_its_own_is_refused_rather_than_ignored():
    class Own(Model):
        def train_step(self, data):
            return {}

    with pytest.raises(TypeError, match=r"Own\.train_step would never be called"):
        Own().compile("sgd", "mse")
