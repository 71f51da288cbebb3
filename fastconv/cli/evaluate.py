"""``fastconv evaluate``."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from fastconv import config, models
from fastconv.cli.data import load


def run(options: argparse.Namespace) -> int:
    """Print loss and accuracy of a saved model on a data set's test part."""
    if options.threads is not None:
        config.set_num_threads(options.threads)
    model: Any = models.load_model(options.model)
    data = load(options.dataset)
    if tuple(model.input_shape[1:]) != data.shape:
        raise ValueError(
            f"{options.model} takes inputs of shape {tuple(model.input_shape[1:])}, "
            f"{data.name} has {data.shape}"
        )
    if len(model.outputs) != 1:
        raise ValueError(f"{options.model} has {len(model.outputs)} outputs, {data.name} one label")
    if model.output_shape[-1] != len(data.classes):
        raise ValueError(
            f"{options.model} tells {model.output_shape[-1]} classes apart, "
            f"{data.name} has {len(data.classes)}"
        )
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = model.evaluate(
        data.x_test, data.y_test, batch_size=options.batch_size, verbose=0
    )
    table = Table(title=f"{options.model.name} on {data.name}", show_header=False)
    table.add_row("images", f"{len(data.x_test):,}")
    table.add_row("loss", f"{loss:.4f}")
    table.add_row("accuracy", f"{accuracy:.2%}")
    Console().print(table)
    return 0
