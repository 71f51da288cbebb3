"""What a callback can do, and the list that calls many."""

from __future__ import annotations

from collections.abc import Callable as Function
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

Logs = dict[str, Any]


class Callback:
    """Called at the events of training; a subclass overrides the methods it needs.

    An epoch runs without coming back to Python. A callback that overrides ``on_train_batch_begin``
    or ``on_train_batch_end`` (or the same of test and predict) makes it come back for every batch.
    ``on_train_progress`` is called a few times a second at most and costs nothing.

    Attributes:
        model: the model that is trained.
        params: ``epochs``, ``steps`` and ``verbose`` of the call.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}
        self.validation_data: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self.model = model

    def watches_numerics(self) -> bool:
        """Whether the first step of training that makes a NaN or infinity is to be noted."""
        return False

    def get_state(self) -> dict[str, Any]:
        """What the callback has to know to go on after an interruption: numbers, texts and arrays,
        in dictionaries and lists."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` gave; called after ``on_train_begin``, and within an
        epoch after ``on_epoch_begin``, by a training that resumes."""

    def watches_batches(self, mode: str) -> bool:
        """Whether ``mode`` (train, test or predict) must stop at every batch for this callback."""
        names = [f"on_{mode}_batch_begin", f"on_{mode}_batch_end"]
        if mode == "train":
            names += ["on_batch_begin", "on_batch_end"]
        return any(overrides(self, name) for name in names)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """An older name of ``on_train_batch_begin``."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """An older name of ``on_train_batch_end``."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch (0-based) of training."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; ``logs`` holds the results."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a training step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a training step; ``logs`` holds the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step of `evaluate` or of validation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step of `evaluate` or of validation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step of `predict`; ``logs["outputs"]`` holds its predictions."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch; ``logs`` holds its results."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before `evaluate` or validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After `evaluate` or validation; ``logs`` holds the results."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After `predict`."""

    def on_abort(self) -> None:
        """When an error or an interrupt ends training, evaluation or prediction: what has begun
        gets no event of its end."""

    def on_train_progress(self, steps: int, logs: Logs | None = None) -> None:
        """Now and then during an epoch; ``steps`` are done, ``logs`` holds the means so far."""

    def on_test_progress(self, steps: int, logs: Logs | None = None) -> None:
        """Now and then during an evaluation."""

    def on_predict_progress(self, steps: int, logs: Logs | None = None) -> None:
        """Now and then during a prediction."""


def overrides(callback: Any, method: str) -> bool:
    """Whether ``method`` is not the one that :class:`Callback` defines to do nothing."""
    own = getattr(callback, method, None)
    return own is not None and getattr(own, "__func__", own) is not getattr(Callback, method)


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin, on_epoch_end: called with ``epoch, logs``.
        on_train_begin, on_train_end: called with ``logs``.
        on_train_batch_begin, on_train_batch_end: called with ``batch, logs``.
        **functions: any other method of :class:`Callback`.

    Raises:
        TypeError: for a name that is not a method of :class:`Callback`.
    """

    def __init__(
        self,
        on_epoch_begin: Function[..., Any] | None = None,
        on_epoch_end: Function[..., Any] | None = None,
        on_train_begin: Function[..., Any] | None = None,
        on_train_end: Function[..., Any] | None = None,
        on_train_batch_begin: Function[..., Any] | None = None,
        on_train_batch_end: Function[..., Any] | None = None,
        **functions: Function[..., Any],
    ) -> None:
        super().__init__()
        functions.update(
            {
                name: function
                for name, function in {
                    "on_epoch_begin": on_epoch_begin,
                    "on_epoch_end": on_epoch_end,
                    "on_train_begin": on_train_begin,
                    "on_train_end": on_train_end,
                    "on_train_batch_begin": on_train_batch_begin,
                    "on_train_batch_end": on_train_batch_end,
                }.items()
                if function is not None
            }
        )
        for name, function in functions.items():
            if not (name.startswith("on_") and hasattr(Callback, name)):
                raise TypeError(f"callbacks have no method {name!r}")
            setattr(self, name, function)


class CallbackList:
    """Calls many callbacks in order.

    Args:
        callbacks: callbacks, or None.
        model: given to each of them.
        params: given to each of them.

    Raises:
        TypeError: for something that is not a callback.
    """

    def __init__(
        self, callbacks: Iterable[Callback] | Callback | None, model: Any, params: dict[str, Any]
    ) -> None:
        if callbacks is None:
            callbacks = []
        elif not isinstance(callbacks, Iterable):
            callbacks = [callbacks]
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            unmade: Any = callback if isinstance(callback, type) else None
            if unmade is not None or not hasattr(callback, "on_epoch_end"):
                got = f"the class {unmade.__name__}" if unmade else type(callback).__name__
                raise TypeError(
                    f"callbacks must be a list of fastconv.callbacks.Callback, got {got}"
                )
        self.model = model
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(model)

    def append(self, callback: Callback) -> None:
        callback.set_params(self.params)
        callback.set_model(self.model)
        self.callbacks.append(callback)

    def watches_batches(self, mode: str) -> bool:
        return any(c.watches_batches(mode) for c in self.callbacks)

    def watches_numerics(self) -> bool:
        return any(getattr(c, "watches_numerics", bool)() for c in self.callbacks)

    def watches_progress(self, mode: str) -> bool:
        return any(overrides(c, f"on_{mode}_progress") for c in self.callbacks)

    def call(self, event: str, *arguments: Any) -> None:
        """Call the method ``on_<event>`` of every callback."""
        for callback in self.callbacks:
            getattr(callback, f"on_{event}")(*arguments)

    @contextmanager
    def aborting(self) -> Iterator[None]:
        """Inside, an error or an interrupt is told to every callback before it goes on."""
        try:
            yield
        except BaseException:
            for callback in self.callbacks:
                getattr(callback, "on_abort", bool)()
            raise


class History(Callback):
    """The results of every epoch; `fit` makes one and returns it.

    Attributes:
        epoch: numbers of the epochs.
        history: for each result, the list of its values.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []
        self.history = {}

    def get_state(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "history": self.history}

    def set_state(self, state: dict[str, Any]) -> None:
        self.epoch = list(state["epoch"])
        self.history = {key: list(values) for key, values in state["history"].items()}

    def plot(self, path: str | PathLike[str] = "history.png", title: str = "") -> Path:
        """Draw the learning curves, training and validation together, into a file.

        Raises:
            ValueError: there were no epochs.
            ImportError: matplotlib is not installed.
        """
        from fastconv.utils.plots import curves

        return curves(self.history, path, title)

    def _repr_html_(self) -> str:
        """A table for notebooks: a row for each epoch."""
        names = list(self.history)
        head = "".join(f"<th>{escape(name)}</th>" for name in ["epoch", *names])
        rows = "".join(
            f"<tr><td>{epoch + 1}</td>{''.join(map(_cell, values))}</tr>"
            for epoch, *values in zip(self.epoch, *self.history.values(), strict=False)
        )
        return f"<table><tr>{head}</tr>{rows}</table>"

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, (int, float)) else str(value)
    return f"<td>{escape(text)}</td>"
