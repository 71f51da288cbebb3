"""The notebooks of examples/labs, run as a user runs them, with fewer epochs and rows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from children import printed

from fastconv.compat.check import check
from fastconv.compat.notebook import code_cells
from fastconv.datasets import cifar10, mnist, pima, store
from fastconv.utils import plots

LABS = Path(__file__).resolve().parents[1] / "examples" / "labs"
pytestmark = pytest.mark.skipif(not plots.available(), reason="the labs draw with matplotlib")


def lab(name: str, folder: Path, **settings: int) -> str:
    """Run a lab whose settings are changed; everything that it printed."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    (path,) = LABS.glob(f"{name}_*.ipynb")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for setting, value in settings.items():
        source, at = next(
            (cell["source"], i)
            for cell in notebook["cells"]
            for i, line in enumerate(cell["source"])
            if cell["cell_type"] == "code" and _sets(line, setting)
        )
        source.insert(at + 1, f"{setting} = {value}\n")
    copy = folder / path.name
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    printed("-m", "fastconv", "run", copy.name, folder=folder, OMP_NUM_THREADS="2")
    run = json.loads((folder / f"{path.stem}.out.ipynb").read_text(encoding="utf-8"))
    outputs = [o for c in run["cells"] for o in c.get("outputs", [])]
    return "".join("".join(o.get("text", [])) for o in outputs)


def _sets(line: str, setting: str) -> bool:
    return re.match(rf"([A-Z_0-9]+, )*{setting}(, [A-Z_0-9]+)* = ", line) is not None


def number(label: str, printed: str) -> float:
    found = re.search(rf"^{re.escape(label)}: ([\d.e+-]+)", printed, re.MULTILINE)
    assert found is not None, printed
    return float(found[1])


def needs(layouts: Any, what: str) -> Any:
    reason = f"needs {what}, see FASTCONV_DATA"
    return pytest.mark.skipif(not store.is_present(layouts), reason=reason)


@pytest.mark.parametrize("path", sorted(LABS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_lab_is_covered_and_kept_without_outputs(path: Path) -> None:
    assert f'lab("{path.stem[:3]}"' in Path(__file__).read_text(encoding="utf-8")
    assert check("\n".join(code_cells(path))) == []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_gradient_descent(tmp_path: Path) -> None:
    printed = lab("05a", tmp_path)
    assert re.search(r"all rows: 600 steps, distance 0\.0", printed)
    assert re.search(r"single rows: 12000 steps, distance 0\.[01]", printed)


def test_logic_gates(tmp_path: Path) -> None:
    assert "xor [0, 1, 1, 0]" in lab("05b", tmp_path)


def test_backward_pass(tmp_path: Path) -> None:
    printed = lab("05c", tmp_path, EPOCHS=2000)
    assert number("difference from finite differences", printed) < 1e-8
    assert number("accuracy", printed) > 0.9


@needs(pima.LAYOUTS, "pima/diabetes.csv")
def test_diabetes(tmp_path: Path) -> None:
    printed = lab("05d", tmp_path, EPOCHS=60)
    assert "dict_keys(['accuracy', 'loss', 'val_accuracy', 'val_loss'])" in printed
    for name in ("one layer", "two layers"):
        assert number(f"{name} accuracy", printed) > 0.7
        assert number(f"{name} area under ROC", printed) > 0.77
    assert "the same predictions: True" in printed


@needs(cifar10.LAYOUTS, "the CIFAR-10 files")
def test_cifar10(tmp_path: Path) -> None:
    printed = lab("05e", tmp_path, EPOCHS_1=1, EPOCHS_2=1, ROWS=8000)
    assert number("model 1 parameters", printed) == 181_162
    assert number("model 2 parameters", printed) == 1_250_858
    assert number("model 1 accuracy", printed) > 0.25
    assert number("model 2 accuracy", printed) > 0.25
    assert "the same from the classes: True" in printed


@needs(mnist.LAYOUTS, "the MNIST files")
def test_transfer_learning(tmp_path: Path) -> None:
    printed = lab("05f", tmp_path, EPOCHS=1, ROWS=8000)
    assert number("parameters", printed) == 600_165
    assert number("accuracy on 5 to 9", printed) > 0.9
    assert number("accuracy on 0 to 4, features frozen", printed) > 0.95


@needs(mnist.LAYOUTS, "the MNIST files")
def test_autoencoders(tmp_path: Path) -> None:
    printed = lab("05h", tmp_path, EPOCHS=2, ROWS=10_000)
    assert "both halves make the whole: True" in printed
    assert number("autoencoder error", printed) < 0.07
    assert number("vae loss", printed) < 230
    assert (tmp_path / "vae_encoder.png").stat().st_size > 1000
