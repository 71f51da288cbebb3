"""MNIST: 70,000 handwritten digits, 28x28 grey levels (LeCun, Cortes, Burges)."""

from __future__ import annotations

from fastconv.datasets import idx
from fastconv.datasets.store import Remote, Split, load

CLASSES = tuple("0123456789")
LAYOUTS = idx.layouts(("mnist", "MNIST/raw"), "mnist.npz")
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_MD5 = (
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "d53e105ee54ea40749a09fcbcd1e9432",
    "9fb629c4189551a2d022fa330f9573f3",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
REMOTES = [
    Remote(f"mnist/{name}.gz", tuple(f"{base}{name}.gz" for base in _MIRRORS), md5)
    for name, md5 in zip(idx.FILES, _MD5, strict=True)
]


def load_data() -> Split:
    """``(x_train, y_train), (x_test, y_test)``.

    ``x_train`` is (60000, 28, 28) uint8, ``y_train`` (60000,) uint8 with values 0 to 9; the test
    arrays have 10,000 rows.

    Looked for in ``FASTCONV_DATA``, fastconv's cache and Keras's cache, as ``mnist/`` with the four
    IDX files or ``mnist.npz``; then downloaded, with their MD5s checked.

    Raises:
        FileNotFoundError: it is nowhere and cannot be downloaded.
        ValueError: a file is damaged.
    """
    return load("mnist", LAYOUTS, REMOTES)  # type: ignore[no-any-return]
