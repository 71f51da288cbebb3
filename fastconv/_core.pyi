from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

def isa() -> str: ...
def vector_width() -> int: ...
def available_isas() -> list[str]: ...
def cpu_quota(groups: str = ..., mount: str = ...) -> int: ...
def num_threads() -> int: ...
def set_num_threads(count: int) -> None: ...
def set_conv_algorithm(name: str) -> None: ...
def conv_algorithm() -> str: ...
def op_names() -> list[str]: ...
def measure_peaks(threads: int) -> dict[str, float]: ...

class Plan:
    def __init__(
        self,
        tensors: Sequence[tuple[str, Sequence[int], bool, str, Array | int | None]],
        steps: Sequence[tuple[str, Sequence[int], Sequence[int], dict[str, Any], str]],
        inputs: Sequence[int],
        outputs: Sequence[int],
        max_batch: int,
        frozen: bool = False,
    ) -> None: ...
    def run(
        self,
        inputs: Sequence[Array],
        batch: int,
        seed: int = 0,
        step: int = 0,
        version: int = 0,
    ) -> list[Array]: ...
    def run_epoch(
        self,
        rows_sources: Sequence[tuple[int, Array, float, float]],
        order: npt.NDArray[np.int64] | None,
        n_rows: int,
        batch_size: int,
        step_values: Sequence[tuple[int, Array]],
        outputs: Sequence[Array] | None = None,
        seed: int = 0,
        first_step: int = 0,
        tick: Callable[[int], bool | None] | None = None,
        interval: float = 0.05,
        nanoseconds: npt.NDArray[np.float64] | None = None,
        version: int = 0,
    ) -> int: ...
    def summary(self) -> list[dict[str, Any]]: ...
    @property
    def arena_bytes(self) -> int: ...
    @property
    def max_batch(self) -> int: ...
    @property
    def step_count(self) -> int: ...
