"""Trainings that are killed again and again, and must end as if nothing had happened.

A server imports fastconv once and forks a process for every attempt. An attempt trains with a
checkpoint directory and is killed with SIGKILL, either at a random moment (``--kills``) or at every
single call that the writer makes to the system (``--faults``): after each open, write, sync, rename
and unlink, and after a part of a write. The training is begun again until it ends; its weights,
optimizer, history, callbacks, log file and predictions must be those of a training left alone.

    python python_tests/crashes.py --kills 2000 --seed 1
    python python_tests/crashes.py --faults
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import callbacks, config, layers
from fastconv.models import Sequential
from fastconv.utils import PyDataset

RNG = np.random.default_rng(8)
X = RNG.standard_normal((60, 6, 6, 2)).astype(np.float32)
Y = RNG.integers(0, 3, 60)
BATCH, STEPS = 8, 8
EPOCHS = 6


class Shuffled(PyDataset):
    """Batches in an order of its own, another one after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.order = np.arange(len(X))
        self.random = np.random.default_rng(4)

    def __len__(self) -> int:
        return STEPS

    def __getitem__(self, index: int) -> Any:
        rows = self.order[index * BATCH : (index + 1) * BATCH]
        return X[rows], Y[rows]

    def on_epoch_end(self) -> None:
        self.random.shuffle(self.order)


def endless() -> Iterator[Any]:
    while True:
        for start in range(0, len(X), BATCH):
            yield X[start : start + BATCH], Y[start : start + BATCH]


DATA: dict[str, Callable[[], dict[str, Any]]] = {
    "shuffled arrays": lambda: {"x": X, "y": Y, "batch_size": BATCH},
    "arrays in order": lambda: {"x": X, "y": Y, "batch_size": BATCH, "shuffle": False},
    "part of the arrays": lambda: {
        "x": X,
        "y": Y,
        "batch_size": BATCH,
        "shuffle": False,
        "steps_per_epoch": 3,
    },
    "generator": lambda: {"x": endless(), "steps_per_epoch": STEPS},
    "sequence": lambda: {"x": Shuffled()},
}
SAVE_FREQS: list[Any] = ["epoch", 1, 3, "0.002s", "0.02s"]


def train(data: str, save_freq: Any, folder: Path, epochs: int = EPOCHS) -> str:
    """Train in ``folder``; returns a digest of everything that comes out."""
    config.set_random_seed(3)
    model = Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    early = callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    plateau = callbacks.ReduceLROnPlateau("val_loss", patience=1, factor=0.5, min_delta=0.05)
    watched = [
        early,
        plateau,
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        callbacks.ModelCheckpoint(folder / "best.weights.h5", save_best_only=True),
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.BackupAndRestore(folder / "states", save_freq, delete_checkpoint=False),
    ]
    history = model.fit(
        **DATA[data](),
        epochs=EPOCHS,
        validation_data=(X[:20], Y[:20]),
        verbose=0,
        callbacks=watched,
    )
    digest = hashlib.sha256()
    for array in (*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)):
        digest.update(array.tobytes())
    for state in (history.history, history.epoch, plateau.get_state(), early.best, early.wait):
        digest.update(json.dumps(state).encode())
    digest.update((folder / "log.csv").read_bytes())
    digest.update(model.predict(X, verbose=0).tobytes())
    model.load_weights(folder / "best.weights.h5")
    digest.update(model.get_weights()[0].tobytes())
    return digest.hexdigest()


def attempt(work: Callable[[], str]) -> tuple[int, int]:
    """Fork a process that does ``work``; its number, and where its answer can be read."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            os.write(writing, work().encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    return child, reading


def finish(child: int, reading: int) -> str | None:
    """The answer of a process; None if it was killed. Anything else is an error."""
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if status != 0:
        raise RuntimeError(f"a training ended with status {status}")
    return answer


def alone(data: str, work: Callable[[Path], str], folder: Path) -> str:
    """The digest of an undisturbed training."""
    known = folder / data.replace(" ", "-")
    if not known.exists():
        inside = Path(tempfile.mkdtemp(dir=folder))
        answer = finish(*attempt(lambda: work(inside)))
        assert answer is not None
        known.write_text(answer)
    return known.read_text()


def wait_for_a_write(new: Path, child: int) -> None:
    """Until a state is being written, or the process has ended."""
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while not new.exists() and os.waitid(os.P_PID, child, ended) is None:
        pass


def kill_at_random(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kill trainings at ``kills`` random moments, a third of them at the next write from there."""
    random = np.random.default_rng(seed)
    killed = trainings = writing = 0
    longest = 1.0  # seconds that a training takes
    for name in sorted(DATA):
        start = time.perf_counter()
        alone(name, lambda inside, d=name: train(d, "epoch", inside), folder)
        longest = min(longest, time.perf_counter() - start)
    while killed < kills:
        data = str(random.choice(sorted(DATA)))
        save_freq = SAVE_FREQS[random.integers(len(SAVE_FREQS))]
        threads = int(random.choice([1, 2, 3]))
        expected = (folder / data.replace(" ", "-")).read_text()
        inside = Path(tempfile.mkdtemp(dir=folder))

        def work(
            data: str = data, freq: Any = save_freq, inside: Path = inside, threads: int = threads
        ) -> str:
            config.set_num_threads(threads)
            return train(data, freq, inside)

        while True:
            child, reading = attempt(work)
            if killed < kills:
                time.sleep(float(random.uniform(0, 1.3 * longest)))
                if random.uniform() < 1 / 3:
                    wait_for_a_write(inside / "states" / "state.new", child)
                os.kill(child, signal.SIGKILL)
            answer = finish(child, reading)
            if answer is not None:
                break
            killed += 1
            writing += (inside / "states" / "state.new").exists()
        trainings += 1
        if answer != expected:
            raise AssertionError(f"other bits: {data}, save_freq={save_freq}, {inside}")
        shutil.rmtree(inside)
    if writing < kills // 10:
        raise AssertionError(f"only {writing} of {killed} kills were within a write")
    return {"kills": killed, "trainings": trainings, "within a write": writing}


CALLS = ("open", "write", "fsync", "close", "replace", "unlink")


class Fault:
    """Kills the process at the ``number``-th call of these to the system on a state's files."""

    def __init__(self, number: int) -> None:
        self.left = number
        for name in CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "write":
                handle, content = arguments
                real(handle, content[: len(content) // 2])
                self._pass()
                return len(content) // 2 + real(handle, content[len(content) // 2 :])
            result = real(*arguments, **options)
            self._pass()
            return result

        return call

    def _pass(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_at_calls(folder: Path, every: int = 1) -> dict[str, Any]:
    """Kill a training at every call that its writers make, up to its end, each time from anew."""

    def work(inside: Path) -> str:
        return train("shuffled arrays", 5, inside, epochs=2)

    expected = alone("two epochs", work, folder)
    number = 1
    while True:
        inside = Path(tempfile.mkdtemp(dir=folder))

        def faulty(number: int = number, inside: Path = inside) -> str:
            Fault(number)
            return work(inside)

        answer = finish(*attempt(faulty))
        again = finish(*attempt(lambda inside=inside: work(inside)))
        if again != expected or answer not in (None, expected):
            raise AssertionError(f"other bits after call {number}: {inside}")
        shutil.rmtree(inside)
        if answer is not None:
            return {"calls": -(-(number - 1) // every)}
        number += every


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th call")
    parser.add_argument("--folder", help="where; in memory it is faster than on a disk")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.kills:
            result |= kill_at_random(options.kills, options.seed, Path(folder))
        if options.faults:
            result |= kill_at_calls(Path(folder), options.every)
    json.dump({**result, "seconds": round(time.perf_counter() - start, 1)}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
