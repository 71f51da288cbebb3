"""Pictures: learning curves, confusion matrix, filters, feature maps, mistakes. They need the extra
``plots``."""

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


def curves(
    history: Mapping[str, Sequence[float]], path: str | PathLike[str], title: str = ""
) -> Path:
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

    Raises:
        ValueError: if the two are not as many, or hold other numbers than 0 to ``classes - 1``.
    """
    rows, columns = (np.ravel(a).astype(np.int64) for a in (labels, predicted))
    if len(rows) != len(columns):
        raise ValueError(f"{len(rows)} labels and {len(columns)} predicted: they must be as many")
    for name, found in (("labels", rows), ("predicted", columns)):
        if found.size and not (found.min() >= 0 and found.max() < classes):
            raise ValueError(
                f"{name} must be from 0 to {classes - 1}, got {found.min()} to {found.max()}"
            )
    pairs = rows * classes + columns
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


def _grid(count: int, columns: int | None) -> tuple[Any, Any]:
    """A figure with a panel, without axes, for each of so many pictures."""
    columns = min(columns or int(np.ceil(np.sqrt(count * 1.5))), count)
    rows = -(-count // columns)
    drawing, axes = figure(rows, columns, (1.2 * columns + 0.3, 1.35 * rows + 0.3))
    panels = np.ravel(axes)
    for ax in panels:
        ax.axis("off")
    return drawing, panels[:count]


def _shown(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values stretched to 0..1, one channel without its axis."""
    low, high = float(picture.min()), float(picture.max())
    scaled = (picture - low) / (high - low if high > low else 1.0)
    return scaled[..., 0] if scaled.ndim == 3 and scaled.shape[-1] == 1 else scaled


def filters(kernel: npt.ArrayLike, path: str | PathLike[str], columns: int | None = None) -> Path:
    """The filters of a convolution as pictures: in colour with three input channels, else the mean
    over the channels.

    Args:
        kernel: (height, width, channels, filters), as ``layer.get_weights()[0]`` has it.
        path: The picture to write.
        columns: Pictures in a row.

    Raises:
        ValueError: the kernel has another rank.
        ImportError: matplotlib is not installed.
    """
    weights = np.asarray(kernel, np.float32)
    if weights.ndim != 4:
        raise ValueError(
            f"kernel must be (height, width, channels, filters), got shape {weights.shape}"
        )
    if weights.shape[2] != 3:
        weights = weights.mean(axis=2, keepdims=True)
    drawing, panels = _grid(weights.shape[3], columns)
    for i, ax in enumerate(panels):
        ax.imshow(_shown(weights[..., i]), cmap="gray", vmin=0, vmax=1)
        ax.set_title(str(i), fontsize=7)
    return save(drawing, path)


def feature_maps(
    maps: npt.ArrayLike, path: str | PathLike[str], columns: int | None = None
) -> Path:
    """What a layer gives for one image, a picture for each channel.

    Args:
        maps: (height, width, channels), as ``Model(model.inputs, layer.output).predict(x)[0]``.
        path: The picture to write.
        columns: Pictures in a row.

    Raises:
        ValueError: the maps have another rank.
        ImportError: matplotlib is not installed.
    """
    values = np.asarray(maps, np.float32)
    if values.ndim != 3:
        raise ValueError(f"maps must be (height, width, channels), got shape {values.shape}")
    drawing, panels = _grid(values.shape[2], columns)
    for i, ax in enumerate(panels):
        ax.imshow(_shown(values[..., i]), cmap="viridis", vmin=0, vmax=1)
        ax.set_title(str(i), fontsize=7)
    return save(drawing, path)


def misclassified(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    predicted: npt.ArrayLike,
    path: str | PathLike[str],
    names: Sequence[str] | None = None,
    most: int = 24,
) -> Path:
    """The first images that were taken for another class, each with "predicted, not actual".

    Args:
        images: (rows, height, width) or (rows, height, width, channels).
        labels: The true class of each row, or one-hot rows.
        predicted: The predicted class of each row, or the probabilities of the classes.
        path: The picture to write.
        names: Names of the classes.
        most: At most so many images.

    Raises:
        ValueError: different numbers of rows, or nothing was misclassified.
        ImportError: matplotlib is not installed.
    """
    pictures, true, found = np.asarray(images), _classes(labels), _classes(predicted)
    if not len(pictures) == len(true) == len(found):
        raise ValueError(
            f"{len(pictures)} images, {len(true)} labels and {len(found)} predictions: they must "
            "be as many"
        )
    wrong = np.flatnonzero(true != found)[:most]
    if not len(wrong):
        raise ValueError("nothing was misclassified: nothing to draw")
    drawing, panels = _grid(len(wrong), None)
    for i, ax in zip(wrong, panels, strict=True):
        told, actual = (names[c] if names is not None else c for c in (found[i], true[i]))
        ax.imshow(_shown(pictures[i].astype(np.float32)), cmap="gray", vmin=0, vmax=1)
        ax.set_title(f"{told}, not {actual}", fontsize=7)
    return save(drawing, path)


def _classes(values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] > 1:
        array = array.argmax(axis=1)
    return np.ravel(array).astype(np.int64)
