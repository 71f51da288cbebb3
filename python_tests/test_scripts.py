"""Whole Keras programs, run as they stand, with real Keras too where it is installed.

The scripts of Keras 3 print only what must be the same on both; all of them check what they learn.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from children import printed
from real_keras import import_keras

from fastconv.datasets import cifar10, mnist, store

SCRIPTS = Path(__file__).resolve().parent / "scripts"
NEEDED = {"cifar10_augmented": cifar10.LAYOUTS, "mnist_convnet": mnist.LAYOUTS}
COMPARED = (
    "checkpoints",
    "custom_callbacks",
    "custom_layers",
    "custom_loss_metric",
    "learning_rates",
    "multi_input_output",
    "transfer",
    "vae_layers",
)


def run(name: str, folder: Path) -> str:
    script = str(SCRIPTS / f"{name}.py")
    return printed("-m", "fastconv", "run", script, folder=folder, OMP_NUM_THREADS="2")


@pytest.mark.parametrize("name", sorted(p.stem for p in SCRIPTS.glob("*.py")))
def test_a_script_runs_unchanged(name: str, tmp_path: Path) -> None:
    if name in NEEDED and not store.is_present(NEEDED[name]):
        pytest.skip("needs a data set, see FASTCONV_DATA")
    assert run(name, tmp_path)


@pytest.mark.parametrize("name", COMPARED)
def test_a_script_prints_what_it_prints_with_keras(name: str, tmp_path: Path) -> None:
    import_keras()
    expected = printed(
        str(SCRIPTS / f"{name}.py"), folder=tmp_path, KERAS_BACKEND="torch", OMP_NUM_THREADS="2"
    )
    assert run(name, tmp_path).splitlines() == expected.splitlines()
