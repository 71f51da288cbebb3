"""Curves for TensorBoard."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from fastconv.callbacks.callback import Callback, Logs
from fastconv.utils.event_file import EventFile


class TensorBoard(Callback):
    """Writes what TensorBoard shows: losses and metrics of training and validation.

    Needs no TensorBoard itself. Curves are named as Keras names them: ``epoch_loss`` in
    ``log_dir/train`` and ``log_dir/validation``, ``batch_loss`` with ``update_freq``.

    Args:
        log_dir: the folder.
        histogram_freq, write_images, profile_batch, embeddings_freq, embeddings_metadata: not
            supported; only 0, False and None are accepted.
        write_graph: accepted for Keras's sake; there is no graph to write.
        update_freq: ``"epoch"``, ``"batch"`` or a number of batches: when curves of batches get a
            point, too.
        write_steps_per_second: whether to write the speed of each epoch.

    Raises:
        ValueError: for what is not written (histograms, images of weights, embeddings, profiles),
            or another ``update_freq``.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        del write_graph  # there is none to write
        for name, value in (
            ("histogram_freq", histogram_freq),
            ("write_images", write_images),
            ("profile_batch", profile_batch),
            ("embeddings_freq", embeddings_freq),
            ("embeddings_metadata", embeddings_metadata),
        ):
            if value:
                raise ValueError(f"TensorBoard: {name}={value!r} is not supported")
        if update_freq not in ("epoch", "batch") and not (
            isinstance(update_freq, int) and update_freq > 0
        ):
            raise ValueError(
                "TensorBoard: update_freq must be 'epoch', 'batch' or a positive number, got "
                f"{update_freq!r}"
            )
        self.log_dir = Path(log_dir)
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._files: dict[str, EventFile] = {}
        self._step = 0
        self._epoch_start = (0, 0.0)

    def watches_batches(self, mode: str) -> bool:
        return mode == "train" and self.update_freq != "epoch"

    def get_state(self) -> dict[str, Any]:
        return {"step": self._step}

    def set_state(self, state: dict[str, Any]) -> None:
        self._step = state["step"]

    def _write(self, part: str, curves: dict[str, float], step: int) -> None:
        if not curves:
            return
        if part not in self._files:
            self._files[part] = EventFile(self.log_dir / part)
        self._files[part].scalars(curves, step)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch_start = int(self.model.optimizer.steps_made), time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._step += 1
        if isinstance(self.update_freq, int) and self._step % self.update_freq == 0:
            curves = {f"batch_{k}": float(v) for k, v in (logs or {}).items()}
            self._write("train", curves, self._step)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        train = {f"epoch_{k}": v for k, v in (logs or {}).items() if not k.startswith("val_")}
        train["epoch_learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            first, start = self._epoch_start
            done = int(self.model.optimizer.steps_made) - first
            train["epoch_steps_per_second"] = done / max(time.perf_counter() - start, 1e-9)
        validation = {
            f"epoch_{k.removeprefix('val_')}": v
            for k, v in (logs or {}).items()
            if k.startswith("val_")
        }
        self._write("train", train, epoch)
        self._write("validation", validation, epoch)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._files.clear()  # another training has files of its own
