"""Pictures of a training: learning curves and confusion matrix. They need the extra ``plots``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def figure(rows: int = 1, columns: int = 1, size: tuple[float, float] = (6, 4)) -> tuple[Any, Any]:
    """A figure and its axes that draw to files only.

    Raises ImportError that names the extra if matplotlib is not installed.
    """
    if not available():
        raise ImportError("pictures need matplotlib: pip install 'fastconv[plots]'")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing, drawing.subplots(rows, columns)


def save(drawing: Any, path: str | PathLike[str], dpi: int = 120) -> Path:
    """Write the figure, and make the folder if need be."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=dpi)
    return path


def curves(history: Mapping[str, Sequence[float]], path: str | Path, title: str = "") -> Path:
    """Learning curves: one panel for each quantity, training and validation together.

    Args:
        history: ``History.history``: lists of one value for each epoch; ``val_x`` goes with ``x``.
        path: The picture to write.
        title: Above the panels.

    Raises:
        ValueError: the history is empty.
        ImportError: matplotlib is not installed.
    """
    names = [k for k in history if not k.startswith("val_")]
    if not names or not len(history[names[0]]):
        raise ValueError("the history is empty: nothing to draw")
    drawing, axes = figure(1, len(names), (5.5 * len(names), 4))
    for name, ax in zip(names, np.atleast_1d(axes), strict=True):
        epochs = np.arange(1, len(history[name]) + 1)
        marker = "." if len(epochs) <= 50 else ""
        ax.plot(epochs, history[name], marker=marker, label="training")
        if f"val_{name}" in history:
            ax.plot(epochs, history[f"val_{name}"], marker=marker, label="validation")
        ax.set_xlabel("epoch")
        ax.set_ylabel(name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
        ax.legend()
    if title:
        drawing.suptitle(title)
    return save(drawing, path)


def confusion_matrix(
    labels: npt.ArrayLike, predicted: npt.ArrayLike, classes: int
) -> npt.NDArray[np.int64]:
    """How often class i (row) was called class j (column).

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], 2)
    array([[1, 0],
           [1, 1]])
    """
    pairs = np.ravel(labels).astype(np.int64) * classes + np.ravel(predicted).astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def confusion(
    matrix: npt.NDArray[np.int64], path: str | Path, names: Sequence[str] | None = None
) -> Path:
    """A confusion matrix as a picture: shade by share of the row, counts in the cells."""
    classes = len(matrix)
    names = list(names) if names is not None else [str(i) for i in range(classes)]
    side = min(max(4.0, 0.6 * classes + 1.5), 16.0)
    drawing, ax = figure(size=(side + 0.5, side))
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    ticks = range(classes) if classes <= 25 else range(0, classes, 10)
    long_names = max(map(len, names)) > 3
    ax.set_xticks(list(ticks), [names[i] for i in ticks], rotation=45 if long_names else 0)
    ax.set_yticks(list(ticks), [names[i] for i in ticks])
    ax.set_xlabel("predicted")
    ax.set_ylabel("actual")
    if classes <= 25:
        for (i, j), count in np.ndenumerate(matrix):
            if count:
                color = "white" if share[i, j] > 0.5 else "black"
                ax.text(j, i, str(count), ha="center", va="center", color=color, fontsize=8)
    drawing.colorbar(image, ax=ax, label="share of the class", shrink=0.8)
    return save(drawing, path)
