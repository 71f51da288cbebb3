"""Coverage-guided fuzzing of what reads files: ``fuzz_readers.py READER [options]``.

The options are libFuzzer's. Needs atheris (``pip install atheris``). ``.ci/fuzz.sh`` runs it for
every reader.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["fastconv", "pickletools", "tarfile", "zipfile"]):
    from readers import READERS, REFUSALS

    from fastconv.saving import opening


def not_converted(source: Any, target: Any) -> None:
    raise ValueError("in a form that another process would convert")


opening.convert = not_converted
reader = READERS[sys.argv[1]]


def one(content: bytes) -> None:
    with suppress(REFUSALS):
        reader(content)


corpus = Path(__file__).parent / "corpus" / sys.argv[1]
atheris.Setup([sys.argv[0], *sys.argv[2:], str(corpus)], one)
atheris.Fuzz()
