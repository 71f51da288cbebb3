"""Callbacks that follow one result: stop early, save the best, lower the rate."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.callbacks.callback import Callback, Logs

# Ends of names that tell which way is better where no metric of the model does.
MORE_IS_BETTER = ("acc", "accuracy", "auc", "precision", "recall")
LESS_IS_BETTER = ("loss", "error")


class Monitor(Callback):
    """Base: the best value so far of the result called ``monitor``.

    Args:
        monitor: a key of the logs.
        mode: ``"min"``, ``"max"``, or ``"auto"``: less is better for losses; for other results,
            what the model's metric of that name says.
        min_delta: what a change must exceed to be an improvement.

    Raises:
        ValueError: for another mode.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(
                f"{type(self).__name__}: mode must be 'auto', 'min' or 'max', got {mode!r}"
            )
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None

    def _noted(self) -> list[str]:
        """Names of the attributes that training changes."""
        return ["best"]

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._noted()}

    def set_state(self, state: dict[str, Any]) -> None:
        for name in self._noted():
            setattr(self, name, state[name])

    @property
    def maximizes(self) -> bool:
        """Whether more is better.

        Raises:
            ValueError: if ``mode`` is ``"auto"`` and neither metric nor name tells.
        """
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        metrics = getattr(self.model, "metrics", None) or []
        reported = getattr(self.model, "metrics_names", None) or []
        for metric, known in zip(metrics, reported, strict=False):
            if known == name or name.endswith(f"_{metric.name}"):
                direction = getattr(metric, "_direction", None)
                if direction is not None:
                    return bool(direction == "up")
        if name.endswith((*MORE_IS_BETTER, *LESS_IS_BETTER)):
            return name.endswith(MORE_IS_BETTER)
        raise ValueError(
            f"{type(self).__name__}: whether more or less of {self.monitor!r} is better is not "
            "known; pass mode='max' or mode='min'"
        )

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Raises ValueError, before anything is trained, if it is not known which way is better."""
        _ = self.maximizes

    def get_monitor_value(self, logs: Logs | None) -> float | None:
        """The monitored value; warns where it is missing."""
        logs = logs or {}
        if self.monitor not in logs:
            warnings.warn(
                f"{type(self).__name__} follows {self.monitor!r}, which is not available. "
                f"Available: {', '.join(logs)}",
                stacklevel=2,
            )
            return None
        return float(logs[self.monitor])

    def _is_improvement(self, monitor_value: float, reference_value: float | None) -> bool:
        if reference_value is None:
            return not math.isnan(monitor_value)
        if self.maximizes:
            return monitor_value - self.min_delta > reference_value
        return monitor_value + self.min_delta < reference_value


class EarlyStopping(Monitor):
    """Stops training when a result has not improved for ``patience`` epochs.

    Args:
        monitor: a key of the logs.
        min_delta: what a change must exceed to be an improvement.
        patience: epochs without improvement before stopping.
        verbose: 1 prints when it acts.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        baseline: patience starts over only for values better than this.
        restore_best_weights: end with the weights of the best epoch.
        start_from_epoch: epochs before this one are not looked at.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best_weights: Any = None

    def _noted(self) -> list[str]:
        return ["best", "wait", "stopped_epoch", "best_epoch", "best_weights"]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best = None
        self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.get_monitor_value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if self._is_improvement(value, self.best):
            self.best = value
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._is_improvement(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}."
                )
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by ``factor`` when a result has stopped improving.

    Args:
        monitor: a key of the logs.
        factor: below 1.
        patience: epochs without improvement before acting.
        verbose: 1 prints when it acts.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        min_delta: what a change must exceed to be an improvement.
        cooldown: epochs after acting during which nothing is counted.
        min_lr: the rate does not go below this.

    Raises:
        ValueError: if ``factor`` is not below 1.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if not 0 < factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be between 0 and 1, got {factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.cooldown_counter = 0
        self.wait = 0

    def _noted(self) -> list[str]:
        return ["best", "wait", "cooldown_counter"]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self.cooldown_counter = 0
        self.wait = 0
        self.best = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        rate = float(self.model.optimizer.learning_rate)
        logs["learning_rate"] = rate
        value = self.get_monitor_value(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(value, self.best):
            self.best = value
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                lower = max(rate * self.factor, self.min_lr)
                self.model.optimizer.learning_rate = lower
                if self.verbose > 0:
                    print(
                        f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {lower}."
                    )
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def in_cooldown(self) -> bool:
        """Whether it acted less than ``cooldown`` epochs ago."""
        return self.cooldown_counter > 0


class ModelCheckpoint(Monitor):
    """Saves the model, or its weights, after epochs or every so many batches.

    Args:
        filepath: may contain ``{epoch}``, keys of the logs and, where it saves after batches,
            ``{batch}``, as in ``"{epoch:02d}-{val_loss:.2f}.keras"``. Models go to ``.keras``,
            ``.h5`` or ``.hdf5``, weights to ``.weights.h5``, ``.h5`` or ``.hdf5``.
        monitor: a key of the logs.
        verbose: 1 prints when it saves.
        save_best_only: only when the monitored value has improved.
        save_weights_only: weights instead of the whole model.
        mode: ``"min"``, ``"max"`` or ``"auto"``.
        save_freq: ``"epoch"`` or a number of batches.
        initial_value_threshold: the value to improve on at first.

    Raises:
        ValueError: for another ``save_freq``, or another ending of ``filepath``.
    """

    def __init__(
        self,
        filepath: str | Path,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        if save_freq != "epoch" and not (isinstance(save_freq, int) and save_freq > 0):
            raise ValueError(
                "ModelCheckpoint: save_freq must be 'epoch' or a number of batches, "
                f"got {save_freq!r}"
            )
        endings = (".weights.h5" if save_weights_only else ".keras", ".h5", ".hdf5")
        if not str(filepath).endswith(endings):
            raise ValueError(
                f"ModelCheckpoint: filepath must end in {', '.join(endings[:-1])} or "
                f"{endings[-1]}, got {str(filepath)!r}"
            )
        self.filepath = str(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._epoch = 0
        self._batches = 0

    def _noted(self) -> list[str]:
        return ["best", "_epoch", "_batches"]

    def watches_batches(self, mode: str) -> bool:
        return mode == "train" and self.save_freq != "epoch"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if isinstance(self.save_freq, int) and self._batches % self.save_freq == 0:
            self._save(self._epoch, {"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _save(self, epoch: int, logs: Logs | None) -> None:
        logs = logs or {}
        message = "saving model to"
        if self.save_best_only:
            value = self.get_monitor_value(logs)
            if value is None:
                return
            before = "None" if self.best is None else f"{self.best:.5f}"
            if not self._is_improvement(value, self.best):
                if self.verbose > 0:
                    print(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {before}")
                return
            message = f"{self.monitor} improved from {before} to {value:.5f}, saving model to"
            self.best = value
        try:
            path = self.filepath.format(epoch=epoch + 1, **logs)
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: filepath {self.filepath!r} names {error}, which is not among "
                f"the results {', '.join(logs)}"
            ) from error
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {message} {path}")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
