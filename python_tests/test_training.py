"""fit, evaluate, predict: what they take, what they return, what they leave in the model."""

import numpy as np
import pytest
from small_nets import X, Y, compiled, net

from fastconv import callbacks, config, layers, metrics, ops, optimizers
from fastconv.models import Model, Sequential, load_model
from fastconv.naming import reset_names


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


def test_a_fit_without_a_step_leaves_the_weights_alone():
    model = compiled(optimizers.SGD(0.1, use_ema=True))
    for again in ({"epochs": 0}, {"epochs": 3, "initial_epoch": 3}):
        before = [np.ones_like(w) for w in model.get_weights()]
        model.set_weights(before)
        model.fit(X, Y, verbose=0, **again)
        for v, w in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(v, w)
        model.fit(X, Y, verbose=0)


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


def test_slots_of_frozen_layers_are_there_when_they_thaw(tmp_path):
    adam = optimizers.Adam()
    model = compiled(adam)
    model.fit(X, Y, verbose=0)
    kept = {v.path: v for v in adam.variables}
    values = {path: v.numpy() for path, v in kept.items()}
    model.layers[0].trainable = False
    model.compile(adam, "binary_crossentropy")
    model.fit(X, Y, verbose=0)
    assert len(adam.variables) == 6
    assert all(v is kept[v.path] for v in adam.variables)
    model.save(tmp_path / "frozen.keras")
    loaded = load_model(tmp_path / "frozen.keras")
    for v, w in zip(loaded.optimizer.variables, adam.variables, strict=True):
        np.testing.assert_array_equal(v.numpy(), w.numpy())
    model.layers[0].trainable = True
    model.compile(adam, "binary_crossentropy")
    model.fit(X, Y, epochs=0, verbose=0)
    assert all(v is kept[v.path] for v in adam.variables)
    first = adam.variables[2].path
    assert "momentum" in first
    np.testing.assert_array_equal(kept[first].numpy(), values[first])


def test_models_of_one_layer_may_share_an_optimizer():
    """Each trains with the slots of its own variables."""
    shared = layers.Dense(4, activation="relu")
    adam = optimizers.Adam()
    models = []
    for _ in range(2):
        models.append(Sequential([layers.Input((6,)), shared, layers.Dense(1)]))
        models[-1].compile(adam, "mse")
    for model in (*models, models[0]):
        model.fit(X, Y, verbose=0)
        assert adam.is_built_for(model.trainable_weights)
        assert all(np.abs(v.numpy()).max() > 0 for v in adam.variables)
    other = compiled(adam)
    before = [v.numpy() for v in adam.variables]
    with pytest.raises(ValueError, match="another model needs another optimizer"):
        other.fit(X, Y, verbose=0)
    for v, w in zip(adam.variables, before, strict=True):
        np.testing.assert_array_equal(v.numpy(), w)


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


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_batches_of_several_vectors_are_one_step(kind):
    a, b = layers.Input((), name="a"), layers.Input((), name="b")
    model = Model([a, b], layers.Dense(1)(ops.stack([a, b], axis=1)))
    model.compile("sgd", "mse")
    x = [np.arange(10.0), np.ones(10)]
    given = dict(zip("ab", x, strict=True)) if kind is dict else kind(x)
    expected = np.mean(np.square(model.predict(given, verbose=0)))
    assert model.predict_on_batch(given).shape == (10, 1)
    assert model.test_on_batch(given, np.zeros(10)) == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(given, np.zeros(10)) == pytest.approx(expected, rel=1e-5)
    assert int(model.optimizer.iterations) == 1


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

    reset_names()
    model = compiled(metrics=[Precision(thresholds=0.3), Precision(thresholds=0.8), "accuracy"])
    history = model.fit(X, Y, verbose=0).history
    assert set(history) == {"accuracy", "loss", "precision", "precision_1"}
    best = callbacks.EarlyStopping("precision_1")
    model.fit(X, Y, verbose=0, callbacks=[best])
    assert best.maximizes
    model = compiled(metrics=["accuracy"], weighted_metrics=["accuracy", "mae"])
    history = model.fit(X, Y, verbose=0).history
    assert list(history) == ["accuracy", "loss", "mae", "weighted_accuracy"]


def test_metrics_keep_their_names():
    x = layers.Input((6,))
    model = Model(x, [layers.Dense(2, name="a")(x), layers.Dense(2, name="b")(x)])
    target = np.zeros((75, 2))
    error = metrics.MeanAbsoluteError(name="err")
    for _ in range(2):
        model.compile("sgd", "mse", metrics=[[error], ["mae"]])
        found = model.evaluate(X, [target, target], verbose=0, return_dict=True)
        assert set(found) == {"loss", "a_loss", "b_loss", "a_err", "b_mae"}
        assert model.metrics_names == ["loss", "a_loss", "b_loss", "a_err", "b_mae"]
        assert error.name == "err"


@pytest.mark.parametrize("shuffle", [False, True])
def test_limited_epochs_go_on_through_the_data(shuffle):
    whole = compiled("sgd")
    whole.fit(X, Y, batch_size=10, shuffle=shuffle, verbose=0)
    limited = compiled("sgd")
    with pytest.warns(UserWarning, match="epoch 3, which has 2 of steps_per_epoch=3 steps"):
        history = limited.fit(
            *(X, Y),
            batch_size=10,
            epochs=3,
            steps_per_epoch=3,
            shuffle=shuffle,
            verbose=0,
            validation_data=(X, Y),
            validation_steps=2,
        )
    assert int(limited.optimizer.iterations) == int(whole.optimizer.iterations) == 8
    for v, w in zip(whole.get_weights(), limited.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    first = limited.evaluate(X, Y, batch_size=10, steps=2, verbose=0)
    assert history.history["val_loss"][-1] == pytest.approx(np.ravel(first)[0])


@pytest.mark.parametrize("shuffle", [False, True])
def test_epochs_of_more_steps_than_there_are_end_with_the_data(shuffle):
    whole = compiled("sgd")
    options = {"batch_size": 32, "epochs": 2, "shuffle": shuffle, "verbose": 0}
    whole.fit(X, Y, **options)
    limited = compiled("sgd")
    with pytest.warns(UserWarning, match="has 3 of steps_per_epoch=10 steps") as warned:
        limited.fit(X, Y, steps_per_epoch=10, **options)
    assert len(warned) == 2
    for v, w in zip(whole.get_weights(), limited.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)


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


def test_metrics_in_attributes_are_reported():
    class Noted(layers.Layer):
        def __init__(self):
            super().__init__()
            self.size = metrics.Mean(name="size")

        def call(self, x):
            self.size.update_state(ops.mean(ops.abs(x)))
            return x

    class Net(Model):
        def __init__(self):
            super().__init__()
            self.noted, self.dense = Noted(), layers.Dense(1)
            self.error = [metrics.Mean(name="error")]

        def call(self, x):
            return self.dense(self.noted(x))

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            loss = ops.mean(ops.square(y - y_pred))
            self.error[0].update_state(2 * loss)
            return loss

    class Own(Net):
        @property
        def metrics(self):
            return [self.error[0]]

    x, y = X[:64], X[:64, :1]
    size = float(np.abs(x).mean())
    model = Net()
    model.compile("sgd", metrics=["mae"])
    history = model.fit(x, y, batch_size=16, epochs=2, validation_data=(x, y), verbose=0).history
    names = ["error", "loss", "mae", "size"]
    assert sorted(history) == sorted([*names, *(f"val_{name}" for name in names)])
    assert history["size"] == pytest.approx([size, size], rel=1e-5)
    found = model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    assert found["error"] == pytest.approx(2 * found["loss"], rel=1e-5)
    assert model.metrics_names == ["loss", "mae", "error", "size"]
    own = Own()
    own.compile("sgd")
    history = own.fit(x, y, batch_size=16, epochs=2, validation_data=(x, y), verbose=0).history
    assert sorted(history) == ["error", "val_error"]
    assert history["error"][1] < history["error"][0]
    assert own.evaluate(x, y, verbose=0) == pytest.approx(history["val_error"][1], rel=1e-5)


def test_several_outputs_list_their_metrics_by_name():
    x = layers.Input((4,))
    outputs = [layers.Dense(2, name=name, activation="sigmoid")(x) for name in ("right", "left")]
    model = Model(x, outputs)
    model.compile("sgd", "mse", metrics={"right": ["mae"], "left": ["mape", "mae"]})
    y = [np.ones((64, 2)), np.zeros((64, 2))]
    found = model.evaluate(X[:64, :4], y, verbose=0)
    assert list(model.metrics_names) == [
        *("loss", "right_loss", "left_loss", "left_mae", "left_mape", "right_mae")
    ]
    by_name = model.evaluate(X[:64, :4], y, verbose=0, return_dict=True)
    assert found == [by_name[name] for name in model.metrics_names]


def test_a_model_without_weights_to_train_has_a_loss():
    model = compiled()
    for layer in model.layers:
        layer.trainable = False
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    before = model.get_weights()
    with pytest.warns(UserWarning, match="has no trainable weights"):
        history = model.fit(X, Y, epochs=2, verbose=0).history
    assert history["loss"] == pytest.approx([model.evaluate(X, Y, verbose=0)[0]] * 2, rel=1e-5)
    assert int(model.optimizer.iterations) == 2 * -(-len(X) // 32)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_classes_without_a_weight_weigh_1():
    given, full = compiled(), compiled()
    full.set_weights(given.get_weights())
    options = {"shuffle": False, "verbose": 0}
    a = given.fit(X, Y, class_weight={1: 5.0}, **options).history["loss"]
    b = full.fit(X, Y, class_weight={0: 1.0, 1: 5.0}, **options).history["loss"]
    assert a == b


@pytest.mark.parametrize("shape", [(75,), (75, 1)])
def test_class_weights_multiply_row_weights(shape):
    by_both, by_hand = compiled("sgd"), compiled("sgd")
    rows = np.linspace(0.5, 2.0, 75)
    weights = {0: 1.0, 1: 3.0}
    by_both.fit(X, Y, sample_weight=rows.reshape(shape), class_weight=weights, verbose=0)
    by_hand.fit(X, Y, sample_weight=rows * np.where(Y == 1, 3.0, 1.0), verbose=0)
    for v, w in zip(by_both.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(v, w, rtol=1e-6)


def test_predict_before_compile():
    model = net()
    assert model.predict(X).shape == (75, 1)
    assert not model.compiled
    assert model.get_compile_config() is None


@pytest.mark.parametrize("method", ["train_step", "compute_metrics", "make_predict_function"])
def test_a_step_of_its_own_is_refused_rather_than_ignored(method):
    own = type("Own", (Model,), {method: lambda self, *args: {}})
    with pytest.raises(TypeError, match=rf"Own\.{method} would never be called"):
        own().compile("sgd", "mse")
