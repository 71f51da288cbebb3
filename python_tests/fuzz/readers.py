"""What reads files of others, one function for each form; the fuzzer and a test call them.

Each takes the bytes of a file. An error of the documented kind is right, anything else a defect.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastconv import layers
from fastconv.compat.notebook import code_cells
from fastconv.datasets import cifar, idx, pickles, pima
from fastconv.models import Sequential
from fastconv.models import model_from_json as from_json
from fastconv.saving.checkpoint import MAGIC, decode
from fastconv.saving.hdf5 import Group, UnsupportedError
from fastconv.saving.hdf5 import read as read_hdf5
from fastconv.saving.saving import load_model, load_weights
from fastconv.utils.file_utils import extract_archive
from fastconv.utils.image_utils import load_img
from fastconv.utils.limits import weights_of

FOLDER = Path(tempfile.gettempdir()) / f"fastconv-fuzz-{os.getpid()}"


@contextmanager
def as_file(content: bytes, name: str) -> Iterator[Path]:
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / name
    path.write_bytes(content)
    try:
        yield path
    finally:
        path.unlink()


def model() -> Any:
    return Sequential([layers.Input((3,)), layers.Dense(2, name="dense")])


def hdf5(content: bytes) -> None:
    def walk(group: Group) -> None:
        for name in group:
            item = group[name]
            if isinstance(item, Group):
                walk(item)
            elif item.nbytes < 1 << 20:
                item[()]

    try:
        walk(read_hdf5(io.BytesIO(content)))
    except UnsupportedError:
        return


def weights(content: bytes) -> None:
    with as_file(content, "w.weights.h5") as path:
        load_weights(model(), path)


def archive(content: bytes) -> None:
    with as_file(content, "m.keras") as path:
        load_model(path)


def old_model(content: bytes) -> None:
    with as_file(content, "m.h5") as path:
        load_model(path)


def config(content: bytes) -> None:
    with weights_of(len(content)):  # as load_model does
        from_json(content.decode())


def pickle(content: bytes) -> None:
    pickles.loads(content)


def cifar_batch(content: bytes) -> None:
    cifar.python_reader("labels", 10)(content, "batch")


def cifar_archive(content: bytes) -> None:
    read = cifar.binary_reader(1, 0, 10)
    names = ("data_batch_1.bin", "test_batch.bin")
    with as_file(content, "c.tar.gz") as path:
        cifar.archive_layout("c", "cifar-10-batches-bin", names, read).read([path])


def images(content: bytes) -> None:
    with as_file(content, "i") as path:
        idx.read_idx(path, (2, 2))


def checkpoint(content: bytes) -> None:
    digest = hashlib.sha256(MAGIC + content).digest()  # so that what follows the check is reached
    decode(MAGIC + content + digest)


def npz(content: bytes) -> None:
    with as_file(content, "a.npz") as path:
        idx.read_npz([path], (2, 2))


def table(content: bytes) -> None:
    with as_file(content, "t.csv") as path:
        pima.read_csv([path])


def packed(content: bytes) -> None:
    with as_file(content, "p") as path, tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "inside"
        try:
            extract_archive(path, inside)
        finally:
            assert set(Path(folder).iterdir()) <= {inside}


def picture(content: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load_img(io.BytesIO(content))


def notebook(content: bytes) -> None:
    with as_file(content, "n.ipynb") as path:
        code_cells(path)


READERS: dict[str, Callable[[bytes], None]] = {
    f.__name__: f
    for f in (
        *(hdf5, weights, archive, old_model, config, pickle, cifar_batch, cifar_archive),
        *(images, checkpoint, npz, table, packed, picture, notebook),
    )
}
REFUSALS = (ValueError, OSError)


def replay(name: str, content: bytes) -> bool:
    """Whether a reader takes ``content``; raises whatever is not an error of the right kind."""
    try:
        READERS[name](content)
    except REFUSALS:
        return False
    return True
