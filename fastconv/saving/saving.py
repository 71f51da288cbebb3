"""Models and weights to files and back; the format is known by the ending, or by the content."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from fastconv.saving import keras_archive, legacy_h5
from fastconv.saving.files import atomic, blamed_on, checked_target, existing, is_zip
from fastconv.saving.opening import is_hdf5, opened
from fastconv.saving.weights import read_weights, write_weights

if TYPE_CHECKING:
    from fastconv.models.model import Model

FilePath = str | PathLike[str]
_H5 = (".h5", ".hdf5")


def save_model(
    model: Model,
    filepath: FilePath,
    overwrite: bool = True,
    include_optimizer: bool = True,
    save_format: str | None = None,
) -> None:
    """Write a model: ``.keras`` or the older ``.h5``. The file appears whole or not at all.

    Raises:
        ValueError: for another ending, or a model with a part that cannot be saved.
        FileExistsError: if the file exists and ``overwrite`` is False.
    """
    target = checked_target(filepath, overwrite)
    if not model.built:
        raise ValueError(
            f"model {model.name!r} has no weights yet: build it, or train it, before saving"
        )
    if target.suffix == ".keras" or (save_format == "keras" and target.suffix not in _H5):
        keras_archive.write_archive(model, target, include_optimizer)
    elif target.suffix in _H5 or save_format == "h5":
        legacy_h5.write_model(model, target, include_optimizer)
    else:
        raise ValueError(f"cannot tell the format of {target}: the name must end in .keras or .h5")


def load_model(
    filepath: FilePath,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Read a model written by :func:`save_model` or by Keras. No code in the file is run.

    Args:
        filepath: a ``.keras`` or HDF5 (``.h5``) file; its content tells which, not its name.
        custom_objects: classes and functions that the file names and fastconv does not know.
        compile: also restore the optimizer with its state, the loss and the metrics.
        safe_mode: accepted for Keras's sake; loading is always safe.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, no model, or names something unknown.
    """
    del safe_mode
    path = existing(filepath, "a model")
    if is_zip(path):
        return keras_archive.read_archive(path, custom_objects, compile)
    if is_hdf5(path):
        return legacy_h5.read_model(path, custom_objects, compile)
    raise ValueError(f"{path} is damaged or not a model: it is neither a .keras nor an HDF5 file")


def save_weights(model: Model, filepath: FilePath, overwrite: bool = True) -> None:
    """Write the weights (and the optimizer's state): ``.weights.h5``, or the older ``.h5``.

    Raises:
        ValueError: for another ending.
    """
    import h5py

    target = checked_target(filepath, overwrite)
    if not model.built:
        raise ValueError(f"model {model.name!r} has no weights yet: build it, or train it first")
    if target.name.endswith(".weights.h5"):
        with atomic(target) as temporary, h5py.File(temporary, "w") as file:
            write_weights(model, file)
    elif target.suffix in _H5:
        legacy_h5.write_weights_only(model, target)
    else:
        raise ValueError(f"cannot write weights to {target}: the name must end in .weights.h5")


def load_weights(
    model: Model, filepath: FilePath, by_name: bool = False, skip_mismatch: bool = False
) -> None:
    """Set the weights of ``model`` from a ``.weights.h5``, ``.keras`` or ``.h5`` file.

    Args:
        model: a model that is built.
        filepath: a file with weights; its content tells of which kind, not its name.
        by_name: match layers by name (``.h5`` only) instead of by order.
        skip_mismatch: leave layers alone whose weights do not fit.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged or does not fit; the model is then unchanged.
    """
    path = existing(filepath, "weights")
    if not model.built:
        raise ValueError(
            f"model {model.name!r} has no weights yet: build it before loading weights into it"
        )
    if is_zip(path):
        keras_archive.read_archive_weights(model, path, skip_mismatch)
        return
    if not is_hdf5(path):
        raise ValueError(f"{path} is damaged or not a file of weights")
    with blamed_on(path, "an HDF5 file of weights"), opened(path) as file:
        legacy = "layer_names" in file.attrs or "layer_names0" in file.attrs
        if not legacy and "model_weights" not in file:
            if by_name:
                raise ValueError("by_name needs a file of the older .h5 format")
            read_weights(model, file, skip_mismatch)
            return
    legacy_h5.read_model_weights(model, path, by_name, skip_mismatch)
