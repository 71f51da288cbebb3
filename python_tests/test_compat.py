"""Old names, old paths, and programs that import Keras itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv
import fastconv as keras
from fastconv import backend as K  # noqa: N812
from fastconv.cli import main
from fastconv.compat.check import Problem, check
from fastconv.compat.modules import NotCoveredError, answered, is_module
from fastconv.compat.paths import MODULES, NAMES

X = np.linspace(-1, 1, 96, dtype=np.float32).reshape(32, 3)
Y = (X.sum(axis=1) > 0).astype(np.int32)


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(fastconv.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "fastconv", "run", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=300,
        check=False,
    )


def small_model(units: int = 1, activation: str = "sigmoid") -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation=activation)])
    model.compile(keras.optimizers.SGD(lr=0.1), "mse")
    return model


# Old methods of models


def batches() -> Iterator[tuple[Any, Any]]:
    while True:
        for i in range(0, 32, 8):
            yield X[i : i + 8], Y[i : i + 8, None]


def test_generators_by_their_old_methods_do_what_fit_does() -> None:
    keras.utils.set_random_seed(3)
    model = small_model()
    start = model.get_weights()
    history = model.fit_generator(batches(), steps_per_epoch=4, epochs=2, verbose=0, workers=2)
    by_generator = model.get_weights()
    model.set_weights(start)
    same = model.fit(X, Y[:, None], batch_size=8, epochs=2, verbose=0, shuffle=False)
    assert history.history == same.history
    for a, b in zip(by_generator, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.evaluate_generator(batches(), steps=4) == pytest.approx(
        model.evaluate(X, Y[:, None], verbose=0)
    )
    inputs = (x for x, _ in batches())
    np.testing.assert_allclose(
        model.predict_generator(inputs, steps=4), model.predict(X, verbose=0), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("fit_generator", "steps_per_epoch"),
        ("evaluate_generator", "steps"),
        ("predict_generator", "steps"),
    ],
)
def test_an_endless_generator_needs_a_number_of_steps(method: str, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{method} needs {argument}: a generator"):
        getattr(small_model(), method)(batches())


def test_an_endless_validation_needs_a_number_of_steps() -> None:
    with pytest.raises(ValueError, match="fit_generator needs validation_steps"):
        small_model().fit_generator(batches(), 1, validation_data=batches(), verbose=0)


def test_fit_takes_the_arguments_of_worker_pools() -> None:
    model = small_model()
    options = {"max_queue_size": 2, "workers": 4, "use_multiprocessing": True}
    model.fit(batches(), steps_per_epoch=2, verbose=0, **options)
    assert model.evaluate(X, Y[:, None], verbose=0, **options) > 0
    assert model.predict(X, **options).shape == (32, 1)


def test_classes_are_thresholds_or_the_largest() -> None:
    model = small_model()
    np.testing.assert_array_equal(model.predict_proba(X), model.predict(X))
    classes = model.predict_classes(X)
    assert classes.shape == (32, 1)
    assert classes.dtype == np.int32
    np.testing.assert_array_equal(classes, model.predict(X) > 0.5)
    many = small_model(4, "softmax")
    np.testing.assert_array_equal(many.predict_classes(X), many.predict(X).argmax(axis=1))


def test_a_learning_rate_goes_by_its_old_name() -> None:
    model = small_model()
    assert K.get_value(model.optimizer.lr) == pytest.approx(0.1)
    K.set_value(model.optimizer.lr, 0.5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.5)


@pytest.mark.parametrize("path", ["keras.callbacks", "tensorflow.keras.callbacks"])
def test_callbacks_with_their_old_arguments(path: str, tmp_path: Path) -> None:
    old = answered(path)
    saver = old.ModelCheckpoint(
        str(tmp_path / "{epoch}.weights.h5"), "loss", 0, False, True, period=3
    )
    slower = old.ReduceLROnPlateau("loss", patience=1, epsilon=10.0)
    model = small_model()
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[saver, slower])
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[saver])
    assert sorted(f.name for f in tmp_path.iterdir()) == ["2.weights.h5", "3.weights.h5"]
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    with pytest.raises(ValueError, match="period must be at least 1 epoch, got 0"):
        old.ModelCheckpoint("m.keras", period=0)
    assert check("import keras\nkeras.callbacks.ModelCheckpoint('m.keras', period=2)") == []
    assert len(check("import keras\nkeras.callbacks.ModelCheckpoint('m.keras', perod=2)")) == 1


# keras.backend

A = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: K.pow(x, 2), A**2),
        (lambda x: K.argmax(x), [2, 1]),
        (lambda x: K.argmin(x), [1, 2]),
        (lambda x: K.concatenate([x, x]), np.concatenate([A, A], axis=1)),
        (lambda x: K.expand_dims(x), A[..., None]),
        (lambda x: K.repeat(x, 2), np.stack([A, A], axis=1)),
        (lambda x: K.repeat_elements(x, 2, axis=1), np.repeat(A, 2, axis=1)),
        (lambda x: K.reverse(x, 1), A[:, ::-1]),
        (lambda x: K.permute_dimensions(K.expand_dims(x), (0, 2, 1)), A[:, None, :]),
        (lambda x: K.batch_flatten(K.expand_dims(x)), A),
        (lambda x: K.relu(x, alpha=0.5, max_value=3.0), np.clip(np.where(A > 0, A, A / 2), -1, 3)),
        (lambda x: K.l2_normalize(x, 1), A / np.linalg.norm(A, axis=1, keepdims=True)),
        (lambda x: K.logsumexp(x, 1), np.log(np.exp(A).sum(axis=1))),
        (lambda x: K.logsumexp(x, 1, True), np.log(np.exp(A).sum(axis=1, keepdims=True))),
        (lambda x: K.switch(K.greater(x, 0), x, lambda: -x), np.abs(A)),
        (lambda x: K.in_train_phase(lambda: x, 0 * x), 0 * A),
        (lambda x: K.in_test_phase(x, 0 * x), A),
        (lambda x: K.batch_dot(x, x, axes=1), (A * A).sum(axis=1, keepdims=True)),
        (lambda x: K.bias_add(x, np.ones(3, np.float32)), A + 1),
        (lambda x: K.mean(K.square(x), axis=-1), (A**2).mean(axis=1)),
        (lambda x: K.dot(x, np.eye(3, dtype=np.float32)), A),
        (lambda x: K.cast(K.greater(x, 0), K.floatx()), (A > 0).astype(np.float32)),
    ],
)
def test_backend_functions_on_arrays_and_in_models(call: Any, expected: Any) -> None:
    np.testing.assert_allclose(call(A), expected, rtol=1e-6)
    x = keras.Input((3,))
    y = call(x)
    traced = K.function([x], [y])([A])[0]
    np.testing.assert_allclose(traced, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "axes", "subscripts"),
    [
        ((4, 2, 3), (4, 3, 5), None, "bij,bjk->bik"),
        ((4, 2, 3), (4, 5, 3), (2, 2), "bij,bkj->bik"),
        ((4, 3, 2), (4, 3, 5), (1, 1), "bji,bjk->bik"),
        ((4, 3), (4, 3, 5), (1, 1), "bj,bjk->bk"),
        ((4, 2, 3), (4, 3), (2, 1), "bij,bj->bi"),
        ((4, 2, 3), (4, 5, 3), -1, "bij,bkj->bik"),
    ],
)
def test_batch_dot_sums_over_one_axis_of_each(x: Any, y: Any, axes: Any, subscripts: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(x, np.float32), rng.random(y, np.float32)
    expected = np.einsum(subscripts, a, b)
    np.testing.assert_allclose(K.batch_dot(a, b, axes), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="over the batch"):
        K.batch_dot(a, b, axes=(0, 1))


def test_flatten_keeps_the_batch_of_symbolic_tensors() -> None:
    np.testing.assert_array_equal(K.flatten(A), A.ravel())
    assert K.flatten(keras.Input((2, 3))).shape == (None, 6)


def test_backend_images() -> None:
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    ones = np.ones((3, 3, 1, 1), np.float32)
    assert float(K.conv2d(image, ones)[0, 0, 0, 0]) == image[0, :3, :3].sum()
    assert float(K.pool2d(image, (2, 2), pool_mode="avg")[0, 0, 0, 0]) == 2.5
    assert K.spatial_2d_padding(image, ((1, 2), (3, 4))).shape == (1, 7, 11, 1)
    with pytest.raises(ValueError, match="pool_mode must be 'max' or 'avg'"):
        K.pool2d(image, (2, 2), pool_mode="sum")


def test_backend_settings_are_those_of_config() -> None:
    assert (K.image_data_format(), K.floatx(), K.backend()) == (
        "channels_last",
        "float32",
        "fastconv",
    )
    assert K.epsilon() == keras.config.epsilon()
    assert K.get_uid("never used before") == 1
    assert K.get_uid("never used before") == 2
    K.clear_session()
    assert keras.layers.Dense(1).name == "dense"
    assert keras.layers.Dense(1).name == "dense_1"


def test_backend_variables() -> None:
    v = K.variable([1.0, 2.0])
    K.update_add(v, [1.0, 1.0])
    K.update_sub(v, np.float32([0, 1]))
    np.testing.assert_array_equal(K.eval(v), [2, 2])
    K.batch_set_value([(v, [5, 6])])
    np.testing.assert_array_equal(K.batch_get_value([v])[0], [5, 6])
    assert (K.int_shape(v), K.ndim(v), K.dtype(v), K.count_params(v)) == ((2,), 1, "float32", 2)
    assert K.constant(3, shape=(2, 2)).tolist() == [[3, 3], [3, 3]]
    x = K.placeholder((None, 4))
    assert K.is_keras_tensor(x)
    assert K.int_shape(x) == (None, 4)
    with pytest.raises(TypeError, match="symbolic"):
        K.eval(x)


def test_backend_random_numbers() -> None:
    keras.utils.set_random_seed(1)
    ones = K.random_bernoulli((4000,), 0.25)
    assert set(np.unique(ones)) == {0.0, 1.0}
    assert 0.22 < ones.mean() < 0.28
    assert abs(float(K.mean(K.random_normal((4000,), 2.0, 0.5))) - 2) < 0.05


def test_functions_take_the_learning_phase() -> None:
    x = keras.Input((3,))
    h = keras.layers.Dropout(0.5)(x)
    f = K.function([x, K.learning_phase()], [h])
    np.testing.assert_array_equal(f([A, 0])[0], A)
    assert (f([np.ones((64, 3), np.float32), 1])[0] == 0).any()
    with pytest.raises(ValueError, match="takes 2 inputs, got 1"):
        f([A])
    with pytest.raises(ValueError, match="updates"):
        K.function([x], [h], updates=[1])


# Models in the style of the labs


def test_a_variational_autoencoder_trains() -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    codes = rng.random((256, 1), np.float32)
    data = np.concatenate([codes, 1 - codes, codes**2, np.ones_like(codes)], axis=1)

    def sampling(args: Any) -> Any:
        mean, log_var = args
        noise = K.random_normal(shape=(K.shape(mean)[0], K.int_shape(mean)[1]))
        return mean + K.exp(0.5 * log_var) * noise

    layers = keras.layers
    inputs = layers.Input(shape=(4,), name="encoder_input")
    hidden = layers.Dense(16, activation="relu")(inputs)
    z_mean = layers.Dense(2, name="z_mean")(hidden)
    z_log_var = layers.Dense(2, name="z_log_var")(hidden)
    z = layers.Lambda(sampling, output_shape=(2,), name="z")([z_mean, z_log_var])
    encoder = keras.Model(inputs, [z_mean, z_log_var, z], name="encoder")
    codes_in = layers.Input(shape=(2,), name="z_sampling")
    hidden = layers.Dense(16, activation="relu")(codes_in)
    decoder = keras.Model(codes_in, layers.Dense(4, activation="sigmoid")(hidden), name="decoder")
    outputs = decoder(encoder(inputs)[2])
    vae = keras.Model(inputs, outputs, name="vae")

    reconstruction = keras.losses.binary_crossentropy(K.flatten(inputs), K.flatten(outputs))
    reconstruction *= 4
    divergence = 1 + z_log_var - K.square(z_mean) - K.exp(z_log_var)
    divergence = -0.5 * K.sum(divergence, axis=-1)
    vae.add_loss(K.mean(reconstruction + divergence))
    vae.compile(optimizer="adam")
    history = vae.fit(data, epochs=30, batch_size=32, validation_data=(data, None), verbose=0)
    loss = history.history["loss"]
    assert loss[-1] < 0.85 * loss[0]
    assert set(history.history) == {"loss", "val_loss"}
    mean, log_var, sample = encoder.predict(data, batch_size=64)
    assert mean.shape == log_var.shape == sample.shape == (256, 2)
    again = encoder.predict(data, batch_size=64)
    np.testing.assert_array_equal(mean, again[0])
    assert (sample != again[2]).any()
    expected = K.mean(-0.5 * K.sum(1 + log_var - mean**2 - K.exp(log_var), axis=-1))
    p = np.clip(decoder.predict(sample), 1e-7, 1 - 1e-7)
    cross = -(data * np.log(p) + (1 - data) * np.log(1 - p)).sum(axis=1).mean()
    assert vae.evaluate(data, verbose=0) == pytest.approx(float(expected) + cross, rel=0.05)


def test_several_outputs_share_a_trunk() -> None:
    keras.utils.set_random_seed(0)
    trunk = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, activation="relu")])
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    both = keras.layers.Concatenate()([trunk(a), trunk(b)])
    which = keras.layers.Dense(1, activation="sigmoid", name="which")(both)
    total = keras.layers.Dense(1, name="total")(both)
    model = keras.Model(inputs=[a, b], outputs=[which, total])
    model.compile(
        keras.optimizers.Adam(0.02),
        loss={"which": "binary_crossentropy", "total": "mse"},
        loss_weights={"which": 1.0, "total": 0.5},
        metrics={"which": "accuracy"},
    )
    other = X[::-1]
    targets = {"which": (X.sum(axis=1) > other.sum(axis=1)).astype(int), "total": X.sum(axis=1)}
    history = model.fit({"a": X, "b": other}, targets, epochs=40, verbose=0).history
    assert set(history) == {"loss", "which_loss", "total_loss", "which_accuracy"}
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["loss"][-1] == pytest.approx(
        history["which_loss"][-1] + 0.5 * history["total_loss"][-1], rel=1e-4
    )
    assert len(trunk.weights) == 2
    assert len(model.weights) == 2 + 4


# Paths


@pytest.mark.parametrize("path", sorted(MODULES))
def test_every_path_is_answered(path: str) -> None:
    name = f"keras.{path}" if path else "keras"
    if not is_module(name):
        pytest.fail(f"{name}: there is no {MODULES[path]}")
    module = answered(name)
    assert module.__all__
    for attribute in set(module.__all__) - set(module.children) | set(NAMES.get(path, {})):
        assert getattr(module, attribute) is not None


def test_what_is_not_covered_is_named() -> None:
    layers = answered("tensorflow.keras.layers")
    assert layers.Dense is keras.layers.Dense
    with pytest.raises(AttributeError, match=r"tensorflow\.keras\.layers\.LSTM is not covered"):
        layers.LSTM  # noqa: B018
    with pytest.raises(NotCoveredError, match=r"keras\.wrappers is not covered"):
        answered("keras.wrappers")


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


# The check

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


# Notebooks


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
