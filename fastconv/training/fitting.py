"""The epochs of one call of `fit`, and what is kept for going on after an interruption."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastconv import random
from fastconv.callbacks import BackupAndRestore, CallbackList
from fastconv.graph.tensor import Variable
from fastconv.saving.checkpoint import StateDirectory
from fastconv.training.arguments import validates
from fastconv.training.feed import ArrayFeed, Feed, Piece, Place
from fastconv.training.loop import run_pieces, train_piece


@dataclass(slots=True)
class Position:
    """Where a training is."""

    epoch: int
    step: int = 0  # of the epoch; those before it are done
    first: int = 0  # updates that had been made when the epoch began
    place: Place = (0, 0)  # of the data when the epoch began
    epochs: int = 0  # that this training has done
    validations: int = 0  # ... and that were validated


@dataclass(slots=True)
class Data:
    """What is trained on, and what is validated on."""

    feed: Feed
    steps: int | None
    shuffle: bool
    validation: Feed | None
    validation_steps: int | None
    validation_freq: Any


class Fitting:
    """Runs the epochs of a training; with ``backup`` it keeps and resumes its state."""

    def __init__(
        self,
        model: Any,
        data: Data,
        callbacks: CallbackList,
        initial_epoch: int,
        epochs: int,
        backup: BackupAndRestore | None,
    ) -> None:
        self.model = model
        self.compiled = model._require_compiled("fit")
        self.data = data
        self.callbacks = callbacks
        self.initial_epoch = initial_epoch
        self.epochs = epochs
        self.backup = backup
        self.position = Position(initial_epoch)
        self.seed = random.get_seed()
        self.logs: dict[str, Any] = {}
        self._states: StateDirectory | None = None
        self._kept_at = time.monotonic()

    def run(self) -> None:
        if self.backup is None:
            self._run(None)
            return
        with closing(StateDirectory(self.backup.backup_dir)) as self._states:
            saved = self._states.read()
            if saved is not None:
                try:
                    self._check(saved)
                except (KeyError, TypeError, AttributeError) as error:
                    where = self.backup.backup_dir
                    raise ValueError(f"{where} holds no checkpoint of a training") from error
            self._run(saved)
            if self.backup.delete_checkpoint:
                self._states.clear()

    def _run(self, saved: Any) -> None:
        model = self.model
        model.stop_training = False
        model._current_plans().clear_findings()
        self.callbacks.call("train_begin", {})
        if saved is not None:
            self._restore(saved)
        elif self._states is not None:
            self.keep(0)
        while self.position.epoch < self.epochs and not model.stop_training:
            if not self._epoch():
                break
        optimizer = self.compiled.optimizer
        if optimizer.use_ema and self.position.epochs:  # else nothing has been averaged
            optimizer.finalize_variable_values(model.trainable_weights)
        self.callbacks.call("train_end", self.logs)

    # ---- an epoch

    def _epoch(self) -> bool:
        """Run an epoch, or what is left of it; whether there were data."""
        data, position = self.data, self.position
        if position.step == 0:
            position.first = int(self.compiled.optimizer.steps_made)
            position.place = data.feed.place()
            self.model.reset_metrics()
            self._announce()
        done = self._steps()
        if done == 0:
            warnings.warn(
                f"the data ran out before epoch {position.epoch + 1}: the generator gives no more "
                "batches, training stops",
                stacklevel=5,
            )
            return False
        if data.steps is not None and done < data.steps and not self.model.stop_training:
            warnings.warn(
                f"the data ran out in epoch {position.epoch + 1}, which has {done} of "
                f"steps_per_epoch={data.steps} steps",
                stacklevel=5,
            )
        self.callbacks.params["steps"] = done
        self.logs = sorted_results(self.model._metric_results())
        validations = position.validations
        if data.validation is not None and validates(position.epoch, data.validation_freq):
            found = self.model._evaluate(data.validation, data.validation_steps, self.callbacks)
            if not found:
                warnings.warn(
                    f"the validation data ran out before epoch {position.epoch + 1}, which has no "
                    "val_ results: the generator gives no more batches",
                    stacklevel=5,
                )
            self.logs.update({f"val_{k}": v for k, v in sorted_results(found).items()})
            validations += 1
        self.callbacks.call("epoch_end", position.epoch, self.logs)
        self.position = Position(
            position.epoch + 1,
            place=data.feed.place(),
            epochs=position.epochs + 1,
            validations=validations,
        )
        if self._states is not None:
            self.keep(0)
        return True

    def _announce(self) -> None:
        data, params = self.data, self.callbacks.params
        params["steps"] = data.feed.steps(data.steps) or params["steps"]
        self.callbacks.call("epoch_begin", self.position.epoch, {})

    def _steps(self) -> int:
        data, position, model = self.data, self.position, self.model
        span = self.backup.every_steps if self.backup is not None else None
        if self.callbacks.watches_batches("train") or self.compiled.optimizer.asks_for_rate:
            span = 1
        watch = self.compiled.watch or ("note" if self.callbacks.watches_numerics() else "")

        def run(piece: Piece, done: int, tick: Any) -> int:
            plan = model._plan("train", piece.signature, piece.capacity)
            optimizer, counter = self.compiled.optimizer, model._counter[0]
            return train_piece(plan, optimizer, counter, piece, self.seed, tick, watch)

        pieces = data.feed.pieces(
            data.steps,
            (self.seed, position.first) if data.shuffle else None,
            span,
            onward=True,
            skip=position.step,
        )
        return run_pieces(
            "train",
            pieces,
            run,
            self.callbacks,
            lambda: sorted_results(self.model._metric_results()),
            lambda: bool(model.stop_training),
            None if self._states is None else self,
            position.step,
        )

    # ---- keeping the state

    def late(self) -> bool:
        every = None if self.backup is None else self.backup.every_seconds
        return every is not None and time.monotonic() - self._kept_at >= every

    def due(self, steps: int) -> bool:
        every = None if self.backup is None else self.backup.every_steps
        return self.late() if every is None else steps % every == 0

    def keep(self, steps: int) -> None:
        """Write the state after so many steps of the epoch, unless its loss is no number."""
        assert self._states is not None
        loss = self.logs.get("loss") if steps == 0 else self.model._metric_results().get("loss")
        if loss is None or math.isfinite(loss):
            self.position.step = steps
            self._states.write(self._state())
        self._kept_at = time.monotonic()

    def _state(self) -> dict[str, Any]:
        return {
            "training": self._identity(),
            "position": asdict(self.position),
            "stopped": bool(self.model.stop_training),
            "seed": self.seed,
            "random": random.get_state(),
            "logs": self.logs,
            "variables": {
                name: [v.data for v in variables] for name, variables in self._variables()
            },
            "callbacks": [
                {"class": type(c).__name__, "state": c.get_state()}
                for c in self.callbacks.callbacks
                if hasattr(c, "get_state")
            ],
        }

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a training to go on."""
        data = self.data
        arrays = data.feed if isinstance(data.feed, ArrayFeed) else None
        return {
            "optimizer": type(self.compiled.optimizer).__name__,
            "number of rows": None if arrays is None else arrays.count,
            "batch_size": None if arrays is None else arrays.batch,
            "shuffle": data.shuffle,
            "initial_epoch": self.initial_epoch,
            "steps_per_epoch": data.steps,
            "validation data": data.validation is not None,
        }

    def _variables(self) -> Iterator[tuple[str, Sequence[Variable]]]:
        yield "weights of the model", self.model.weights
        yield "variables of the optimizer", self.compiled.optimizer.variables
        yield "variables of the metrics", self.model._metric_variables()

    def _check(self, saved: Any) -> None:
        """Raise ValueError if a state is of another training."""
        assert self.backup is not None
        where = f"the checkpoint in {self.backup.backup_dir}"
        advice = "give the same arguments, or another directory"
        Position(**saved["position"])
        for name, now in self._identity().items():
            then = saved["training"].get(name)
            if then != now:
                raise ValueError(
                    f"{where} is of a training with {name} {then!r}, this one has {now!r}: {advice}"
                )
        for name, variables in self._variables():
            arrays = saved["variables"][name]
            if len(arrays) != len(variables):
                raise ValueError(
                    f"{where} holds {len(arrays)} {name}, there are {len(variables)}: {advice}"
                )
            for variable, array in zip(variables, arrays, strict=True):
                if array.shape != variable.shape or array.dtype != np.dtype(variable.dtype):
                    raise ValueError(
                        f"{where} has {array.dtype} {array.shape} among the {name} for "
                        f"{variable.path!r}, which is {variable.dtype} {variable.shape}: {advice}"
                    )

    def _restore(self, saved: Any) -> None:
        """Go on from a state. Callbacks hear of the epoch that is resumed within, and get theirs
        back after that."""
        position = self.position = Position(**saved["position"])
        data = self.data
        data.feed.resume(position.epochs, data.steps, position.place)
        if data.validation is not None:
            data.validation.resume(position.validations, data.validation_steps)
        if position.step:
            self._announce()
        for name, variables in self._variables():
            for variable, array in zip(variables, saved["variables"][name], strict=True):
                variable.assign(array)
        random.set_state(saved["random"])
        self.seed = int(saved["seed"])
        self.logs = saved["logs"]
        self.model.stop_training = bool(saved["stopped"])
        states: dict[str, list[Any]] = {}
        for entry in saved["callbacks"]:
            states.setdefault(entry["class"], []).append(entry["state"])
        for callback in self.callbacks.callbacks:
            own = states.get(type(callback).__name__)
            if own and hasattr(callback, "set_state"):
                callback.set_state(own.pop(0))


def backup_of(callbacks: CallbackList, checkpoint: Any) -> BackupAndRestore | None:
    """Where and when the state is kept: by the argument of `fit`, or by a callback."""
    found = [c for c in callbacks.callbacks if isinstance(c, BackupAndRestore)]
    if checkpoint is not None:
        found.append(BackupAndRestore(checkpoint, save_freq="5min", delete_checkpoint=False))
    if len(found) > 1:
        raise ValueError("only one checkpoint directory or BackupAndRestore can be given")
    return found[0] if found else None


def sorted_results(results: Mapping[str, Any]) -> dict[str, Any]:
    return {k: results[k] for k in sorted(results)}
