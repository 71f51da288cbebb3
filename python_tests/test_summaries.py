"""Summaries of models: what the tables say, and of which layers."""

from __future__ import annotations

import numpy as np
import pytest
from model_kinds import Residual, branched, small_cnn

from fastconv import layers
from fastconv.models import Model, Sequential
from fastconv.naming import reset_names


def data(*shape: int) -> np.ndarray:
    return np.zeros(shape, "float32")


def lines(model: Model, **options: object) -> list[str]:
    printed: list[str] = []
    model.summary(print_fn=printed.append, **options)
    return "\n".join(printed).splitlines()


def test_summary_of_a_chain() -> None:
    reset_names()
    text = lines(small_cnn())
    assert max(map(len, text)) <= 80
    joined = "\n".join(text)
    assert 'Model: "sequential"' in joined
    assert "conv2d (Conv2D)" in joined
    assert "(None, 6, 6, 4)" in joined
    assert "Total params: 186 (744.00 B)" in joined
    assert "Trainable params: 186" in joined
    assert "\x1b" not in joined
    assert "Connected to" not in joined


def test_summary_follows_trainable() -> None:
    model = small_cnn()
    model.layers[0].trainable = False
    joined = "\n".join(lines(model, show_trainable=True))
    assert "Trainable params: 74 " in joined
    assert "Non-trainable params: 112 " in joined


def test_summary_of_a_graph(capsys: pytest.CaptureFixture) -> None:
    model = branched()
    text = lines(model)
    assert max(map(len, text)) <= 80
    row = next(t for t in text if t.lstrip("│┃ ").startswith("join"))
    assert "shared" in row
    model.summary()
    assert capsys.readouterr().out.rstrip().endswith(text[-1].strip())


def test_summary_of_models_in_models() -> None:
    inner = Sequential([layers.Input((4,)), layers.Dense(3, name="hidden")], name="inner")
    model = Sequential([layers.Input((4,)), inner])
    assert "hidden" not in "\n".join(lines(model))
    assert "hidden" in "\n".join(lines(model, expand_nested=True))


def test_summary_before_building() -> None:
    assert "unbuilt" in "\n".join(lines(Sequential([layers.Dense(3)])))


def test_a_summary_of_some_layers_and_of_a_graph_in_a_row() -> None:
    x = layers.Input((4,), name="x")
    hidden = layers.Dense(3, name="hidden")(x)
    chain = Model(x, layers.Dense(2, name="last")(hidden), name="chain")
    joined = "\n".join(lines(chain))
    assert "Connected to" not in joined
    chain.compile("adam", "mse")
    chain.fit(data(4, 4), data(4, 2), verbose=0)
    part = "\n".join(lines(chain, layer_range=("hidden", "hidden")))
    assert "hidden (Dense)" in part
    assert "last (Dense)" not in part
    assert "Total params: 71 " in part  # and a number of updates and a rate
    assert "Optimizer params: 48 " in part
    skipping = Model(x, layers.Add()([x, layers.Dense(4)(x)]))
    assert "Connected to" in "\n".join(lines(skipping))
    outer = Residual()
    outer.build((None, 4))
    assert "(None, 4)" in "\n".join(lines(outer))
