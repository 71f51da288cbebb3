"""Running a script that imports ``keras``."""

from __future__ import annotations

import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from fastconv.compat.modules import install


def run_script(path: Path, arguments: Sequence[str] = ()) -> int:
    """Run a script as ``python path arguments`` does, with ``keras`` answered by fastconv.

    Returns the exit status: that of ``sys.exit``, or 1 after an exception, whose traceback is
    printed from the script's first line on.
    """
    install()
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as stopped:
        if stopped.code is None or isinstance(stopped.code, int):
            return stopped.code or 0
        print(stopped.code, file=sys.stderr)
        return 1
    except Exception as error:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename != str(path):
            frames = frames.tb_next
        traceback.print_exception(type(error), error, frames or error.__traceback__)
        return 1
    return 0
