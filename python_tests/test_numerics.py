"""Where NaN and infinity come from is said by name."""

from typing import Any

import numpy as np
import pytest

from fastconv import callbacks, config, layers, ops, optimizers
from fastconv.models import Sequential

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 8, 8, 3)).astype(np.float32)
Y = RNG.integers(0, 4, 40)
BACKENDS = ["native", "numpy"]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of the reference


def compiled(optimizer: Any = "sgd", extra: Any = None, **options: Any) -> Sequential:
    config.set_random_seed(1)
    model = Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.Conv2D(4, 3, name="second"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            extra or layers.Identity(),
            layers.Dense(4, activation="softmax", name="last"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_layer_is_named_and_the_weights_are_kept(backend: str) -> None:
    logarithm = layers.Lambda(ops.log, name="logarithm")
    model = compiled(extra=logarithm, backend=backend, check_numerics=True)
    before = model.layers[0].get_weights()
    for run in (
        lambda: model.fit(X, Y, verbose=0),
        lambda: model.train_on_batch(X, Y),
        lambda: model.evaluate(X, Y, verbose=0),
        lambda: model.test_on_batch(X, Y),
    ):
        with pytest.raises(FloatingPointError, match=r"of logarithm,? made (NaN|infinity)"):
            run()
    for a, b in zip(before, model.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch", [8, 40])
def test_weights_that_grow_too_large(backend: str, batch: int) -> None:
    model = compiled(optimizers.SGD(1e18), backend=backend, check_numerics=True)
    with pytest.raises(FloatingPointError, match=r"of (second|norm),? made infinity.* in batch 2"):
        model.fit(X, Y, batch_size=batch, epochs=3, verbose=0)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert int(model.optimizer.iterations) == 1


def test_weights_that_were_not_finite() -> None:
    model = compiled(check_numerics=True)
    model.fit(X, Y, verbose=0)
    weights = model.get_weights()
    weights[2][1, 0, 2, 3] = np.nan
    model.set_weights(weights)
    with pytest.raises(FloatingPointError, match=r"of second, .* were not finite before"):
        model.evaluate(X, Y, verbose=0)


def test_an_update_does_not_accuse_the_weights_that_it_spoils() -> None:
    model = compiled(optimizers.SGD(3e38), check_numerics=True)
    with pytest.raises(FloatingPointError, match="optimizer_update, made infinity") as caught:
        model.fit(X, Y, sample_weight=np.full(len(X), 1e6), verbose=0)
    assert "before" not in str(caught.value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("by_batch", [False, True])
def test_training_stops_and_says_where(
    backend: str, by_batch: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    model = compiled(optimizers.SGD(1e18), backend=backend)
    watch = [callbacks.TerminateOnNaN()]
    if by_batch:
        watch.append(callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None))
    history = model.fit(X, Y, batch_size=8, epochs=3, verbose=0, callbacks=watch)
    assert history.epoch == [0]
    out = capsys.readouterr().out
    assert "Invalid loss, terminating training: " in out
    assert "of norm" in out or "of second" in out
    assert "in batch 2" in out
    fresh = compiled()
    model.set_weights(fresh.get_weights())
    model.optimizer.learning_rate = 0.01
    model.fit(X, Y, verbose=0, callbacks=watch)
    assert capsys.readouterr().out == ""
    assert model.first_not_finite() == ""


def test_checking_changes_no_bits() -> None:
    plain, checked, noted = compiled(), compiled(check_numerics=True), compiled()
    plain.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    checked.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    noted.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    for a, b, c in zip(*(m.get_weights() for m in (plain, checked, noted)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
