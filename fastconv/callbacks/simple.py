"""Small callbacks: a schedule by epoch, a CSV log, a stop at NaN."""

from __future__ import annotations

import csv
import inspect
import math
import os
from collections.abc import Callable as Function
from pathlib import Path
from typing import IO, Any

import numpy as np

from fastconv.callbacks.callback import Callback, Logs


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch.

    Args:
        schedule: ``schedule(epoch, learning_rate)`` or ``schedule(epoch)``; gives the new rate.
        verbose: 1 prints it.

    Raises:
        TypeError: if the schedule gives something that is not a number.
    """

    def __init__(self, schedule: Function[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose
        try:
            inspect.signature(schedule).bind(0, 0.1)
            self._takes_rate = True
        except TypeError:
            self._takes_rate = False
        except ValueError:  # a builtin without a signature
            self._takes_rate = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        rate = float(self.model.optimizer.learning_rate)
        new = self.schedule(epoch, rate) if self._takes_rate else self.schedule(epoch)
        if new is None or isinstance(new, (str, bytes)) or np.ndim(new) != 0:
            raise TypeError(f"LearningRateScheduler: the schedule must give a number, got {new!r}")
        self.model.optimizer.learning_rate = float(new)
        if self.verbose > 0:
            print(
                f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(new)}."
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


class CSVLogger(Callback):
    """Writes the results of every epoch to a file, a line each.

    The columns are those of the first epoch. Unless it was validated, there is one named ``val_``
    for each of them too, with ``NA`` in epochs without validation.

    Args:
        filename: the file.
        separator: between values.
        append: keep what is in the file.
    """

    def __init__(self, filename: str | Path, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = Path(filename)
        self.separator = separator
        self.append = append
        self._keys: list[str] = []
        self._kept: int | None = None  # bytes of the file that stay, until a line is written

    def get_state(self) -> dict[str, Any]:
        size = self.filename.stat().st_size if self._kept is None else self._kept
        return {"size": size, "keys": self._keys}

    def set_state(self, state: dict[str, Any]) -> None:
        self._kept = min(int(state["size"]), self.filename.stat().st_size)
        self._keys = list(state["keys"])

    def on_train_begin(self, logs: Logs | None = None) -> None:
        with self.filename.open("a", encoding="utf-8"):  # if not, it should fail now
            self._kept = self.filename.stat().st_size if self.append else 0
        self._keys = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        with self.filename.open("a", newline="", encoding="utf-8") as file:
            self._drop(file)
            writer = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            self._keys = self._keys or _columns(logs)
            if file.tell() == 0:
                writer.writerow(["epoch", *self._keys])
            writer.writerow([epoch, *(logs.get(k, "NA") for k in self._keys)])

    def on_train_end(self, logs: Logs | None = None) -> None:
        with self.filename.open("a", encoding="utf-8") as file:
            self._drop(file)
        self.append = True  # a second fit continues the file

    def _drop(self, file: IO[str]) -> None:
        """Drop what was in the file before and shall not stay."""
        if self._kept is not None:
            file.truncate(self._kept)
            file.seek(0, os.SEEK_END)
            self._kept = None


def _columns(logs: Logs) -> list[str]:
    keys = sorted(logs)
    if any(key.startswith("val_") for key in keys):
        return keys
    return keys + [f"val_{key}" for key in keys]


class TerminateOnNaN(Callback):
    """Stops training when the loss is NaN or infinite, and says which step of which layer made the
    first such number. With ``compile(check_numerics=True)`` that is an error instead, and the
    weights are still those from before it.

    Args:
        raise_error: raise ``RuntimeError`` instead of ending the fit.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def watches_numerics(self) -> bool:
        return True

    def on_train_progress(self, steps: int, logs: Logs | None = None) -> None:
        self._look(f"Batch {steps - 1}", logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._look(f"Epoch {epoch + 1}", logs)

    def _look(self, where: str, logs: Logs | None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss) or self.model.stop_training:
            return
        finding = self.model.first_not_finite()
        text = f"{where}: Invalid loss, terminating training" + (f": {finding}" if finding else "")
        if self.raise_error:
            raise RuntimeError(text)
        print(text)
        self.model.stop_training = True
