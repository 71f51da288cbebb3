"""Exported models give in onnxruntime what predict gives."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case import Case
from cases import CASES
from layer_table import LAYERS as TABLE
from layer_table import MERGES, dtype_of, ids

import fastconv
from fastconv import Model, Sequential, applications, layers, ops
from fastconv.graph import PRIMITIVES, Program
from fastconv.graph.primitives.update import RULES
from fastconv.reference import run_program

onnx = pytest.importorskip("onnx", reason="exporting needs onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")

IMAGE = (7, 9, 4)


def settle(model: Any, seed: int = 0) -> None:
    """Weights and statistics as training might leave them."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape).astype(np.float32))
        elif variable.ndim == 1:
            variable.assign(rng.uniform(-0.5, 0.5, variable.shape).astype(np.float32))


def session_of(proto: Any) -> Any:
    onnx.checker.check_model(proto, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(proto.SerializeToString(), options)


def assert_close(result: Any, wanted: Any) -> None:
    """Within 1e-4 of each element, or 1e-5 of the largest."""
    assert result.dtype == wanted.dtype
    assert result.shape == wanted.shape
    scale = max(1e-3, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5 * scale)


def exported(model: Any, folder: Path) -> Any:
    model.export(folder / "model.onnx")
    return onnx.load(folder / "model.onnx")


def check(model: Any, folder: Path, *, rows: tuple[int, ...] = (3, 1)) -> Counter[str]:
    """Compare, for several numbers of rows; the operators of the graph."""
    proto = exported(model, folder)
    session = session_of(proto)
    rng = np.random.default_rng(1)
    for n in rows:
        inputs = [
            rng.standard_normal((n, *t.shape[1:])).astype(np.float32)
            if t.dtype == "float32"
            else rng.integers(0, 9, (n, *t.shape[1:])).astype(t.dtype)
            for t in model.inputs
        ]
        expected = model.predict(inputs if len(inputs) > 1 else inputs[0])
        expected = expected if isinstance(expected, list) else [expected]
        names = [i.name for i in session.get_inputs()]
        results = session.run(None, dict(zip(names, inputs, strict=True)))
        for result, wanted in zip(results, expected, strict=True):
            assert_close(result, wanted)
    return Counter(node.op_type for node in proto.graph.node)


# Models


def headless(model: Any) -> Any:
    """Without the softmax, which would hide differences."""
    return Model(model.inputs, model.layers[-2].output)


@pytest.mark.parametrize(
    "model",
    [
        lambda: applications.lenet5(),
        lambda: applications.mlp(),
        lambda: applications.cnn((32, 32, 3)),
        lambda: applications.cnn((28, 28, 1)),
        lambda: applications.resnet20(),
        lambda: applications.vgg(),
    ],
    ids=["lenet5", "mlp", "cifar", "mnist", "resnet20", "vgg"],
)
def test_applications(model: Any, tmp_path: Path) -> None:
    built = model()
    settle(built)
    check(headless(built), tmp_path)
    operators = check(built, tmp_path, rows=(2,))
    assert operators["Transpose"] <= 1  # the images, once
    assert operators["Mul"] == operators["BatchNormalization"] == 0


def test_batch_normalization_becomes_part_of_the_convolution(tmp_path: Path) -> None:
    model = Sequential(
        [
            layers.Input(IMAGE),
            layers.Conv2D(6, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(5, 3, strides=2),
            layers.BatchNormalization(scale=False),
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(4),
            layers.BatchNormalization(),
        ]
    )
    settle(model)
    operators = check(model, tmp_path)
    assert set(operators) == {"Transpose", "Conv", "Relu", "ConvTranspose", "Reshape", "Gemm"}


def branches() -> Any:
    x = layers.Input(IMAGE, name="images")
    a = layers.Conv2D(8, 1, activation="relu", name="one")(x)
    b = layers.Conv2D(8, 3, padding="same", activation="elu")(x)
    c = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    joined = layers.Concatenate()([a, b, c])
    gate = layers.Dense(20, activation="sigmoid")(layers.GlobalAveragePooling2D()(joined))
    y = layers.Multiply()([joined, layers.Reshape((1, 1, 20))(gate)])
    y = layers.SeparableConv2D(12, 3, strides=2)(y)
    return Model(x, [layers.Flatten(name="flat")(y), layers.GlobalMaxPooling2D()(y), joined])


def shared() -> Any:
    left, right = layers.Input(IMAGE), layers.Input(IMAGE)
    tower = Sequential([layers.Conv2D(5, 3, activation="tanh"), layers.Flatten(), layers.Dense(6)])
    difference = layers.Subtract()([tower(left), tower(right)])
    return Model([left, right], layers.Dense(1)(ops.absolute(difference)))


def arithmetic() -> Any:
    x = layers.Input(IMAGE)
    y = layers.Conv2D(4, 3, padding="same")(x)
    y = ops.maximum(y * 2.0 - x, ops.square(x)) / (1.0 + ops.exp(-ops.absolute(y)))
    y = y + np.linspace(0, 1, 9, dtype=np.float32)[:, None]  # a row of pixels, not of channels
    y = ops.concatenate([y[:, 1:6:2, ::2], ops.mean(y, axis=1, keepdims=True)[:, :, :5]], axis=1)
    return Model(x, [y, ops.sum(y, axis=-1), ops.argmax(y, axis=-1), ops.softmax(y, axis=1)])


def channels_first() -> Any:
    x = layers.Input((3, 8, 10))
    y = layers.Conv2D(6, 3, data_format="channels_first", activation="relu")(x)
    y = layers.AveragePooling2D(2, data_format="channels_first")(y)
    y = layers.BatchNormalization(axis=1)(y)
    return Model(x, layers.Flatten(data_format="channels_first")(y))


def sequences() -> Any:
    x = layers.Input((12, 5))
    y = layers.Conv1D(8, 3, activation="relu", padding="same")(x)
    y = layers.MaxPooling1D(2)(y)
    y = layers.LayerNormalization()(y)
    y = layers.Dense(6, activation="gelu")(y)
    return Model(x, layers.GlobalAveragePooling1D()(y))


def remainders() -> Any:
    """By divisors that are near a whole part of what they divide, and by zero."""
    x = layers.Input((3,))
    parts = ops.round(x * 9.0) / 10.0 + np.float32([0.0, 1.0, -5.0])
    made = [f(parts, d) for f in (ops.mod, ops.floor_divide) for d in (0.1, -0.3)]
    return Model(x, [*made, ops.floor_divide(1.0 + ops.square(x), 0.0)])


def booleans() -> Any:
    x = layers.Input((4, 3))
    y = x > 0
    reduced = [ops.max(y, axis=1), ops.min(y, axis=(1, 2)), ops.max(y, axis=2, keepdims=True)]
    positions = [ops.argmax(y, axis=1), ops.argmin(y, axis=2)]
    return Model(x, [*reduced, *positions, ops.where(x < 1, y, x < -1)])


def odd_outputs() -> Any:
    """An input as an output, one tensor twice, constants."""
    x = layers.Input((4,), name="x")
    y = layers.Dense(3)(x)
    return Model(x, [x, y, y, layers.Reshape((2, 2))(x)])


@pytest.mark.parametrize(
    ("build", "transposes"),
    [
        (branches, 3),  # the images, and two outputs that are images
        (shared, 2),
        (arithmetic, 3),
        (channels_first, 1),  # flattened as if the channels came last
        (sequences, 2),
        (remainders, 0),
        (booleans, 0),
        (odd_outputs, 0),
    ],
)
def test_functional_models(build: Any, transposes: int, tmp_path: Path) -> None:
    model = build()
    settle(model)
    operators = check(model, tmp_path)
    assert operators["Transpose"] <= transposes


LAYERS = [
    *TABLE,
    ("Conv2D", {"filters": 3, "kernel_size": (2, 5), "padding": "same", "use_bias": False}, IMAGE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 4, "strides": 3, "output_padding": 1}, IMAGE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "dilation_rate": 2}, IMAGE),
]


@pytest.mark.parametrize(("name", "options", "shape"), LAYERS, ids=ids(LAYERS))
def test_layers(name: str, options: dict, shape: tuple, tmp_path: Path) -> None:
    inputs = layers.Input(shape, dtype=dtype_of(name))
    model = Model(inputs, getattr(layers, name)(**options)(inputs))
    settle(model)
    check(model, tmp_path)


@pytest.mark.parametrize(("name", "options"), MERGES, ids=ids(MERGES))
def test_merging_layers(name: str, options: dict, tmp_path: Path) -> None:
    inputs = [layers.Input((4, 4), name="a"), layers.Input((4, 4), name="b")]
    check(Model(inputs, getattr(layers, name)(**options)(inputs)), tmp_path)


ACTIVATIONS = [
    *("linear", "relu", "leaky_relu", "relu6", "sigmoid", "hard_sigmoid", "tanh", "softmax"),
    *("log_softmax", "elu", "selu", "gelu", "silu", "softplus", "softsign", "exponential"),
]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str, tmp_path: Path) -> None:
    check(Sequential([layers.Input((5, 8)), layers.Dense(20, activation=name)]), tmp_path)


def test_a_subclassed_model(tmp_path: Path) -> None:
    class Twice(Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(4)

        def call(self, inputs: Any) -> Any:
            return self.dense(self.dense(inputs))

    model = Twice()
    with pytest.raises(ValueError, match="does not know the shapes of its inputs"):
        model.export(tmp_path / "model.onnx")
    x = np.ones((2, 4), np.float32)
    expected = model(x)
    session = session_of(exported(model, tmp_path))
    np.testing.assert_allclose(session.run(["output"], {"input": x})[0], expected, rtol=1e-5)


def test_names_shapes_and_the_free_batch(tmp_path: Path) -> None:
    x = layers.Input((8, 8, 3), name="picture")
    y = layers.Dense(2, name="score")(layers.Flatten()(x))
    session = session_of(exported(Model(x, y), tmp_path))
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape, taken.type) == ("picture", ["batch", 8, 8, 3], "tensor(float)")
    assert (given.name, given.shape) == ("score", ["batch", 2])


# Primitives

_TRAINING = {  # what no inference program contains
    *("dropout", "random_uniform", "random_normal", "scatter_add", "im2col", "col2im"),
    *("numpy_function", "custom_gradient"),
    *("softmax_cross_entropy", "sparse_softmax_cross_entropy"),
    *RULES,
}


def inference(case: Case) -> bool:
    known = ("conv2d_input_grad", "dense_input_grad")
    gradient = case.op.endswith("_grad") and case.op not in known
    more_of_the_same = PRIMITIVES[case.op].pointwise and case.args[0].shape in ((2, 1000), (1, 1))
    plain = "precision" not in case.attrs  # exported models compute in float32
    return plain and not gradient and case.op not in _TRAINING and not more_of_the_same


@pytest.mark.parametrize("case", [c for c in CASES if inference(c)], ids=str)
def test_primitives(case: Case) -> None:
    from fastconv.saving.onnx.export import onnx_model

    whole = case.program()
    positions = case.op == "max_pool2d"  # its second output
    program = Program.of(whole.inputs, whole.outputs[: 1 if positions else None])
    for i, tensor in enumerate(program.inputs):
        tensor.name = f"x{i}"
    names = [f"y{i}" for i in range(len(program.outputs))]
    session = session_of(onnx_model(program, case.op, names))
    feeds = case.arrays()
    expected = run_program(program, feeds)
    used = {i.name for i in session.get_inputs()}
    given = {f"x{i}": feed for i, feed in enumerate(feeds) if f"x{i}" in used}
    for result, wanted in zip(session.run(None, given), expected, strict=True):
        assert_close(result, wanted)


# Errors and files


def test_what_cannot_be_exported_is_named(tmp_path: Path) -> None:
    def noisy(x: Any) -> Any:
        return x + fastconv.random.normal((3,))

    model = Sequential([layers.Input((3,)), layers.Lambda(noisy, name="noise")])
    with pytest.raises(ValueError, match=r"layer 'noise': random_normal cannot be exported"):
        model.export(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_files(tmp_path: Path) -> None:
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    path = tmp_path / "model.onnx"
    model.export(path)
    written = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite is False"):
        model.export(path, overwrite=False)
    with pytest.raises(ValueError, match=r"must end in \.onnx"):
        model.export(tmp_path / "model.pb")
    with pytest.raises(ValueError, match="format must be 'onnx', got 'tf_saved_model'"):
        model.export(path, format="tf_saved_model")
    assert path.read_bytes() == written
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    with pytest.raises(ImportError, match=r"pip install 'fastconv\[onnx\]'"):
        model.export(tmp_path / "model.onnx")
