"""What an optimizer keeps for each variable: moments, averages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastconv.graph.tensor import Variable


class Slots:
    """The slots of the variables that an optimizer is built for.

    A variable that is trained again goes on with those that it had.
    """

    def __init__(self) -> None:
        self.used: list[Variable] = []  # those that files hold, in their order
        # By the id of a variable: itself, and all slots it ever got.
        self._known: dict[int, tuple[Variable, list[Variable]]] = {}

    @property
    def owners(self) -> list[Variable]:
        """All variables that ever had slots here."""
        return [variable for variable, _ in self._known.values()]

    def begin(self, optimizer: str, variables: Sequence[Variable]) -> None:
        """Use none yet, and from here on those of ``variables``.

        Raises:
            ValueError: if there are slots, and none of these variables has any.
        """
        known = self.owners
        if known and variables and not any(id(v) in self._known for v in variables):
            raise ValueError(
                f"optimizer {optimizer!r} is that of {_listed(known)} and knows none of "
                f"{_listed(variables)}: another model needs another optimizer"
            )
        for variable in variables:
            self._known.setdefault(id(variable), (variable, []))
        self.used = []

    def take(self, variable: Variable, name: str, make: Callable[[], Variable]) -> Variable:
        """A slot of a variable by that name that is not used yet, or a new one."""
        slots = self._known.setdefault(id(variable), (variable, []))[1]
        kept = (s for s in slots if s.name == name and not any(s is used for used in self.used))
        slot = next(kept, None)
        if slot is None:
            slots.append(slot := make())
        return slot

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._known = {id(v): (v, slots) for v, slots in self._known.values()}


def _listed(variables: Sequence[Variable]) -> str:
    """The first of their paths."""
    paths = [repr(v.path) for v in variables[:3]]
    return ", ".join(paths if len(variables) <= 3 else [*paths, "..."])
