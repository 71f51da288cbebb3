"""Notebooks that import ``keras``: their code, and running them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fastconv.compat
from fastconv.saving.files import atomic


def code_cells(path: Path) -> list[str]:
    """The source of each code cell, with lines for IPython alone left blank.

    Raises:
        ValueError: if the file is no notebook.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = [c["source"] for c in cells if c["cell_type"] == "code"]
        return [_plain(s if isinstance(s, str) else "".join(s)) for s in sources]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no notebook: {error!r}") from error


def _plain(source: str) -> str:
    lines = source.splitlines()
    if lines and lines[0].startswith("%%") and not lines[0].startswith("%%time"):
        return "\n" * (len(lines) - 1)
    return "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)


def result_path(path: Path) -> Path:
    """Where a run notebook is written.

    >>> result_path(Path("lab.ipynb")).name
    'lab.out.ipynb'
    """
    return path.with_name(f"{path.stem}.out.ipynb")


def run_notebook(path: Path, arguments: Sequence[str] = ()) -> int:
    """Run every cell, with ``keras`` answered by fastconv, and write the outputs beside.

    Returns 0, or 1 where a cell failed or ended the kernel; what ran before it is written all the
    same. The result is whole or not there; a link in its place is replaced, not followed.

    Raises:
        ImportError: without the packages of the extra ``notebooks``.
        ValueError: if arguments are given, or the file is no notebook.
    """
    if arguments:
        raise ValueError(f"a notebook takes no arguments, got {' '.join(arguments)}")
    try:
        import nbformat
        from nbclient.exceptions import CellExecutionError, DeadKernelError
    except ImportError as error:
        raise ImportError(
            f"running notebooks needs {error.name} (pip install 'fastconv[notebooks]')"
        ) from error
    notebook = _read(path)
    failed: CellExecutionError | DeadKernelError | None = None
    with TemporaryDirectory(prefix="fastconv-") as folder:
        try:
            _client(notebook, path, folder).execute(cleanup_kc=True, env=_environment())
        except (CellExecutionError, DeadKernelError) as error:
            failed = error
    with atomic(result_path(path)) as temporary:
        nbformat.write(notebook, temporary)
    if failed is not None:
        print(failed, file=sys.stderr)
        return 1
    print(f"Wrote {result_path(path)}")
    return 0


def _read(path: Path) -> Any:
    """The notebook in a file, in the form of version 4, as far sound as it takes to run it.

    Raises:
        ValueError: if the file is no notebook.
    """
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
        _require("metadata", notebook["metadata"], dict)
        _require("cells", notebook["cells"], list)
        for number, cell in enumerate(notebook["cells"], 1):
            _require(f"cell {number}", cell, dict)
            _require(f"cell_type of cell {number}", cell["cell_type"], str)
            _require(f"source of cell {number}", cell["source"], str)
            _require(f"metadata of cell {number}", cell["metadata"], dict)
            _require(f"tags of cell {number}", cell["metadata"].get("tags", []), list)
        # What cannot be written is told before the cells have run for hours.
        nbformat.v4.writes(notebook).encode()
    except OSError:
        raise
    except Exception as error:  # nbformat meets damage with errors of many kinds
        raise ValueError(f"{path} is no notebook: {_brief(error)}") from error
    return notebook


def _require(what: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{what} is of type {type(value).__name__}, expected {kind.__name__}")


def _brief(error: Exception) -> str:
    """An error on one line, which may quote a whole file."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def _client(notebook: Any, path: Path, folder: str) -> Any:
    """What runs the cells: a kernel of this Python, reached by sockets in a folder."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    manager = AsyncKernelManager(transport="ipc", ip=str(Path(folder) / "kernel"))
    manager._kernel_spec = KernelSpec(
        argv=[sys.executable, "-m", "fastconv.compat.kernel", "-f", "{connection_file}"],
        display_name="fastconv",
        language="python",
    )
    resources = {"metadata": {"path": str(path.resolve().parent)}}
    return NotebookClient(
        notebook, km=manager, timeout=None, resources=resources, coalesce_streams=True
    )


def _environment() -> dict[str, str]:
    """The kernel must find this fastconv, wherever the notebook lies."""
    here = str(Path(fastconv.compat.__file__).parents[2])
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": here if not known else f"{here}{os.pathsep}{known}"}
