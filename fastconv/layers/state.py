"""The weights of layers and of the layers inside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastconv.graph.structure import flatten
from fastconv.graph.tensor import Array, Variable


class WeightHolder:
    """Holds weights of its own, and finds those of the layers in its attributes."""

    name: str
    built: bool
    _trainable: bool
    _trainable_variables: list[Variable]
    _non_trainable_variables: list[Variable]

    def __setattr__(self, key: str, value: Any) -> None:
        replaced = self.__dict__.get(key)
        super().__setattr__(key, value)
        gone = isinstance(replaced, Variable) and not self._holds(replaced)
        if isinstance(value, Variable) and not any(v is value for v in self._own_variables):
            own = self._trainable_variables if value.trainable else self._non_trainable_variables
            place = next((i for i, v in enumerate(own) if gone and v is replaced), len(own))
            own.insert(place, value)
        if gone:
            for own in (self._trainable_variables, self._non_trainable_variables):
                own[:] = [v for v in own if v is not replaced]

    def _holds(self, variable: Variable) -> bool:
        """Whether an attribute is the variable, or has it in a list, tuple or dictionary."""
        kept = ("_trainable_variables", "_non_trainable_variables", "_init_arguments")
        held = [value for key, value in self.__dict__.items() if key not in kept]
        return any(value is variable for value in flatten(held))

    @property
    def _own_variables(self) -> list[Variable]:
        return self._trainable_variables + self._non_trainable_variables

    def _sublayers(self) -> list[Any]:
        """Layers held in attributes, and in lists, tuples and dictionaries there."""
        found: list[Any] = []
        for key, value in list(self.__dict__.items()):  # other threads may set attributes
            if key not in ("_inbound_nodes", "_init_arguments"):
                _collect_layers(value, found)
        return found

    def _flatten_layers(self) -> Iterator[Any]:
        """The layer and every layer inside it, each once."""
        seen: set[int] = set()
        stack: list[Any] = [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in seen:
                seen.add(id(layer))
                yield layer
                stack.extend(reversed(layer._sublayers()))

    @property
    def weights(self) -> list[Variable]:
        """Every weight, each layer's trainable ones before its others."""
        return _unique(v for layer in self._flatten_layers() for v in layer._own_variables)

    variables = weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes: those whose ``trainable`` is True, none of a layer
        whose own is False."""
        if not self.trainable:
            return []
        own = (v for v in self._own_variables if v.trainable)
        inner = (v for layer in self._sublayers() for v in layer.trainable_weights)
        return _unique((*own, *inner))

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        trainable = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in trainable]

    non_trainable_variables = non_trainable_weights

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        """Set for the layer, every layer inside it, and those of their weights that were made to be
        trained; takes effect at the next ``compile``."""
        for layer in self._flatten_layers():
            layer._trainable = bool(value)
            for variable in layer._trainable_variables:
                variable.trainable = bool(value)

    def get_weights(self) -> list[Array]:
        """Copies of the weights as arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set every weight from arrays in the order of :meth:`get_weights`.

        Raises:
            ValueError: if their number or a shape does not fit; nothing is changed then.
        """
        variables = self.weights
        if len(weights) != len(variables):
            raise ValueError(
                f"layer {self.name!r} has {len(variables)} weights, got {len(weights)}"
            )
        arrays = [np.asarray(w) for w in weights]
        for variable, array in zip(variables, arrays, strict=True):
            if array.shape != variable.shape:
                raise ValueError(
                    f"layer {self.name!r}: weight {variable.path!r} has shape {variable.shape}, "
                    f"got {array.shape}"
                )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """The number of weights, element by element.

        Raises:
            ValueError: if the layer is not built yet.
        """
        if not self.built:
            raise ValueError(f"layer {self.name!r} has no weights yet: build it, or call it once")
        return sum(v.size for v in self.weights)

    def save_own_variables(self, store: Any) -> None:
        """Put the layer's own weights into ``store`` under "0", "1", ..."""
        for i, variable in enumerate(self._own_variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Take the layer's own weights from ``store``.

        Raises:
            ValueError: if their number or a shape differs.
        """
        variables = self._own_variables
        if len(store) != len(variables):
            raise ValueError(
                f"layer {self.name!r} has {len(variables)} weights of its own, the file has "
                f"{len(store)}"
            )
        arrays = [np.asarray(store[str(i)]) for i in range(len(variables))]
        for variable, array in zip(variables, arrays, strict=True):
            if variable.shape != array.shape:
                raise ValueError(
                    f"layer {self.name!r}: weight {variable.path!r} has shape {variable.shape}, "
                    f"the file has {array.shape}"
                )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


def _collect_layers(value: Any, found: list[Any]) -> None:
    if isinstance(value, WeightHolder):
        if not any(value is known for known in found):
            found.append(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect_layers(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect_layers(item, found)


def _unique(variables: Any) -> list[Variable]:
    return list({id(v): v for v in variables}.values())
