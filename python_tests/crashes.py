"""Trainings that are killed again and again, and must end as if nothing had happened.

A server imports fastconv once and forks a process for every attempt. An attempt trains with a
checkpoint directory and is killed, either at a random moment (``--kills``; a third of them wait for
a write), with SIGKILL or another signal, or at every single call that the writer makes to the
system (``--faults``): after each open, write, sync, rename and unlink, and after a part of a write.
Whatever states it leaves must be whole. The training is begun again until it ends; its weights,
optimizer, history, callbacks, log file and predictions must be those of a training left alone.

    python python_tests/crashes.py --kills 2000 --seed 1
    python python_tests/crashes.py --kills 200 --signal INT
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
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import callbacks, config, layers
from fastconv.models import Sequential
from fastconv.saving.checkpoint import decode
from fastconv.utils import PyDataset

RNG = np.random.default_rng(8)
X = RNG.standard_normal((60, 6, 6, 2)).astype(np.float32)
Y = RNG.integers(0, 3, 60)
BATCH, STEPS = 8, 8
EPOCHS = 6
LARGE = "large state"
WIDE = 36_000  # units, for 10 MB of weights; a state holds the best ones, too
WRITE = 0.01  # seconds that writing it takes, in memory
SIGNALS = {"KILL": signal.SIGKILL, "INT": signal.SIGINT, "TERM": signal.SIGTERM}


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
    LARGE: lambda: {"x": X, "y": Y, "batch_size": BATCH, "steps_per_epoch": 3, "shuffle": False},
}
SAVE_FREQS: list[Any] = ["epoch", 1, 3, "0.002s", "0.02s"]


def train(data: str, save_freq: Any, folder: Path) -> str:
    """Train in ``folder``; returns a digest of everything that comes out."""
    config.set_random_seed(3)
    model = Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Flatten(),
            *([layers.Dense(WIDE, activation="relu")] if data == LARGE else []),
            layers.Dense(3, activation="softmax"),
        ]
    )
    optimizer = "sgd" if data == LARGE else "adam"
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
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
        epochs=2 if data == LARGE else EPOCHS,
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
    """Fork a process that does ``work``; its number, and where its answer can be read.

    It ends at SIGINT as Python does, even if a shell in the background handed down that SIGINT is
    ignored, but only within its work, not within what follows here.
    """
    reading, writing = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            answer = work().encode()
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            os.write(writing, answer)
            status = 0
        except BaseException as error:
            if interrupted(error):
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGINT)
            traceback.print_exc()
        finally:
            os._exit(status)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.close(writing)
    return child, reading


def interrupted(error: BaseException | None) -> bool:
    """Whether it is from a KeyboardInterrupt; Python makes others of it where classes are made."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def finish(child: int, reading: int) -> str | None:
    """The answer of a process; None if it was killed. Anything else is an error."""
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in SIGNALS.values():
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


def check_whole(states: Path) -> bool:
    """Whether a kill was within a write. Raises ValueError if a state that it left is damaged:
    a training would go on from the one before, and end as if nothing were wrong."""
    for name in ("state", "state.previous"):
        with suppress(FileNotFoundError):
            decode((states / name).read_bytes())
    return (states / "state.new").exists()


def kill_at_random(kills: int, seed: int, by: signal.Signals, folder: Path) -> dict[str, Any]:
    """Kill trainings at ``kills`` random moments, a third of them soon after the next write from
    there began; more of them while less than a fifth were within a write.

    Raises:
        AssertionError: if other bits came out, or fewer than a tenth were within a write.
        ValueError: if a state is damaged.
    """
    random = np.random.default_rng(seed)
    trainings = 0
    killed = dict.fromkeys(DATA, 0)
    writing = dict.fromkeys(DATA, 0)
    lasts = {}  # seconds that a training takes
    for name in sorted(DATA):
        start = time.perf_counter()
        alone(name, lambda inside, d=name: train(d, "epoch", inside), folder)
        lasts[name] = time.perf_counter() - start
    usual = min(1.0, *lasts.values())

    def few_within() -> bool:
        """On a busy machine, most writes are over before the signal is sent."""
        return sum(writing.values()) * 5 < sum(killed.values())

    while sum(killed.values()) < kills:
        data = str(random.choice(sorted(DATA)))
        if few_within():
            data = LARGE
        save_freq = 1 if data == LARGE else SAVE_FREQS[random.integers(len(SAVE_FREQS))]
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
            if sum(killed.values()) < kills:
                time.sleep(
                    float(random.uniform(0, 1.3 * (lasts[data] if data == LARGE else usual)))
                )
                if random.uniform() < 1 / 3 or few_within():
                    wait_for_a_write(inside / "states" / "state.new", child)
                    if data == LARGE:  # the write of a small one is over sooner than a sleep
                        time.sleep(float(random.uniform(0, WRITE)))
                os.kill(child, by)
            answer = finish(child, reading)
            if answer is not None:
                break
            killed[data] += 1
            writing[data] += check_whole(inside / "states")
        trainings += 1
        if answer != expected:
            raise AssertionError(f"other bits: {data}, save_freq={save_freq}, {inside}")
        shutil.rmtree(inside)
    within = sum(writing.values())
    if within < kills / 10:
        raise AssertionError(f"only {within} of {kills} kills were within a write")
    return {
        "signal": by.name,
        "kills": sum(killed.values()),
        "trainings": trainings,
        "within a write": within,
        "of a large state": writing[LARGE],
    }


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
        return train("shuffled arrays", 5, inside)

    expected = alone("every call", work, folder)
    number = 1
    while True:
        inside = Path(tempfile.mkdtemp(dir=folder))

        def faulty(number: int = number, inside: Path = inside) -> str:
            Fault(number)
            return work(inside)

        answer = finish(*attempt(faulty))
        check_whole(inside / "states")
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
    parser.add_argument("--signal", choices=SIGNALS, default="KILL", help="that --kills sends")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th call")
    parser.add_argument("--folder", help="where; in memory it is faster than on a disk")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.kills:
            result |= kill_at_random(
                options.kills, options.seed, SIGNALS[options.signal], Path(folder)
            )
        if options.faults:
            result |= kill_at_calls(Path(folder), options.every)
    json.dump({**result, "seconds": round(time.perf_counter() - start, 1)}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
