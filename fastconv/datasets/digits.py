"""Digits: 1,797 real handwritten digits, 8x8 with 17 grey levels, inside the package.

The test part of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI
Machine Learning Repository (1998), https://doi.org/10.24432/C50P49, licensed CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). Unchanged but for the order and the packing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastconv.datasets.store import Split

CLASSES = tuple("0123456789")
TRAIN = 1437  # rows of the fixed split; 360 are left for the test set


def load_data() -> Split:
    """``(x_train, y_train), (x_test, y_test)``, always the same split.

    ``x_train`` is (1437, 8, 8) uint8 with values 0 to 16, ``y_train`` (1437,) uint8 with values 0
    to 9; the test arrays have 360 rows. Nothing is downloaded.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, x_test.shape, int(x_train.max())
    ((1437, 8, 8), (360, 8, 8), 16)
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as archive:
        x, y = archive["x"], archive["y"]
    return (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:])
