"""Going on after an interruption."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastconv.callbacks.callback import Callback

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


class BackupAndRestore(Callback):
    """Keeps the state of training in a directory, and resumes from it.

    When a process ends during `fit`, whenever and however, `fit` called again with the same
    arguments goes on where the last state was kept, and ends with the same bits as without the
    interruption. The state is the weights, the optimizer's and the metrics' variables, the seed of
    the random numbers, the epoch and the step in it, the history, and what the other callbacks give
    as :meth:`Callback.get_state`. It is kept at the beginning and after every epoch, with the
    callbacks' work, and by ``save_freq`` also in between; a state with a loss of NaN or infinity is
    not kept.

    Data that come in batches are read up to where the training was: give `fit` a source that starts
    from the beginning.

    Args:
        backup_dir: a directory for this training alone. Two states are in it.
        save_freq: ``"epoch"``, or also every so many steps (``100``), or after some time
            (``"30s"``, ``"5min"``, ``"1h"``).
        double_checkpoint: accepted for code written for Keras; there are always two.
        delete_checkpoint: whether a training that has ended leaves nothing behind. Otherwise it is
            not made again: `fit` gives the final weights and the history at once.

    Raises:
        ValueError: for another ``save_freq``. `fit` raises it for a state of another training (the
            message says what differs), or one that is damaged.
        BlockingIOError: by `fit`, if another training uses the directory.
        OSError: by `fit`, if a state cannot be written: the last one is kept.
    """

    def __init__(
        self,
        backup_dir: str | Path,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        del double_checkpoint
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint
        self.every_steps: int | None = None
        self.every_seconds: float | None = None
        if isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0:
            self.every_steps = save_freq
        elif save_freq != "epoch":
            self.every_seconds = _seconds(save_freq)


def _seconds(text: Any) -> float:
    """The length of ``"30s"``, ``"5min"`` or ``"1h"``."""
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(s|min|h)", text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(
            "BackupAndRestore: save_freq must be 'epoch', a number of steps, or a time such as "
            f"'30s', '5min' or '1h', got {text!r}"
        )
    return float(found[1]) * _UNITS[found[2]]
