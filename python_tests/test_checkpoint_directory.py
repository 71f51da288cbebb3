"""A directory of checkpoints on disks that fail, and between threads and processes."""

import errno
import os
import resource
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import printed, run
from interrupted import X, Y, assert_same, compiled, interrupted

from fastconv import callbacks
from fastconv.saving import checkpoint
from fastconv.saving.checkpoint import StateDirectory
from fastconv.saving.files import atomic

MEMORY = next((f for f in ("/dev/shm",) if os.access(f, os.W_OK)), None)


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
    printed("-c", code)


def test_two_trainings_at_once(tmp_path: Path) -> None:
    class Second(callbacks.Callback):
        refusals = 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            with pytest.raises(BlockingIOError, match="in use by another training"):
                compiled().fit(X, Y, verbose=0, checkpoint=tmp_path)
            code = f"from fastconv.saving.checkpoint import *\nStateDirectory({str(tmp_path)!r})"
            other = run("-c", code)
            assert other.returncode != 0
            assert "BlockingIOError" in other.stderr
            self.refusals += 1

    second = Second()
    compiled().fit(X, Y, verbose=0, checkpoint=tmp_path, callbacks=[second])
    assert second.refusals == 1
    StateDirectory(tmp_path).close()
