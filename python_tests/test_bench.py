"""The benchmark trains the nets that it says, and writes what it measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from children import HOME

import fastconv
from fastconv.cli import main
from fastconv.cli.bench import compare, report
from fastconv.cli.bench.nets import NETS

BENCH = Path(__file__).resolve().parents[1] / "bench"
PARAMETERS = {
    "cifar_lab": 1_250_858,
    "mnist_cnn": 600_810,
    "mnist_mlp": 669_706,
    "lenet5": 61_706,
    "resnet20": 272_474,
    "vgg": 2_198_602,
    "pima_mlp": 277,
}  # trainable


@pytest.fixture(autouse=True)
def bench_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    yield
    for name in ("growth", "inference", "layers"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", PARAMETERS)
def test_nets_have_their_parameters(name: str) -> None:
    net = NETS[name]
    model = net.compiled(fastconv)
    assert sum(v.size for v in model.trainable_weights) == PARAMETERS[name]
    assert model.input_shape[1:] == net.shape
    assert net.rows % net.batch == 0


@pytest.mark.parametrize("name", PARAMETERS)
def test_torch_trains_the_same_nets(name: str) -> None:
    pytest.importorskip("torch")
    model = import_module("fastconv.cli.bench.torch_nets").BUILD[name]()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


def results() -> dict[str, Any]:
    def figure(rate: float) -> dict[str, Any]:
        return {"examples_per_second": rate, "steps_per_second": rate / 32}

    return {
        "machine": {"cpu": "a CPU"},
        "threads": 2,
        "rounds": 3,
        "nets": {
            "lenet5": {"fastconv": figure(3000), "torch": figure(1500), "numpy": figure(10)},
            "pima_mlp": {"fastconv": figure(32000), "torch": {"error": "broken"}},
        },
    }


def test_the_table_tells_rates_and_ratios() -> None:
    lines = report.table(results()).splitlines()
    assert "2 threads of a CPU" in lines[0]
    assert lines[2] == "| net | fastconv | PyTorch | NumPy reference |"
    assert lines[4] == "| lenet5 | 3,000 | 1,500 (2.00x) | 10.0 (300x) |"
    assert lines[5] == "| pima_mlp | 1,000 | - | - |"


def test_a_short_comparison_writes_its_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--nets", "pima_mlp", "--peers", "fastconv", "numpy", "--threads", "1"]
    short = ["--rounds", "2", "--seconds", "0.02", "--out", str(tmp_path)]
    assert main(["bench", *arguments, *short]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines()[:-2])) <= 80  # then the folder
    assert "NumPy reference" in printed
    measured = json.loads((tmp_path / "results.json").read_text())["nets"]["pima_mlp"]
    for peer in ("fastconv", "numpy"):
        assert len(measured[peer]["rounds"]) == 2
        assert measured[peer]["examples_per_second"] > 0
        assert measured[peer]["version"] == fastconv.__version__
    assert "| pima_mlp | " in (tmp_path / "results.md").read_text()


def test_a_short_measurement_of_inference_writes_its_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inference = import_module("inference")
    peers = ["call", "predict"]
    if all(find_spec(module) for module in inference.PEERS["onnxruntime"]):
        peers.append("onnxruntime")
    arguments = ["--nets", "mnist_mlp", "--batches", "1", "8", "--peers", *peers, "--threads", "1"]
    before = fastconv.config.num_threads()
    try:
        short = ["--rounds", "2", "--seconds", "0.01", "--out", str(tmp_path)]
        assert inference.main([*arguments, *short]) == 0
    finally:
        fastconv.config.set_num_threads(before)
    measured = json.loads((tmp_path / "inference.json").read_text())["nets"]["mnist_mlp"]
    for batch in ("1", "8"):
        for peer in peers:
            assert measured[batch][peer]["seconds"] > 0
            assert len(measured[batch][peer]["rounds"]) == 2
    lines = (tmp_path / "inference.md").read_text().splitlines()
    assert lines[2].startswith("| net | batch | fastconv `model(x)` | fastconv `model.predict` |")
    assert [line.split(" | ")[1] for line in lines[4:]] == ["1", "8"]
    assert (tmp_path / "inference.md").read_text() in capsys.readouterr().out


def test_layers_are_those_of_the_nets() -> None:
    layers = import_module("layers")
    found = [str(layer) for layer in layers.layers_of("lenet5")]
    assert found[:2] == ["1,28x28,6 5x5 same", "6,14x14,16 5x5 valid"]
    assert found[2:] == ["dense 400,120", "dense 120,84", "dense 84,10"]
    strided = next(layer for layer in layers.layers_of("resnet20") if layer.stride == 2)
    assert (str(strided), strided.out_size, strided.pads) == (
        "16,32x32,32 3x3 same stride 2",
        16,
        (0, 1),
    )


def test_a_short_measurement_of_layers_writes_its_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = import_module("layers")
    before = fastconv.config.num_threads()
    peers = [p for p in layers.PEERS if p == "fastconv" or find_spec(p)]
    arguments = ["--layers", "dense 8,12", "16,32x32,16 3x3", "--nets", "pima_mlp", "--batch", "2"]
    short = ["--rounds", "2", "--seconds", "0.001", "--threads", "1", "--out", str(tmp_path)]
    try:
        assert layers.main([*arguments, *short, "--peers", *peers]) == 0
    finally:
        fastconv.config.set_num_threads(before)
    results = json.loads((tmp_path / "layers.json").read_text())
    measured = results["layers"]
    assert list(measured) == ["16,32x32,16 3x3 same", "dense 8,12"]
    assert results["peak_gflops"] > 0
    for figures in measured.values():
        assert list(figures) == ["forward", "input gradient", "weight gradient"]
        for figure in figures.values():
            assert list(figure["gflops"]) == peers
            assert all(rate > 0 for rate in figure["gflops"].values())
    assert measured["dense 8,12"]["forward"]["algorithm"] == "gemm"
    assert (tmp_path / "layers.md").read_text() in capsys.readouterr().out


def test_an_isa_limits_the_peers_as_well() -> None:
    limits = compare.limits
    assert limits(None) == {}
    assert limits("neon") == {"FASTCONV_ISA": "neon"}
    environment = limits("avx2")
    assert environment["FASTCONV_ISA"] == environment["ATEN_CPU_CAPABILITY"] == "avx2"
    assert environment["ONEDNN_MAX_CPU_ISA"] == "AVX2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nets", "alexnet"], "unknown net 'alexnet'; expected one of cifar_lab, mnist_cnn"),
        (["--peers", "caffe"], "unknown library 'caffe'; expected one of fastconv, fastconv_fast"),
        (["--threads", "4096"], "--threads 4096 is more than this process's"),
    ],
)
def test_arguments_are_checked(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["bench", "--rounds", "0"])
    with pytest.raises(SystemExit):
        import_module("layers").main(["--batch", "0"])


def test_growth_of_a_step_is_measured_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growth = import_module("growth")
    monkeypatch.setattr(growth, "TURN", 0.0)
    few = {"batch": (1, 3), "width": (8,), "depth": (1, 2), "threads": (1,)}
    monkeypatch.setattr(growth, "VARIED", few)
    assert growth.main(["--rounds", "1", "--out", str(tmp_path)]) == 0
    points = json.loads((tmp_path / "growth.json").read_text())["points"]
    assert [(p["batch"], p["depth"]) for p in points] == [
        (1, 4),
        (3, 4),
        (128, 4),
        (128, 1),
        (128, 2),
        (128, 4),
    ]
    assert all(p["seconds"] > 0 for p in points)
    assert (tmp_path / "growth.md").read_text().count("\n| ") == 1 + 6
    assert (tmp_path / "growth.png").stat().st_size > 0
