"""``fastconv train``."""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fastconv import applications, config
from fastconv.cli.data import Data, load
from fastconv.cli.recipes import Recipe, make_optimizer, recipe
from fastconv.saving.checkpoint import StateDirectory
from fastconv.saving.files import atomic, blamed_on
from fastconv.utils import plots

_FINISHED = "finished"  # in the note of a training: its results are written


def run(options: argparse.Namespace) -> int:
    """Train, write the results into a folder, print the final table."""
    if options.threads is not None:
        config.set_num_threads(options.threads)
    if options.conv_precision is not None:
        config.set_conv_precision(options.conv_precision)
    config.set_random_seed(options.seed)
    chosen = recipe(
        options.dataset,
        options.model,
        optimizer=options.optimizer,
        learning_rate=options.lr,
        batch_size=options.batch_size,
        epochs=options.epochs,
    )
    data = load(options.dataset)
    model = getattr(applications, options.model)(data.shape, len(data.classes))
    folder = options.out or Path(f"fastconv-{options.dataset}-{options.model}")
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = _checkpoint(folder, chosen, options)

    model.compile(
        optimizer=make_optimizer(chosen),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    if options.verbose:
        model.summary()
        print(
            f"Training on {data.name}: {len(data.x_train):,} images, {len(data.x_test):,} to "
            f"validate; {chosen.optimizer}, learning rate {chosen.learning_rate:g}, batches of "
            f"{chosen.batch_size}, {config.num_threads()} threads.",
            flush=True,
        )
    start = time.perf_counter()
    history = model.fit(
        data.x_train,
        data.y_train,
        batch_size=chosen.batch_size,
        epochs=chosen.epochs,
        validation_data=(data.x_test, data.y_test),
        verbose=options.verbose,
        checkpoint=checkpoint,
    ).history
    seconds = time.perf_counter() - start

    written = _write(folder, model, history, data, chosen, options)
    note = checkpoint / "options.json"
    _write_note(note, {**_read_note(note), _FINISHED: True})
    console = Console()
    console.print(_table(model, history, data, seconds, options.resume))
    print(f"Wrote {', '.join(written)} to {folder}")
    if not plots.available():
        print("No pictures: they need matplotlib (pip install 'fastconv[plots]').")
    return 0


def _checkpoint(folder: Path, chosen: Recipe, options: argparse.Namespace) -> Path:
    """The directory of checkpoints in ``folder``; empty, or to be resumed from.

    Raises:
        FileExistsError: if an unfinished training is there that is not to be resumed.
        ValueError: if what is to be resumed has other options, or is damaged.
        OSError: if another training uses it, or it cannot be written.
    """
    path = folder / "checkpoint"
    note = path / "options.json"
    wanted = {
        "--dataset": options.dataset,
        "--model": options.model,
        "--optimizer": chosen.optimizer,
        "--lr": chosen.learning_rate,
        "--batch-size": chosen.batch_size,
        "--seed": options.seed,
        "--conv-precision": config.conv_precision(),
    }
    with closing(StateDirectory(path)) as states:
        known = _read_note(note)
        if options.resume:
            if states.read() is not None:
                if not known:
                    raise ValueError(
                        f"{note} is missing, and with it what the training in {folder} is: remove "
                        f"{path} to begin anew"
                    )
                _check_same(folder, known, wanted)
        else:
            if not known.get(_FINISHED) and _has_begun(states.read()):
                raise FileExistsError(
                    f"{folder} holds a training that has not finished: go on with it with "
                    f"--resume, give another --out, or remove {path}"
                )
            states.clear()  # before the note: a state is never beside the note of another training
        path.mkdir(exist_ok=True)
        _write_note(note, {**wanted, _FINISHED: False})
    return path


def _read_note(note: Path) -> dict[str, Any]:
    """The options of the training that a directory belongs to, empty if it has none.

    Raises:
        ValueError: if the file is damaged.
    """
    if not note.exists():
        return {}
    with blamed_on(note, "the options of a training"):
        return dict(json.loads(note.read_text(encoding="utf-8")))


def _write_note(note: Path, content: dict[str, Any]) -> None:
    with atomic(note) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _check_same(folder: Path, known: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise ValueError if a training cannot be resumed with these options."""
    for name, value in wanted.items():
        if known.get(name) != value:
            raise ValueError(
                f"the training in {folder} has {name} {known.get(name)}, not {value}: it can "
                "only be resumed with the same"
            )


def _has_begun(state: Any) -> bool:
    """Whether a state is worth something: one is kept before the first step, too."""
    if state is None:
        return False
    position = state.get("position", {}) if isinstance(state, dict) else {}
    return (position.get("epoch"), position.get("step")) != (0, 0)


def _write(
    folder: Path,
    model: Any,
    history: dict[str, list[float]],
    data: Data,
    chosen: Recipe,
    options: argparse.Namespace,
) -> list[str]:
    """Everything that the training leaves behind; the names of the files."""
    model.save(folder / "model.keras")
    record = {
        "dataset": data.name,
        "model": options.model,
        "classes": data.classes,
        "optimizer": chosen.optimizer,
        "learning_rate": chosen.learning_rate,
        "batch_size": chosen.batch_size,
        "seed": options.seed,
        "conv_precision": config.conv_precision(),
        "history": history,
    }
    with atomic(folder / "history.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    written = ["model.keras", "history.json"]
    if plots.available():
        plots.curves(history, folder / "curves.png", f"{options.model} on {data.name}")
        predicted = np.argmax(model.predict(data.x_test, batch_size=256, verbose=0), axis=-1)
        matrix = plots.confusion_matrix(data.y_test, predicted, len(data.classes))
        plots.confusion(matrix, folder / "confusion.png", data.classes)
        written += ["curves.png", "confusion.png"]
    return written


def _table(
    model: Any, history: dict[str, list[float]], data: Data, seconds: float, resumed: bool
) -> Table:
    accuracy = history["val_accuracy"]
    best = int(np.argmax(accuracy))
    table = Table(title=f"{model.name} on {data.name}", show_header=False)
    table.add_row("parameters", f"{model.count_params():,}")
    table.add_row("epochs", str(len(accuracy)))
    table.add_row("training loss", f"{history['loss'][-1]:.4f}")
    table.add_row("training accuracy", f"{history['accuracy'][-1]:.2%}")
    table.add_row("validation loss", f"{history['val_loss'][-1]:.4f}")
    table.add_row("validation accuracy", f"{accuracy[-1]:.2%}", style="bold")
    table.add_row("best validation accuracy", f"{accuracy[best]:.2%} (epoch {best + 1})")
    rate = len(data.x_train) * len(accuracy) / seconds
    speed = ", resumed" if resumed else f", {rate:,.0f} training images a second"
    table.add_row("time", f"{seconds:.1f} s{speed}")
    return table
