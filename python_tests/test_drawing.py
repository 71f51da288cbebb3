"""Drawings of models."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import fastconv
from fastconv import layers
from fastconv.models.drawing import _connections, _in_rows, _ordered, _spread, _straighten
from fastconv.utils import plot_model


def branches() -> Any:
    """Two branches of different lengths, a shortcut, two outputs."""
    x = layers.Input((8, 8, 3), name="x")
    short = layers.Conv2D(4, 1, name="short")(x)
    pooled = layers.MaxPooling2D(3, 1, "same", name="pooled")(x)
    long = layers.Conv2D(4, 3, padding="same", activation="relu", name="long")(pooled)
    both = layers.Concatenate(name="both")([short, long])
    y = layers.Add(name="sum")([layers.Conv2D(3, 1, name="back")(both), x])
    y = layers.Flatten(name="flat")(y)
    return fastconv.Model(x, [layers.Dense(2, name="a")(y), layers.Dense(3, name="b")(y)])


def test_layers_stand_below_all_that_they_take() -> None:
    connections = _connections(branches())
    names = {layer.name: [s.name for s in sources] for layer, sources in connections.items()}
    assert names["x"] == []
    assert names["both"] == ["short", "long"]
    assert names["sum"] == ["back", "x"]
    places = _in_rows(connections, lambda layer: layer.name)
    rows = {p.text: p.row for p in places if p.text}
    assert rows == {
        "x": 0,
        "short": 1,
        "pooled": 1,
        "long": 2,
        "both": 3,
        "back": 4,
        "sum": 5,
        "flat": 6,
        "a": 7,
        "b": 7,
    }
    assert all(t.row == p.row + 1 for p in places for t in p.targets)
    assert sum(not p.text for p in places) == 1 + 4  # short to both, x to sum


def test_boxes_of_a_row_do_not_overlap() -> None:
    rows = _ordered(_in_rows(_connections(branches()), lambda layer: layer.name))
    for arrange in (_spread, _straighten):
        arrange(rows)
        for row in rows:
            for left, right in pairwise(row):
                assert right.x - left.x >= (left.width + right.width) / 2 - 1e-9


def test_chains_and_long_edges_are_straight() -> None:
    rows = _ordered(_in_rows(_connections(branches()), lambda layer: layer.name))
    _spread(rows)
    _straighten(rows)
    x = {place.text: place.x for row in rows for place in row}
    assert x["flat"] == pytest.approx(x["sum"])
    assert x["pooled"] == pytest.approx(x["long"])
    ways = [(p, t) for row in rows for p in row for t in p.targets if not (p.text or t.text)]
    assert ways
    assert all(p.x == pytest.approx(t.x) for p, t in ways)


def test_the_drawing_holds_names_and_shapes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    options = {"show_shapes": True, "show_layer_activations": True, "show_trainable": True}
    assert plot_model(branches(), tmp_path / "model.svg", **options) is None
    plot_model(branches(), tmp_path / "model.png", dpi=60)
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")
    drawn = (tmp_path / "model.svg").read_text()
    for text in ("short (Conv2D)", "(None, 8, 8, 3) → (None, 8, 8, 4)", "activation: relu"):
        assert f"<!-- {text} -->" in drawn
    assert drawn.count("<!-- trainable -->") == 5


def test_sequential_models_are_chains(tmp_path: Path) -> None:
    model = fastconv.Sequential([layers.Dense(3), layers.Dense(2)])
    with pytest.raises(ValueError, match="is not built"):
        plot_model(model, tmp_path / "model.png")
    model.build((None, 4))
    assert [len(sources) for sources in _connections(model).values()] == [0, 1, 1]


def test_what_drawings_cannot_do_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rankdir must be 'TB', got 'LR'"):
        plot_model(branches(), tmp_path / "model.png", rankdir="LR")
    with pytest.raises(ValueError, match="expand_nested is not covered"):
        plot_model(branches(), tmp_path / "model.png", expand_nested=True)
