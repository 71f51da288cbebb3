"""HDF5 files as they come: read here, or copied into a form that is read here first."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO

from fastconv.saving.hdf5 import SIGNATURE, Group, UnsupportedError, read
from fastconv.utils.limits import most_bytes


def is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


@contextmanager
def opened(source: Path | IO[bytes]) -> Iterator[Group]:
    """The root group of a file, which stays open inside.

    Raises:
        ValueError: it is damaged, or holds what no weights need.
    """
    with source.open("rb") if isinstance(source, Path) else source as file:
        try:
            root = read(file)
        except UnsupportedError:
            with TemporaryFile() as plain:
                convert(file, plain)
                yield read(plain)
            return
        yield root


def convert(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a file of any form of HDF5 into the plain one, by the HDF5 library in another process.

    Raises:
        ValueError: the library finds damage, or crashes.
    """
    most = str(most_bytes(source.seek(0, os.SEEK_END)))
    source.seek(0)
    with NamedTemporaryFile() as copy:
        shutil.copyfileobj(source, copy)
        copy.flush()
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("convert.py")), copy.name, most],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=target,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        crash = f"the HDF5 library ended with status {done.returncode}"
        raise ValueError(said[-1] if said and done.returncode == 1 else crash)
    target.seek(0)
