"""What is installed, what importing it costs, and what its documents promise."""

from __future__ import annotations

import doctest
import importlib
import inspect
import io
import os
import pkgutil
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv.naming import reset_names

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = Path(fastconv.__file__).parent
LAZY = {  # what importing fastconv must not load: it is slow, optional, or both
    *("h5py", "rich", "matplotlib", "PIL", "torch", "tensorflow", "keras", "jax", "sklearn"),
    *("urllib.request", "http.client", "tarfile", "pytest"),
}

SAID_ELSEWHERE = {"self", "cls", "name", "dtype"}  # parameters that an Args section may leave out
SECTION = re.compile(r"^Args:\n(.*?)(?=^\S|\Z)", re.M | re.S)
ENTRY = re.compile(r"^    (\*{0,2}\w+(?:,\s+\*{0,2}\w+)*):\s", re.M)


def every_module() -> list[str]:
    found = pkgutil.walk_packages(fastconv.__path__, "fastconv.")
    return [m.name for m in found if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", every_module())
def test_docstring_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name.endswith(".torch_nets"):
        pytest.importorskip("torch")
    module = importlib.import_module(name)
    assert module.__doc__ is not None
    names = {"np": np, "fastconv": fastconv}
    reset_names()  # an example shows what a new process shows
    assert doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS).failed == 0


def with_docstrings(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any], str | None]]:
    """Public functions, constructors and methods that a module defines, and what documents them."""
    for name, item in vars(module).items():
        if name.startswith("_") or getattr(item, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(item):
            yield name, item, item.__doc__
        if not inspect.isclass(item):
            continue
        yield name, item.__init__, item.__doc__
        for inner, method in vars(item).items():
            method = getattr(method, "__func__", method)
            if inspect.isfunction(method) and (inner == "__init__" or not inner.startswith("_")):
                yield f"{name}.{inner}", method, method.__doc__


@pytest.mark.parametrize("name", every_module())
def test_a_list_of_arguments_is_complete(name: str) -> None:
    """An Args section names every parameter, several at once in some entries, and no others."""
    if name.endswith(".torch_nets"):
        pytest.importorskip("torch")
    wrong = {}
    for path, function, documentation in with_docstrings(importlib.import_module(name)):
        section = SECTION.search(inspect.cleandoc(documentation or ""))
        if section is None:
            continue
        told = {n for entry in ENTRY.findall(section[1]) for n in re.findall(r"\w+", entry)}
        taken = inspect.signature(function).parameters.values()
        named = {p.name for p in taken if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        missing = named - told - SAID_ELSEWHERE
        catches_all = len(named) < len(taken)  # and may know further names
        unknown = set() if catches_all else told - named
        if missing or unknown:
            wrong[path] = missing | unknown
    assert wrong == {}


def test_readme_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert result.attempted >= 5
    assert result.failed == 0


def test_importing_loads_no_more_than_it_must() -> None:
    code = "import sys, fastconv; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=INSTALLED.parent,
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) & LAZY == set()


def test_version_is_one() -> None:
    declared = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert declared is not None
    assert fastconv.__version__ == declared[1]
    assert f"## {declared[1]}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_package_is_whole_and_small() -> None:
    for name in ("py.typed", "_core.pyi", "datasets/digits.npz"):
        assert (INSTALLED / name).is_file()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in INSTALLED.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                wheel.write(path)
    assert len(packed.getvalue()) < 5_000_000


def test_installed_metadata() -> None:
    try:
        known = metadata.metadata("fastconv")
    except metadata.PackageNotFoundError:
        pytest.skip("fastconv runs from its source tree")
    assert known["Requires-Python"] == ">=3.10"
    core = {
        re.split(r"[<>=;\s]", r, maxsplit=1)[0]
        for r in metadata.requires("fastconv") or []
        if "extra" not in r
    }
    assert core == {"numpy", "h5py", "rich"}
    assert set(known.get_all("Provides-Extra")) >= {"plots", "test"}


def test_ci_runs_the_readmes_own_command() -> None:
    block = re.search(r"<!-- test -->\n```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block is not None
    assert block[1].splitlines() == ['pip install ".[test]"', "pytest"]
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "<!-- test -->" in script.read_text()
    subprocess.run(["bash", "-n", str(script)], check=True)
