"""Going on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastconv.callbacks.callback import Callback, Logs


class BackupAndRestore(Callback):
    """Saves the state of training after every epoch, and resumes from it.

    When `fit` is called again with the same arguments after a crash or an interruption, training
    goes on after the last whole epoch, and ends with the same weights as without it.

    Args:
        backup_dir: a directory for this training alone.
        save_freq: only ``"epoch"``.
        delete_checkpoint: whether a training that has ended leaves nothing behind.

    Raises:
        ValueError: for another ``save_freq``, or a damaged backup (delete the directory then).
    """

    def __init__(
        self, backup_dir: str | Path, save_freq: Any = "epoch", delete_checkpoint: bool = True
    ) -> None:
        super().__init__()
        if save_freq != "epoch":
            raise ValueError(
                f"BackupAndRestore: save_freq must be 'epoch', got {save_freq!r}: "
                "training resumes with whole epochs"
            )
        self.backup_dir = Path(backup_dir)
        self.delete_checkpoint = delete_checkpoint

    @property
    def _note(self) -> Path:
        return self.backup_dir / "training_metadata.json"

    def _weights(self, epoch: int) -> Path:
        return self.backup_dir / f"epoch_{epoch}.weights.h5"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self._note.exists():
            return
        try:
            done = int(json.loads(self._note.read_text())["epoch"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._note} is damaged: {error}") from error
        self.model.load_weights(self._weights(done))
        self.model.initial_epoch = done + 1

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        self.model.save_weights(self._weights(epoch), overwrite=True)
        # The note is replaced in one step, so it always names weights that are whole.
        beside = self._note.with_suffix(".new")
        beside.write_text(json.dumps({"epoch": epoch}))
        beside.replace(self._note)
        self._remove(keep=epoch)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.delete_checkpoint:
            self._note.unlink(missing_ok=True)
            self._remove(keep=None)

    def _remove(self, keep: int | None) -> None:
        for path in self.backup_dir.glob("epoch_*.weights.h5"):
            if keep is None or path != self._weights(keep):
                path.unlink(missing_ok=True)
