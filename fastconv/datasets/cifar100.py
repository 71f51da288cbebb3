"""CIFAR-100: 60,000 photographs of a hundred kinds of things, 32x32 RGB (Krizhevsky, 2009)."""

from __future__ import annotations

from fastconv.datasets import cifar
from fastconv.datasets.store import Layout, Remote, Split, load

_NAMES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
    "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch "
    "crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo "
    "keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse "
    "mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy "
    "porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
    "snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television "
    "tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)
CLASSES = tuple(_NAMES.split())
_PLACE = {"coarse": 0, "fine": 1}
_COUNT = {"coarse": 20, "fine": 100}
_BIN_FOLDER, _PY_FOLDER = "cifar-100-binary", "cifar-100-python"
_BIN_FILES, _PY_FILES = ("train.bin", "test.bin"), ("train", "test")
REMOTES = [
    Remote(
        "cifar-100-binary.tar.gz",
        ("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",),
        "03b5dce01913d631647c71ecec9e9cb8",
    )
]


def layouts(label_mode: str) -> list[Layout]:
    """The known layouts, read for the ``"fine"`` or the ``"coarse"`` labels."""
    binary = cifar.binary_reader(2, _PLACE[label_mode], _COUNT[label_mode])
    python = cifar.python_reader(f"{label_mode}_labels", _COUNT[label_mode])
    return [
        cifar.layout(_BIN_FOLDER, _BIN_FILES, binary),
        cifar.layout(_PY_FOLDER, _PY_FILES, python),
        cifar.layout(f"{_PY_FOLDER}-target_extracted/{_PY_FOLDER}", _PY_FILES, python),
        cifar.layout(f"{_PY_FOLDER}-target/{_PY_FOLDER}", _PY_FILES, python),
        cifar.archive_layout("cifar-100-binary.tar.gz", _BIN_FOLDER, _BIN_FILES, binary),
        cifar.archive_layout("cifar-100-python.tar.gz", _PY_FOLDER, _PY_FILES, python),
    ]


LAYOUTS = layouts("fine")


def load_data(label_mode: str = "fine") -> Split:
    """``(x_train, y_train), (x_test, y_test)``.

    ``x_train`` is (50000, 32, 32, 3) uint8, ``y_train`` (50000, 1) uint8 with values 0 to 99 (their
    names are in ``CLASSES``), or 0 to 19 with ``label_mode="coarse"``; the test arrays have 10,000
    rows.

    Looked for in ``FASTCONV_DATA``, fastconv's cache and Keras's cache, as ``cifar-100-binary/``,
    ``cifar-100-python/`` or one of the two archives as published; then downloaded, with its MD5
    checked.

    Raises:
        FileNotFoundError: it is nowhere and cannot be downloaded.
        ValueError: another ``label_mode``, or a file is damaged.
    """
    if label_mode not in _PLACE:
        raise ValueError(f"label_mode must be 'fine' or 'coarse', got {label_mode!r}")
    return load("cifar100", layouts(label_mode), REMOTES)  # type: ignore[no-any-return]
