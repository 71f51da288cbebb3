"""``fastconv run``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple


class _Place(NamedTuple):
    where: str
    message: str


def run(options: argparse.Namespace) -> int:
    """Check a script or a notebook, and run it unless only the check was asked for."""
    from fastconv.compat.notebook import run_notebook
    from fastconv.compat.script import run_script

    path: Path = options.file
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if options.check or not options.unchecked:
        problems = _problems(path)
        for where, message in problems:
            print(f"{where}: {message}", file=sys.stdout if options.check else sys.stderr)
        if options.check:
            if not problems:
                print(f"{path}: all of it is covered")
            return 1 if problems else 0
        if problems:
            print("Nothing was run; --unchecked runs it all the same.", file=sys.stderr)
            return 1
    runner = run_notebook if _is_notebook(path) else run_script
    return runner(path, options.arguments)


def _is_notebook(path: Path) -> bool:
    return path.suffix == ".ipynb"


def _problems(path: Path) -> list[_Place]:
    from fastconv.compat.check import check
    from fastconv.compat.notebook import code_cells

    parts = code_cells(path) if _is_notebook(path) else [_text(path)]
    starts = [1]  # the line at which each part begins
    for part in parts:
        starts.append(starts[-1] + part.count("\n") + 1)

    def place(line: int) -> str:
        if not _is_notebook(path):
            return f"{path}:{line}"
        number = next(i for i, start in enumerate(starts) if start > line)
        return f"{path}: cell {number}, line {line - starts[number - 1] + 1}"

    try:
        found = check("\n".join(parts))
    except SyntaxError as error:
        raise ValueError(f"{place(error.lineno or 1)}: {error.msg}") from error
    except UnicodeEncodeError as error:  # half a pair of UTF-16, which JSON can escape
        raise ValueError(f"{path}: it is no Unicode text ({error})") from error
    except ValueError as error:  # Python up to 3.11.3, of null bytes
        raise ValueError(f"{path}: {error}") from error
    except (RecursionError, MemoryError) as error:  # as Python's parser says it
        raise ValueError(f"{path}: its code is nested too deeply to be checked") from error
    return [_Place(place(line), message) for line, message in found]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text: {error}") from error
