"""Files that are whole or not there, and errors that name them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What systems say of a directory that cannot be synced, or not be opened for it.
_NOT_SYNCED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EISDIR}


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new file beside ``path`` that takes its place when everything is written and synced.

    When something fails, the new file is removed and the old one stays as it was.

    Raises:
        OSError: if it cannot be written. A disk that fails after the exchange leaves the new file.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target}: there is no directory {target.parent}")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        temporary.chmod(mode)
        temporary.replace(target)
        sync_directory(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Make the names in a directory last, where the file system can.

    Raises:
        OSError: if the disk fails.
    """
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in _NOT_SYNCED:
            raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def existing(path: str | os.PathLike[str], what: str) -> Path:
    """``path`` if it is a file.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is a directory.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"{file} is a directory, expected a file with {what}")
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file} to read {what} from")
    return file


def is_zip(path: Path) -> bool:
    import struct
    import zipfile

    try:
        return zipfile.is_zipfile(path)
    except (
        struct.error,
        zipfile.BadZipFile,
        ValueError,
        OverflowError,
    ):  # what damage does in some releases of Python
        return False


@contextmanager
def blamed_on(path: Path, what: str) -> Iterator[None]:
    """Whatever a damaged or foreign file causes inside becomes a ValueError that names it."""
    import struct
    import zipfile
    import zlib

    try:
        yield
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, struct.error) as error:
        raise ValueError(f"{path} is damaged or not {what}: {error}") from error
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError(f"{path} is damaged or not {what}: {_text(error)}") from error
    except (OverflowError, MemoryError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged or not {what}: {_text(error)}") from error
    except ValueError as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def _text(error: BaseException) -> str:
    return f"{type(error).__name__} {error}"


def require_model(item: Any) -> None:
    """Raises ValueError if what a file holds is no model."""
    if not (hasattr(item, "compile_from_config") and hasattr(item, "layers")):
        raise ValueError(f"it holds a {type(item).__name__}, not a model")


def checked_target(path: Any, overwrite: bool) -> Path:
    """``path``, unless it exists and may not be overwritten."""
    target = Path(path)
    if target.is_dir():
        raise ValueError(f"cannot write {target}: it is a directory")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists and overwrite is False")
    return target
