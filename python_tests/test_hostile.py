"""Arrays and shapes that nobody would choose: an error that can be caught, or the right result."""

import contextlib
import gc
import math
import mmap
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fastconv import callbacks, config, layers, ops
from fastconv.models import Sequential
from fastconv.ops.host import positions

Array = npt.NDArray[Any]
REFUSALS = (ValueError, TypeError, MemoryError, OverflowError, IndexError)

some = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def misaligned(array: Array) -> Array:
    raw = np.empty(array.nbytes + 1, np.uint8)[1:]
    view = raw.view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def strided(array: Array) -> Array:
    wide = np.zeros(tuple(3 * d for d in array.shape), array.dtype)
    view = wide[tuple(slice(None, None, 3) for _ in array.shape)]
    view[...] = array
    return view


def backwards(array: Array) -> Array:
    turned = tuple(slice(None, None, -1) for _ in array.shape)
    return array[turned].copy()[turned]


def read_only(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array


def holey(array: Array) -> Array:
    """A field of a packed record: neither aligned nor contiguous."""
    records = np.zeros(array.shape, np.dtype([("byte", "u1"), ("value", array.dtype)]))
    records["value"] = array
    return records["value"]


LAYOUTS = [
    lambda a: a,
    misaligned,
    strided,
    backwards,
    read_only,
    holey,
    np.asfortranarray,
    lambda a: misaligned(a.astype(a.dtype.newbyteorder(">"))),
]
DTYPES = ["float32", "float64", "float16", ">f4", ">f8", "int8", "uint8", "int16", ">i4", "int64"]
DTYPES += ["uint16", "uint32", "uint64", "bool", "longdouble", "complex64", "object", "S4"]
SIZES = st.sampled_from([0, 1, 1, 2, 3, 5, 7, 13, 17])

OPS: dict[str, Any] = {
    "exp": ops.exp,
    "relu": ops.relu,
    "tanh": ops.tanh,
    "softmax": ops.softmax,
    "log_softmax": ops.log_softmax,
    "sum": ops.sum,
    "sum of the last axis": lambda x: ops.sum(x, axis=-1),
    "mean of the first axis": lambda x: ops.mean(x, axis=0, keepdims=True),
    "max": lambda x: ops.max(x, axis=-1),
    "argmin": lambda x: ops.argmin(x, axis=0),
    "add": lambda x: ops.add(x, x),
    "broadcast": lambda x: ops.multiply(x, ops.expand_dims(x, 0)),
    "where": lambda x: ops.where(ops.greater(x, 0), x, ops.negative(x)),
    "transpose": ops.transpose,
    "flip": lambda x: ops.flip(x, 0),
    "pad": lambda x: ops.pad(x, [(1, 2)] * np.ndim(x)),
    "concatenate": lambda x: ops.concatenate([x, x], axis=-1),
    "matmul": lambda x: ops.matmul(x, ops.swapaxes(x, -1, -2)),
    "dense": lambda x: ops.dense(x, np.ones((np.shape(x)[-1], 3), np.float32)),
    "reshape": lambda x: ops.reshape(x, (-1,)),
}


def outcome(call: Any) -> Any:
    """The result as an array, or the error."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(call())
    except REFUSALS as error:
        return error


@some
@given(
    st.sampled_from(sorted(OPS)),
    st.lists(SIZES, min_size=1, max_size=4),
    st.sampled_from(DTYPES),
    st.sampled_from(LAYOUTS),
    st.integers(0, 100),
)
def test_ops_take_any_array(
    name: str, shape: list[int], dtype: str, layout: Any, seed: int
) -> None:
    assume(np.prod(shape) < 3000)
    values = np.random.default_rng(seed).integers(0, 2, shape)
    odd = layout(values.astype(dtype)) if dtype not in ("object",) else values.astype(object)
    before = odd.copy()
    found = outcome(lambda: OPS[name](odd))
    np.testing.assert_array_equal(odd, before)
    plain = outcome(lambda: OPS[name](values.astype(np.float32)))
    if isinstance(found, Exception):
        floats = np.dtype(dtype).kind == "f" and np.dtype(dtype).itemsize <= 8
        assert isinstance(plain, Exception) or not floats, found
    elif np.dtype(dtype).kind == "f":
        assert found.shape == plain.shape
        np.testing.assert_allclose(found.astype(np.float64), plain, rtol=1e-3, atol=1e-5)


@some
@given(st.sampled_from(DTYPES), st.sampled_from(LAYOUTS), st.integers(1, 9))
def test_models_take_any_array(dtype: str, layout: Any, rows: int) -> None:
    values = np.random.default_rng(rows).integers(0, 2, (rows, 6, 5, 2))
    labels = values[:, 0, 0, 0]
    odd = values.astype(object) if dtype == "object" else layout(values.astype(dtype))

    def weights(x: Array, y: Array) -> list[Array]:
        config.set_random_seed(1)
        model = Sequential(
            [layers.Input((6, 5, 2)), layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(2)]
        )
        model.compile("sgd", "mse")
        onehot = np.stack([y, 1 - y.astype(np.int64)], axis=1)
        model.fit(x, onehot, batch_size=4, verbose=0)
        return [*model.get_weights(), model.predict(x, batch_size=3, verbose=0)]

    try:
        found = weights(odd, labels)
    except REFUSALS:
        assert np.dtype(dtype).kind in "OSc"
        return
    for a, b in zip(found, weights(values.astype(np.float32), labels), strict=True):
        np.testing.assert_array_equal(a, b)


HUGE = st.sampled_from([2, 3, 100, 2**31 - 1, 2**31, 2**32 + 1])
SMALL = st.integers(1, 3)


def window(draw: Any) -> dict[str, Any]:
    stride = draw(st.one_of(SMALL, SMALL, HUGE))
    dilation = draw(st.sampled_from([1, 2, 3, 41])) if stride == 1 else 1
    return {
        "kernel_size": draw(st.tuples(st.integers(1, 9), st.integers(1, 9))),
        "strides": stride,
        "dilation_rate": dilation,
        "padding": draw(st.sampled_from(["same", "valid"])),
    }


@st.composite
def nets(draw: Any) -> tuple[tuple[int, ...], list[Any]]:
    """An image's shape, and how to make one layer for it."""
    channels = draw(st.integers(1, 19))
    shape = (draw(st.integers(1, 11)), draw(st.integers(1, 11)), channels)
    kind = draw(st.sampled_from(["conv", "depthwise", "transpose", "separable", "pool", "pad"]))
    options = window(draw)
    if kind == "conv":
        groups = draw(st.sampled_from([1, 1, channels, 2, 5, 2**40]))
        filters = draw(st.integers(1, 3)) * (groups if groups < 20 else 1)
        return shape, [layers.Conv2D, {"filters": filters, "groups": groups, **options}]
    if kind == "depthwise":
        return shape, [
            layers.DepthwiseConv2D,
            {"depth_multiplier": draw(SMALL), **options},
        ]
    if kind == "transpose":
        return shape, [layers.Conv2DTranspose, {"filters": draw(SMALL), **options}]
    if kind == "separable":
        return shape, [layers.SeparableConv2D, {"filters": draw(SMALL), **options}]
    if kind == "pool":
        kind = draw(st.sampled_from([layers.MaxPooling2D, layers.AveragePooling2D]))
        pool = draw(st.one_of(st.integers(1, 12), HUGE))
        return shape, [
            kind,
            {"pool_size": pool, "strides": options["strides"], "padding": options["padding"]},
        ]
    amount = draw(st.one_of(st.integers(0, 4), HUGE))
    kind = draw(st.sampled_from([layers.ZeroPadding2D, layers.Cropping2D, layers.UpSampling2D]))
    return shape, [kind, {"size" if kind is layers.UpSampling2D else kind_name(kind): amount}]


def kind_name(kind: type) -> str:
    return "padding" if kind is layers.ZeroPadding2D else "cropping"


@some
@given(nets(), st.integers(1, 5), st.integers(1, 3))
def test_layers_of_any_shape(net: Any, rows: int, threads: int) -> None:
    """Predictions and one step of training, as in NumPy."""
    shape, (kind, options) = net
    rng = np.random.default_rng(rows)
    x = rng.standard_normal((rows, *shape)).astype(np.float32)

    def result(backend: str) -> list[Array] | None:
        config.set_random_seed(1)
        try:
            model = Sequential([layers.Input(shape), layers.Conv2D(shape[2], 1), kind(**options)])
            assume(math.prod(model.output_shape[1:]) < 1e6)
            model.compile("sgd", "mse", backend=backend)
        except REFUSALS:
            return None
        y = np.zeros((rows, *model.output_shape[1:]), np.float32)
        try:
            model.fit(x, y, batch_size=2, verbose=0, shuffle=False)
            return [model.predict(x, batch_size=3, verbose=0), *model.get_weights()]
        except REFUSALS:
            return None

    before = config.num_threads()
    config.set_num_threads(threads)
    try:
        found, expected = result("native"), result("numpy")
    finally:
        config.set_num_threads(before)
    assert (found is None) == (expected is None)
    for a, b in zip(found or [], expected or [], strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4 * max(1, np.abs(b).max(initial=0)))


@pytest.mark.parametrize("size", [2**31, 2**32, 2**40, 2**61, 2**63, 2**64 + 1])
def test_sizes_beyond_memory_are_refused(size: int) -> None:
    image = np.ones((1, 3, 3, 2), np.float32)
    for make in (
        lambda: ops.zeros((size, size)),
        lambda: ops.broadcast_to(image, (size, 3, 3, 2 * size)),
        lambda: ops.pad(image, [(0, 0), (size, size), (size, size), (0, 0)]),
        lambda: ops.repeat(image, 4 * size, axis=1) if size > 2**40 else ops.zeros((-1,)),
        lambda: ops.reshape(image, (size, -1)),
        lambda: ops.one_hot(np.arange(1000), size * 1000),
        lambda: ops.take(image, np.array([size], object), axis=1),
        lambda: Sequential([layers.Input((3, size, size)), layers.Flatten(), layers.Dense(size)]),
        lambda: Sequential([layers.Input((4,)), layers.Dense(size * 2**30)]),
        lambda: Sequential([layers.Input((4,)), layers.RepeatVector(size), layers.Reshape((7,))]),
    ):
        with pytest.raises(REFUSALS):
            make()


def test_more_elements_than_int32_counts() -> None:
    try:
        x = np.zeros(2**31 + 10, np.uint8)  # of which only the last page is touched
    except MemoryError:
        pytest.skip("needs address space")
    x[-3] = 7
    np.testing.assert_array_equal(ops.slice(x, [2**31], [10]), [0] * 7 + [7, 0, 0])
    assert ops.get_item(x, 2**31 + 7) == 7
    for find in (ops.argmax, ops.argmin):
        with pytest.raises(ValueError, match="int32"):
            find(x, axis=0)
    with pytest.raises(ValueError, match=f"position {2**31 + 3} is too large for int32"):
        positions("nonzero", np.array([1, 2**31 + 3]))


def take_from_five(indices: Any) -> Any:
    return ops.take(np.ones((5, 3), np.float32), indices, axis=0)


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64", "float64"])
def test_indices_that_would_wrap(dtype: str) -> None:
    model = Sequential([layers.Input((2,), dtype="int32"), layers.Embedding(5, 3)])
    index = np.array([[1, 2**32 - 1]], dtype)
    for run in (model.predict, model.predict_on_batch, model, layers.Embedding(5, 3)):
        with pytest.raises(ValueError, match=r"layer .* has input_dim=5.* hold 429496729[56]"):
            run(index)
    taken = Sequential([layers.Input((2,), dtype="int32"), layers.Lambda(take_from_five)])
    found = taken.predict(index, verbose=0)
    assert np.isfinite(found[0, 0]).all()
    assert np.isnan(found[0, 1]).all()
    taken.compile("sgd", "mse", backend="numpy")
    with pytest.raises(IndexError):
        taken.predict(index, verbose=0)
    with pytest.raises(ValueError, match="beyond int32"):
        ops.arange(2**31, 2**31 + 3)
    with pytest.raises(ValueError, match="int32 cannot hold the constant 4294967296"):
        layers.Lambda(lambda x: x + np.array([1, 2**32]))(layers.Input((2,), dtype="int32"))


def test_a_batch_size_beyond_all_numbers() -> None:
    model = Sequential([layers.Input((4,)), layers.Dense(3)])
    x = np.ones((5, 4), np.float32)
    assert model.predict(x, batch_size=2**62, verbose=0).shape == (5, 3)


def test_numbers_that_are_none() -> None:
    """NaN and infinity go through as IEEE 754 says."""
    x = np.array([[np.nan, 1.0, -np.inf, np.inf, -0.0, 1e-45]], np.float32)
    np.testing.assert_array_equal(ops.relu(x)[0], np.maximum(x, 0)[0])
    assert np.isnan(ops.max(x))
    assert np.isnan(ops.sum(x))
    assert np.isnan(ops.softmax(x)).all()
    np.testing.assert_array_equal(ops.isnan(x), [[True, False, False, False, False, False]])
    image = np.ones((1, 4, 4, 1), np.float32)
    image[0, 1, 1, 0] = np.nan
    y = ops.conv(image, np.ones((2, 2, 1, 1), np.float32))
    np.testing.assert_array_equal(
        np.isnan(y[0, :, :, 0]), [[True, True, False], [True, True, False], [False] * 3]
    )
    pooled = ops.max_pool(image, 2)
    np.testing.assert_array_equal(np.isnan(pooled[0, :, :, 0]), [[True, False], [False, False]])


@contextlib.contextmanager
def disturbed(x: Array, y: Array) -> Iterator[None]:
    """Another thread writes anything into the data, and resizes it."""
    stop = threading.Event()

    def disturb(x: Array, y: Array) -> None:
        rng = np.random.default_rng(0)
        while not stop.is_set():
            x[:] = rng.choice(np.array([np.nan, np.inf, 3e38, 0, 1], np.float32), x.shape)
            y[:] = rng.choice(np.array([-(2**31), -1, 0, 3, 2**31 - 1], np.int64), y.shape)
            with contextlib.suppress(ValueError):
                x.resize((1, 6))

    thread = threading.Thread(target=disturb, args=(x, y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("kind", ["fit", "predict", "evaluate"])
def test_arrays_that_change_and_go_during(kind: str) -> None:
    """No crash; a model that does not train gives afterwards what it gave before."""
    x = np.ones((256, 6), np.float32)
    y = np.zeros(256, np.int32)
    calm = np.ones((4, 6), np.float32)
    model = Sequential([layers.Input((6,)), layers.Dense(3)])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    expected = model.predict(calm, verbose=0)
    with disturbed(x, y):
        for _ in range(20 if kind == "fit" else 40):
            with contextlib.suppress(ValueError):  # where the check of the data met them
                if kind == "fit":
                    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
                elif kind == "evaluate":
                    model.evaluate(x, y, batch_size=8, verbose=0)
                else:
                    assert model.predict(x, batch_size=8, verbose=0).shape == (256, 3)
    found = model.predict(calm, verbose=0)
    assert found.shape == (4, 3)
    if kind != "fit":
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["predict", "evaluate"])
def test_arrays_that_are_let_go_during(kind: str) -> None:
    """Nobody holds the data but the model, and their memory cannot be closed under it."""
    files = [mmap.mmap(-1, 256 * 6 * 4), mmap.mmap(-1, 256 * 4)]
    data = [np.frombuffer(files[0], np.float32).reshape(256, 6), np.frombuffer(files[1], np.int32)]
    if kind == "predict":
        data.pop()
        files.pop()
    model = Sequential([layers.Input((6,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    refused = []

    class LetGo(callbacks.Callback):
        def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
            data.clear()
            gc.collect()
            for file in files if batch == 3 else []:
                try:
                    file.close()
                except BufferError as error:
                    refused.append(error)

        on_test_batch_begin = on_predict_batch_begin

    if kind == "predict":
        found = model.predict(data[0], 8, verbose=0, callbacks=[LetGo()])
        np.testing.assert_array_equal(found, np.full((256, 3), found[0, 0]))
    else:
        found = model.evaluate(data[0], data[1], 8, verbose=0, callbacks=[LetGo()])
        np.testing.assert_allclose(found, math.log(3), rtol=1e-5)
    assert len(refused) == len(files)


def test_arrays_that_are_let_go_during_fit() -> None:
    """Nobody holds the data but `fit`, and their memory cannot be closed under it."""
    files = [mmap.mmap(-1, 256 * 6 * 4), mmap.mmap(-1, 256 * 4)]
    data = [np.frombuffer(files[0], np.float32).reshape(256, 6), np.frombuffer(files[1], np.int32)]
    model = Sequential([layers.Input((6,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    begun, refused = threading.Event(), []

    class Begun(callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            begun.set()

    def let_go() -> None:
        begun.wait()
        data.clear()
        gc.collect()
        for file in files:
            try:
                file.close()
            except BufferError as error:
                refused.append(error)

    thread = threading.Thread(target=let_go)
    thread.start()
    history = model.fit(data[0], data[1], 8, 200, verbose=0, callbacks=[Begun()])
    thread.join()
    assert len(refused) == 2
    assert np.isfinite(history.history["loss"]).all()
