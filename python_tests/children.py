"""Programs that tests start, with the fastconv under test."""

import os
import subprocess
import sys
from pathlib import Path

import fastconv

HOME = Path(fastconv.__file__).parents[1]


def environment(**variables: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(HOME)} | variables


def start(code: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(**variables),
        cwd=HOME,  # Python looks for modules in the folder first
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 60) -> tuple[str, str]:
    """What the program printed on both of its streams; it is ended when it takes too long."""
    try:
        return process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def run(
    *arguments: str,
    folder: Path = HOME,
    before: tuple[str, ...] = (),
    timeout: float = 300,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, started by the command ``before``."""
    return subprocess.run(
        [*before, sys.executable, *arguments],
        env=environment(**variables),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def printed(*arguments: str, folder: Path = HOME, **variables: str) -> str:
    """What the program printed; it must end without an error."""
    done = run(*arguments, folder=folder, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout
