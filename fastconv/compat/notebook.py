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

    Returns 0, or 1 where a cell failed; what ran before it is written all the same.

    Raises:
        ImportError: without the packages of the extra ``notebooks``.
        ValueError: if arguments are given, or the file is no notebook.
    """
    if arguments:
        raise ValueError(f"a notebook takes no arguments, got {' '.join(arguments)}")
    try:
        import nbformat
        from nbclient.exceptions import CellExecutionError
    except ImportError as error:
        raise ImportError(
            f"running notebooks needs {error.name} (pip install 'fastconv[notebooks]')"
        ) from error
    try:
        notebook = nbformat.read(path, as_version=4)
    except nbformat.reader.NotJSONError as error:
        raise ValueError(f"{path} is no notebook") from error
    failed: CellExecutionError | None = None
    with TemporaryDirectory(prefix="fastconv-") as folder:
        try:
            _client(notebook, path, folder).execute(cleanup_kc=True, env=_environment())
        except CellExecutionError as error:
            failed = error
    nbformat.write(notebook, result_path(path))
    if failed is not None:
        print(failed, file=sys.stderr)
        return 1
    print(f"Wrote {result_path(path)}")
    return 0


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
