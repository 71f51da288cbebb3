"""Where data sets are looked for, and what is said when one is nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from fastconv.utils.file_utils import cache_dirs, dir_to_write, download, keras_cache_dir

Array = npt.NDArray[Any]
Split = tuple[tuple[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which a data set may lie in a folder: its files, and what reads them."""

    files: tuple[str, ...]  # relative to a data folder; each may also have .gz after it
    read: Callable[[Sequence[Path]], Any]


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of the publisher: where it may be fetched, its checksum, its place in the cache."""

    file: str
    urls: tuple[str, ...]
    checksum: str


def data_folders() -> list[tuple[str, Path]]:
    """The folders that are searched, in order, each with what it is called in messages."""
    folders = []
    if named := os.environ.get("FASTCONV_DATA"):
        folders.append(("FASTCONV_DATA", Path(named).expanduser()))
    folders += [("fastconv's cache", folder / "datasets") for folder in cache_dirs()]
    folders.append(("Keras's cache", keras_cache_dir() / "datasets"))
    return folders


def locate(layout: Layout, folder: Path) -> tuple[list[Path], list[str]]:
    """The layout's files that are in ``folder``, and the names of those that are not."""
    present, missing = [], []
    for name in layout.files:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                present.append(path)
                break
        else:
            missing.append(name)
    return present, missing


def load(name: str, layouts: Sequence[Layout], remotes: Sequence[Remote] = ()) -> Any:
    """Read the data set from the first folder that has it, fetching it into the cache if none has.

    Raises:
        FileNotFoundError: it is nowhere and cannot be fetched. The message says what was tried and
            which file to put where.
        ValueError: a file is damaged.
    """
    found = _first(layouts)
    if found is None:
        failures = _fetch(remotes)
        found = None if failures else _first(layouts)
        if found is None:
            raise FileNotFoundError(_advice(name, layouts, failures))
    layout, paths = found
    return layout.read(paths)


def is_present(layouts: Sequence[Layout]) -> bool:
    """Whether some folder has the data set."""
    return _first(layouts) is not None


def _first(layouts: Sequence[Layout]) -> tuple[Layout, list[Path]] | None:
    for _, folder in data_folders():
        for layout in layouts:
            paths, missing = locate(layout, folder)
            if not missing:
                return layout, paths
    return None


def _fetch(remotes: Sequence[Remote]) -> list[str]:
    """What went wrong, url by url; empty if every file is in the cache now."""
    try:
        base = dir_to_write() / "datasets"
    except OSError as error:
        return [str(error)]
    for remote in remotes:
        target = base / remote.file
        if target.is_file():
            continue
        failures = []
        for url in remote.urls:
            try:
                download(url, target, remote.checksum)
                break
            except (OSError, ValueError) as error:
                failures.append(f"{url}: {error}")
        else:
            return failures
    return []


def _advice(name: str, layouts: Sequence[Layout], failures: Sequence[str]) -> str:
    tried = "not found, and it could not be downloaded" if failures else "not found"
    lines = [f"the data set {name!r} was {tried}.", "Looked in:"]
    for label, folder in data_folders():
        remark = "no such folder" if not folder.is_dir() else "not there"
        for layout in layouts:
            present, missing = locate(layout, folder)
            if present:
                remark = "there, but without " + ", ".join(missing)
        lines.append(f"  {folder} ({label}): {remark}")
    if failures:
        lines.append("Tried:")
        lines += [f"  {failure}" for failure in failures]
    lines.append("Put one of these, as published (.gz or not), into one of the folders above:")
    lines += [f"  {', '.join(layout.files)}" for layout in layouts]
    return "\n".join(lines)
