"""The progress line: counts, a bar, times and results."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from typing import Any, TextIO

from fastconv.callbacks.callback import Callback, Logs


def format_time(seconds: float) -> str:
    """A duration for people: ``45s``, ``2:03``, ``1:02:03``.

    >>> format_time(123)
    '2:03'
    """
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    if whole >= 60:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole}s"


def format_step_time(seconds: float, unit: str = "step") -> str:
    """The time of one step: ``2ms/step``.

    >>> format_step_time(0.0021)
    '2ms/step'
    """
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/{unit}"
    return f"{seconds * 1e6:.0f}us/{unit}"


def format_results(logs: Logs) -> str:
    """`` - accuracy: 0.5667 - loss: 0.6887``."""
    parts = []
    for name, value in logs.items():
        if isinstance(value, (int, float)):
            large = abs(value) > 1e-3 or value == 0
            parts.append(f" - {name}: {value:.4f}" if large else f" - {name}: {value:.4e}")
        else:
            parts.append(f" - {name}: {value}")
    return "".join(parts)


def redraws(stream: TextIO) -> bool:
    """Whether a line on this stream can be written over: a terminal or a notebook."""
    try:
        if stream.isatty():
            return True
    except (AttributeError, ValueError):
        return False
    return type(stream).__module__.startswith("ipykernel")


class Progbar:
    """One line that shows how far something is.

    Args:
        target: number of steps, or None while it is not known.
        width: characters of the bar.
        verbose: 1 draws the line and redraws it where the stream allows; 2 writes it once, at the
            end; 0 writes nothing.
        interval: seconds between two drawings, at least.
        stateful_metrics: names of the values that are shown as they come; the others are averaged
            over the steps.
        stateless_metrics: instead, the names of those that are averaged.
        unit_name: what a step is called.
        stream: where to; standard output by default.

    Raises:
        ValueError: if both kinds of names are given.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
        *,
        stream: TextIO | None = None,
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar: only one of stateful_metrics and stateless_metrics")
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self.stream = stream or sys.stdout
        self.live = verbose == 1 and redraws(self.stream)
        self._stateful = frozenset(stateful_metrics or ())
        self._stateless = None if stateless_metrics is None else frozenset(stateless_metrics)
        self._start = time.perf_counter()
        self._last = -math.inf  # when the line was drawn
        self._drawn = 0  # characters of the line on the screen
        self._seen = 0  # steps
        self._shown: dict[str, Any] = {}
        self._sums: dict[str, tuple[float, int]] = {}  # over so many steps

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Show that ``current`` steps are done.

        Args:
            current: the number of steps.
            values: names and values, of the steps since the last update.
            finalize: whether to end the line, with these values as they are; None means whether
                the target is reached.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        steps = max(current - self._seen, 1)
        for name, value in values or ():
            self._shown[name] = self._result(name, value, steps, finalize)
        self._seen = current
        if self.verbose == 0 or not (finalize or self.live):
            return
        now = time.perf_counter()
        if not finalize and now - self._last < self.interval:
            return
        self._last = now
        line = self.line(current, self._shown, finalize)
        if self.live:
            padding = " " * max(self._drawn - len(line), 0)
            self._write(f"\r{line}{padding}" + ("\n" if finalize else ""))
            self._drawn = len(line)
        else:
            self._write(line + "\n")

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that ``n`` more steps are done, see :meth:`update`."""
        self.update(self._seen + n, values)

    def _result(self, name: str, value: Any, steps: int, finalize: bool) -> Any:
        """What is shown of a value: itself, or its average over the steps."""
        value = value.item() if hasattr(value, "item") else value
        averages = self._stateless
        if finalize or (name in self._stateful if averages is None else name not in averages):
            return value
        total, count = self._sums.get(name, (0.0, 0))
        total, count = self._sums[name] = (total + value * steps, count + steps)
        return total / count

    def line(self, current: int, logs: Logs, finalize: bool) -> str:
        elapsed = time.perf_counter() - self._start
        per_step = elapsed / max(current, 1)
        target = self.target if self.target is not None else (current if finalize else None)
        if target is None:
            count, bar = f"{current:>7}/Unknown", ""
        else:
            count = f"{current:>{len(str(target))}}/{target}"
            bar = self._bar(current, target) if self.verbose == 1 else ""
        left = elapsed if finalize or target is None else per_step * (target - current)
        parts = [count, bar, format_time(left), format_step_time(per_step, self.unit_name)]
        separator = " - " if self.verbose == 2 else " "
        return separator.join(p for p in parts if p) + format_results(logs)

    def _bar(self, current: int, target: int) -> str:
        full, empty = ("━", "─") if self._can_write("━─") else ("=", ".")
        done = self.width * min(current, target) // max(target, 1)
        return full * done + empty * (self.width - done)

    def _can_write(self, text: str) -> bool:
        try:
            text.encode(getattr(self.stream, "encoding", None) or "ascii")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


class ProgbarLogger(Callback):
    """Prints a progress line for each epoch, below ``Epoch 1/2`` where there are several (`fit`
    adds one by itself)."""

    def __init__(self, verbose: int | None = None) -> None:
        super().__init__()
        self.verbose = verbose
        self._bar: Progbar | None = None
        self._steps = 0
        self._training = False

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        if self.verbose is None:
            self.verbose = int(params.get("verbose", 1))

    def _begin(self) -> None:
        self._steps = 0
        self._bar = Progbar(
            self.params.get("steps"),
            verbose=int(self.verbose or 0),
            interval=0.0,
            stateless_metrics=(),
        )

    def _end(self, logs: Logs | None) -> None:
        if self._bar is None:
            return
        steps = self._bar.target or self.params.get("steps") or self._steps
        self._bar.target = self._bar.target or steps
        self._bar.update(steps, (logs or {}).items(), finalize=True)
        self._bar = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._training = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        epochs = self.params.get("epochs", 1)
        if self.verbose and epochs > 1:
            sys.stdout.write(f"Epoch {epoch + 1}/{epochs}\n")
        self._begin()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._end(logs)

    def _progress(self, steps: int, logs: Logs | None) -> None:
        self._steps = steps
        if self._bar is not None and self._bar.live:
            self._bar.update(steps, (logs or {}).items(), finalize=False)

    def on_train_progress(self, steps: int, logs: Logs | None = None) -> None:
        self._progress(steps, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._training:
            self._begin()

    def on_test_progress(self, steps: int, logs: Logs | None = None) -> None:
        if not self._training:
            self._progress(steps, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._training:
            self._end(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._begin()

    def on_predict_progress(self, steps: int, logs: Logs | None = None) -> None:
        self._progress(steps, logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._end(logs)
