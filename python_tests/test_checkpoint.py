"""Trainings that are interrupted, killed, or out of space: nothing is lost, nothing is half."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import printed
from interrupted import Interrupt, X, Y, assert_same, compiled, interrupted

import fastconv
from fastconv import callbacks, config
from fastconv.models import Sequential
from fastconv.saving.checkpoint import StateDirectory, decode, encode

MEMORY = next((f for f in ("/dev/shm",) if os.access(f, os.W_OK)), None)


def crashes(*options: str) -> Any:
    folder = ["--folder", MEMORY] if MEMORY else []
    out = printed(str(Path(__file__).parent / "crashes.py"), *options, *folder)
    return json.loads(out.splitlines()[-1])


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


def test_averages_in_place_of_weights_go_on(tmp_path: Path) -> None:
    def train(*more: callbacks.Callback, **options: Any) -> Any:
        model = compiled(fastconv.optimizers.SGD(0.1, use_ema=True))
        model.fit(
            X, Y, epochs=3, verbose=0, callbacks=[callbacks.SwapEMAWeights(True), *more], **options
        )
        return model

    with pytest.raises(KeyboardInterrupt):
        train(Interrupt(2, 0), checkpoint=tmp_path)
    assert_same(train(checkpoint=tmp_path), train())


class Numbered(fastconv.utils.PyDataset):
    """Batches by number, the same in each epoch."""

    def __init__(self, batches: list[Any]) -> None:
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


class Endless(Numbered):
    """An iterator as well, whose batches begin again at the end."""

    def __next__(self) -> Any:
        raise NotImplementedError


@pytest.mark.filterwarnings("ignore:the data ran out in epoch")
@pytest.mark.parametrize("moment", [(0, 1), (1, 0), (1, 2), (2, 0), (3, 0), (3, 1)])
@pytest.mark.parametrize("numbered", [False, True])
def test_a_pass_of_several_epochs_goes_on(
    moment: tuple[int, int], numbered: bool, tmp_path: Path
) -> None:
    def train(*more: callbacks.Callback) -> Any:
        model = compiled()
        batches = Numbered([(X[i : i + 6], Y[i : i + 6]) for i in range(0, 40, 6)])
        data = (batches,) if numbered else (X, Y, 6)
        model.fit(*data, epochs=5, steps_per_epoch=3, callbacks=list(more), verbose=0)
        return model

    with pytest.raises(KeyboardInterrupt):
        train(callbacks.BackupAndRestore(tmp_path, save_freq=1), Interrupt(*moment))
    assert_same(train(callbacks.BackupAndRestore(tmp_path, save_freq=1)), train())


@pytest.mark.filterwarnings("ignore:the data ran out in epoch")
@pytest.mark.parametrize("kind", ["iterator", "numbered", "endless", "iterable"])
@pytest.mark.parametrize("steps", [None, 4, 7])
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
        if kind == "endless":
            return Endless(list(Iterable()))
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
