"""The same training by other means: threads, backends, kinds of data, sizes of batches."""

import hashlib

import numpy as np
import pytest
from small_nets import RNG, X, Y, compiled, conv_net

from fastconv import callbacks, config, layers, optimizers
from fastconv.models import Sequential


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


def test_the_same_bits_again_and_for_any_threads():
    model, history = trained(1)
    for threads in (1, 2):
        other, again = trained(threads)
        assert again == history
        for v, w in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(v, w)


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


def test_max_batch_does_not_change_results():
    model = compiled()
    alone = model.predict(X[:5])
    model.predict(X, batch_size=64)
    np.testing.assert_array_equal(model.predict(X[:5]), alone)
    np.testing.assert_array_equal(model.predict(X)[:5], alone)


@pytest.mark.parametrize("backend", ["native", "numpy"])
@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.Adam, optimizers.Muon])
def test_gathered_gradients_are_those_of_a_larger_batch(kind, backend):
    """Six steps of 12 rows, three for an update, and two of 36."""
    small = compiled(kind(0.05, gradient_accumulation_steps=3), backend=backend)
    large = compiled(kind(0.05), backend=backend)
    small.fit(X[:72], Y[:72], batch_size=12, shuffle=False, verbose=0)
    large.fit(X[:72], Y[:72], batch_size=36, shuffle=False, verbose=0)
    assert int(small.optimizer.iterations) == int(large.optimizer.iterations) == 2
    assert int(small.optimizer.steps_made) == 6
    for v, w in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-4, atol=1e-6)


def test_gradients_wait_for_the_steps_that_are_missing():
    """Of five steps, two for an update, the last is the first half of the third update."""
    model = compiled(optimizers.Adam(0.05, gradient_accumulation_steps=2))
    whole = compiled(optimizers.Adam(0.05, gradient_accumulation_steps=2))
    model.fit(X[:50], Y[:50], batch_size=10, shuffle=False, verbose=0)
    before = model.get_weights()
    assert int(model.optimizer.iterations) == 2
    model.fit(X[50:60], Y[50:60], batch_size=10, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 3
    assert any((v != w).any() for v, w in zip(before, model.get_weights(), strict=True))
    whole.fit(X[:60], Y[:60], batch_size=10, shuffle=False, verbose=0)
    for v, w in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


def test_gathering_has_the_same_bits_on_any_number_of_threads_and_passes_verification():
    digests = set()
    for threads in (1, 3):
        optimizer = optimizers.AdamW(0.01, gradient_accumulation_steps=2, use_ema=True)
        before = config.num_threads()
        config.set_num_threads(threads)
        try:
            model = compiled(optimizer)
            model.fit(X, Y, batch_size=10, epochs=2, verbose=0)
        finally:
            config.set_num_threads(before)
        digests.add(b"".join(w.tobytes() for w in model.get_weights()))
    assert len(digests) == 1
    assert model.verify(X, Y, batch_size=10, steps=4).ok
