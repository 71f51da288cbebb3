"""Fashion-MNIST: 70,000 articles of clothing, 28x28 grey levels (Xiao, Rasul, Vollgraf, 2017)."""

from __future__ import annotations

from fastconv.datasets import idx
from fastconv.datasets.store import Remote, Split, load

CLASSES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
LAYOUTS = idx.layouts(("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"), "fashion_mnist.npz")
_MIRRORS = (
    "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
_MD5 = (
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79",
    "bb300cfdad3c16e7a12a480ee83cd310",
)
REMOTES = [
    Remote(f"fashion_mnist/{name}.gz", tuple(f"{base}{name}.gz" for base in _MIRRORS), md5)
    for name, md5 in zip(idx.FILES, _MD5, strict=True)
]


def load_data() -> Split:
    """``(x_train, y_train), (x_test, y_test)``.

    ``x_train`` is (60000, 28, 28) uint8, ``y_train`` (60000,) uint8 with values 0 to 9 (their names
    are in ``CLASSES``); the test arrays have 10,000 rows.

    Looked for in ``FASTCONV_DATA``, fastconv's cache and Keras's cache, as ``fashion_mnist/`` or
    ``fashion-mnist/`` with the four IDX files; then downloaded, with their MD5s checked.

    Raises:
        FileNotFoundError: it is nowhere and cannot be downloaded.
        ValueError: a file is damaged.
    """
    return load("fashion_mnist", LAYOUTS, REMOTES)  # type: ignore[no-any-return]
