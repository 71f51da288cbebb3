"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import run

import fastconv
from fastconv import _core, config
from fastconv.cli import main
from fastconv.cli.recipes import Recipe, recipe
from fastconv.datasets import digits
from fastconv.training import memory
from fastconv.utils import plots


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs in its own folder, with empty caches and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTCONV_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("FASTCONV_DATA", raising=False)

    def refuse(url: str, timeout: float) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    here = Path.cwd()
    return run("-m", "fastconv", *arguments, folder=here, COLUMNS="100", PYTHONWARNINGS="error")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``fastconv train`` with a few epochs left behind."""
    folder = tmp_path_factory.mktemp("trained")
    assert main(["train", "--epochs", "2", "--verbose", "0", "--out", str(folder)]) == 0
    return folder


def test_plain_train_learns_digits() -> None:
    done = command("train")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Epoch 1/" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    folder = Path("fastconv-digits-cnn")
    record = json.loads((folder / "history.json").read_text())
    assert record["history"]["val_accuracy"][-1] > 0.97
    names = {p.name for p in folder.iterdir()}
    pictures = {"curves.png", "confusion.png"} if plots.available() else set()
    assert names == {"model.keras", "history.json", "checkpoint"} | pictures


def test_train_writes_its_model_and_history(trained: Path) -> None:
    record = json.loads((trained / "history.json").read_text())
    assert record["dataset"] == "digits"
    assert record["classes"] == list("0123456789")
    assert {len(v) for v in record["history"].values()} == {2}
    model = fastconv.models.load_model(trained / "model.keras")
    (_, _), (x, y) = digits.load_data()
    p = model.predict(x[..., None] / np.float32(16), verbose=0)
    assert (p.argmax(axis=1) == y).mean() == pytest.approx(record["history"]["val_accuracy"][-1])


def test_the_seed_decides_everything(trained: Path, tmp_path: Path) -> None:
    for threads, out in (("1", "a"), ("2", "b")):
        arguments = ["--epochs", "2", "--verbose", "0", "--threads", threads, "--out", out]
        assert main(["train", *arguments]) == 0
    histories = [
        json.loads((folder / "history.json").read_text())["history"]
        for folder in (trained, tmp_path / "a", tmp_path / "b")
    ]
    assert histories[0] == histories[1] == histories[2]


def test_resume_gives_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(folder: str, *more: str) -> int:
        arguments = ["--model", "mlp", "--epochs", "3", "--verbose", "0"]
        return main(["train", *arguments, "--out", str(tmp_path / folder), *more])

    assert train("whole") == 0
    evaluate = fastconv.models.Sequential._evaluate
    calls = []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(fastconv.models.Sequential, "_evaluate", interrupted)
        assert train("half") == 130
    capsys.readouterr()
    assert train("half", "--resume", "--lr", "0.5") == 2
    assert "has --lr 0.001, not 0.5" in capsys.readouterr().err
    for _ in range(2):  # the second time it has ended already
        assert train("half", "--resume") == 0
        half, whole = (
            fastconv.models.load_model(tmp_path / folder / "model.keras").get_weights()
            for folder in ("half", "whole")
        )
        for a, b in zip(half, whole, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_precision_of_convolutions_can_be_chosen() -> None:
    before = config.conv_precision()
    records = []
    try:
        for precision in ("default", "high"):
            arguments = ["--epochs", "1", "--verbose", "0", "--conv-precision", precision]
            assert main(["train", *arguments, "--out", precision]) == 0
            records.append(json.loads(Path(precision, "history.json").read_text()))
    finally:
        config.set_conv_precision(before)
    assert [r["conv_precision"] for r in records] == ["default", "high"]
    first, second = (r["history"]["loss"][0] for r in records)
    assert first != second
    assert first == pytest.approx(second, rel=0.01)


def test_evaluate_tells_the_accuracy(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(trained / "model.keras"), "--dataset", "digits"]) == 0
    record = json.loads((trained / "history.json").read_text())
    assert f"{record['history']['val_accuracy'][-1]:.2%}" in capsys.readouterr().out


def test_predict_reads_images(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("PIL.Image")
    (_, _), (x, y) = digits.load_data()
    model = fastconv.models.load_model(trained / "model.keras")
    sure = model.predict(x[..., None] / np.float32(16), verbose=0)[np.arange(len(y)), y].argmax()
    pixels = (x[sure] * 15.9).astype(np.uint8)
    image.fromarray(pixels).save("light.png")
    image.fromarray(255 - pixels).convert("RGB").save("dark.png")
    model_path = str(trained / "model.keras")
    assert main(["predict", model_path, "light.png", "--top", "1"]) == 0
    plain = capsys.readouterr().out
    assert main(["predict", model_path, "dark.png", "--top", "1", "--invert"]) == 0
    inverted = capsys.readouterr().out
    for text in (plain, inverted):
        row = next(line for line in text.splitlines() if ".png" in line)
        assert row.split()[3] == str(y[sure])


def test_predict_takes_one_unit_or_one_row_of_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((2, 2), np.uint8)).save("black.png")
    bias = fastconv.initializers.Constant(4.0)
    x = fastconv.Input((2, 2, 1))
    flat = fastconv.layers.Flatten()(x)
    unit = fastconv.layers.Dense(1, activation="sigmoid", bias_initializer=bias)(flat)
    fastconv.Model(x, unit).save("one.keras")
    fastconv.Model(x, [unit, flat]).save("two.keras")
    fastconv.Model(x, x).save("image.keras")
    assert main(["predict", "one.keras", "black.png", "--top", "2"]) == 0
    cells = [line.split() for line in capsys.readouterr().out.splitlines() if "%" in line]
    assert [(row[-4], row[-2]) for row in cells] == [("1", "98.20%"), ("0", "1.80%")]
    for name in ("two", "image"):
        assert main(["predict", f"{name}.keras", "black.png"]) == 2
        assert "not one row of classes for each image" in capsys.readouterr().err


def test_info_tells_machine_and_data() -> None:
    done = command("info", "--threads", "1")
    assert done.returncode == 0, done.stderr
    for text in (fastconv.__version__, _core.isa(), "GFLOP/s", "digits (in the package)"):
        assert text in done.stdout


@pytest.mark.parametrize("isa", _core.available_isas())
def test_the_environment_chooses_the_kernels(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCONV_ISA", isa)
    assert f"{isa} (forced by FASTCONV_ISA)" in command("info", "--threads", "1").stdout


def test_unknown_kernels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCONV_ISA", "mmx")
    done = command("info")
    assert done.returncode == 2
    assert "FASTCONV_ISA=mmx is not available here; this machine can run: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["train", "--dataset", "imagenet"], "invalid choice: 'imagenet'"),
        (["train", "--epochs", "0"], "argument --epochs: must be a positive integer, got 0"),
        (["train", "--epochs", "many"], "invalid integer value: 'many'"),
        (["train", "--lr", "-1"], "argument --lr: must be a positive number, got -1"),
        (["train", "--seed", "-1"], "argument --seed: must be in [0, 2**32), got -1"),
        (["train", "--conv-precision", "low"], "invalid choice: 'low'"),
        (["train", "--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["train", "--model", "lenet5"], "lenet5 needs images of at least 12x12, got 8x8"),
        (["train", "--dataset", "mnist"], "the data set 'mnist' was not found"),
        (["evaluate", "missing.keras", "--dataset", "digits"], "missing.keras"),
        (["predict", "missing.keras", "a.png"], "missing.keras"),
        (["train", "--out", "file/folder"], "file"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    try:
        status = main(arguments)
    except SystemExit as error:  # from argparse
        status = int(error.code or 0)
    assert status == 2
    caught = capsys.readouterr()
    assert message in caught.err
    assert "Traceback" not in caught.err


def test_files_that_do_not_fit_are_told(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(trained / "model.keras")
    Path("no.png").write_text("no image")
    Path("no.keras").write_text("no model")
    for arguments, message in [
        (["predict", model, "no.png"], "no.png is not an image"),
        (["predict", model, "gone.png"], "gone.png"),
        (["predict", "no.keras", "no.png"], "no.keras"),
    ]:
        assert main(arguments) == 2
        assert message in capsys.readouterr().err


def test_without_matplotlib_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plots, "available", lambda: False)
    assert main(["train", "--epochs", "1", "--verbose", "0", "--out", str(tmp_path / "out")]) == 0
    assert "No pictures: they need matplotlib" in capsys.readouterr().out
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"model.keras", "history.json", "checkpoint"}


def test_help_reads_well(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["train", "--help"], ["predict", "--help"], ["info", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
        text = capsys.readouterr().out
        assert "usage: fastconv" in text
        assert "None" not in text


def test_recipes_take_what_is_asked_for() -> None:
    assert recipe("mnist", "cnn") == Recipe("adadelta", 1.0, 128, 5)
    changed = recipe("cifar10", "resnet20", optimizer="adam", batch_size=32, epochs=1)
    assert changed == Recipe("adam", 1e-3, 32, 1)
    assert recipe("cifar10", "cnn", learning_rate=0.1).learning_rate == 0.1


@pytest.mark.parametrize(
    ("build", "shape", "parameters"),
    [
        ("cnn", (32, 32, 3), 1_250_858),
        ("cnn", (28, 28, 1), 600_810),
        ("mlp", (28, 28, 1), 669_706),
        ("lenet5", (28, 28, 1), 61_706),
        ("resnet20", (32, 32, 3), 271_098),
        ("vgg", (32, 32, 3), 2_200_394),
    ],
)
def test_nets_have_the_parameters_that_they_should(
    build: str, shape: tuple[int, ...], parameters: int
) -> None:
    model = getattr(fastconv.applications, build)(shape)
    assert model.count_params() == parameters
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize("build", ["cnn", "mlp", "lenet5", "resnet20", "vgg"])
def test_nets_refuse_what_is_no_image(build: str) -> None:
    net = getattr(fastconv.applications, build)
    with pytest.raises(ValueError, match=rf"{build}: input_shape must be"):
        net((28, 28))
    with pytest.raises(ValueError, match=rf"{build}: classes must be at least 2, got 1"):
        net((32, 32, 3), classes=1)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"fastconv {fastconv.__version__}\n"


def small_train(*more: str) -> int:
    arguments = ["--model", "mlp", "--epochs", "3", "--verbose", "0", "--out", "out"]
    return main(["train", *arguments, *more])


def interrupt(monkeypatch: pytest.MonkeyPatch, evaluation: int) -> None:
    """The next training ends with Ctrl-C at the end of an epoch."""
    evaluate = fastconv.models.Sequential._evaluate
    calls = 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == evaluation:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(fastconv.models.Sequential, "_evaluate", interrupted)
        assert small_train() == 130


def test_an_unfinished_training_is_not_begun_anew_unasked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(monkeypatch, evaluation=2)
    checkpoint = Path("out/checkpoint")
    kept = {p.name: p.read_bytes() for p in checkpoint.iterdir()}
    capsys.readouterr()
    for more in ((), ("--lr", "0.5")):
        assert small_train(*more) == 2
        error = capsys.readouterr().err
        assert "holds a training that has not finished: go on with it with --resume" in error
        assert "another --out" in error
        assert {p.name: p.read_bytes() for p in checkpoint.iterdir()} == kept
    assert not Path("out/history.json").exists()
    assert small_train("--resume") == 0
    record = json.loads(Path("out/history.json").read_text())
    assert len(record["history"]["loss"]) == 3
    assert small_train("--lr", "0.5") == 0  # that one had finished
    assert json.loads(Path("out/history.json").read_text())["learning_rate"] == 0.5


def test_results_that_could_not_be_written_are_resumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The training is over, but not what the command does."""
    assert small_train() == 0
    before = Path("out/history.json").read_bytes()
    write = Path.write_text

    def full(self: Path, text: str, *arguments: Any, **options: Any) -> int:
        if "history.json" in self.name:
            write(self, text[:20])
            raise OSError(28, "No space left on device")
        return write(self, text, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert small_train("--seed", "1") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert Path("out/history.json").read_bytes() == before
    assert {p.name for p in Path("out").glob(".*")} == set()
    assert small_train("--seed", "1") == 2
    assert "has not finished" in capsys.readouterr().err
    assert small_train("--seed", "1", "--resume") == 0
    assert json.loads(Path("out/history.json").read_text())["seed"] == 1


def test_a_training_without_an_epoch_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, evaluation=1)
    assert small_train("--lr", "0.01") == 0
    assert json.loads(Path("out/history.json").read_text())["learning_rate"] == 0.01


def test_notes_of_a_training_that_are_gone_or_damaged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(monkeypatch, evaluation=2)
    note = Path("out/checkpoint/options.json")
    for text, message in (
        ("{", "options.json"),
        ("5", "options.json is damaged"),
        (None, "missing"),
    ):
        if text is None:
            note.unlink()
        else:
            note.write_text(text)
        assert small_train("--resume") == 2
        assert message in capsys.readouterr().err
    assert small_train() == 2
    assert "has not finished" in capsys.readouterr().err


def test_a_plan_that_does_not_fit_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "available", lambda: (5, "free memory"))
    assert small_train() == 2
    error = capsys.readouterr().err
    assert "fastconv train: error: the train plan for batches of" in error
    assert "Traceback" not in error
