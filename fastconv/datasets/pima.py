"""Pima: 768 patients, eight measurements each, and whether diabetes was found.

Smith et al., "Using the ADAP learning algorithm to forecast the onset of diabetes mellitus" (1988).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastconv.datasets.store import Layout, load

FEATURES = (
    "pregnancies",
    "glucose",
    "blood pressure",
    "skin thickness",
    "insulin",
    "body mass index",
    "pedigree",
    "age",
)


def read_csv(paths: Sequence[Path]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Eight numbers and the outcome 0 or 1 a line; a first line of names is skipped."""
    (path,) = paths
    rows: list[list[float]] = []
    try:
        with path.open(newline="", encoding="utf-8") as f:
            for number, line in enumerate(csv.reader(f), 1):
                if not line or (number == 1 and not _is_number(line[0])):
                    continue
                if len(line) != len(FEATURES) + 1 or not all(map(_is_number, line)):
                    raise ValueError(f"line {number}: expected nine numbers, got {str(line)[:200]}")
                rows.append([float(cell) for cell in line])
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from None
    if not rows:
        raise ValueError(f"{path}: no rows")
    table = np.array(rows)
    if not np.isin(table[:, -1], (0, 1)).all():
        raise ValueError(f"{path}: the last column must be 0 or 1")
    return table[:, :-1], table[:, -1].astype(np.int64)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


LAYOUTS = [Layout(("pima/diabetes.csv",), read_csv), Layout(("diabetes.csv",), read_csv)]


def load_data() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """``(x, y)``: (768, 8) float64, columns as in ``FEATURES``, and (768,) int64 of 0 and 1.

    Looked for as ``pima/diabetes.csv`` or ``diabetes.csv`` in ``FASTCONV_DATA``, fastconv's cache
    and Keras's cache; it is never downloaded.

    Raises:
        FileNotFoundError: it is nowhere.
        ValueError: a line of the file is damaged.
    """
    return load("pima", LAYOUTS)  # type: ignore[no-any-return]
