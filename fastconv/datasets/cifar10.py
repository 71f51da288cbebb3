"""CIFAR-10: 60,000 photographs of ten kinds of things, 32x32 RGB (Krizhevsky, 2009)."""

from __future__ import annotations

from fastconv.datasets import cifar
from fastconv.datasets.store import Remote, Split, load

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
_BINARY = cifar.binary_reader(label_bytes=1, label=0, classes=10)
_PYTHON = cifar.python_reader("labels", classes=10)
_BIN_FOLDER, _PY_FOLDER = "cifar-10-batches-bin", "cifar-10-batches-py"
_BIN_FILES = [f"{b}.bin" for b in _BATCHES]
LAYOUTS = [
    cifar.layout(_BIN_FOLDER, _BIN_FILES, _BINARY),
    cifar.layout(_PY_FOLDER, _BATCHES, _PYTHON),
    cifar.layout(f"{_PY_FOLDER}-target_extracted/{_PY_FOLDER}", _BATCHES, _PYTHON),
    cifar.layout(f"{_PY_FOLDER}-target/{_PY_FOLDER}", _BATCHES, _PYTHON),
    cifar.archive_layout("cifar-10-binary.tar.gz", _BIN_FOLDER, _BIN_FILES, _BINARY),
    cifar.archive_layout("cifar-10-python.tar.gz", _PY_FOLDER, _BATCHES, _PYTHON),
]
REMOTES = [
    Remote(
        "cifar-10-binary.tar.gz",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        "c32a1d4ab5d03f1284b67883e8d87530",
    )
]


def load_data() -> Split:
    """``(x_train, y_train), (x_test, y_test)``.

    ``x_train`` is (50000, 32, 32, 3) uint8, ``y_train`` (50000, 1) uint8 with values 0 to 9 (their
    names are in ``CLASSES``); the test arrays have 10,000 rows.

    Looked for in ``FASTCONV_DATA``, fastconv's cache and Keras's cache, as
    ``cifar-10-batches-bin/``, ``cifar-10-batches-py/`` or one of the two archives as published;
    then downloaded, with its MD5 checked.

    Raises:
        FileNotFoundError: it is nowhere and cannot be downloaded.
        ValueError: a file is damaged.
    """
    return load("cifar10", LAYOUTS, REMOTES)  # type: ignore[no-any-return]
