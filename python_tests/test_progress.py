"""The progress line: what it says, and when it is drawn."""

import io
import re

import numpy as np
import pytest

from fastconv import layers
from fastconv.callbacks.progress import Progbar, format_results, format_step_time, format_time
from fastconv.models import Sequential

X = np.random.default_rng(0).standard_normal((40, 3)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")
LINE = r"5/5 ━{20} 0s \d+[mu]?s/step - accuracy: \d\.\d{4} - loss: \d\.\d{4}"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def model():
    net = Sequential([layers.Input((3,)), layers.Dense(1, activation="sigmoid")])
    net.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    return net


def test_fit_prints_a_line_for_each_epoch(model, capsys):
    model.fit(X, Y, epochs=2, batch_size=8, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    assert re.fullmatch(LINE, lines[1])
    assert len(lines) == 4


def test_nothing_is_redrawn_without_a_terminal(model, capsys):
    model.fit(X, Y, epochs=1, validation_split=0.5, verbose=1)
    out = capsys.readouterr().out
    assert "\r" not in out
    assert "\x1b" not in out
    assert "\b" not in out
    assert re.search(r" - val_accuracy: \d\.\d{4} - val_loss: \d\.\d{4}\n$", out)


def test_verbose_levels(model, capsys):
    model.fit(X, Y, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X)
    assert capsys.readouterr().out == ""
    model.fit(X, Y, epochs=1, batch_size=8, verbose=2)
    out = capsys.readouterr().out
    assert re.fullmatch(r"5/5 - 0s - \d+[mu]?s/step - accuracy: .* - loss: .*\n", out)
    model.evaluate(X, Y, batch_size=8, verbose=1)
    assert re.fullmatch(LINE + "\n", capsys.readouterr().out)
    model.predict(X, batch_size=8, verbose=1)
    assert re.fullmatch(r"5/5 ━{20} 0s \d+[mu]?s/step\n", capsys.readouterr().out)


def test_unknown_number_of_batches(model, capsys):
    model.fit(((X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8)), verbose=1)
    assert re.fullmatch(LINE + "\n", capsys.readouterr().out)


def test_terminal_line_is_drawn_over():
    stream = Terminal()
    bar = Progbar(10, stream=stream)
    bar.update(5, [("loss", 0.5)])
    bar.update(10, [("loss", 0.25)], finalize=True)
    drawn = stream.getvalue().split("\r")
    assert drawn[0] == ""
    assert drawn[1].startswith(" 5/10 " + "━" * 10 + "─" * 10)
    assert "loss: 0.5000" in drawn[1]
    assert drawn[2].startswith("10/10 " + "━" * 20)
    assert len(drawn[2].rstrip("\n")) >= len(drawn[1])
    assert stream.getvalue().endswith("\n")
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, "a: 2.5000 - b: 3.0000"),
        ({"stateful_metrics": ["a"]}, "a: 3.0000 - b: 3.0000"),
        ({"stateless_metrics": ["b"]}, "a: 3.0000 - b: 3.0000"),
    ],
)
def test_values_are_averaged_over_steps(options, shown):
    """A value of three steps counts three times; the last one stands as it is."""
    stream = Terminal()
    bar = Progbar(6, width=10, interval=0.0, unit_name="sample", stream=stream, **options)
    bar.update(1, [("a", 1.0)])
    bar.add(3, values=[("a", np.float32(3.0)), ("b", 3)])
    assert stream.getvalue().endswith(f"/sample - {shown}")
    assert "4/6 " + "━" * 6 + "─" * 4 + " " in stream.getvalue()
    bar.add(2, [("a", 4.0)])
    assert stream.getvalue().endswith(f"/sample - a: 4.0000 - {shown.split(' - ')[1]}\n")


def test_a_line_ends_with_its_target_unless_told():
    stream = Terminal()
    bar = Progbar(2, interval=1e9, stream=stream)
    bar.update(0)
    bar.update(1)
    bar.update(2, finalize=False)
    assert stream.getvalue().count("\r") == 1
    bar.update(2)
    assert stream.getvalue().count("\n") == 1
    Progbar(None, stream=stream).update(3)
    assert stream.getvalue().count("\n") == 1
    with pytest.raises(ValueError, match="only one of stateful_metrics and stateless_metrics"):
        Progbar(2, stateful_metrics=[], stateless_metrics=[])


def test_streams_without_the_bar_characters():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    bar = Progbar(4, stream=stream)
    bar.update(4, [("loss", 1.0)], finalize=True)
    stream.flush()
    assert raw.getvalue().startswith(b"4/4 " + b"=" * 20)


def test_formats():
    assert [format_time(t) for t in (3, 75, 3675)] == ["3s", "1:15", "1:01:15"]
    assert [format_step_time(t) for t in (2.0, 0.0254, 0.0000061)] == [
        "2s/step",
        "25ms/step",
        "6us/step",
    ]
    assert format_results({"loss": 0.00012, "a": 0.0}) == " - loss: 1.2000e-04 - a: 0.0000"
