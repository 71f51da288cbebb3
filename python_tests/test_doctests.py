"""The examples in docstrings do what they say."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import fastconv

SKIPPED = ("fastconv._core", "fastconv.cli.__main__", "fastconv.__main__")
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fastconv.__path__, "fastconv.")
    if module.name not in SKIPPED
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    before = np.get_printoptions()
    try:
        results = doctest.testmod(module, extraglobs={"np": np})
    finally:
        np.set_printoptions(**before)
    assert results.failed == 0
