"""What layers that draw random numbers share."""

from __future__ import annotations

from typing import Any

from fastconv import random
from fastconv.graph.primitive import current_trace
from fastconv.layers.layer import Layer


class RandomLayer(Layer):
    """Draws random numbers, others in every call.

    Args:
        seed: chooses the random numbers; ``set_random_seed`` sets them all.

    Raises:
        TypeError: for a seed that is no integer.
    """

    def __init__(self, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self._seeds = None if seed is None else random.SeedGenerator(seed)

    def seed_now(self) -> Any:
        """What random numbers are drawn with.

        In a program the seed names a stream, whose numbers change from step to step.
        """
        return self._seeds if current_trace() is None else self.seed
