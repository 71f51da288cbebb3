"""The examples end where they should, and draw what they promise."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fastconv
from fastconv.datasets import mnist, pima, store
from fastconv.utils import plots

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def drawn(folder: Path, *names: str) -> bool:
    return not plots.available() or all((folder / n).stat().st_size > 5000 for n in names)


def test_every_example_is_tested() -> None:
    tested = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'example("{path.stem}")' in tested


def test_logic_gates(tmp_path: Path) -> None:
    answers = example("logic_gates").main(["--epochs", "150", "--out", str(tmp_path)])
    assert answers == {
        "AND": [0, 0, 0, 1],
        "OR": [0, 1, 1, 1],
        "NAND": [1, 1, 1, 0],
        "NOR": [1, 0, 0, 0],
        "XOR": [0, 1, 1, 0],
    }
    assert drawn(tmp_path, "logic_gates.png")


def test_gradient_descent(tmp_path: Path) -> None:
    distances = example("gradient_descent").main(["--epochs", "20", "--out", str(tmp_path)])
    assert distances["mini-batch (16)"] < 0.1
    assert distances["stochastic"] < 0.2
    assert distances["gradient descent"] > distances["mini-batch (16)"]
    assert drawn(tmp_path, "gradient_descent.png")


def test_backward_by_hand() -> None:
    assert example("backward_by_hand").main() < 1e-6


def test_roc_of_the_diabetes_example() -> None:
    module = example("pima_diabetes")
    truth, score = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    false_rate, true_rate = module.roc(truth, score)
    np.testing.assert_allclose(false_rate, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(true_rate, [0, 0.5, 0.5, 1, 1])
    assert module.area(false_rate, true_rate) == pytest.approx(0.75)
    tied = module.roc(truth, np.full(4, 0.5))
    assert module.area(*tied) == pytest.approx(0.5)


@pytest.mark.skipif(not store.is_present(pima.LAYOUTS), reason="needs pima/diabetes.csv")
def test_pima_diabetes(tmp_path: Path) -> None:
    accuracy, auc = example("pima_diabetes").main(["--epochs", "60", "--out", str(tmp_path)])
    assert accuracy > 0.7
    assert auc > 0.78
    assert drawn(tmp_path, "pima_curves.png", "pima_roc.png")


@pytest.mark.skipif(not store.is_present(mnist.LAYOUTS), reason="needs the MNIST files")
def test_lenet5_mnist(tmp_path: Path) -> None:
    arguments = ["--epochs", "1", "--rows", "12000", "--out", str(tmp_path)]
    assert example("lenet5_mnist").main(arguments) > 0.93
    assert drawn(tmp_path, "lenet5_curves.png", "lenet5_mistakes.png")


def test_cifar10_speedrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = example("cifar10_speedrun")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, 1)).astype(np.uint8)
    shades = rng.integers(0, 100, (60, 32, 32, 3)) + 150 * labels[:, :, None, None]
    images = shades.astype(np.uint8)
    data = (images, labels), (images[:20], labels[:20])
    monkeypatch.setattr(module.cifar10, "load_data", lambda: data)
    monkeypatch.setattr(module, "WIDTHS", (32, 32, 32))
    monkeypatch.setattr(module, "BATCH", 20)
    picture = str(tmp_path / "speedrun.png")
    runs = module.main(["--epochs", "2", "--seed", "3", "4", "--plot", picture])
    assert [run.seed for run in runs] == [3, 4]
    for run in runs:
        assert run.accuracies[-1] == 1.0
        assert len(run.accuracies) == 3
        assert np.all(np.diff(run.seconds) > 0)
    assert drawn(tmp_path, "speedrun.png")
    (stopped,) = module.main(["--seconds", "0"])
    assert len(stopped.accuracies) == 2


def test_batches_of_the_speedrun() -> None:
    """Every image once in an epoch; in two epochs, moved by nothing, once in either form."""
    module = example("cifar10_speedrun")
    module.TRANSLATION = module.HIDDEN = 0
    images = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
    batches = module.Batches(images, np.arange(6), 2, seed=0)
    seen: dict[int, list[np.ndarray]] = {i: [] for i in range(6)}
    for _ in range(2):
        for x, y in batches:
            for image, label in zip(x, y, strict=True):
                seen[label].append(image)
        batches.on_epoch_end()
    for label, forms in seen.items():
        plain, turned = images[label], images[label, :, ::-1]
        assert len(forms) == 2
        assert any(np.array_equal(f, plain) for f in forms)
        assert any(np.array_equal(f, turned) for f in forms)
    module.HIDDEN = 3
    (x, _), *_ = module.Batches(np.zeros((6, 4, 4, 3), np.uint8), np.arange(6), 6, seed=0)
    assert {(image == module.MEAN).sum() for image in x} == {3 * 3 * 3}


def test_whitening_of_the_speedrun() -> None:
    module = example("cifar10_speedrun")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 16, 16, 3)).astype(np.uint8)
    images[..., 1] = images[..., 0] // 2 + images[..., 1] // 2
    kernel = module.whitening(images)
    size, filters = module.PATCH, module.FILTERS
    assert kernel.shape == (size, size, 3, 2 * filters)
    np.testing.assert_array_equal(kernel[..., filters:], -kernel[..., :filters])
    x = (images.astype(np.float32) - module.MEAN) / module.DEVIATION
    y = fastconv.ops.conv(x, kernel[..., :filters]).reshape(-1, filters)
    np.testing.assert_allclose(y.T @ y / len(y), np.eye(filters), atol=0.1)
