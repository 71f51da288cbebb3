"""What is installed, what importing it costs, and what its documents promise."""

from __future__ import annotations

import doctest
import importlib
import io
import os
import pkgutil
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import fastconv

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = Path(fastconv.__file__).parent
LAZY = {  # what importing fastconv must not load: it is slow, optional, or both
    *("h5py", "rich", "matplotlib", "PIL", "torch", "tensorflow", "keras", "jax", "sklearn"),
    *("urllib.request", "http.client", "tarfile", "pytest"),
}


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
    assert doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS).failed == 0


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
