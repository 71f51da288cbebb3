"""What scripts ask of TensorFlow itself."""

from __future__ import annotations


def list_physical_devices(device_type: str | None = None) -> list[str]:
    """The devices of a type: there is the CPU.

    >>> list_physical_devices("GPU")
    []
    """
    return ["CPU:0"] if device_type in (None, "CPU") else []
