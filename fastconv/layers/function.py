"""Functions of your own, and doing nothing, as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastconv import regularizers
from fastconv.layers.configuration import parameters
from fastconv.layers.layer import Layer


class Lambda(Layer):
    """Applies a function written with ``fastconv.ops`` and arithmetic.

    To be saved, the function must be a named one, registered with ``register_keras_serializable``
    (or given as ``custom_objects`` when loading): no code is stored in files.

    Args:
        function: called with the inputs, and ``arguments`` as keywords.
        output_shape: accepted for Keras's sake; shapes are inferred.
        mask: not supported; only None is accepted.
        arguments: keywords for the function, besides ``training`` where it has that parameter.

    Raises:
        ValueError: if ``function`` cannot be called, or for a mask.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(f"Lambda needs a function, got {function!r}")
        if mask is not None:
            raise ValueError("Lambda: masks are not supported")
        self.function = function
        self.arguments = dict(arguments or {})
        self._output_shape = output_shape

    def call(self, inputs: Any, training: bool = False) -> Any:
        extra = {"training": training} if "training" in parameters(self.function) else {}
        return self.function(inputs, **self.arguments, **extra)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "function": self.function, "arguments": self.arguments}
        if self._output_shape is not None and not callable(self._output_shape):
            config["output_shape"] = self._output_shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        from fastconv.saving.registry import deserialize_keras_object

        function = config["function"]
        if not callable(function):
            function = deserialize_keras_object(function)
        if not callable(function):
            raise ValueError(
                f"the function {config['function']!r} of a Lambda layer is unknown: pass it in "
                "custom_objects, or decorate it with register_keras_serializable"
            )
        return super().from_config({**config, "function": function})


class ActivityRegularization(Layer):
    """Returns its inputs, and penalizes them by ``l1 * sum |x| + l2 * sum x^2`` per example."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1, l2), **kwargs)
        self.l1 = l1
        self.l2 = l2

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activity_regularizer"]
        return {**config, "l1": self.l1, "l2": self.l2}


class Identity(Layer):
    """Returns its inputs."""

    def call(self, inputs: Any) -> Any:
        return inputs
