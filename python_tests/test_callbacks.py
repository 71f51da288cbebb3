"""Callbacks: when they are called, and what each of them does."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from fastconv import callbacks, config, layers, metrics, optimizers
from fastconv.models import Sequential
from fastconv.utils.event_file import crc32c

RNG = np.random.default_rng(2)
X = RNG.standard_normal((40, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")


def model(optimizer="sgd", **options):
    config.set_random_seed(1)
    net = Sequential([layers.Input((4,)), layers.Dense(1, activation="sigmoid")])
    net.compile(optimizer, "binary_crossentropy", metrics=["accuracy"], **options)
    return net


class Recorder(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.events = []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            return lambda *a: object.__getattribute__(self, "events").append((name, a[:-1]))
        return super().__getattribute__(name)


def test_order_of_events():
    recorder = Recorder()
    model().fit(
        X, Y, batch_size=20, callbacks=[recorder], verbose=0, validation_data=(X[:10], Y[:10])
    )
    events = [e for e in recorder.events if "progress" not in e[0]]
    assert events == [
        ("on_train_begin", ()),
        ("on_epoch_begin", (0,)),
        ("on_train_batch_begin", (0,)),
        ("on_train_batch_end", (0,)),
        ("on_train_batch_begin", (1,)),
        ("on_train_batch_end", (1,)),
        ("on_test_begin", ()),
        ("on_test_batch_begin", (0,)),
        ("on_test_batch_end", (0,)),
        ("on_test_end", ()),
        ("on_epoch_end", (0,)),
        ("on_train_end", ()),
    ]


def test_predict_events_carry_outputs():
    parts = []

    class Parts(callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            parts.append(logs["outputs"])

    net = model()
    whole = net.predict(X, batch_size=16, callbacks=[Parts()])
    assert [len(p) for p in parts] == [16, 16, 8]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_logs_of_batches_are_running_means():
    seen = []
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(dict(logs)))
    history = model().fit(X, Y, batch_size=20, verbose=0, callbacks=[watch])
    assert seen[-1]["loss"] == history.history["loss"][0]
    assert set(seen[0]) == {"accuracy", "loss"}


def test_stop_training_in_the_middle_of_an_epoch():
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    net = model()
    history = net.fit(X, Y, epochs=5, batch_size=5, verbose=0, callbacks=[Stop()])
    assert int(net.optimizer.iterations) == 2
    assert history.epoch == [0]


def test_early_stopping_restores_the_best_weights():
    net = model()
    values = iter([0.5, 0.4, 0.6, 0.7, 0.1])
    kept = []

    class Feed(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["watched"] = next(values)
            kept.append(self.model.get_weights())

    stop = callbacks.EarlyStopping("watched", mode="min", patience=2, restore_best_weights=True)
    history = net.fit(X, Y, epochs=9, verbose=0, callbacks=[Feed(), stop])
    assert history.epoch == [0, 1, 2, 3]
    assert stop.stopped_epoch == 3
    assert stop.best == 0.4
    for v, w in zip(kept[1], net.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


def run_monitor(callback, values, rate=1.0):
    """Feed values to a callback without training; returns the stopping epoch and the rates."""
    net = model()
    net.optimizer.learning_rate = rate
    callback.set_model(net)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {callback.monitor: value})
        rates.append(float(net.optimizer.learning_rate))
        if net.stop_training:
            return epoch, rates
    return None, rates


@pytest.mark.parametrize(
    ("options", "values", "expected"),
    [
        ({"patience": 0}, [1.0, 0.9, 0.95], 2),
        ({"patience": 2}, [1.0, 1.0, 1.0, 1.0], 2),
        ({"patience": 1, "min_delta": 0.2}, [1.0, 0.9, 0.85, 0.3], 1),
        ({"patience": 1, "mode": "max"}, [1.0, 2.0, 3.0, 2.5], 3),
        ({"patience": 1, "baseline": 0.5}, [1.0, 0.9, 0.8], None),
        ({"patience": 3, "baseline": 0.5}, [1.0, 0.9, 0.8, 0.85], 3),
        ({"patience": 1, "start_from_epoch": 2}, [1.0, 2.0, 3.0, 4.0, 5.0], 3),
        ({"patience": 9}, [1.0, 1.0, 1.0], None),
    ],
)
def test_early_stopping(options, values, expected):
    assert run_monitor(callbacks.EarlyStopping("loss", **options), values)[0] == expected


def test_direction_follows_the_name():
    assert callbacks.EarlyStopping("val_accuracy").maximizes
    assert callbacks.EarlyStopping("auc").maximizes
    assert not callbacks.EarlyStopping("val_loss").maximizes
    assert callbacks.EarlyStopping("val_loss", mode="max").maximizes
    with pytest.raises(ValueError, match=r"'val_psnr' is better is not known; pass mode='max'"):
        assert callbacks.EarlyStopping("val_psnr").maximizes


@pytest.mark.parametrize(
    "make",
    [
        lambda: callbacks.EarlyStopping("val_psnr"),
        lambda: callbacks.ReduceLROnPlateau("val_psnr"),
        lambda: callbacks.ModelCheckpoint("best.keras", "val_psnr", save_best_only=True),
    ],
)
def test_an_unknown_direction_is_an_error_before_training(make):
    model = Sequential([layers.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"'val_psnr' is better is not known; pass mode='max'"):
        model.fit(np.ones((8, 3)), np.ones((8, 1)), callbacks=[make()], verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_direction_follows_the_metric():
    model = Sequential([layers.Input((3,)), layers.Dense(1)])
    found = [metrics.BinaryAccuracy(name="hits"), metrics.R2Score(), metrics.Poisson(name="p")]
    model.compile("sgd", "mse", metrics=found)
    stop = [callbacks.EarlyStopping(f"val_{m.name}") for m in found]
    x, y = np.ones((8, 3)), np.ones((8, 1))
    model.fit(x, y, validation_data=(x, y), callbacks=stop, verbose=0)
    assert [s.maximizes for s in stop] == [True, True, False]


def test_reduce_on_plateau():
    callback = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2, cooldown=1, min_lr=0.2)
    _, rates = run_monitor(callback, [1.0] * 10)
    np.testing.assert_allclose(rates, [1, 1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2], rtol=1e-6)


def test_reduce_on_plateau_comes_to_rest_at_the_lowest_rate(capsys):
    """The optimizer's rate is a float32, which may be a little above or below ``min_lr``."""
    callback = callbacks.ReduceLROnPlateau("loss", patience=1, verbose=1, min_lr=0.001)
    run_monitor(callback, [1.0] * 6, rate=0.01)
    assert capsys.readouterr().out.count("reducing learning rate") == 1


def test_what_verbose_callbacks_print(capsys, tmp_path):
    stop = callbacks.EarlyStopping("loss", patience=1, verbose=1, restore_best_weights=True)
    lower = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, verbose=1)
    save = callbacks.ModelCheckpoint(
        str(tmp_path / "m.keras"), monitor="loss", save_best_only=True, verbose=1
    )
    rate = callbacks.LearningRateScheduler(lambda epoch: 0.0, verbose=1)
    model().fit(X, Y, epochs=5, verbose=0, shuffle=False, callbacks=[rate, stop, lower, save])
    printed = capsys.readouterr().out
    assert "Epoch 1: LearningRateScheduler setting learning rate to 0.0." in printed
    assert re.search(r"Epoch 1: loss improved from None to \d\.\d{5}, saving model to ", printed)
    assert re.search(r"Epoch 2: loss did not improve from \d\.\d{5}", printed)
    assert "Epoch 2: early stopping" in printed
    assert "Restoring model weights from the end of the best epoch: 1." in printed
    callback = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, verbose=1)
    run_monitor(callback, [1.0] * 3)
    assert "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.5." in capsys.readouterr().out


def test_the_state_of_callbacks_goes_on_in_others():
    values = [3.0, 2.0, 2.5, 2.6]
    for make in (
        lambda: callbacks.EarlyStopping("loss", patience=3),
        lambda: callbacks.ReduceLROnPlateau("loss", patience=3),
    ):
        one, other = make(), make()
        run_monitor(one, values)
        other.set_state(one.get_state())
        assert other.get_state() == one.get_state()
        assert (other.best, other.wait) == (2.0, 2)


def test_a_schedule_must_give_a_number():
    for wrong in (None, "0.1", [0.1, 0.2]):
        schedule = callbacks.LearningRateScheduler({0: wrong}.get)
        with pytest.raises(TypeError, match="the schedule must give a number, got"):
            model().fit(X, Y, verbose=0, callbacks=[schedule])


def test_rate_in_the_history():
    net = model()
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = net.fit(X, Y, epochs=3, verbose=0, callbacks=[schedule]).history
    np.testing.assert_allclose(history["learning_rate"], [0.005, 0.0025, 0.00125], rtol=1e-6)
    by_epoch = callbacks.LearningRateScheduler(lambda epoch: 0.1 * (epoch + 1))
    history = net.fit(X, Y, epochs=2, verbose=0, callbacks=[by_epoch]).history
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.2], rtol=1e-6)


class Saver:
    """A stand-in for a model that notes where it was told to save."""

    def __init__(self):
        self.paths = []

    def save(self, path, overwrite):
        self.paths.append(path)

    def save_weights(self, path, overwrite):
        self.paths.append("weights:" + path)


def test_checkpoint_of_the_best(tmp_path):
    saver = Saver()
    path = f"{tmp_path}/new/{{epoch:02d}}-{{val_loss:.1f}}.keras"
    callback = callbacks.ModelCheckpoint(path, save_best_only=True)
    callback.set_model(saver)
    for epoch, value in enumerate([0.5, 0.7, 0.3]):
        callback.on_epoch_end(epoch, {"val_loss": value})
    assert saver.paths == [f"{tmp_path}/new/01-0.5.keras", f"{tmp_path}/new/03-0.3.keras"]
    assert (tmp_path / "new").is_dir()
    without = callbacks.ModelCheckpoint(path)
    without.set_model(saver)
    with pytest.raises(KeyError, match="val_loss"):
        without.on_epoch_end(0, {"loss": 1.0})


def test_checkpoint_every_so_many_batches(tmp_path):
    callback = callbacks.ModelCheckpoint(
        f"{tmp_path}/{{epoch}}-{{batch}}.weights.h5", save_freq=3, save_weights_only=True
    )
    assert callback.watches_batches("train")
    saver = Saver()
    callback.set_model(saver)
    for batch in range(7):
        callback.on_train_batch_end(batch, {})
    assert saver.paths == [f"weights:{tmp_path}/1-{batch}.weights.h5" for batch in (3, 6)]
    assert not callbacks.ModelCheckpoint("m.keras").watches_batches("train")


def test_csv_log(tmp_path):
    path = tmp_path / "log.csv"
    net = model()
    logger = callbacks.CSVLogger(path)
    net.fit(X, Y, epochs=2, verbose=0, callbacks=[logger])
    net.fit(X, Y, epochs=3, initial_epoch=2, verbose=0, callbacks=[logger])
    lines = path.read_text().splitlines()
    assert lines[0] == "epoch,accuracy,loss,val_accuracy,val_loss"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "1", "2"]
    assert all(line.endswith(",NA,NA") for line in lines[1:])


def test_terminate_on_nan(capsys):
    net = model("sgd")
    net.set_weights([np.full((4, 1), np.nan, np.float32), np.zeros(1, np.float32)])
    history = net.fit(X, Y, epochs=5, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert history.epoch == [0]
    assert "Invalid loss" in capsys.readouterr().out


def test_whole_epochs_stay_whole():
    """None of the package's callbacks asks for every batch."""
    plain = [
        callbacks.EarlyStopping(),
        callbacks.ModelCheckpoint("m.keras"),
        callbacks.ReduceLROnPlateau(),
        callbacks.LearningRateScheduler(lambda epoch: 0.1),
        callbacks.TerminateOnNaN(),
        callbacks.ProgbarLogger(),
        callbacks.History(),
        callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    ]
    assert not any(c.watches_batches(m) for c in plain for m in ("train", "test", "predict"))
    old = type("Old", (callbacks.Callback,), {"on_batch_end": lambda self, batch, logs=None: None})
    assert old().watches_batches("train")
    assert callbacks.LambdaCallback(on_train_batch_end=print).watches_batches("train")


def test_wrong_use():
    with pytest.raises(TypeError, match="on_epoch_middle"):
        callbacks.LambdaCallback(on_epoch_middle=print)
    with pytest.raises(ValueError, match="factor"):
        callbacks.ReduceLROnPlateau(factor=1.5)
    with pytest.raises(ValueError, match="mode"):
        callbacks.EarlyStopping(mode="best")
    with pytest.raises(ValueError, match="save_freq"):
        callbacks.ModelCheckpoint("m.keras", save_freq="day")
    with pytest.raises(ValueError, match=r"must end in \.keras, \.h5 or \.hdf5, got 'm\.ckpt'"):
        callbacks.ModelCheckpoint("m.ckpt")
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5, \.h5 or .*'m\.weights'"):
        callbacks.ModelCheckpoint(Path("m.weights"), save_weights_only=True)
    with pytest.raises(TypeError, match=r"fastconv\.callbacks\.Callback"):
        model().fit(X, Y, callbacks=["early"], verbose=0)
    with pytest.warns(UserWarning, match="not available"):
        model().fit(X, Y, callbacks=[callbacks.EarlyStopping("val_loss")], verbose=0)


def events_of(folder):
    """(tag, value, step) of every point of the event files in a folder."""
    points = []
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            record = data[at + 12 : at + 12 + size]
            for start, part in ((at, data[at : at + 8]), (at + 4, record)):
                place = start + 8 if start == at else at + 12 + size
                (crc,) = struct.unpack_from("<I", data, place)
                turned = (crc - 0xA282EAD8) & 0xFFFFFFFF
                assert (turned >> 17 | turned << 15) & 0xFFFFFFFF == crc32c(part)
            at += size + 16
            tag = re.search(rb"((?:epoch|batch)_\w+?)\x15(....)", record, re.DOTALL)
            if tag:
                step = record[10] if record[9] == 16 else 0
                points.append((tag[1].decode(), struct.unpack("<f", tag[2])[0], step))
    return points


def test_tensorboard_gets_its_curves(tmp_path):
    net = model()
    board = callbacks.TensorBoard(tmp_path, update_freq=2, write_steps_per_second=True)
    history = net.fit(
        X, Y, batch_size=10, epochs=2, callbacks=[board], verbose=0, validation_data=(X, Y)
    ).history
    train, validation = events_of(tmp_path / "train"), events_of(tmp_path / "validation")
    losses = [(v, step) for tag, v, step in train if tag == "epoch_loss"]
    assert losses == [(pytest.approx(v), i) for i, v in enumerate(history["loss"])]
    assert [s for tag, _, s in train if tag == "batch_loss"] == [2, 4, 6, 8]
    assert {t for t, *_ in validation} == {"epoch_loss", "epoch_accuracy"}
    assert any(t == "epoch_steps_per_second" and v > 0 for t, v, _ in train)
    with pytest.raises(ValueError, match="histogram_freq"):
        callbacks.TensorBoard(tmp_path, histogram_freq=1)
    with pytest.raises(ValueError, match="a positive number, got 0"):
        callbacks.TensorBoard(tmp_path, update_freq=0)


@pytest.mark.parametrize("each_epoch", [False, True])
def test_averages_in_place_of_weights(each_epoch):
    """Training is what it is without the callback; what is saved and evaluated are averages."""
    saved, validated = [], []

    class Look(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            saved.append(self.model.get_weights())

        def on_test_batch_end(self, batch, logs=None):
            validated.append(self.model.get_weights())

    def trained(*more):
        net = model(optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9))
        net.fit(X, Y, epochs=2, batch_size=10, shuffle=False, verbose=0, callbacks=more,
                validation_data=(X, Y), validation_batch_size=40)  # fmt: skip
        return net

    plain = trained()
    swapped = trained(callbacks.SwapEMAWeights(swap_on_epoch=each_epoch), Look())
    for a, b in zip(plain.get_weights(), swapped.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    last = saved[-1] if each_epoch else validated[-1]
    for a, b in zip(swapped.get_weights(), last, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="use_ema=True"):
        model().fit(X, Y, verbose=0, callbacks=[callbacks.SwapEMAWeights()])


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_an_interrupt_leaves_the_weights_and_not_their_averages(method):
    weights = []

    def note(*_):
        weights.append(net.get_weights())

    def stop(*_):
        raise KeyboardInterrupt

    net = model(optimizers.SGD(0.5, use_ema=True))
    net.fit(X, Y, verbose=0)
    net.set_weights([w + 1 for w in net.get_weights()])
    note()
    acting = callbacks.LambdaCallback(
        on_train_batch_end=note, on_test_batch_end=stop, on_predict_batch_end=stop
    )
    data = {"fit": {"y": Y, "validation_data": (X, Y)}, "evaluate": {"y": Y}, "predict": {}}
    with pytest.raises(KeyboardInterrupt):
        getattr(net, method)(
            X, verbose=0, callbacks=[callbacks.SwapEMAWeights(), acting], **data[method]
        )
    assert len(weights) == (3 if method == "fit" else 1)
    for a, b in zip(weights[-1], net.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_averages_are_what_a_training_that_stops_early_ends_with():
    def trained(*more):
        net = model(optimizers.SGD(0.5, use_ema=True))
        stop = callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: setattr(net, "stop_training", epoch == 1)
        )
        net.fit(X, Y, epochs=4, verbose=0, callbacks=[*more, stop])
        return net.get_weights()

    swapped = trained(callbacks.SwapEMAWeights(swap_on_epoch=True))
    for a, b in zip(trained(), swapped, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loss_of_nan_can_raise():
    bad = X.copy()
    bad[:] = 3e38
    net = Sequential([layers.Input((4,)), layers.Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="Invalid loss"):
        net.fit(bad, Y, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)])
