"""Linear rescaling of inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.layers.layer import Layer, as_float


class Rescaling(Layer):
    """``x * scale + offset``; ``Rescaling(1 / 255)`` takes uint8 images to [0, 1]."""

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset

    def call(self, inputs: Any) -> Any:
        y = as_float(inputs) * np.asarray(self.scale, np.float32)
        return y if np.all(np.asarray(self.offset) == 0) else y + np.asarray(self.offset, "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}
