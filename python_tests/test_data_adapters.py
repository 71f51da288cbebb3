"""What can be passed as data, and how it is read."""

import _thread
import random
import signal
import time

import numpy as np
import pytest

from fastconv import callbacks, config, layers, ops
from fastconv.models import Model, Sequential
from fastconv.training.batches import Batches, ahead
from fastconv.training.data import as_rows, class_weights, dense_rows, split_validation, to_array

RNG = np.random.default_rng(4)
X = RNG.integers(0, 200, (30, 5)).astype("float32")
Y = RNG.integers(0, 3, 30)


@pytest.fixture
def model():
    config.set_random_seed(2)
    net = Sequential([layers.Input((5,)), layers.Dense(3, activation="softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy")
    return net


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "int32", "int64", "float16", "float64", "bool"]
)
def test_every_dtype_of_inputs(model, dtype):
    x = X.astype(dtype)
    expected = model.predict(x.astype("float32"))
    np.testing.assert_array_equal(model.predict(x), expected)


@pytest.mark.parametrize("source", ["uint8", "bool", "int64", "float32"])
@pytest.mark.parametrize("dtype", ["uint8", "bool", "int32"])
def test_inputs_that_are_no_floats(dtype, source):
    """The rows are gathered in the dtype of the input."""
    nets = []
    for kind in (dtype, "float32"):
        config.set_random_seed(2)
        x = layers.Input((5,), dtype=kind)
        nets.append(Model(x, layers.Dense(3)(layers.Rescaling(0.1)(ops.cast(x, "float32")))))
        nets[-1].compile("sgd", "mse")
    given = X.astype(source)
    floats = given.astype(dtype).astype("float32")
    histories = [
        net.fit(x, np.eye(3)[Y], epochs=2, batch_size=8, verbose=0).history
        for net, x in zip(nets, (given, floats), strict=True)
    ]
    assert histories[0] == histories[1]
    for rows in (slice(None), slice(None, None, 2)):
        found = nets[0].predict(given[rows], batch_size=4, verbose=0)
        np.testing.assert_array_equal(found, nets[1].predict(floats[rows], verbose=0))


@pytest.mark.parametrize("wrong", [-1, 256])
def test_numbers_that_are_no_bytes(wrong):
    x = layers.Input((5,), dtype="uint8", name="pixels")
    net = Model(x, layers.Dense(1)(ops.cast(x, "float32")))
    net.compile("sgd", "mse")
    for given in (np.full((8, 5), wrong), np.full((8, 5), wrong, "float32")):
        with pytest.raises(ValueError, match=rf"'pixels' is uint8, from 0 to 255: x holds {wrong}"):
            net.fit(given, np.zeros((8, 1)), verbose=0)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "uint32", "float32", "float64"])
def test_every_dtype_of_labels(model, dtype):
    expected = model.evaluate(X / 200, Y, verbose=0)
    assert model.evaluate(X / 200, Y.astype(dtype), verbose=0) == expected
    assert model.evaluate(X / 200, Y.astype(dtype)[:, None], verbose=0) == expected


@pytest.mark.parametrize("dtype", ["int64", "uint32", "uint64"])
def test_targets_that_int32_does_not_hold(model, dtype):
    net = Sequential([layers.Input((5,)), layers.Dense(1, kernel_initializer="zeros")])
    net.compile("sgd", "mae")
    large = np.full((30, 1), 3_000_000_000, dtype)
    assert net.evaluate(X, large, verbose=0) == 3e9
    with pytest.raises(ValueError, match=r"labels must be from 0 to 2; y holds 3e\+09"):
        model.fit(X, large, verbose=0)


def test_layouts(model):
    expected = model.predict(X)
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.zeros((60, 10), "float32")
    wide[::2, ::2] = X
    for same in (
        np.asfortranarray(X),
        frozen,
        wide[::2, ::2],
        X[::-1][::-1],
        X.astype(">f4"),
        X.tolist(),
        [X],
        {"anything": X},
    ):
        if isinstance(same, dict):
            same = {model.input_names[0]: X}
        np.testing.assert_array_equal(model.predict(same), expected)
    np.testing.assert_array_equal(model.predict(X[::-1]), expected[::-1])


def test_things_that_know_how_to_be_arrays(model):
    class Frame:
        def __array__(self, dtype=None, copy=None):
            return np.asarray(X, dtype)

    np.testing.assert_array_equal(model.predict(Frame()), model.predict(X))


def test_data_frames(model):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X)
    np.testing.assert_array_equal(model.predict(frame), model.predict(X))
    series = pandas.Series(Y)
    assert model.evaluate(frame, series, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_sparse_matrices(model):
    class Matrix:
        def toarray(self):
            return X

    np.testing.assert_array_equal(model.predict(Matrix()), model.predict(X))
    with pytest.raises(TypeError, match="x is None"):
        to_array(None, "x")
    with pytest.raises(ValueError, match="x is a single number"):
        to_array(3.0, "x")


def test_missing_and_extra_last_dimension():
    net = Sequential([layers.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2)])
    images = RNG.uniform(size=(3, 4, 4)).astype("float32")
    np.testing.assert_array_equal(net.predict(images), net.predict(images[..., None]))
    flat = Sequential([layers.Input((5,)), layers.Dense(2)])
    np.testing.assert_array_equal(flat.predict(X[..., None]), flat.predict(X))


def test_nothing_is_copied_without_need():
    assert to_array(X, "x") is X
    assert np.shares_memory(dense_rows(X[::2]), X)
    assert not np.shares_memory(dense_rows(X[:, ::2]), X)


def test_split_takes_the_last_rows():
    rows = as_rows(X, Y)
    train, validation = split_validation(rows, 0.25)
    assert (train.count, validation.count) == (22, 8)
    np.testing.assert_array_equal(validation.x.arrays[0], X[22:])
    with pytest.raises(ValueError, match="at least one"):
        split_validation(as_rows(X[:1], Y[:1]), 0.5)


def test_class_weights():
    y = as_rows(X, Y).y
    weights = class_weights({0: 1.0, 1: 2.0, 2: 0.5}, y)
    np.testing.assert_array_equal(weights, np.array([1.0, 2.0, 0.5])[Y])
    one_hot = as_rows(X, np.eye(3)[Y]).y
    np.testing.assert_array_equal(class_weights({0: 1.0, 1: 2.0, 2: 0.5}, one_hot), weights)
    np.testing.assert_array_equal(class_weights({1: 2.0}, y), np.array([1.0, 2.0, 1.0])[Y])
    column = as_rows(X, Y[:, None].astype(np.float32)).y
    np.testing.assert_array_equal(class_weights({0: 1.0, 1: 2.0, 2: 0.5}, column), weights)
    with pytest.raises(ValueError, match="whole numbers as labels"):
        class_weights({0: 1.0}, as_rows(X, Y + 0.5).y)
    with pytest.raises(ValueError, match="one label for each row"):
        class_weights({0: 1.0}, as_rows(X, np.zeros((30, 2, 1), int)).y)
    with pytest.raises(ValueError, match="one array of targets"):
        class_weights({0: 1.0}, None)


class Sequence:
    def __init__(self, size=10):
        self.size = size
        self.ends = 0
        self.asked = []
        self.begins = 0

    def __len__(self):
        return 30 // self.size

    def __getitem__(self, i):
        self.asked.append(i)
        rows = slice(i * self.size, (i + 1) * self.size)
        return X[rows] / 200, Y[rows]

    def on_epoch_begin(self):
        assert self.begins == self.ends
        self.begins += 1

    def on_epoch_end(self):
        self.ends += 1


def test_sequences(model):
    sequence = Sequence()
    history = model.fit(sequence, epochs=2, shuffle=False, verbose=0, validation_data=Sequence())
    assert sequence.asked == [0, 0, 1, 2, 0, 1, 2]  # the first look is at the shapes
    assert sequence.begins == sequence.ends == 2
    assert len(history.history["val_loss"]) == 2
    assert int(model.optimizer.iterations) == 6
    shuffled = Sequence(size=1)
    model.fit(shuffled, epochs=1, verbose=0)
    order = shuffled.asked[1:]
    assert sorted(order) == list(range(30))
    assert order != sorted(order)


@pytest.mark.parametrize("shuffle", [False, True])
def test_epochs_of_so_many_batches_go_on_through_a_sequence(model, shuffle):
    sequence = Sequence(size=6)
    with pytest.warns(UserWarning, match="epoch 3, which has 1 of steps_per_epoch=2 steps"):
        model.fit(sequence, epochs=5, steps_per_epoch=2, shuffle=shuffle, verbose=0)
    order = sequence.asked[1:]
    assert sorted(order[:5]) == list(range(5))
    assert (order[:5] == [*range(5)]) == (order[5:] == [*range(4)]) == (not shuffle)
    assert sequence.begins == sequence.ends == 5


def test_sequences_that_are_iterators_too_have_no_end(model):
    class Endless(Sequence):
        def __next__(self):
            raise NotImplementedError

    sequence = Endless(size=6)
    model.fit(sequence, epochs=3, steps_per_epoch=4, shuffle=False, verbose=0)
    assert sequence.asked[1:] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert sequence.begins == sequence.ends == 5


def test_loaders_are_read_again_each_epoch(model):
    class Loader:
        starts = 0

        def __iter__(self):
            self.starts += 1
            return iter([(X[:10] / 200, Y[:10]), (X[10:14] / 200, Y[10:14])])

    loader = Loader()
    model.fit(loader, epochs=3, verbose=0)
    assert int(model.optimizer.iterations) == 6
    assert model.predict([X[:4]]).shape == (4, 3)


def test_generator_that_ends_stops_training(model):
    batches = ((X[i : i + 10] / 200, Y[i : i + 10]) for i in (0, 10, 20))
    with pytest.warns(UserWarning, match="ran out before epoch 2"):
        history = model.fit(batches, epochs=2, verbose=0)
    assert history.epoch == [0]
    assert int(model.optimizer.iterations) == 3


@pytest.mark.parametrize("steps", [None, 2])
def test_a_validation_without_data_has_no_results(model, steps):
    batches = ((X[i : i + 10] / 200, Y[i : i + 10]) for i in (0, 10))
    options = {"validation_data": batches, "validation_steps": steps, "verbose": 0}
    stopping = callbacks.EarlyStopping(patience=1)
    with (
        pytest.warns(UserWarning, match="validation data ran out before epoch 2, which has no val"),
        pytest.warns(UserWarning, match="EarlyStopping follows 'val_loss', which is not available"),
    ):
        history = model.fit(X / 200, Y, epochs=2, callbacks=[stopping], **options)
    assert len(history.history["loss"]) == 2
    assert history.history["val_loss"] == [stopping.best]
    assert stopping.best > 0


def test_weights_in_batches(model):
    weight = np.linspace(0, 2, 30).astype("float32")
    expected = model.evaluate(X / 200, Y, sample_weight=weight, batch_size=30, verbose=0)
    found = model.evaluate(iter([(X / 200, Y, weight)]), verbose=0)
    assert found == pytest.approx(expected)


def test_an_error_in_the_generator_comes_out(model):
    def broken():
        yield X[:10] / 200, Y[:10]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(broken(), epochs=1, verbose=0)


def test_batches_are_made_ahead():
    made = []

    def slow():
        for i in range(5):
            made.append(i)
            yield as_rows(X[:2])

    iterator = ahead(slow(), size=2)
    next(iterator)
    for _ in range(1000):
        if len(made) >= 3:
            break
        time.sleep(0.01)
    assert len(made) >= 3
    iterator.close()
    assert len(made) <= 5


def test_an_interrupt_at_any_moment_ends_the_thread_that_makes_batches():
    def interrupt(*_):
        raise KeyboardInterrupt

    def source():
        while True:
            yield as_rows(X[:2])

    def all_of(batches):
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(2e-5, 2e-3))
        for _ in ahead(batches):
            pass

    rng = random.Random(4)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(400):
            batches, threads = source(), _thread._count()
            with pytest.raises(KeyboardInterrupt):
                all_of(batches)
            limit = time.monotonic() + 20
            while _thread._count() > threads:
                assert time.monotonic() < limit
            next(batches)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_steps_go_on_where_the_last_epoch_stopped():
    source = iter([(X[i : i + 5], Y[i : i + 5]) for i in range(0, 30, 5)])
    batches = Batches(source, None, None)
    first = [rows.x.arrays[0][0, 0] for rows in batches.epoch(2, (0, 0))]
    second = [rows.x.arrays[0][0, 0] for rows in batches.epoch(2, (0, 1))]
    np.testing.assert_array_equal(first + second, X[[0, 5, 10, 15], 0])


def test_predict_leaves_out_targets_that_come_along(model):
    pairs = [(X[i : i + 10], Y[i : i + 10]) for i in (0, 10, 20)]
    np.testing.assert_allclose(model.predict(iter(pairs)), model.predict(X), rtol=1e-5)


class OnlyDlpack:
    """An array of another library that shares its memory."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_what_has_dlpack_is_an_array(model):
    expected = model.evaluate(X, Y, verbose=0)
    assert model.evaluate(OnlyDlpack(X), OnlyDlpack(Y), verbose=0) == expected
    history = model.fit(OnlyDlpack(X), OnlyDlpack(Y), validation_split=0.2, epochs=1, verbose=0)
    assert set(history.history) == {"loss", "val_loss"}


def test_a_loader_of_torch(model):
    torch = pytest.importorskip("torch")
    rows = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    loader = torch.utils.data.DataLoader(rows, batch_size=8)
    expected = model.evaluate(X, Y, batch_size=8, verbose=0)
    assert model.evaluate(loader, verbose=0) == pytest.approx(expected)
    np.testing.assert_allclose(model.predict(loader), model.predict(X), rtol=1e-5)
    model.fit(loader, epochs=3, validation_data=loader, verbose=0)
    assert int(model.optimizer.iterations) == 3 * 4
    assert model.evaluate(torch.tensor(X), torch.tensor(Y), verbose=0) != expected
