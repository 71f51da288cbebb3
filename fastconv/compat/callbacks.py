"""Callbacks with the arguments that they had in Keras 2."""

from __future__ import annotations

from pathlib import Path

from fastconv import callbacks
from fastconv.callbacks.callback import Logs


class ModelCheckpoint(callbacks.ModelCheckpoint):
    """:class:`fastconv.callbacks.ModelCheckpoint` that may leave epochs out.

    Args:
        filepath, monitor, verbose, save_best_only, save_weights_only, mode, save_freq,
            initial_value_threshold: as in :class:`fastconv.callbacks.ModelCheckpoint`.
        period: epochs from one save to the next, where ``save_freq`` is ``"epoch"``.

    Raises:
        ValueError: for a period below 1, and as the callback itself.
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
        *,
        period: int = 1,
    ) -> None:
        if period < 1:
            raise ValueError(f"ModelCheckpoint: period must be at least 1 epoch, got {period!r}")
        super().__init__(
            filepath,
            monitor,
            verbose,
            save_best_only,
            save_weights_only,
            mode,
            save_freq,
            initial_value_threshold,
        )
        self.period = period
        self.epochs_since_last_save = 0

    def _noted(self) -> list[str]:
        return [*super()._noted(), "epochs_since_last_save"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epochs_since_last_save += 1
        if self.epochs_since_last_save >= self.period:
            self.epochs_since_last_save = 0
            super().on_epoch_end(epoch, logs)


class ReduceLROnPlateau(callbacks.ReduceLROnPlateau):
    """:class:`fastconv.callbacks.ReduceLROnPlateau`, whose ``min_delta`` was once ``epsilon``."""

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
        *,
        epsilon: float | None = None,
    ) -> None:
        delta = min_delta if epsilon is None else epsilon
        super().__init__(monitor, factor, patience, verbose, mode, delta, cooldown, min_lr)
