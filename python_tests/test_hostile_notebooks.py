"""Notebooks and scripts that are damaged or made to do harm."""

import json
from pathlib import Path
from typing import Any

import pytest
from children import run

from fastconv.cli import main


def test_notebooks_of_anything(tmp_path: Path) -> None:
    from fastconv.compat.notebook import code_cells

    path = tmp_path / "n.ipynb"
    for content in (
        "[" * 10**5,
        json.dumps({"cells": 3}),
        json.dumps({"cells": [{"cell_type": "code", "source": [1]}]}),
        json.dumps({"cells": [{"cell_type": "code", "source": 1}]}),
        "\x00",
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match="is no notebook"):
            code_cells(path)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def one_cell(**changes: Any) -> dict[str, Any]:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None}
    cell |= {"outputs": [], "source": ["print('it ran')"]} | changes
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


DAMAGED = {
    "no JSON": "{",
    "no object": "[1]",
    "a number": "1",
    "no cells": json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}}),
    "cells that are a number": json.dumps(one_cell() | {"cells": 3}),
    "a cell that is a number": json.dumps(one_cell() | {"cells": [3]}),
    "metadata that is a text": json.dumps(one_cell() | {"metadata": "x"}),
    "an unknown version": json.dumps(one_cell() | {"nbformat": 99}),
    "a version that is a list": json.dumps(one_cell() | {"nbformat": [4]}),
    "nested without end": "[" * 10**5,
    "nested outputs": '{"cells": [{"outputs": ' + "[" * 10**5,
    "deep outputs": json.dumps(one_cell(outputs=nested(900))),
    "deep metadata": json.dumps(one_cell(metadata={"a": nested(900)})),
    "outputs that are a number": json.dumps(one_cell(outputs=5)),
    "outputs of numbers": json.dumps(one_cell(outputs=[1])),
    "an output without a type": json.dumps(one_cell(outputs=[{"data": {}}])),
    "data that is a list": json.dumps(
        one_cell(outputs=[{"output_type": "display_data", "data": [1], "metadata": {}}])
    ),
    "text of numbers": json.dumps(
        one_cell(outputs=[{"output_type": "stream", "name": "stdout", "text": [1]}])
    ),
    "a source of numbers": json.dumps(one_cell(source=[1])),
    "a source that is a number": json.dumps(one_cell(source=1)),
    "tags that are a number": json.dumps(one_cell(metadata={"tags": 1})),
    "half a pair": json.dumps(one_cell(source="'\ud800'")),
}


@pytest.mark.filterwarnings("ignore")  # of nbformat, about what is missing
@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_notebooks_are_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    pytest.importorskip("nbclient")
    path = tmp_path / "n.ipynb"
    path.write_text(DAMAGED[kind])
    assert main(["run", "--unchecked", str(path)]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"fastconv run: error: {path} is no notebook: ")
    assert len(told) < len(str(path)) + 300
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a.py", "a.ipynb"])
@pytest.mark.parametrize("source", ["-" * 200_000 + "1", "a" + ".b" * 20_000, "(" * 10**5, "a\0"])
def test_code_that_python_cannot_parse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, source: str
) -> None:
    path = tmp_path / name
    path.write_text(source if name == "a.py" else json.dumps(one_cell(source=source)))
    assert main(["run", "--check", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_code_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script, notebook = tmp_path / "a.py", tmp_path / "a.ipynb"
    script.write_bytes(b"a = '\xff'")
    notebook.write_text(DAMAGED["half a pair"])
    for path in (script, notebook):
        assert main(["run", "--check", str(path)]) == 2
        assert f"error: {path}" in capsys.readouterr().err


def test_a_link_in_the_place_of_the_result_is_not_followed(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    secret = tmp_path / "secret"
    secret.write_text("mine")
    path, result = tmp_path / "n.ipynb", tmp_path / "n.out.ipynb"
    result.symlink_to(secret)
    path.write_text(json.dumps(one_cell()))
    done = run("-m", "fastconv", "run", "--unchecked", str(path))
    assert done.returncode == 0, done.stderr
    assert secret.read_text() == "mine"
    assert not result.is_symlink()
    assert "it ran" in result.read_text()
    assert sorted(tmp_path.iterdir()) == sorted((path, result, secret))


def test_a_cell_that_ends_the_kernel(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    path = tmp_path / "n.ipynb"
    ends = one_cell(id="b", source="import os\nos._exit(3)")["cells"]
    made = one_cell()
    path.write_text(json.dumps(made | {"cells": made["cells"] + ends}))
    done = run("-m", "fastconv", "run", "--unchecked", str(path))
    assert done.returncode == 1
    assert "Kernel died" in done.stderr
    assert "Traceback" not in done.stderr
    assert "it ran" in (tmp_path / "n.out.ipynb").read_text()
