"""Dtype policies: in which dtype layers keep their weights, and in which they compute.

``"float32"`` does both in float32. With ``"mixed_bfloat16"`` weights, their updates, statistics and
losses are float32; dense layers and convolutions round their inputs and weights to bfloat16 and sum
in float32. ``"bfloat16"`` does the same, and layers round their results: what the backward pass
needs of them is kept in half the memory. (Keras keeps weights in bfloat16 too, and small updates
are lost.)
"""

from __future__ import annotations

from typing import Any

_COMPUTE = {"float32": "float32", "mixed_bfloat16": "bfloat16", "bfloat16": "bfloat16"}


class DTypePolicy:
    """How a layer computes.

    Args:
        name: ``"float32"``, ``"mixed_bfloat16"`` or ``"bfloat16"``; None is the global policy's.

    Raises:
        ValueError: for another name.

    >>> policy = DTypePolicy("mixed_bfloat16")
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')
    """

    def __init__(self, name: Any = None) -> None:
        name = dtype_policy().name if name is None else name
        if not isinstance(name, str) or name not in _COMPUTE:
            raise ValueError(
                f"a dtype policy must be one of {', '.join(map(repr, _COMPUTE))}, got {name!r}: "
                "weights are float32, and products read float32 or bfloat16"
            )
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The dtype of the inputs and results of layers."""
        return _COMPUTE[self._name]

    @property
    def variable_dtype(self) -> str:
        """The dtype of weights."""
        return "float32"

    @property
    def rounds_results(self) -> bool:
        """Whether layers round what they make to bfloat16."""
        return self._name == "bfloat16"

    @property
    def quantization_mode(self) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other._name == self._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


_global = DTypePolicy("float32")


def dtype_policy() -> DTypePolicy:
    """The policy of layers that are not given one.

    >>> dtype_policy()
    <DTypePolicy "float32">
    """
    return _global


def set_dtype_policy(policy: Any) -> None:
    """Set the policy of the layers made from here on.

    Args:
        policy: a name or a :class:`DTypePolicy`.

    Raises:
        ValueError: for an unknown name.
    """
    global _global
    _global = get(policy)


def get(identifier: Any) -> DTypePolicy:
    """The policy for a policy, a name, a policy's serialized form, or None for the global one.

    >>> get("mixed_bfloat16").compute_dtype
    'bfloat16'
    """
    if identifier is None:
        return _global
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    name = getattr(identifier, "name", identifier)
    return DTypePolicy(name)


def serialize(policy: DTypePolicy) -> dict[str, Any]:
    """A policy as Keras writes it in a config."""
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": policy.get_config(),
        "registered_name": None,
    }


def deserialize(config: dict[str, Any]) -> DTypePolicy:
    """The policy that :func:`serialize` wrote."""
    return DTypePolicy.from_config(config["config"])
