"""`compile`, `fit`, `evaluate`, `predict`: what a model does with data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastconv import random
from fastconv.callbacks import CallbackList, History, ProgbarLogger
from fastconv.graph.tensor import Array, Variable
from fastconv.training.compile import Compiled
from fastconv.training.data import Rows, split_validation, unpack
from fastconv.training.feed import ArrayFeed, Feed, Piece, make_feed
from fastconv.training.labels import check_labels
from fastconv.training.loop import plain_piece, run_pieces, timed_piece, train_piece
from fastconv.training.numpy_plan import NumpyPlan
from fastconv.training.programs import (
    Plans,
    Signature,
    Step,
    by_output,
    predict_step,
    step_counter,
    test_step,
    train_step,
)

DEFAULT_BATCH = 32
_METHODS = {"train": "fit", "test": "evaluate", "predict": "predict"}


class Trainer:
    """The training half of a model; the other half is a layer."""

    name: str
    trainable_weights: list[Variable]
    weights: list[Variable]
    stop_training = False
    history: History | None = None
    _compiled: Compiled | None = None
    _plans: Plans | None = None
    _plan_weights: tuple[int, ...] = ()
    _trained: tuple[int, ...] | None = None  # what was trainable when compile was called
    _counter: Any = None  # holds the variable in which train programs note their step
    _compile_config: dict[str, Any] | None = None

    # ---- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        *,
        backend: str = "native",
    ) -> None:
        """Choose how the model is trained.

        Args:
            optimizer: a name, a config or an optimizer.
            loss: a name, a function or a loss; for several outputs a list of them or a dictionary
                by output name.
            loss_weights: factors of the losses, a list or a dictionary.
            metrics: a list of names, functions or metrics; for several outputs a list of lists or
                a dictionary by output name.
            weighted_metrics: metrics that the sample weights apply to.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted for code
                written for Keras; they change nothing, programs are always compiled.
            backend: ``"native"``, or ``"numpy"`` to run the same programs in plain NumPy.

        Raises:
            ValueError: for an unknown optimizer, loss, metric or backend.
            TypeError: for something that is none of these.
        """
        del run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
        self._compiled = Compiled(optimizer, loss, loss_weights, metrics, weighted_metrics, backend)
        self._compile_config = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        self._plans = None
        self._counter = [step_counter()]
        self._trained = self._trainable_ids() if getattr(self, "built", False) else None

    @property
    def compiled(self) -> bool:
        return self._compiled is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer, None before `compile`."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss as given to `compile`."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def metrics(self) -> list[Any]:
        """The loss tracker and the metrics; those that depend on shapes after the first batch."""
        return [] if self._compiled is None else self._compiled.all_metrics

    @property
    def metrics_names(self) -> list[str]:
        return [m.name for m in self.metrics]

    def reset_metrics(self) -> None:
        """Start all metrics over."""
        if self._compiled is not None:
            self._compiled.reset()

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given, as plain data; None before it."""
        if self._compiled is None or self._compile_config is None:
            return None
        from fastconv.saving.registry import serialize_keras_object

        config = {"optimizer": self._compiled.optimizer, **self._compile_config}
        return {
            **{k: serialize_keras_object(v) for k, v in config.items()},
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": False,
        }

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile as :meth:`get_compile_config` says, and make the optimizer's slots."""
        from fastconv import losses, metrics, optimizers

        def read(value: Any, deserialize: Any) -> Any:
            if isinstance(value, Mapping) and "class_name" not in value:
                return {k: read(v, deserialize) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                return [read(v, deserialize) for v in value]
            return deserialize(value) if isinstance(value, Mapping) else value

        self.compile(
            optimizer=read(config.get("optimizer", "rmsprop"), optimizers.deserialize),
            loss=read(config.get("loss"), losses.deserialize),
            loss_weights=config.get("loss_weights"),
            metrics=read(config.get("metrics"), metrics.deserialize),
            weighted_metrics=read(config.get("weighted_metrics"), metrics.deserialize),
        )
        if getattr(self, "built", False):
            self.optimizer.build(self.trainable_weights)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of the outputs, a scalar tensor; a subclass may compute another one.

        Added losses and penalties of weights come on top of it.
        """
        del x, training
        compiled = self._require_compiled("compute_loss")
        many = isinstance(y_pred, (list, tuple))
        if not many:
            y, y_pred, sample_weight = [y], [y_pred], [sample_weight]
        return compiled.total(y, y_pred, sample_weight)

    # ---- programs and plans

    def _require_compiled(self, method: str) -> Compiled:
        if self._compiled is None:
            raise RuntimeError(
                f"model {self.name!r} must be compiled before {method}(): call "
                "model.compile(optimizer, loss) first"
            )
        return self._compiled

    def _trainable_ids(self) -> tuple[int, ...]:
        return tuple(id(v) for v in self.trainable_weights)

    def _current_plans(self) -> Plans:
        """The plans of the model as it stands: none are left when its weights are others."""
        ids = tuple(id(v) for v in self.weights)
        if self._plans is None or ids != self._plan_weights:
            backend = "native" if self._compiled is None else self._compiled.backend
            self._plans = Plans(backend)
            self._plan_weights = ids
        return self._plans

    def _step(self, mode: str, signature: Signature) -> Step:
        plans = self._current_plans()
        if mode == "predict":
            return plans.step(mode, signature, lambda: predict_step(self, signature))
        compiled = self._require_compiled(_METHODS[mode])
        if mode == "test":
            return plans.step(mode, signature, lambda: test_step(self, compiled, signature))
        if self._trained is None:
            self._trained = self._trainable_ids()
        elif self._trained != self._trainable_ids():
            warnings.warn(
                f"what is trainable in model {self.name!r} has changed since compile(); the change "
                "takes effect when it is compiled again",
                stacklevel=4,
            )
        by_id = {id(v): v for v in self.weights}
        trained = [by_id[i] for i in self._trained if i in by_id]
        return plans.step(
            mode,
            signature,
            lambda: train_step(self, compiled, signature, self._counter[0], trained),
        )

    def _plan(self, mode: str, signature: Signature, batch: int) -> Any:
        """A plan for a signature; that the plans fit the model has been seen to by `_feed`."""
        plans = self._plans
        if plans is None or not plans.has(mode, signature):
            self._step(mode, signature)
            plans = self._plans
            assert plans is not None
        return plans.plan(mode, signature, batch)

    def _known_step(self, mode: str, signature: Signature) -> Step:
        assert self._plans is not None
        return self._plans.known(mode, signature)

    def _check(self, mode: str, signature: Signature, rows: Rows) -> None:
        """Trace the program for this data and look at its labels, before anything is changed."""
        step = self._step(mode, signature)
        compiled = self._compiled
        if compiled is not None and rows.y is not None:
            targets = by_output(compiled, signature.y_keys, rows.y.arrays, "y")
            check_labels(compiled, targets, step.output_shapes)

    def _feed(
        self, mode: str, x: Any, y: Any, sample_weight: Any, *, batch: int, **options: Any
    ) -> Feed:
        feed = make_feed(self, x, y, sample_weight, batch, **options)
        if isinstance(feed, ArrayFeed):
            self._check(mode, feed.signature, feed.rows)
        else:
            first = feed.prepare(feed.batches.first())
            self._check(mode, first.signature, first.rows)
        return feed

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
    ) -> History:
        """Train.

        Args:
            x: an array (or data frame, or nested lists) with a row for each example, a list or a
                dictionary of arrays for several inputs, or something that yields batches: a
                generator, a `PyDataset`, a loader.
            y: targets, likewise; None where ``x`` yields them, or the loss needs none.
            batch_size: rows of a step, 32 by default; the last batch may have fewer.
            epochs: number of the last epoch.
            verbose: 0 silent, 1 a progress line, 2 a line for each epoch.
            callbacks: a list of callbacks.
            validation_split: the last part of the rows, not trained on, is evaluated instead.
            validation_data: ``(x, y)``, ``(x, y, sample_weight)`` or something that yields them.
            shuffle: a new order of the rows in every epoch.
            class_weight: weight of the rows of each class.
            sample_weight: weight of each row.
            initial_epoch: number of the first epoch.
            steps_per_epoch: batches of an epoch; needed for a generator that does not end.
            validation_steps: batches of a validation.
            validation_batch_size: rows of a validation step.
            validation_freq: validate every so many epochs, or after the epochs in a list.

        Returns:
            The history: ``history.history["loss"]`` has a number for each epoch.

        Raises:
            RuntimeError: before `compile`.
            ValueError: for data that does not fit the model, NaN, labels out of range. Nothing has
                been changed then.
            TypeError: for data that are not numbers.
        """
        compiled = self._require_compiled("fit")
        batch = _positive("batch_size", batch_size, DEFAULT_BATCH)
        epochs = _count("epochs", epochs)
        initial_epoch = _count("initial_epoch", initial_epoch)
        steps = _limit("steps_per_epoch", steps_per_epoch)
        val_steps = _limit("validation_steps", validation_steps)
        val_batch = _positive("validation_batch_size", validation_batch_size, batch)
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
            shuffle=bool(shuffle),
            class_weight=class_weight,
        )
        validation = None
        if validation_data is not None:
            validation = self._feed("test", *unpack(validation_data), batch=val_batch)

        history = History()
        level = _verbosity(verbose, 1)
        listed = _callback_list(self, callbacks, level, epochs, feed.steps(steps))
        if level:
            listed.append(ProgbarLogger())
        listed.append(history)
        self.history = history
        self.stop_training = False
        seed = random.get_seed()
        logs: dict[str, Any] = {}
        listed.call("train_begin", {})
        for epoch in range(initial_epoch, epochs):
            compiled.reset()
            listed.call("epoch_begin", epoch, {})
            done = self._train_epoch(feed, steps, listed, seed, bool(shuffle))
            if done == 0:
                warnings.warn(
                    f"the data ran out before epoch {epoch + 1}: the generator gives no more "
                    "batches, training stops",
                    stacklevel=2,
                )
                break
            listed.params["steps"] = done
            logs = _sorted(compiled.results())
            if validation is not None and _validates(epoch, validation_freq):
                found = _sorted(self._evaluate(validation, val_steps, listed))
                logs.update({f"val_{k}": v for k, v in found.items()})
            listed.call("epoch_end", epoch, logs)
            if self.stop_training:
                break
        if compiled.optimizer.use_ema:
            compiled.optimizer.finalize_variable_values(self.trainable_weights)
        listed.call("train_end", logs)
        return history

    def _split(
        self, x: Any, y: Any, sample_weight: Any, fraction: float
    ) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        from fastconv.training.data import as_rows, is_in_memory
        from fastconv.training.feed import input_names, output_names

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

    def _train_epoch(
        self, feed: Feed, steps: int | None, callbacks: CallbackList, seed: int, shuffle: bool
    ) -> int:
        compiled = self._require_compiled("fit")
        order_seed = (seed, int(compiled.optimizer.iterations)) if shuffle else None

        def run(piece: Piece, done: int, tick: Any) -> int:
            plan = self._plan("train", piece.signature, piece.capacity)
            return train_piece(plan, compiled.optimizer, self._counter[0], piece, seed, tick)

        whole = not callbacks.watches_batches("train")
        return run_pieces(
            "train",
            feed.pieces(steps, order_seed, whole),
            run,
            callbacks,
            compiled.results,
            lambda: self.stop_training,
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
    ) -> Any:
        """The loss and the metrics on data.

        Args:
            x, y, sample_weight: as in :meth:`fit`.
            batch_size: rows of a step, 32 by default.
            verbose: 0 silent, 1 a progress line, 2 a line.
            steps: batches to look at; all by default.
            callbacks: a list of callbacks.
            return_dict: results by name instead of a list.

        Returns:
            ``[loss, metric, ...]``, or the loss alone where there are no metrics.

        Raises:
            RuntimeError: before `compile`.
            ValueError, TypeError: as :meth:`fit`.
        """
        self._require_compiled("evaluate")
        batch = _positive("batch_size", batch_size, DEFAULT_BATCH)
        limit = _limit("steps", steps)
        if x is None:
            raise ValueError("evaluate needs data: x is None")
        feed = self._feed("test", x, y, sample_weight, batch=batch)
        level = _verbosity(verbose, 1)
        listed = _callback_list(self, callbacks, level, 1, feed.steps(limit))
        if level:
            listed.append(ProgbarLogger())
        results = self._evaluate(feed, limit, listed)
        return _results(results, return_dict)

    def _evaluate(self, feed: Feed, steps: int | None, callbacks: CallbackList) -> dict[str, Any]:
        compiled = self._require_compiled("evaluate")
        compiled.reset()
        callbacks.call("test_begin", {})

        def run(piece: Piece, done: int, tick: Any) -> int:
            plan = self._plan("test", piece.signature, piece.capacity)
            return plain_piece(plan, piece, None, 0, done, tick)

        run_pieces(
            "test",
            feed.pieces(steps, None, not callbacks.watches_batches("test")),
            run,
            callbacks,
            compiled.results,
            lambda: False,
        )
        results = compiled.results()
        callbacks.call("test_end", _sorted(results))
        return results

    # ---- predict

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for inputs, float32 arrays with a row for each example.

        Args:
            x: as in :meth:`fit`.
            batch_size: rows of a step, 32 by default.
            verbose: 0 (and the default) silent, 1 a progress line.
            steps: batches to look at; all by default.
            callbacks: a list of callbacks.

        Raises:
            ValueError, TypeError: as :meth:`fit`.
        """
        batch = _positive("batch_size", batch_size, DEFAULT_BATCH)
        limit = _limit("steps", steps)
        feed = self._feed("predict", x, None, None, batch=batch)
        level = _verbosity(verbose, 0)
        listed = _callback_list(self, callbacks, level, 1, feed.steps(limit))
        if level:
            listed.append(ProgbarLogger())
        parts: list[list[Array]] = []
        step: Step | None = None

        def run(piece: Piece, done: int, tick: Any) -> int:
            nonlocal step
            plan = self._plan("predict", piece.signature, piece.capacity)
            step = self._known_step("predict", piece.signature)
            outputs = [_rows_for(t, piece.count, self.name) for t in step.program.outputs]
            parts.append(outputs)
            return plain_piece(plan, piece, outputs, 0, done, tick)

        def latest() -> dict[str, Any]:
            return {"outputs": step.pack(parts[-1])} if step is not None and parts else {}

        listed.call("predict_begin", {})
        whole = not listed.watches_batches("predict")
        run_pieces("predict", feed.pieces(limit, None, whole), run, listed, latest, lambda: False)
        listed.call("predict_end", {})
        if step is None:
            raise ValueError("the data is empty: there was no batch to predict")
        columns = [
            part[0] if len(part) == 1 else np.concatenate(part) for part in zip(*parts, strict=True)
        ]
        return step.pack(columns)

    def predict_classes(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Array:
        """The predicted classes: ``p > 0.5`` for one output unit, else the largest (int32)."""
        p = self.predict(x, batch_size, verbose)
        if p.shape[-1] == 1:
            return np.asarray(p > 0.5, np.int32)
        return np.asarray(p.argmax(axis=-1), np.int32)

    def predict_proba(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """An older name of :meth:`predict`."""
        return self.predict(x, batch_size, verbose)

    # ---- single batches

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on all of ``x``; returns the loss (before the step) and the metrics."""
        compiled = self._require_compiled("train_on_batch")
        feed = self._batch("train", x, y, sample_weight, class_weight=class_weight)
        (piece,) = feed.pieces(None, None, True)
        plan = self._plan("train", piece.signature, piece.capacity)
        compiled.reset()
        train_piece(plan, compiled.optimizer, self._counter[0], piece, random.get_seed(), None)
        return _results(compiled.results(), return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss and the metrics on all of ``x``, in one step."""
        compiled = self._require_compiled("test_on_batch")
        feed = self._batch("test", x, y, sample_weight)
        (piece,) = feed.pieces(None, None, True)
        plan = self._plan("test", piece.signature, piece.capacity)
        compiled.reset()
        plain_piece(plan, piece, None, 0, 0, None)
        return _results(compiled.results(), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for all of ``x``, in one step."""
        return self.predict(x, batch_size=max(_rows_in(x), 1), verbose=0)

    def _batch(self, mode: str, x: Any, y: Any, sample_weight: Any, **options: Any) -> ArrayFeed:
        feed = self._feed(mode, x, y, sample_weight, batch=max(_rows_in(x), 1), **options)
        if not isinstance(feed, ArrayFeed):
            raise TypeError("a batch must be given as arrays")
        return feed

    # ---- looking inside

    def plan_summary(self, mode: str = "train") -> str:
        """The steps of a plan as a table: what is computed how, with its size.

        Args:
            mode: ``"train"``, ``"test"`` or ``"predict"``.

        Raises:
            ValueError: for a plan that has not been made yet: fit, evaluate or predict first.
        """
        from fastconv.graph.report import plan_table

        return plan_table(self._made_plan(mode))

    def profile(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        mode: str = "train",
    ) -> str:
        """Run over the data once and say, as a table, what took how long.

        The model and its optimizer are left as they were.

        Args:
            x, y, sample_weight: as in :meth:`fit`.
            batch_size: rows of a step, 32 by default.
            mode: ``"train"``, ``"test"`` or ``"predict"``.

        Raises:
            ValueError, TypeError: as :meth:`fit`.
        """
        from fastconv.graph.report import profile_table

        if mode not in _METHODS:
            raise ValueError(f"mode must be 'train', 'test' or 'predict', got {mode!r}")
        batch = _positive("batch_size", batch_size, DEFAULT_BATCH)
        feed = self._feed(mode, x, y, sample_weight, batch=batch)
        if not isinstance(feed, ArrayFeed):
            raise TypeError("profile needs arrays")
        (piece,) = feed.pieces(None, None, True)
        plan = self._plan(mode, piece.signature, piece.capacity)
        _native(plan, "profile")
        state = list(self.weights)
        if self._compiled is not None:
            state += [*self._compiled.state(), *self._compiled.optimizer.variables]
        saved = [v.numpy() for v in state]
        nanoseconds = np.zeros(len(plan.steps), np.float64)
        try:
            steps = timed_piece(
                plan, None if mode != "train" else self.optimizer, piece, nanoseconds
            )
        finally:
            for variable, value in zip(state, saved, strict=True):
                variable.assign(value)
        return profile_table(plan, nanoseconds, steps, piece.batch)

    def _made_plan(self, mode: str) -> Any:
        if mode not in _METHODS:
            raise ValueError(f"mode must be 'train', 'test' or 'predict', got {mode!r}")
        plan = self._current_plans().latest(mode)
        if plan is None:
            raise ValueError(
                f"model {self.name!r} has no {mode} plan yet: call {_METHODS[mode]}() first"
            )
        _native(plan, "plan_summary")
        return plan


def _native(plan: Any, method: str) -> None:
    if isinstance(plan, NumpyPlan):
        raise ValueError(f"{method} needs backend='native', the model is compiled for 'numpy'")


def _positive(name: str, value: Any, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")
    return int(value)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise ValueError(f"{name} must be an integer >= 0, got {value!r}")
    return int(value)


def _limit(name: str, value: Any) -> int | None:
    return None if value is None else _positive(name, value, 1)


def _verbosity(verbose: Any, automatic: int) -> int:
    if verbose == "auto":
        return automatic
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")
    return int(verbose)


def _validates(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, (int, np.integer)):
        return bool((epoch + 1) % frequency == 0)
    return epoch + 1 in frequency


def _callback_list(
    model: Any, callbacks: Any, verbose: int, epochs: int, steps: int | None
) -> CallbackList:
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    return CallbackList(callbacks, model, {"verbose": verbose, "epochs": epochs, "steps": steps})


def _results(results: Mapping[str, Any], return_dict: bool) -> Any:
    if return_dict:
        return _sorted(results)
    values = list(results.values())
    return values[0] if len(values) == 1 else values


def _sorted(results: Mapping[str, Any]) -> dict[str, Any]:
    return {k: results[k] for k in sorted(results)}


def _rows_for(output: Any, count: int, name: str) -> Array:
    if not output.batched:
        raise ValueError(
            f"model {name!r} gives an output of shape {output.shape}, which has no row for each "
            "example"
        )
    return np.empty((count, *output.shape[1:]), output.dtype)


def _rows_in(x: Any) -> int:
    if isinstance(x, Mapping):
        x = next(iter(x.values()), ())
    elif isinstance(x, (list, tuple)) and x and np.ndim(x[0]) > 1:
        x = x[0]
    return len(x)
