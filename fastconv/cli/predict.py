"""``fastconv predict``."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from fastconv import config, models
from fastconv.utils.image_utils import open_picture


def run(options: argparse.Namespace) -> int:
    """Print the most probable classes of each image."""
    if options.threads is not None:
        config.set_num_threads(options.threads)
    model: Any = models.load_model(options.model)
    shape = tuple(model.input_shape[1:])
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise ValueError(f"{options.model} takes inputs of shape {shape}, which are no images")
    outputs = model.outputs
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        shapes = ", ".join(str(t.shape) for t in outputs)
        raise ValueError(f"{options.model} gives {shapes}, not one row of classes for each image")
    images = np.stack([read_image(path, shape, options.invert) for path in options.images])
    probabilities = model.predict(images, verbose=0)
    if probabilities.shape[-1] == 1:  # of the second of two classes
        probabilities = np.concatenate([1 - probabilities, probabilities], axis=-1)
    names = class_names(options.model, probabilities.shape[-1])
    table = Table("image", "class", "probability")
    for path, row in zip(options.images, probabilities, strict=True):
        for rank, best in enumerate(np.argsort(-row, kind="stable")[: options.top]):
            table.add_row(str(path) if rank == 0 else "", names[best], f"{row[best]:.2%}")
    Console().print(table)
    return 0


def read_image(path: Path, shape: tuple[int, ...], invert: bool) -> npt.NDArray[np.float32]:
    """The image resized to ``shape`` (height, width, 1 or 3), float32 in [0, 1].

    Raises:
        ImportError: Pillow is not installed.
        ValueError: the file is no image.
    """
    if find_spec("PIL") is None:
        raise ImportError("reading images needs Pillow: pip install 'fastconv[plots]'")
    from PIL import UnidentifiedImageError

    try:
        with open_picture(path, shape[2]) as image:
            fitted = image.convert("L" if shape[2] == 1 else "RGB").resize((shape[1], shape[0]))
    except FileNotFoundError:
        raise
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not an image that Pillow can read") from None
    except Exception as error:  # Pillow meets damage with errors of many kinds
        raise ValueError(f"{path} is damaged: {error}") from error
    pixels = np.asarray(fitted, np.float32).reshape(shape) / np.float32(255)
    return 1 - pixels if invert else pixels


def class_names(model: Path, count: int) -> list[str]:
    """The names that ``fastconv train`` wrote beside the model, else numbers."""
    try:
        names = json.loads(model.with_name("history.json").read_text(encoding="utf-8"))["classes"]
    except (OSError, ValueError, KeyError, TypeError):
        names = []
    if not isinstance(names, list) or len(names) != count:
        names = list(range(count))
    return [str(n) for n in names]
