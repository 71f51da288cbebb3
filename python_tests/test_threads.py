"""Threads, processes and signals: fastconv as one citizen among others in a program."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import children
import numpy as np
import pytest
from children import printed

from fastconv import _core, callbacks, config, layers
from fastconv.models import Model, Sequential

RNG = np.random.default_rng(5)
X = RNG.standard_normal((96, 12, 12, 3)).astype(np.float32)
Y = RNG.integers(0, 4, 96)

NET = """
import os, signal, sys, threading, time
import numpy as np
from fastconv import config, layers
from fastconv.models import Sequential

# A shell that runs the tests in the background hands down that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def compiled():
    config.set_random_seed(3)
    model = Sequential([
        layers.Input((12, 12, 3)), layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(4, activation="softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model

rng = np.random.default_rng(5)
x = rng.standard_normal((96, 12, 12, 3)).astype(np.float32)
y = rng.integers(0, 4, 96)
"""


def compiled(seed: int = 3) -> Sequential:
    config.set_random_seed(seed)
    model = Sequential(
        [
            layers.Input((12, 12, 3)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.fixture(autouse=True)
def same_threads_after():
    before = config.num_threads()
    yield
    config.set_num_threads(before)


def start(code: str, **environment: str) -> subprocess.Popen[str]:
    return children.start(NET + textwrap.dedent(code), **environment)


def finish(process: subprocess.Popen[str]) -> str:
    """What the program printed; it must end by itself, without an error."""
    out, err = children.finish(process)
    assert process.returncode == 0, err
    return out


def test_several_python_threads_run_one_model() -> None:
    model = compiled()
    expected = model.predict(X, batch_size=32, verbose=0)
    config.set_num_threads(3)
    with ThreadPoolExecutor(5) as pool:
        for result in pool.map(
            lambda size: model.predict(X, batch_size=size, verbose=0), [32, 96, 7, 32, 50] * 6
        ):
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


class Chain(Model):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = layers.Dense(8, activation="relu")
        self.out = layers.Dense(3)

    def call(self, inputs: object) -> object:
        return self.out(self.hidden(inputs))


@pytest.mark.parametrize("make", [lambda: Sequential([layers.Dense(8), layers.Dense(3)]), Chain])
@pytest.mark.parametrize("use", [lambda m, x: m.predict(x, verbose=0), lambda m, x: m(x)])
def test_a_model_is_built_once_by_several_threads(make: Any, use: Any) -> None:
    x = X[:4, 0, 0]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(15):
            model, together = make(), threading.Barrier(4)

            def first(model: Model = model, together: threading.Barrier = together) -> np.ndarray:
                together.wait()
                return use(model, x)

            with ThreadPoolExecutor(4) as pool:
                results = [pool.submit(first) for _ in range(4)]
            assert len(model.weights) == 4
            for result in results:
                np.testing.assert_array_equal(result.result(), use(model, x))
    finally:
        sys.setswitchinterval(before)


def test_several_models_train_at_once_to_the_same_bits() -> None:
    def weights(model: Sequential) -> list[np.ndarray]:
        model.fit(X, Y, epochs=4, batch_size=16, verbose=0, shuffle=False)
        return model.get_weights()

    alone = weights(compiled())
    models = [compiled() for _ in range(4)]
    done = threading.Event()

    def change_threads() -> None:
        count = 0
        while not done.wait(0.001):
            count = count % 5 + 1
            config.set_num_threads(count)

    meddler = threading.Thread(target=change_threads)
    meddler.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(weights, models))
    finally:
        done.set()
        meddler.join()
    for result in together:
        for a, b in zip(alone, result, strict=True):
            np.testing.assert_array_equal(a, b)


def test_one_model_used_while_it_trains() -> None:
    """Results are of weights in between, but nothing breaks, and later ones are right."""
    model = compiled()
    config.set_num_threads(2)
    stop = threading.Event()
    seen = 0

    def look() -> None:
        nonlocal seen
        while not stop.is_set():
            assert np.isfinite(model.predict(X[:20], verbose=0)).all()
            seen += 1

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(5):
            model.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    finally:
        stop.set()
        watcher.join()
    assert seen > 0
    fresh = compiled()
    fresh.set_weights(model.get_weights())
    np.testing.assert_array_equal(
        model.predict(X[:20], verbose=0), fresh.predict(X[:20], verbose=0)
    )


@pytest.mark.parametrize("threads", [2, 7, 64])
def test_more_threads_than_cores(threads: int) -> None:
    config.set_num_threads(1)
    one = compiled()
    one.fit(X, Y, epochs=2, batch_size=16, verbose=0)
    config.set_num_threads(threads)
    many = compiled()
    many.fit(X, Y, epochs=2, batch_size=16, verbose=0)
    for a, b in zip(one.get_weights(), many.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_callbacks_may_predict_train_and_raise() -> None:
    other = compiled()

    class Nested(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            other.predict(X[:8], verbose=0)
            other.train_on_batch(X[:8], Y[:8])
            if batch == 3:
                raise RuntimeError("from a callback")

    model = compiled()
    config.set_num_threads(2)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="from a callback"):
            model.fit(X, Y, batch_size=8, verbose=0, callbacks=[Nested()])
    assert model.optimizer.iterations.numpy() == 12
    model.fit(X, Y, batch_size=8, verbose=0)


def test_no_work_after_fit_returns() -> None:
    model = compiled()
    config.set_num_threads(4)
    model.fit(X, Y, epochs=2, batch_size=16, verbose=0)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.4)
    assert time.process_time() - before < 0.2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_trains_to_the_same_bits() -> None:
    out = finish(
        start(
            """
            import hashlib, multiprocessing

            def bits(_):
                model = compiled()
                model.fit(x, y, epochs=2, batch_size=16, verbose=0)
                digest = hashlib.sha256()
                for w in model.get_weights():
                    digest.update(w.tobytes())
                return digest.hexdigest() + str(np.round(before.predict(x, verbose=0).sum(), 3))

            config.set_num_threads(3)
            before = compiled()
            before.predict(x, verbose=0)
            expected = bits(0)
            with multiprocessing.get_context("fork").Pool(3) as pool:
                found = pool.map(bits, range(6))
            assert found == [expected] * 6, found

            going = threading.Thread(target=lambda: compiled().fit(x, y, epochs=60, verbose=0))
            going.start()
            for _ in range(8):  # while another thread trains
                child = os.fork()
                if child == 0:
                    os._exit(0 if bits(0) == expected else 1)
                assert os.waitpid(child, 0)[1] == 0
            going.join()
            print("same")
            """
        )
    )
    assert out.strip() == "same"


def test_a_spawned_child_predicts(tmp_path: Path) -> None:
    script = tmp_path / "spawning.py"
    script.write_text(
        NET
        + textwrap.dedent(
            """
            import multiprocessing

            def total(_):
                return float(compiled().predict(x, verbose=0).sum())

            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    assert pool.map(total, [0]) == [total(0)]
            """
        )
    )
    children.printed(str(script))


def test_the_interpreter_ends_while_a_daemon_thread_trains() -> None:
    code = """
    config.set_num_threads(2)
    models = [compiled() for _ in range(3)]
    for model in models:
        threading.Thread(
            target=model.fit, args=(x, y), kwargs={"epochs": 10**6, "verbose": 0}, daemon=True
        ).start()
    time.sleep(WAIT)
    print("over")
    """
    running = [start(code.replace("WAIT", str(0.2 + 0.013 * i))) for i in range(4)]
    for process in running:
        assert finish(process).strip() == "over"


def test_interrupts_leave_a_usable_model() -> None:
    out = finish(
        start(
            """
            model = compiled()
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                model.fit(x, y, epochs=10**6, batch_size=16, verbose=0)
            except KeyboardInterrupt:
                print("interrupted")
            model.fit(x, y, verbose=0)
            assert np.isfinite(model.predict(x, verbose=0)).all()
            """
        )
    )
    assert out.strip() == "interrupted"


@pytest.mark.parametrize("source", ["x, y", "Slices()"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signals_end_a_training_program(name: str, source: str) -> None:
    """Wherever they come: garbage is looked for often, batches are cut ahead by a thread."""
    process = start(
        f"""
        import gc
        from fastconv.utils import PyDataset

        class Slices(PyDataset):
            def __len__(self):
                return 12

            def __getitem__(self, i):
                return x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8]

        gc.set_threshold(20)
        print("ready", flush=True)
        compiled().fit({source}, epochs=10**6, verbose=0)
        """
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.3)
    process.send_signal(getattr(signal, name))
    children.finish(process)
    assert process.returncode == -getattr(signal, name)


def test_default_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; from fastconv import _core; print(_core.num_threads())"
    one = sorted(os.sched_getaffinity(0))[0]
    assert int(finish(start(code, OMP_NUM_THREADS="3"))) == 3
    assert int(finish(start(code, OMP_NUM_THREADS="100000"))) == 256
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    pinned = f"import os; os.sched_setaffinity(0, [{one}])\n{code}"
    assert int(printed("-c", pinned)) == 1
    for nonsense in ("", "many", "0", "-2"):
        assert int(printed("-c", pinned, OMP_NUM_THREADS=nonsense)) == 1


def test_cpu_quota_of_control_groups(tmp_path: Path) -> None:
    def quota(groups: str, **files: str) -> int:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            path = root / "mount" / name.replace("__", "/").replace("max", "cpu.max")
            path = path.with_name(path.name.replace("cfs", "cpu.cfs"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (root / "groups").write_text(groups)
        return _core.cpu_quota(str(root / "groups"), str(root / "mount"))

    assert quota("0::/\n", max="max 100000\n") == 0
    assert quota("0::/\n", max="250000 100000\n") == 3
    assert quota("0::/\n", max="5000 100000\n") == 1
    assert quota("0::/a/b\n", a__b__max="max 100000\n", a__max="200000 100000\n") == 2
    assert quota("0::/a/b\n", a__b__max="100000 100000\n", a__max="200000 100000\n") == 1
    assert quota("0::/elsewhere\n", max="nonsense\n") == 0
    v1 = {"cpu__cfs_quota_us": "400000\n", "cpu__cfs_period_us": "100000\n"}
    assert quota("3:cpuset:/\n1:cpu:/outside/path\n0::/\n", **v1) == 4
    assert quota("1:cpu:/\n", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n") == 0
    assert _core.cpu_quota(str(tmp_path / "none"), str(tmp_path)) == 0
