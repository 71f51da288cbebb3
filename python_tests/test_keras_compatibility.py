"""The page that compares fastconv with Keras says what is so."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from real_keras import import_keras

from fastconv.compat.paths import KERAS_VERSION

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def maker() -> Any:
    if import_keras().__version__ != KERAS_VERSION:
        pytest.skip(f"the page compares with Keras {KERAS_VERSION}")
    spec = importlib.util.spec_from_file_location(
        "make_keras_compatibility", DOCS / "make_keras_compatibility.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


def test_the_page_is_as_its_script_writes_it(maker: Any) -> None:
    written = (DOCS / "keras-compatibility.md").read_text(encoding="utf-8")
    assert written == maker.page(), "run docs/make_keras_compatibility.py"


def test_signatures_are_compared_argument_by_argument(maker: Any) -> None:
    def theirs(x: Any, size: Any = (2, 2), mode: str = "a", more: int = 1) -> None: ...
    def ours(y: Any, size: Any = 2, mode: str = "b") -> None: ...

    found = maker.compare("f", theirs, ours)
    assert found.renamed == [("x", "y")]
    assert found.defaults == [("mode", "'a'", "'b'")]
    assert found.missing == ["more"]
    assert not found.same
    assert maker.compare("f", theirs, theirs).same
    assert found.text() == "no `more`; `x` is called `y`; `mode` is 'b' by default, Keras's 'a'"


def test_data_sets_are_compared_by_what_loads_them(maker: Any) -> None:
    found = maker.public("datasets", maker.keras_module("datasets"))
    assert {"boston_housing", "california_housing", "mnist"} <= found.keys()
    assert maker.compare("mnist", found["mnist"], None).missing == ["path"]
    assert maker.compare("cifar100", found["cifar100"], None).same
