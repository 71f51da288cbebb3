"""fastconv run: scripts and notebooks that import Keras, checked before they start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import children
import pytest

from fastconv.cli import main
from fastconv.compat.check import Problem, check


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return children.run("-m", "fastconv", "run", *arguments, folder=folder)


PATHS = """
import sys
import keras, tensorflow as tf
from keras.layers.convolutional import Conv2D
from keras.layers.core import Dense
from keras.layers.advanced_activations import LeakyReLU
from keras.utils import np_utils, to_categorical
from keras.utils.np_utils import to_categorical as same
from keras import backend as K
import keras.backend as KB
from keras.optimizers import adam
from keras.layers import *
from tensorflow import keras as tfk
from tensorflow.keras.layers import Conv2D as C
from tensorflow.keras.datasets import mnist
from tensorflow.keras.optimizers.schedules import ExponentialDecay
import tensorflow.keras.callbacks as callbacks
import fastconv

assert Conv2D is C is fastconv.layers.Conv2D is MaxPooling2D.__class__ and False or Conv2D is C
assert K is KB and K.exp is fastconv.backend.exp
assert tf.keras.Sequential is tfk.models.Sequential is fastconv.Sequential
assert adam is fastconv.optimizers.Adam and same is to_categorical is np_utils.to_categorical
assert keras.__version__.startswith("3.") and tf.__version__.startswith("2.")
assert tf.config.list_physical_devices("GPU") == []
tf.random.set_seed(7)
assert fastconv.random.get_seed() == 7
for code, name in [
    ("from keras.layers import LSTM", "keras.layers.LSTM"),
    ("import keras.wrappers.scikit_learn", "keras.wrappers"),
    ("from keras.layers.recurrent import GRU", "keras.layers.recurrent"),
    ("from tensorflow import data", "tensorflow.data"),
    ("tf.GradientTape()", "tensorflow.GradientTape"),
]:
    try:
        exec(code)
    except (ImportError, AttributeError) as error:
        assert f"{name} is not covered by fastconv" in str(error), error
    else:
        raise AssertionError(code)
print(__name__, sys.argv)
"""


def test_a_script_finds_fastconv_where_it_says_keras(tmp_path: Path) -> None:
    (tmp_path / "paths.py").write_text(PATHS)
    done = run("--unchecked", "paths.py", "--epochs", "3", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.strip() == "__main__ ['paths.py', '--epochs', '3']"


def test_errors_of_a_script_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("import keras\n\nraise ValueError('mine')\n")
    done = run("fails.py", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Traceback (most recent call last):",
        '  File "fails.py", line 3, in <module>',
        "    raise ValueError('mine')",
        "ValueError: mine",
    ]
    (tmp_path / "exits.py").write_text("import keras, sys\nsys.exit(7)\n")
    assert run("exits.py", folder=tmp_path).returncode == 7


def test_what_is_not_covered_stops_a_script_before_it_starts(tmp_path: Path) -> None:
    script = "print('started')\nfrom keras.layers import Dense\nDense(2, sparsity=3)\n"
    (tmp_path / "lab.py").write_text(script)
    done = run("lab.py", folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "lab.py:3: keras.layers.Dense(sparsity=) is not covered" in done.stderr
    done = run("--unchecked", "lab.py", folder=tmp_path)
    assert done.returncode == 1
    assert "started" in done.stdout
    assert "sparsity" in done.stderr


CHECKED = """
import keras, numpy as np
from keras.layers import Dense, LSTM, Conv2D
from tensorflow.keras import layers as L
import tensorflow as tf
try:
    from keras.wrappers import missing
except ImportError:
    missing = None
try:
    from keras.layers import GRU
except KeyError:
    pass

def other(keras, tf=tf):
    return keras.anything + (lambda L: L.Anything)(1)

model = keras.models.Sequential()
model.add(Dense(8, input_dim=3, activation='relu', sparsity=2))
model.add(L.Dense(8, kernel_initializer='he_normal', kernel_regularizer='l3'))
model.compile(keras.optimizers.Adam(lr=1, decay=2, momentum=1), 'mse', metrics=['acc', 'f2'])
history = model.fit(np.zeros(3), epochs=2, threads=2).history['loss']
model.note = history
model.add(Conv2D(1, 2, 3, 'same', None, 1, 1, 'sigmund'))
model.note.append(model.optimizer.lr)
model.frobnicate()
keras.utils.to_categorical(1, 2, 3)
with tf.GradientTape() as tape:
    pass
Dense(*model.note, **{'sparsity': 1})
L = 3
L.anything
keras.models.load_model('m.h5').frobnicate()
keras.Model.frobnicate
class Mine(keras.Model):
    def call(self, x): return self.frobnicate(x)
Mine().frobnicate(1, 2, 3)
"""


def test_the_check_lists_names_and_arguments() -> None:
    assert check(CHECKED) == [
        Problem(3, "keras.layers.LSTM is not covered"),
        Problem(11, "keras.layers.GRU is not covered"),
        Problem(19, "keras.layers.Dense(sparsity=) is not covered"),
        Problem(20, "tensorflow.keras.layers.Dense(kernel_regularizer='l3') is not covered"),
        Problem(21, "keras.models.Sequential.compile(metrics='f2') is not covered"),
        Problem(21, "keras.optimizers.Adam(momentum=) is not covered"),
        Problem(22, "keras.models.Sequential.fit(threads=) is not covered"),
        Problem(24, "keras.layers.Conv2D(activation='sigmund') is not covered"),
        Problem(26, "keras.models.Sequential.frobnicate is not covered"),
        Problem(27, "keras.utils.to_categorical takes 2 positional arguments, 3 are given"),
        Problem(28, "tensorflow.GradientTape is not covered"),
        Problem(33, "keras.models.load_model.frobnicate is not covered"),
    ]


NOT_KERAS = """
import keras
with open('f') as keras, open('g') as (keras, other):
    keras.readlines()
import keras
try:
    pass
except OSError as keras:
    keras.errno
import keras
async def read():
    async for keras in feed():
        keras.anything
    return [keras.anything for keras in feed()], {1: keras.anything for keras in feed()}
if (keras := feed()):
    keras.anything
"""
GUARDED = """
import keras
model = keras.Sequential()
if hasattr(keras.layers, 'LSTM'):
    keras.layers.LSTM(3)
else:
    keras.layers.Nothing
if not hasattr(model, 'predict_proba'):
    keras.layers.Nothing
else:
    model.predict_proba(1)
x = keras.layers.LSTM if len('x') and hasattr(keras.layers, 'LSTM') else None
y = hasattr(keras.layers, 'LSTM') and keras.layers.LSTM(3)
if hasattr(keras.layers, 'Dense') or hasattr(keras.layers, 'LSTM'):
    keras.layers.LSTM(3)
"""


def test_the_check_knows_what_a_name_is_not() -> None:
    assert check(NOT_KERAS) == []


def test_the_check_leaves_out_what_hasattr_guards() -> None:
    assert check(GUARDED) == [
        Problem(7, "keras.layers.Nothing is not covered"),
        Problem(9, "keras.layers.Nothing is not covered"),
        Problem(15, "keras.layers.LSTM is not covered"),
    ]


def test_check_tells_by_its_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "script.py"
    path.write_text("from keras.layers import LSTM\n")
    assert main(["run", "--check", str(path)]) == 1
    assert f"{path}:1: keras.layers.LSTM is not covered" in capsys.readouterr().out
    path.write_text("from keras.layers import Dense\n")
    assert main(["run", "--check", str(path)]) == 0
    assert "all of it is covered" in capsys.readouterr().out
    path.write_text("from keras import (\n")
    assert main(["run", "--check", str(path)]) == 2
    assert "script.py:1: '(' was never closed" in capsys.readouterr().err
    assert main(["run", str(tmp_path / "gone.py")]) == 2
    assert "there is no file" in capsys.readouterr().err
    assert "keras" not in {m.partition(".")[0] for m in sys.modules} or "torch" in sys.modules


def notebook(*cells: str) -> str:
    """A notebook of code cells, as the file holds it."""
    made = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": cell.splitlines(keepends=True),
        }
        for i, cell in enumerate(cells)
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_check_finds_the_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lab.ipynb"
    cells = ["%matplotlib inline\nimport keras", "%%bash\nls *", "\n!ls\nkeras.layers.LSTM(3)"]
    path.write_text(notebook(*cells))
    assert main(["run", "--check", str(path)]) == 1
    expected = f"{path}: cell 3, line 3: keras.layers.LSTM is not covered"
    assert capsys.readouterr().out.strip() == expected
    path.write_text("{}")
    assert main(["run", "--check", str(path)]) == 2
    assert "is no notebook" in capsys.readouterr().err


def test_a_notebook_is_run_and_written_beside(tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    path = tmp_path / "lab.ipynb"
    first = "%matplotlib inline\nimport keras\nimport matplotlib.pyplot as plt"
    second = "plt.plot([1, 2])\nplt.show()\nkeras.layers.Dense.__module__"
    path.write_text(notebook(first, second))
    before = path.read_text()
    done = run("lab.ipynb", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert path.read_text() == before
    _, cell = json.loads((tmp_path / "lab.out.ipynb").read_text())["cells"]
    kinds = {o["output_type"]: o["data"] for o in cell["outputs"]}
    assert "image/png" in kinds["display_data"]
    assert "fastconv.layers.dense" in "".join(kinds["execute_result"]["text/plain"])

    redrawn = "for i in range(3):\n    print(f'\\r{i}', end='', flush=True)"
    path.write_text(notebook(redrawn))
    assert run("lab.ipynb", folder=tmp_path).returncode == 0
    (cell,) = json.loads((tmp_path / "lab.out.ipynb").read_text())["cells"]
    assert [o["text"] for o in cell["outputs"]] == [["2"]]

    path.write_text(notebook("print('before')", "1 / 0", "print('after')"))
    done = run("lab.ipynb", folder=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
    cells = json.loads((tmp_path / "lab.out.ipynb").read_text())["cells"]
    assert cells[0]["outputs"][0]["text"] == ["before\n"]
    assert cells[1]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert cells[2]["outputs"] == []
