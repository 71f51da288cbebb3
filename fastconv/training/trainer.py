"""`fit`, `evaluate`, `predict`: what a model does with data."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from fastconv import random
from fastconv.callbacks import CallbackList, History, ProgbarLogger
from fastconv.graph.precision import dtype_as_run
from fastconv.graph.tensor import Array
from fastconv.training.arguments import (
    DEFAULT_BATCH,
    count,
    frequency,
    limit,
    verbosity,
)
from fastconv.training.caching import cached
from fastconv.training.data import (
    Group,
    as_rows,
    check_finite,
    is_in_memory,
    split_validation,
    unpack,
)
from fastconv.training.feed import ArrayFeed, Feed, Piece, input_names, output_names
from fastconv.training.fitting import Data, Fitting, backup_of, sorted_results
from fastconv.training.inspection import Inspection
from fastconv.training.loop import plain_piece, run_pieces, train_piece
from fastconv.training.programs import Step


class Trainer(Inspection):
    """The training half of a model; the other half is a layer."""

    stop_training = False
    history: History | None = None

    # ---- fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Mapping[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        checkpoint: str | PathLike[str] | None = None,
        cache_frozen: bool = False,
    ) -> History:
        """Train.

        Args:
            x: an array (or data frame, or nested lists) with a row for each example, a list or a
                dictionary of arrays for several inputs, or something that yields batches: a
                generator, a `PyDataset`, a loader.
            y: targets, likewise; None where ``x`` yields them, or the loss needs none.
            batch_size: rows of a step; the last batch may have fewer. By default as many as make
                ``steps_per_epoch`` batches of the arrays, or 32.
            epochs: number of the last epoch.
            verbose: 0 silent, 1 a progress line, 2 a line for each epoch.
            callbacks: a list of callbacks.
            validation_split: the last part of the rows, not trained on, is evaluated instead.
            validation_data: ``(x, y)``, ``(x, y, sample_weight)`` or something that yields them.
            shuffle: a new order of the rows in every epoch; of the batches, where ``x`` numbers
                them, but for the data set that `image_dataset_from_directory` gives.
            class_weight: weight of the rows of each class, 1 where it has none.
            sample_weight: weight of each row.
            initial_epoch: number of the first epoch.
            steps_per_epoch: batches of an epoch; needed for a generator that does not end. An epoch
                begins where the last one stopped; one that comes to the end of arrays, or of
                a `PyDataset`, is shorter.
            validation_steps: batches of a validation.
            validation_batch_size: rows of a validation step, ``batch_size`` by default; without
                that, as many as make ``validation_steps`` batches, or 32.
            validation_freq: validate every so many epochs, or after the epochs in a list.
            max_queue_size, workers, use_multiprocessing: accepted for code written for Keras 2;
                batches are prepared ahead by one thread.
            checkpoint: a directory in which the state of the training is kept, after every epoch
                and every five minutes, and from which it goes on after an interruption: see
                :class:`~fastconv.callbacks.BackupAndRestore`, which can be given other times. A
                training that had ended is not made again.
            cache_frozen: compute what the frozen layers before the first trained or random one
                (dropout, augmentation) give for each row once, not in every epoch. The results are
                the same; the outputs of these layers for all rows are held in memory.

        Returns:
            The history: ``history.history["loss"]`` has a number for each epoch.

        Raises:
            RuntimeError: before `compile`.
            ValueError: for data that does not fit the model, NaN, labels out of range. Nothing has
                been changed then.
            TypeError: for data that are not numbers.
            OSError: if ``checkpoint`` cannot be written, or another training uses it.
            MemoryError: if the steps need more memory than there is; the message says which batch
                size would fit.
        """
        del max_queue_size, workers, use_multiprocessing
        self._require_compiled("fit")
        batch = limit("batch_size", batch_size)
        epochs = count("epochs", epochs)
        initial_epoch = count("initial_epoch", initial_epoch)
        steps = limit("steps_per_epoch", steps_per_epoch)
        val_steps = limit("validation_steps", validation_steps)
        val_batch = limit("validation_batch_size", validation_batch_size) or batch
        validation_freq = frequency("validation_freq", validation_freq)
        if x is None:
            raise ValueError("fit needs data: x is None")
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = self._split(
                x, y, sample_weight, validation_split
            )
        feed = self._feed(
            "train",
            x,
            y,
            sample_weight,
            batch=batch,
            steps=steps,
            shuffle=bool(shuffle),
            class_weight=class_weight,
        )
        validation = None
        if validation_data is not None:
            validation = self._feed(
                "test", *unpack(validation_data), batch=val_batch, steps=val_steps
            )
        if cache_frozen:
            trained = feed.signature if isinstance(feed, ArrayFeed) else None
            feed = cached(self, "train", feed, trained)
            if validation is not None:
                validation = cached(self, "test", validation, trained)

        history = History()
        level = verbosity(verbose, 1)
        listed = _callback_list(self, callbacks, level, epochs, feed.steps(steps))
        backup = backup_of(listed, checkpoint)
        if level:
            listed.append(ProgbarLogger())
        listed.append(history)
        self.history = history
        data = Data(feed, steps, bool(shuffle), validation, val_steps, validation_freq)
        with listed.aborting():
            Fitting(self, data, listed, initial_epoch, epochs, backup).run()
        return history

    def _split(
        self, x: Any, y: Any, sample_weight: Any, fraction: float
    ) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        if not is_in_memory(x):
            raise ValueError("validation_split needs arrays; give validation_data instead")
        rows = as_rows(
            x,
            y,
            sample_weight,
            input_names=input_names(self),
            output_names=output_names(self),
        )
        return tuple(  # type: ignore[return-value]
            (
                part.x.pack(part.x.arrays),
                None if part.y is None else part.y.pack(part.y.arrays),
                None if part.weight is None else part.weight.pack(part.weight.arrays),
            )
            for part in split_validation(rows, fraction)
        )

    # ---- evaluate

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The loss and the metrics on data.

        Args:
            x, y, sample_weight: as in :meth:`fit`.
            batch_size: rows of a step; by default as many as make ``steps`` batches of the arrays,
                or 32.
            verbose: 0 silent, 1 a progress line, 2 a line.
            steps: batches to look at; all by default.
            callbacks: a list of callbacks.
            return_dict: results by name instead of a list.
            max_queue_size, workers, use_multiprocessing: accepted for code written for Keras 2;
                batches are prepared ahead by one thread.

        Returns:
            ``[loss, metric, ...]``, or the loss alone where there are no metrics.

        Raises:
            RuntimeError: before `compile`.
            ValueError, TypeError: as :meth:`fit`.
        """
        del max_queue_size, workers, use_multiprocessing
        self._require_compiled("evaluate")
        batch = limit("batch_size", batch_size)
        most = limit("steps", steps)
        if x is None:
            raise ValueError("evaluate needs data: x is None")
        feed = self._feed("test", x, y, sample_weight, batch=batch, steps=most)
        level = verbosity(verbose, 1)
        listed = _callback_list(self, callbacks, level, 1, feed.steps(most))
        if level:
            listed.append(ProgbarLogger())
        with listed.aborting():
            results = self._evaluate(feed, most, listed)
        return _results(results, return_dict)

    def _evaluate(self, feed: Feed, steps: int | None, callbacks: CallbackList) -> dict[str, Any]:
        """The results, or none if there were no data."""
        compiled = self._require_compiled("evaluate")
        self.reset_metrics()
        callbacks.call("test_begin", {})

        def run(piece: Piece, done: int, tick: Any) -> int:
            plan = self._plan("test", piece.signature, piece.capacity)
            return plain_piece(plan, piece, None, 0, done, tick, compiled.watch)

        done = run_pieces(
            "test",
            feed.pieces(steps, None, 1 if callbacks.watches_batches("test") else None),
            run,
            callbacks,
            lambda: sorted_results(self._metric_results()),
            lambda: False,
        )
        results = self._metric_results() if done else {}
        callbacks.call("test_end", sorted_results(results))
        return results

    # ---- predict

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """The outputs for inputs, float32 arrays with a row for each example.

        Args:
            x: as in :meth:`fit`.
            batch_size: rows of a step; by default as many as make ``steps`` batches of the arrays,
                or 32.
            verbose: 0 (and the default) silent, 1 a progress line.
            steps: batches to look at; all by default.
            callbacks: a list of callbacks.
            max_queue_size, workers, use_multiprocessing: accepted for code written for Keras 2;
                batches are prepared ahead by one thread.

        Raises:
            ValueError, TypeError: as :meth:`fit`.
        """
        del max_queue_size, workers, use_multiprocessing
        batch = limit("batch_size", batch_size)
        most = limit("steps", steps)
        level = verbosity(verbose, 0)
        if level == 0 and callbacks is None and most is None and isinstance(x, np.ndarray):
            whole = x.ndim > 0 and len(x) <= (batch or DEFAULT_BATCH)
            quick = self._inference(x) if whole else None
            if quick is not None and all(t.batched for t in quick.step.program.outputs):
                check_finite(Group([x]), "x")
                return quick(x)
        feed = self._feed("predict", x, None, None, batch=batch, steps=most, inputs_only=True)
        listed = _callback_list(self, callbacks, level, 1, feed.steps(most))
        if level:
            listed.append(ProgbarLogger())
        with listed.aborting():
            return self._predict(feed, most, listed)

    def _predict(self, feed: Feed, most: int | None, listed: CallbackList) -> Any:
        parts: list[list[Array]] = []
        step: Step | None = None

        def run(piece: Piece, done: int, tick: Any) -> int:
            nonlocal step
            plan = self._plan("predict", piece.signature, piece.capacity)
            step = self._known_step("predict", piece.signature)
            outputs = [_rows_for(t, piece.count, self.name) for t in step.program.outputs]
            parts.append(outputs)
            return plain_piece(plan, piece, outputs, step.seed(), done, tick)

        def latest() -> dict[str, Any]:
            return {"outputs": step.pack(parts[-1])} if step is not None and parts else {}

        listed.call("predict_begin", {})
        span = 1 if listed.watches_batches("predict") else None
        run_pieces("predict", feed.pieces(most, None, span), run, listed, latest, lambda: False)
        listed.call("predict_end", {})
        if step is None:
            raise ValueError("the data is empty: there was no batch to predict")
        columns = [
            part[0] if len(part) == 1 else np.concatenate(part) for part in zip(*parts, strict=True)
        ]
        return step.pack(columns)

    # ---- single batches

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on all of ``x``.

        Args:
            x, y, sample_weight: arrays, or lists or dictionaries of arrays, as in :meth:`fit`.
            class_weight: weight of the rows of each class.
            return_dict: a dictionary by name instead of a list.

        Returns:
            The loss before the step and the metrics of this batch: one number, or a list of them.

        Raises:
            RuntimeError: before `compile`.
            ValueError, TypeError: as :meth:`fit`; TypeError too for what yields batches.
        """
        compiled = self._require_compiled("train_on_batch")
        feed = self._batch("train", x, y, sample_weight, class_weight=class_weight)
        (piece,) = feed.pieces(None, None, None)
        plan = self._plan("train", piece.signature, piece.capacity)
        self.reset_metrics()
        counter, seed = self._counter[0], random.get_seed()
        train_piece(plan, compiled.optimizer, counter, piece, seed, None, compiled.watch)
        return _results(self._metric_results(), return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss and the metrics on all of ``x``, in one step.

        Args:
            x, y, sample_weight: arrays, or lists or dictionaries of arrays, as in :meth:`fit`.
            return_dict: a dictionary by name instead of a list.

        Returns:
            One number, or a list of them.

        Raises:
            RuntimeError, ValueError, TypeError: as :meth:`train_on_batch`.
        """
        compiled = self._require_compiled("test_on_batch")
        feed = self._batch("test", x, y, sample_weight)
        (piece,) = feed.pieces(None, None, None)
        plan = self._plan("test", piece.signature, piece.capacity)
        self.reset_metrics()
        plain_piece(plan, piece, None, 0, 0, None, compiled.watch)
        return _results(self._metric_results(), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for all of ``x``, in one step.

        Args:
            x: an array, or a list or dictionary of arrays, as in :meth:`fit`.

        Raises:
            ValueError, TypeError: as :meth:`predict`; TypeError too for what yields batches.
        """
        if isinstance(x, np.ndarray) and x.ndim > 0 and len(x) > 0:
            return self.predict(x, batch_size=len(x), verbose=0)
        feed = self._batch("predict", x, None, None, inputs_only=True)
        return self._predict(feed, None, _callback_list(self, None, 0, 1, 1))

    def _batch(self, mode: str, x: Any, y: Any, sample_weight: Any, **options: Any) -> ArrayFeed:
        if not is_in_memory(x):
            raise TypeError(f"a batch must be given as arrays, got {type(x).__name__}")
        feed = self._feed(mode, x, y, sample_weight, batch=None, steps=1, **options)
        assert isinstance(feed, ArrayFeed)
        return feed


def _callback_list(
    model: Any, callbacks: Any, verbose: int, epochs: int, steps: int | None
) -> CallbackList:
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    return CallbackList(callbacks, model, {"verbose": verbose, "epochs": epochs, "steps": steps})


def _results(results: Mapping[str, Any], return_dict: bool) -> Any:
    if return_dict:
        return sorted_results(results)
    values = list(results.values())
    return values[0] if len(values) == 1 else values


def _rows_for(output: Any, count: int, name: str) -> Array:
    if not output.batched:
        raise ValueError(
            f"model {name!r} gives an output of shape {output.shape}, which has no row for each "
            "example"
        )
    return np.empty((count, *output.shape[1:]), dtype_as_run(output.dtype))
