"""Trainings that are interrupted, killed, or out of space: nothing is lost, nothing is half."""

import errno
import json
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv import callbacks, config, layers
from fastconv.models import Sequential
from fastconv.saving import checkpoint
from fastconv.saving.checkpoint import StateDirectory, decode, encode
from fastconv.saving.files import atomic

HOME = Path(fastconv.__file__).parents[1]
MEMORY = next((f for f in ("/dev/shm",) if os.access(f, os.W_OK)), None)
RNG = np.random.default_rng(6)
X = RNG.standard_normal((40, 5)).astype(np.float32)
Y = RNG.integers(0, 3, 40)


def compiled(optimizer: Any = "adam", units: int = 4, **options: Any) -> Sequential:
    config.set_random_seed(2)
    model = Sequential(
        [
            layers.Input((5,)),
            layers.Dense(units, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


class Interrupt(callbacks.Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.moment = (epoch, batch)
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.moment:
            raise KeyboardInterrupt


def interrupted(directory: Path, epoch: int = 2, batch: int = 3, **options: Any) -> None:
    backup = callbacks.BackupAndRestore(directory, 2)
    with pytest.raises(KeyboardInterrupt):
        compiled().fit(
            X, Y, 8, 4, verbose=0, callbacks=[backup, Interrupt(epoch, batch)], **options
        )


def assert_same(a: Sequential, b: Sequential) -> None:
    for left, right in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(a.optimizer.variables, b.optimizer.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


def crashes(*options: str) -> Any:
    folder = ["--folder", MEMORY] if MEMORY else []
    ran = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "crashes.py"), *options, *folder],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("by", ["KILL", "INT", "TERM"])
def test_killed_at_random_moments(by: str) -> None:
    result = crashes("--kills", "30", "--seed", "7", "--signal", by)
    assert (result["signal"], result["kills"]) == (f"SIG{by}", 30)
    assert result["within a write"] >= 3


def test_killed_at_calls_to_the_system() -> None:
    assert crashes("--faults", "--every", "11")["calls"] > 10


def test_a_finished_training_is_not_made_again(tmp_path: Path) -> None:
    first = compiled()
    once = first.fit(X, Y, epochs=3, verbose=0, checkpoint=tmp_path)
    second = compiled()
    again = second.fit(X, Y, epochs=3, verbose=0, checkpoint=tmp_path)
    assert again.history == once.history
    assert_same(first, second)
    longer, alone = compiled(), compiled()
    longer.fit(X, Y, epochs=5, verbose=0, checkpoint=tmp_path)
    alone.fit(X, Y, epochs=5, verbose=0)
    assert_same(longer, alone)


def test_the_seed_of_an_unseeded_process_comes_back(tmp_path: Path) -> None:
    interrupted(tmp_path)
    config.set_random_seed(77)
    model = compiled()
    fastconv.random.set_seed(1234)
    model.fit(X, Y, 8, 4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path, 2)])
    assert fastconv.random.get_seed() == 2
    alone = compiled()
    alone.fit(X, Y, 8, 4, verbose=0)
    assert_same(model, alone)


def test_stopped_early_stays_stopped(tmp_path: Path) -> None:
    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = epoch == 1

    compiled().fit(X, Y, epochs=5, verbose=0, checkpoint=tmp_path, callbacks=[Stop()])
    assert compiled().fit(X, Y, epochs=5, verbose=0, checkpoint=tmp_path).epoch == [0, 1]


def test_an_average_of_weights_is_finished_twice_alike(tmp_path: Path) -> None:
    optimizers = [fastconv.optimizers.SGD(0.1, use_ema=True) for _ in range(2)]
    models = [compiled(optimizer) for optimizer in optimizers]
    for model in models:
        model.fit(X, Y, epochs=2, verbose=0, checkpoint=tmp_path)
    assert_same(*models)


class Numbered(fastconv.utils.PyDataset):
    """Batches by number, the same in each epoch."""

    def __init__(self, batches: list[Any]) -> None:
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


@pytest.mark.parametrize("kind", ["iterator", "numbered", "iterable"])
@pytest.mark.parametrize("steps", [None, 4])
def test_batches_go_on_where_they_were(kind: str, steps: int | None, tmp_path: Path) -> None:
    class Iterable:
        """Other batches in each iteration."""

        def __init__(self) -> None:
            self.iterations = 0

        def __iter__(self) -> Iterator[Any]:
            self.iterations += 1
            order = np.random.default_rng(self.iterations).permutation(40)
            for start in range(0, 40, 8):
                yield X[order[start : start + 8]], Y[order[start : start + 8]]

    def source() -> Any:
        if kind == "numbered":
            return Numbered(list(Iterable()))
        if kind == "iterable":
            return Iterable()
        return (batch for made in [Iterable()] for _ in range(9) for batch in made)

    def train(*extra: Any) -> Sequential:
        model = compiled()
        model.fit(
            source(),
            steps_per_epoch=5 if kind == "iterator" and steps is None else steps,
            epochs=4,
            verbose=0,
            validation_data=source(),
            validation_steps=2,
            validation_freq=2,
            callbacks=list(extra),
        )
        return model

    with pytest.raises(KeyboardInterrupt):
        train(callbacks.BackupAndRestore(tmp_path, 1), Interrupt(2, 3))
    assert_same(train(), train(callbacks.BackupAndRestore(tmp_path, 1)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 16}, "batch_size 8, this one has 16"),
        ({"shuffle": False}, "shuffle True"),
        ({"x": X[:30], "y": Y[:30]}, "number of rows 40"),
        ({"steps_per_epoch": 2}, "steps_per_epoch None"),
        ({"validation_split": 0.5}, "number of rows 40, this one has 20"),
        ({"model": {"optimizer": "sgd"}}, "optimizer 'Adam'"),
        ({"model": {"units": 7}}, r"\(5, 4\) among the weights"),
        ({"model": {"metrics": ["accuracy"]}}, "variables of the metrics"),
    ],
)
def test_another_training_is_refused(changed: Any, message: str, tmp_path: Path) -> None:
    interrupted(tmp_path)
    before = (tmp_path / "state").read_bytes()
    model = compiled(**changed.pop("model", {}))
    weights = model.get_weights()
    arguments = {"x": X, "y": Y, "batch_size": 8, "epochs": 4, "verbose": 0, **changed}
    with pytest.raises(ValueError, match=message):
        model.fit(**arguments, callbacks=[callbacks.BackupAndRestore(tmp_path, 2)])
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (tmp_path / "state").read_bytes() == before


def full_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    real = os.write

    def write(handle: int, content: Any) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(28, "No space left on device")
        room -= (written := real(handle, content[:room]))
        return written

    monkeypatch.setattr(checkpoint.os, "write", write)


@pytest.mark.parametrize("room", [0, 1, 100, 1000])
def test_a_full_disk(room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path)
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    model = compiled()
    with monkeypatch.context() as patch:
        full_disk(patch, room)
        with pytest.raises(OSError, match="No space left on device; the last one is kept"):
            model.fit(X, Y, 8, 4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path, 2)])
    assert np.isfinite(model.predict(X, verbose=0)).all()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == kept
    again, alone = compiled(), compiled()
    again.fit(X, Y, 8, 4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path, 2)])
    alone.fit(X, Y, 8, 4, verbose=0)
    assert_same(again, alone)


def test_a_limit_of_the_size_of_files(tmp_path: Path) -> None:
    interrupted(tmp_path)
    kept = (tmp_path / "state").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large; the last one is kept"):
            compiled().fit(X, Y, 8, 4, callbacks=[callbacks.BackupAndRestore(tmp_path)], verbose=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "state").read_bytes() == kept
    assert not (tmp_path / "state.new").exists()


@pytest.mark.parametrize("directory", ["file/below", "/proc/none", "file"])
def test_a_directory_that_cannot_be(directory: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = compiled()
    with pytest.raises(OSError, match="cannot keep checkpoints in"):
        model.fit(X, Y, verbose=0, checkpoint=tmp_path / directory)
    assert int(model.optimizer.iterations) == 0


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Nothing can be made in it, by root neither."""
    directory.chmod(0o555)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        yield
    finally:
        if superuser:
            os.seteuid(0)
        directory.chmod(0o755)


def contents(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir()}


def test_a_read_only_directory(tmp_path: Path) -> None:
    with (
        read_only(tmp_path),
        pytest.raises(PermissionError, match="cannot keep checkpoints in"),
    ):
        StateDirectory(tmp_path)


@pytest.mark.parametrize("lock", [True, False])
def test_a_read_only_directory_with_a_state(lock: bool, tmp_path: Path) -> None:
    interrupted(tmp_path)
    if not lock:
        (tmp_path / "lock").unlink()
    kept = contents(tmp_path)
    model = compiled()
    weights = model.get_weights()
    with (
        read_only(tmp_path),
        pytest.raises(PermissionError, match="cannot keep checkpoints in"),
    ):
        model.fit(X, Y, 8, 4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path, 2)])
    assert contents(tmp_path) == kept
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    again, alone = compiled(), compiled()
    again.fit(X, Y, 8, 4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path, 2)])
    alone.fit(X, Y, 8, 4, verbose=0)
    assert_same(again, alone)


@pytest.mark.parametrize(
    ("number", "fails"), [(errno.EIO, True), (errno.ENOSPC, True), (errno.EINVAL, False)]
)
def test_a_directory_that_cannot_be_synced(
    number: int, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails is told; a file system that syncs no directories is not."""
    directory = StateDirectory(tmp_path)
    directory.write({"i": 0})
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        real(handle)

    def told() -> Any:
        return pytest.raises(OSError, match=os.strerror(number)) if fails else nullcontext()

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "fsync", fsync)
        with told():
            directory.write({"i": 1})
        with told(), atomic(tmp_path / "other") as temporary:
            temporary.write_text("new")
    assert directory.read()["i"] == 1
    assert (tmp_path / "other").read_text() == "new"
    assert sorted(contents(tmp_path)) == ["lock", "other", "state", "state.previous"]
    directory.close()


@pytest.mark.parametrize("failing", ["fsync", "first replace", "second replace"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails(
    failing: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = StateDirectory(tmp_path)
    for i in range(3):
        directory.write({"i": i, "a": np.arange(5)})
    calls = 0

    def fails(*args: Any) -> None:
        raise OSError(number, os.strerror(number))

    def replace(self: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == (1 if failing == "first replace" else 2):
            fails()
        self.rename(target)

    with monkeypatch.context() as patch:
        if failing == "fsync":
            patch.setattr(checkpoint.os, "fsync", fails)
        else:
            patch.setattr(Path, "replace", replace)
        with pytest.raises(OSError, match=f"{os.strerror(number)}; the last one is kept"):
            directory.write({"i": 3, "a": np.arange(5)})
    assert directory.read()["i"] == 2
    assert not (tmp_path / "state.new").exists()
    directory.write({"i": 4})
    assert directory.read()["i"] == 4
    directory.close()


def test_a_state_is_synced_before_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill cannot show: it loses nothing that the system has."""
    directory = StateDirectory(tmp_path)
    directory.write({"i": 0})
    calls: list[str] = []
    real = {name: getattr(os, name) for name in ("write", "fsync")}

    def note(name: str) -> Any:
        def call(handle: int, *args: Any) -> Any:
            kind = "directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
            calls.append(f"{name} {kind}")
            return real[name](handle, *args)

        return call

    def replace(self: Path, target: Path) -> None:
        calls.append(f"{self.name} to {target.name}")
        self.rename(target)

    for name in real:
        monkeypatch.setattr(checkpoint.os, name, note(name))
    monkeypatch.setattr(Path, "replace", replace)
    directory.write({"i": 1, "a": np.zeros(10)})
    directory.close()
    renamed = ["state to state.previous", "state.new to state", "fsync directory"]
    assert calls[0] == "write file"
    assert calls[-4:] == ["fsync file", *renamed]
    assert set(calls[:-4]) == {"write file"}


def test_two_threads_of_one_process(tmp_path: Path) -> None:
    """Exactly one of them gets the directory, and the other changes nothing."""
    directory = StateDirectory(tmp_path)
    directory.write({"a": np.arange(5)})
    directory.close()
    kept = contents(tmp_path)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(200):
            together, outcomes = threading.Barrier(2), []

            def take(together: Any = together, outcomes: Any = outcomes) -> None:
                together.wait()
                try:
                    outcomes.append(StateDirectory(tmp_path))
                except BlockingIOError as error:
                    outcomes.append(error)

            threads = [threading.Thread(target=take) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            (opened,) = (o for o in outcomes if isinstance(o, StateDirectory))
            (refused,) = (o for o in outcomes if isinstance(o, BlockingIOError))
            assert "in use by another training" in str(refused)
            assert contents(tmp_path) == kept
            assert opened.read()["a"].tolist() == [0, 1, 2, 3, 4]
            opened.close()
    finally:
        sys.setswitchinterval(before)


def test_two_fits_of_one_process(tmp_path: Path) -> None:
    """Whichever comes second is refused before it trains or writes."""
    models = [compiled(), compiled()]
    weights = models[0].get_weights()
    second = threading.Barrier(2)
    errors: list[BlockingIOError] = []

    class Wait(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                kept = contents(tmp_path)
                second.wait(60)  # the other begins,
                second.wait(60)  # ... and has ended
                assert contents(tmp_path) == kept

    def other() -> None:
        second.wait(60)
        try:
            models[1].fit(X, Y, 8, verbose=0, checkpoint=tmp_path)
        except BlockingIOError as error:
            errors.append(error)
        second.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    models[0].fit(X, Y, 8, verbose=0, checkpoint=tmp_path, callbacks=[Wait()])
    thread.join()
    assert "in use by another training" in str(errors[0])
    for a, b in zip(weights, models[1].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_child_of_a_process_that_opens_one(tmp_path: Path) -> None:
    """It may use another directory, and not the one that its parent has."""
    code = f"""
import os
from fastconv.saving import checkpoint

parent = checkpoint.StateDirectory({str(tmp_path / "a")!r})
with checkpoint._claiming:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            checkpoint.StateDirectory({str(tmp_path / "b")!r}).close()
            try:
                checkpoint.StateDirectory({str(tmp_path / "a")!r})
            except BlockingIOError:
                parent.close()
                status = 0
        finally:
            os._exit(status)
assert os.waitpid(child, 0)[1] == 0
parent.write({{"i": 1}})
parent.clear()
parent.close()
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_two_trainings_at_once(tmp_path: Path) -> None:
    class Second(callbacks.Callback):
        refusals = 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            with pytest.raises(BlockingIOError, match="in use by another training"):
                compiled().fit(X, Y, verbose=0, checkpoint=tmp_path)
            code = f"from fastconv.saving.checkpoint import *\nStateDirectory({str(tmp_path)!r})"
            other = subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONPATH": str(HOME)},
                cwd=HOME,
                capture_output=True,
                text=True,
                check=False,
            )
            assert other.returncode != 0
            assert "BlockingIOError" in other.stderr
            self.refusals += 1

    second = Second()
    compiled().fit(X, Y, verbose=0, checkpoint=tmp_path, callbacks=[second])
    assert second.refusals == 1
    StateDirectory(tmp_path).close()


def test_the_previous_state_replaces_a_damaged_one(tmp_path: Path) -> None:
    interrupted(tmp_path)
    content = bytearray((tmp_path / "state").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "state").write_bytes(content)
    model, alone = compiled(), compiled()
    with pytest.warns(UserWarning, match="checksum is wrong; going on from"):
        model.fit(X, Y, 8, 4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path, 2)])
    alone.fit(X, Y, 8, 4, verbose=0)
    assert_same(model, alone)
    interrupted(tmp_path)
    for name in ("state", "state.previous"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"Remove .* to begin the training anew"):
        compiled().fit(X, Y, 8, 4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path, 2)])


def test_states_that_are_none() -> None:
    state = {
        "a": [1, 2.5, None, True, "é", float("nan")],
        "b": {"c": np.arange(3)},
        "d": np.ones(()),
    }
    content = b"".join(encode(state))
    found = decode(content)
    assert found["a"][:5] == state["a"][:5]
    np.testing.assert_array_equal(found["b"]["c"], state["b"]["c"])
    assert found["d"].shape == ()
    for size in range(len(content)):
        with pytest.raises(ValueError):
            decode(content[:size])
    for place in range(len(content)):
        with pytest.raises(ValueError):
            decode(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
    for wrong in (object(), {1: 2}, {"__array__": 0}, np.array(["text"]), [{"x": {3}}]):
        with pytest.raises(TypeError, match="part of a checkpoint"):
            list(encode(wrong))


def test_a_state_of_nan_is_not_kept(tmp_path: Path) -> None:
    model = compiled(fastconv.optimizers.SGD(1e30))
    model.fit(X, Y, 8, 4, verbose=0, checkpoint=tmp_path)
    assert not np.isfinite(model.history.history["loss"][-1])
    with StateDirectory(tmp_path).current.open("rb") as file:
        state = decode(file.read())
    assert all(np.isfinite(w).all() for w in state["variables"]["weights of the model"])


class Late(callbacks.Callback):
    """Interrupts the training at the end of its third epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


def test_csv_log_goes_on(tmp_path: Path) -> None:
    def train(name: str, *extra: Any) -> str:
        log = callbacks.CSVLogger(tmp_path / name)
        compiled().fit(X, Y, 8, 4, verbose=0, callbacks=[log, *extra])
        return (tmp_path / name).read_text()

    (tmp_path / "log.csv").write_text("of an older training\n")
    backup = callbacks.BackupAndRestore(tmp_path / "states")
    with pytest.raises(KeyboardInterrupt):
        train("log.csv", backup, Late())
    assert (tmp_path / "log.csv").read_text().count("\n") == 4
    assert train("log.csv", backup) == train("alone.csv")


def test_tensorboard_counts_its_batches_on(tmp_path: Path) -> None:
    def train(*extra: Any) -> dict[str, Any]:
        board = callbacks.TensorBoard(tmp_path / "log", update_freq="batch")
        compiled().fit(X, Y, 8, 4, verbose=0, callbacks=[board, *extra])
        return board.get_state()

    backup = callbacks.BackupAndRestore(tmp_path / "states")
    with pytest.raises(KeyboardInterrupt):
        train(backup, Late())
    assert train(backup) == train() == {"step": 4 * -(-len(X) // 8)}


def test_own_callbacks_have_a_state(tmp_path: Path) -> None:
    class Counting(callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def on_train_begin(self, logs: Any = None) -> None:
            self.count = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.count += 1

        def get_state(self) -> dict[str, Any]:
            return {"count": self.count, "array": np.arange(self.count)}

        def set_state(self, state: dict[str, Any]) -> None:
            self.count = state["count"]
            assert len(state["array"]) == self.count

    backup = callbacks.BackupAndRestore(tmp_path, 1)
    with pytest.raises(KeyboardInterrupt):
        compiled().fit(X, Y, 8, 4, verbose=0, callbacks=[Counting(), backup, Interrupt(2, 3)])
    counting = Counting()
    compiled().fit(X, Y, 8, 4, verbose=0, callbacks=[counting, backup])
    assert counting.count == 20


def test_wrong_use(tmp_path: Path) -> None:
    for wrong in ("day", 0, -1, 2.5, True, None, "5 parsecs", "-1s"):
        with pytest.raises(ValueError, match="save_freq"):
            callbacks.BackupAndRestore(tmp_path, wrong)
    backup = callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(ValueError, match="only one checkpoint"):
        compiled().fit(X, Y, verbose=0, checkpoint=tmp_path, callbacks=[backup])
