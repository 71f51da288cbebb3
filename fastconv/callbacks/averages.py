"""Moving averages in place of the weights."""

from __future__ import annotations

from typing import Any

from fastconv.callbacks.callback import Callback, Logs


class SwapEMAWeights(Callback):
    """Evaluates and predicts with the moving averages of the weights, trains with the weights.

    The optimizer keeps the averages (``use_ema=True``).

    Args:
        swap_on_epoch: swap at the end of each epoch, too, so that what is saved there holds the
            averages.

    Raises:
        ValueError: when training starts, if the optimizer keeps none.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch

    def _swap(self, to_averages: bool) -> None:
        optimizer = self.model.optimizer
        if not optimizer.use_ema:
            raise ValueError("SwapEMAWeights: the optimizer keeps no averages, use use_ema=True")
        if optimizer.swapped != to_averages and optimizer.built:
            optimizer.swap_averages()

    def get_state(self) -> dict[str, Any]:
        return {"swapped": self.model.optimizer.swapped}

    def set_state(self, state: dict[str, Any]) -> None:
        self.model.optimizer.swapped = state["swapped"]

    def on_abort(self) -> None:
        if self.model.optimizer.swapped:
            self._swap(False)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._swap(False)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(True)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._swap(True)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._swap(False)
