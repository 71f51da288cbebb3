"""Training that stops, by itself or not, and goes on: from memory, a file, a copy, a backup."""

import copy
import pickle
import signal
import threading

import numpy as np
import pytest
from small_nets import X, Y, compiled

from fastconv import callbacks, config, layers
from fastconv.models import Sequential
from fastconv.saving.saving import load_model


def test_a_second_fit_continues():
    once, twice = compiled(), compiled()
    once.fit(X, Y, epochs=4, verbose=0)
    twice.fit(X, Y, epochs=2, verbose=0)
    second = twice.fit(X, Y, epochs=4, initial_epoch=2, verbose=0)
    assert second.epoch == [2, 3]
    for v, w in zip(once.get_weights(), twice.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


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
