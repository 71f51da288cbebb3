"""plan_summary and profile: the tables they print, and show in notebooks."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from small_nets import X, Y, compiled


def test_tables_of_plans(capsys):
    model = compiled()
    with pytest.raises(ValueError, match="call fit"):
        model.plan_summary()
    model.fit(X, Y, verbose=0)
    tables = []
    assert model.plan_summary() is None
    assert "optimizer_update" in capsys.readouterr().out
    model.plan_summary(print_fn=tables.append)
    assert "optimizer_update" in tables[0]
    before = model.get_weights()
    steps = int(model.optimizer.iterations)
    assert model.profile(X, Y) is None
    assert "us" in capsys.readouterr().out
    model.profile(X, Y, print_fn=tables.append)
    assert "optimizer_update" in tables[1]
    assert int(model.optimizer.iterations) == steps
    for v, w in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    slow = compiled(backend="numpy")
    slow.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="native"):
        slow.plan_summary()


def test_tables_of_plans_in_notebooks(monkeypatch, capsys):
    model = compiled()
    model.fit(X, Y, verbose=0)
    shown, lines = [], []
    display = SimpleNamespace(display=shown.append)
    ipython = SimpleNamespace(get_ipython=object, display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    model.plan_summary()
    model.profile(X, Y)
    assert capsys.readouterr().out == ""
    model.plan_summary(print_fn=lines.append)
    assert str(shown[0]) == lines[0]
    summary, profile = (report._repr_html_() for report in shown)
    rows = int(re.search(r"(\d+) steps", lines[0])[1])
    assert summary.count("<tr>") == rows + 2
    assert "<th>MFLOP</th>" in summary
    assert "<td>total</td>" in summary
    assert "<th>GFLOP/s</th>" in profile
    assert profile.endswith("</p>")
