"""Methods that models had in Keras 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class OldMethods:
    """Older names of a trainer's methods, for code that still calls them.

    ``max_queue_size``, ``workers`` and ``use_multiprocessing`` are accepted; batches are prepared
    ahead by one thread.
    """

    fit: Any
    evaluate: Any
    predict: Any

    def predict_classes(
        self, x: Any, batch_size: int | None = None, verbose: Any = 0
    ) -> npt.NDArray[np.int32]:
        """The predicted classes: ``p > 0.5`` for one output unit, else the largest (int32)."""
        p = self.predict(x, batch_size, verbose)
        if p.shape[-1] == 1:
            return np.asarray(p > 0.5, np.int32)
        return np.asarray(p.argmax(axis=-1), np.int32)

    def predict_proba(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """An older name of ``predict``."""
        return self.predict(x, batch_size, verbose)

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: Any = 1,
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> Any:
        """``fit`` on something that yields batches.

        Raises:
            ValueError: as ``fit``, and for a generator without ``steps_per_epoch``.
        """
        del max_queue_size, workers, use_multiprocessing
        _check_steps("fit_generator", "steps_per_epoch", generator, steps_per_epoch)
        if hasattr(validation_data, "__next__"):
            _check_steps("fit_generator", "validation_steps", validation_data, validation_steps)
        return self.fit(
            generator,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
        )

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Any:
        """``evaluate`` on something that yields batches.

        Raises:
            ValueError: as ``evaluate``, and for a generator without ``steps``.
        """
        del max_queue_size, workers, use_multiprocessing
        _check_steps("evaluate_generator", "steps", generator, steps)
        return self.evaluate(generator, steps=steps, callbacks=callbacks, verbose=verbose)

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Any:
        """``predict`` on something that yields batches.

        Raises:
            ValueError: as ``predict``, and for a generator without ``steps``.
        """
        del max_queue_size, workers, use_multiprocessing
        _check_steps("predict_generator", "steps", generator, steps)
        return self.predict(generator, steps=steps, callbacks=callbacks, verbose=verbose)


def _check_steps(method: str, argument: str, generator: Any, steps: int | None) -> None:
    """A generator may never end; whatever knows its length does."""
    if steps is None and not hasattr(generator, "__len__"):
        raise ValueError(
            f"{method} needs {argument}: a {type(generator).__name__} does not tell its length"
        )
