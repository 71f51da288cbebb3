"""The same seed gives the same bits, however a training is carried out."""

import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
from drawn_nets import BLOCKS, LOSSES, Bits, Net, bits_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastconv import callbacks, config

EXAMPLES = int(os.environ.get("FASTCONV_EXAMPLES", "25"))

some = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 25,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def same_threads_after():
    before = config.num_threads()
    yield
    config.set_num_threads(before)


NETS = st.builds(
    Net,
    size=st.integers(1, 13),
    channels=st.integers(1, 5),
    filters=st.sampled_from([1, 3, 8, 17, 32]),
    kernel=st.sampled_from([1, 2, 3, 5]),
    stride=st.sampled_from([1, 1, 2]),
    blocks=st.lists(st.sampled_from(BLOCKS), max_size=4).map(tuple),
    classes=st.integers(2, 11),
    optimizer=st.sampled_from(["sgd", "adam", "rmsprop", "adadelta", "nadam", "adamw"]),
    rows=st.integers(1, 45),
    batch=st.integers(1, 50),
    epochs=st.integers(1, 3),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**20),
    policy=st.sampled_from(["float32", "float32", "mixed_bfloat16", "bfloat16"]),
    loss=st.sampled_from(LOSSES),
    metrics=st.sampled_from([("accuracy",), ()]),
)
THREADS = st.sampled_from([1, 2, 3, 4, 7, 16, 33, 64])


def assert_same(a: Bits, b: Bits) -> None:
    assert len(a) == len(b)
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


class Stop(callbacks.Callback):
    """Ends a training as Ctrl-C does, after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@some
@given(NETS, THREADS, THREADS)
def test_any_number_of_threads(net: Net, few: int, many: int) -> None:
    config.set_num_threads(few)
    one = net.fit(net.model())
    config.set_num_threads(many)
    assert_same(one, net.fit(net.model()))


@some
@given(NETS, THREADS, st.data())
def test_stopped_and_resumed_at_any_step(net: Net, threads: int, data: Any) -> None:
    whole = net.fit(net.model())
    steps = -(-net.rows // net.batch) * net.epochs
    every = data.draw(st.sampled_from(["epoch", 1, 2, 3, "0s"]))
    config.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        backup = callbacks.BackupAndRestore(folder + "/states", every, delete_checkpoint=False)
        for _ in range(data.draw(st.integers(1, 3))):
            after = data.draw(st.integers(1, steps))
            try:
                net.fit(net.model(), callbacks=[backup, Stop(after)])
            except KeyboardInterrupt:
                continue
        assert_same(whole, net.fit(net.model(), callbacks=[backup]))


@some
@given(NETS, st.data())
def test_epoch_by_epoch_and_step_by_step(net: Net, data: Any) -> None:
    """By hand: `fit` several times, and `train_on_batch`."""
    whole = net.model()
    net.fit(whole)
    parts = net.model()
    at = data.draw(st.integers(0, net.epochs))
    net.fit(parts, epochs=at)
    net.fit(parts, initial_epoch=at)
    single = net.model()
    x, y = net.data()
    ordered = net.model()
    net.fit(ordered, shuffle=False)
    for _ in range(net.epochs):
        for start in range(0, net.rows, net.batch):
            single.train_on_batch(x[start : start + net.batch], y[start : start + net.batch])
    assert_same(whole.get_weights(), parts.get_weights())
    assert_same(ordered.get_weights(), single.get_weights())


@some
@given(NETS, THREADS)
def test_arrays_or_batches(net: Net, threads: int) -> None:
    x, y = net.data()
    order = [slice(i, i + net.batch) for i in range(0, net.rows, net.batch)]
    arrays = net.fit(net.model(), shuffle=False)
    config.set_num_threads(threads)

    def generator() -> Any:
        while True:
            for rows in order:
                yield x[rows], y[rows]

    model = net.model()
    model.fit(generator(), steps_per_epoch=len(order), epochs=net.epochs, verbose=0)
    assert_same(arrays, net.bits(model))
    every = net.model()
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    assert_same(arrays, net.fit(every, shuffle=False, callbacks=[watch]))


EVERYTHING = Net(9, 3, 17, 3, 1, tuple(sorted(set(BLOCKS))), 5, "adam", 37, 8, 2, True, 11)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_in_another_process(method: str) -> None:
    config.set_num_threads(1)
    here = EVERYTHING.fit(EVERYTHING.model())
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, context) as pool:
        for there in pool.map(bits_of, [EVERYTHING] * 2):
            assert_same(here, there)
