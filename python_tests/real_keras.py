"""Keras itself, on PyTorch, for tests that compare with it."""

import os
import warnings
from typing import Any

import pytest


def import_keras() -> Any:
    """Keras, or the test is skipped."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import keras
        except ImportError as error:
            pytest.skip(f"compares with Keras: {error}")
    if keras.backend.backend() != "torch":
        pytest.skip(f"compares with Keras on torch, it runs on {keras.backend.backend()}")
    return keras


def to_numpy(value: Any) -> Any:
    return value.detach().numpy() if hasattr(value, "detach") else value
