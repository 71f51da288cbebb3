"""Files that come from elsewhere: where they are kept, fetched, checked and unpacked."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from fastconv.utils.limits import Unpacked, most_bytes

CHUNK = 1 << 20


def cache_dir() -> Path:
    """``FASTCONV_HOME``, else ``XDG_CACHE_HOME/fastconv``, else ``~/.cache/fastconv``."""
    home = os.environ.get("FASTCONV_HOME")
    if home:
        return Path(home).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fastconv"


def cache_dirs() -> list[Path]:
    """Where files may have been kept before: :func:`cache_dir`, and what stands in for it."""
    return [cache_dir(), *([spare] if _is_own(spare := _spare_dir()) else [])]


def dir_to_write() -> Path:
    """The cache, made if it is not there. Where it cannot be written to, as in a read-only home, a
    folder of this user's alone among the temporary files.

    Raises:
        PermissionError: that one belongs to somebody else.
    """
    usual = cache_dir()
    with suppress(OSError):
        usual.mkdir(parents=True, exist_ok=True)
        if os.access(usual, os.W_OK):
            return usual
    spare = _spare_dir()
    with suppress(FileExistsError):
        spare.mkdir(mode=0o700)
    if not _is_own(spare):
        raise PermissionError(
            f"{usual} cannot be written to, and {spare} is not a folder of this user's alone; "
            "name another folder with FASTCONV_HOME"
        )
    return spare


def _spare_dir() -> Path:
    return Path(tempfile.gettempdir()) / f"fastconv-{os.getuid()}"


def _is_own(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def keras_cache_dir() -> Path:
    """``KERAS_HOME``, else ``~/.keras``."""
    home = os.environ.get("KERAS_HOME")
    return Path(home).expanduser() if home else Path.home() / ".keras"


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The file's digest in hex; ``algorithm`` is ``"sha256"`` or ``"md5"``."""
    digest = hashlib.md5(usedforsecurity=False) if algorithm == "md5" else hashlib.sha256()
    with path.open("rb") as f:
        while block := f.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def check_file(path: Path, expected: str) -> None:
    """Raise ValueError unless the file's SHA-256 or MD5, told apart by length, is ``expected``."""
    algorithm = _algorithm_of(expected)
    found = checksum(path, algorithm)
    if found != expected.lower():
        raise ValueError(f"{path}: its {algorithm} is {found}, expected {expected}")


def download(url: str, target: Path, expected: str | None = None, timeout: float = 30.0) -> None:
    """Fetch ``url`` into ``target``, with a progress bar on a terminal's standard error.

    The data goes to a file beside the target, is checked against ``expected`` (SHA-256 or MD5 in
    hex) and then renamed, so that ``target`` is never a part of a file.

    Raises:
        OSError: no connection, the server's answer is an error, or a part of the file came.
        ValueError: the checksum differs.
    """
    from urllib.request import urlopen

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with urlopen(url, timeout=timeout) as response, part.open("wb") as f:
            size = int(response.headers.get("Content-Length") or 0) or None
            with _progress(target.name, size) as advance:
                while block := response.read(CHUNK):
                    f.write(block)
                    advance(len(block))
            if size is not None and f.tell() != size:
                raise OSError(f"{url}: {f.tell():,} of {size:,} bytes came")
            f.flush()
            os.fsync(f.fileno())
        if expected is not None:
            try:
                check_file(part, expected)
            except ValueError as error:
                raise ValueError(str(error).replace(str(part), url, 1)) from None
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _progress(name: str, size: int | None) -> Iterator[_Advance]:
    if not sys.stderr.isatty():
        yield _Advance()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=size)

        class Advance(_Advance):
            def __call__(self, count: int) -> None:
                progress.advance(task, count)

        yield Advance()


class _Advance:
    def __call__(self, count: int) -> None:
        """Nobody is watching."""


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    *,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """The path of a file in the cache, fetched from ``origin`` if it is not there.

    Args:
        fname: Name of the file; by default the last part of ``origin``.
        origin: Its URL.
        md5_hash, file_hash: Its MD5, or its SHA-256 or MD5. A cached file with another checksum is
            fetched again.
        cache_subdir: Folder under the cache.
        hash_algorithm: ``"auto"`` (by the length of ``file_hash``), ``"sha256"`` or ``"md5"``.
        extract: Unpack a tar or zip archive into ``<fname>_extracted``, and return that folder.
        cache_dir: Where to keep it; by default fastconv's cache or, where that cannot be written
            to, a temporary folder of this user's.
        force_download: Fetch even if the file is there.

    Raises:
        OSError: it cannot be fetched.
        ValueError: the checksum differs, or the archive holds something unsafe.
    """
    if origin is None:
        raise ValueError("get_file needs the URL of the file: origin=...")
    name = fname or PurePosixPath(origin.split("?", 1)[0]).name
    if not name or Path(name).name != name:
        raise ValueError(f"fname must be the plain name of a file, got {name!r}")
    if hash_algorithm not in ("auto", "sha256", "md5"):
        raise ValueError(
            f"hash_algorithm must be 'auto', 'sha256' or 'md5', got {hash_algorithm!r}"
        )
    expected = file_hash or md5_hash
    if expected is not None and hash_algorithm not in ("auto", _algorithm_of(expected)):
        raise ValueError(f"file_hash {expected!r} is no {hash_algorithm}")
    folders = cache_dirs() if cache_dir is None else [Path(cache_dir).expanduser()]
    paths = (folder / cache_subdir / name for folder in folders)
    path = next((p for p in paths if p.exists()), None)
    stale = path is not None and expected is not None and not _matches(path, expected)
    if path is None or stale or force_download:
        path = (dir_to_write() if cache_dir is None else folders[0]) / cache_subdir / name
        download(origin, path, expected)
    if not extract:
        return str(path)
    folder = path.with_name(f"{name}_extracted")
    extract_archive(path, folder)
    return str(folder)


def _algorithm_of(digest: str) -> str:
    if len(digest) not in (32, 64):
        raise ValueError(f"a checksum has 32 (MD5) or 64 (SHA-256) hex digits, got {digest!r}")
    return "md5" if len(digest) == 32 else "sha256"


def _matches(path: Path, expected: str) -> bool:
    return checksum(path, _algorithm_of(expected)) == expected.lower()


def extract_archive(path: Path, folder: Path) -> None:
    """Unpack a tar or zip archive: plain files and folders only, nothing outside ``folder``.

    Raises ValueError on any other member (links, devices, files with holes, absolute or climbing
    names), and on a content that is far larger than the archive, before anything is written.
    """
    try:
        _extract(path, folder)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{path}: damaged ({error})") from error
    except (EOFError, IndexError, NotImplementedError, RuntimeError, struct.error) as error:
        raise ValueError(f"{path}: damaged or not readable ({error})") from error
    except ValueError as error:  # tarfile's, of numbers in a header, and that of Unpacked
        if str(error).startswith((f"{path}:", f"{path} ")):
            raise
        raise ValueError(f"{path}: damaged ({error})") from error


def _extract(path: Path, folder: Path) -> None:
    if _is_tar(path):
        with _unpacked(path) as tar:
            members = tar.getmembers()
            for member in members:
                if not (member.isfile() or member.isdir()):
                    raise ValueError(f"{path}: {member.name!r} is neither a file nor a folder")
                if member.issparse():
                    raise ValueError(f"{path}: {member.name!r} is a file with holes")
                if member.size < 0:
                    raise ValueError(f"{path}: {member.name!r} claims {member.size:,} bytes")
                _inside(folder, member.name, path)
        _check_claimed(path, sum(member.size for member in members))
        with _unpacked(path) as tar:
            for member in tar:
                source = tar.extractfile(member)
                if source is not None:
                    _write(source, _inside(folder, member.name, path))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_claimed(path, sum(info.file_size for info in infos))
            for info in infos:
                if stat.S_ISLNK(info.external_attr >> 16):
                    raise ValueError(f"{path}: {info.filename!r} is a link")
                _inside(folder, info.filename, path)
            for info in infos:
                if not info.is_dir():
                    with archive.open(info) as content:
                        _write(content, _inside(folder, info.filename, path))
    else:
        raise ValueError(f"{path} is neither a tar nor a zip archive")


def _check_claimed(path: Path, claimed: int) -> None:
    most = most_bytes(path.stat().st_size)
    if claimed > most:
        raise ValueError(f"{path}: it claims to hold {claimed:,} bytes, more than {most:,}")


def _is_tar(path: Path) -> bool:
    try:
        with _unpacked(path):
            return True
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError):
        return False


@contextmanager
def _unpacked(path: Path) -> Iterator[tarfile.TarFile]:
    """The tar archive in a file, which may be packed by gzip, bzip2 or xz."""
    with path.open("rb") as file:
        head = file.read(6)
        file.seek(0)
        content: Any = file
        if head[:2] == b"\x1f\x8b":
            content = gzip.GzipFile(fileobj=file)
        elif head[:3] == b"BZh":
            content = bz2.BZ2File(file)
        elif head == b"\xfd7zXZ\0":
            content = lzma.LZMAFile(file)  # noqa: SIM115 (it is closed with the file)
        limited: Any = Unpacked(content, path.stat().st_size)
        with tarfile.open(fileobj=limited, mode="r|") as tar:
            yield tar


def _inside(folder: Path, name: str, archive: Path) -> Path:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in name:
        raise ValueError(f"{archive}: the name {name!r} leads outside of the archive's folder")
    return folder.joinpath(*pure.parts)


def _write(source: IO[bytes], target: Path) -> None:
    import shutil

    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("wb") as f:
        shutil.copyfileobj(source, f, CHUNK)
