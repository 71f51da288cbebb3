"""What layers refuse, and that they name themselves and the argument."""

from __future__ import annotations

import numpy as np
import pytest

import fastconv
from fastconv import layers, ops


def data(*shape: int) -> np.ndarray:
    return np.zeros(shape, "float32")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dense(0), "units"),
        (lambda: layers.Dense(2.5), "units"),
        (lambda: layers.Dense(3, activation="rleu"), "unknown activation 'rleu'"),
        (lambda: layers.Dense(3, kernel_initializer="glorot"), "unknown initializer 'glorot'"),
        (lambda: layers.Dense(3, kernel_regularizer="l3"), "unknown regularizer 'l3'"),
        (lambda: layers.Conv2D(4, 0), "kernel_size"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), "kernel_size"),
        (lambda: layers.Conv2D(4, 3, padding="full"), "padding"),
        (lambda: layers.Conv2D(4, 3, groups=3), "groups"),
        (lambda: layers.Conv2D(4, 3, data_format="NHWC"), "data_format"),
        (lambda: layers.MaxPooling2D(-1), "pool_size"),
        (lambda: layers.Dropout(1.5), r"rate must be in \[0, 1\]"),
        (lambda: layers.Input((None, 3)), "positive number"),
        (lambda: layers.Input(3), "tuple"),
        (lambda: layers.Input((3,), dtype="complex64"), "dtype"),
        (lambda: layers.Permute((1, 3)), "permutation"),
        (lambda: layers.UpSampling2D(interpolation="lanczos3"), "interpolation"),
        (lambda: layers.Dense(3, dtype="float16"), "float32"),
        (lambda: layers.Dense(3, name="a/b"), "without '/'"),
        (lambda: layers.Dense(3, input_shape=3), "input_shape must be a tuple, got 3"),
        (lambda: layers.Dense(3).count_params(), "has no weights yet"),
        (lambda: layers.Input(), "needs a shape"),
        (lambda: layers.Input((3,), batch_shape=(None, 3)), "not both"),
        (lambda: layers.Input((3,), sparse=True), "sparse"),
        (lambda: layers.BatchNormalization(axis=[1, 2]), "axis must be one number"),
        (lambda: layers.BatchNormalization(synchronized=True), "synchronized"),
        (lambda: layers.GaussianNoise(-1.0), "stddev must be >= 0, got -1.0"),
        (lambda: layers.Lambda(3), "needs a function, got 3"),
        (lambda: layers.Lambda(abs, mask=abs), "masks are not supported"),
        (lambda: layers.Resizing(4, 4, antialias=True), "antialias=True"),
        (lambda: layers.Dot(0), "an axis after the batch"),
        (lambda: layers.Dot((1, 2, 3)), "an axis after the batch"),
        (
            lambda: layers.EinsumDense("ab,bc->ac", (3,), bias_axes="z").build((None, 2)),
            "bias_axes",
        ),
        (lambda: layers.EinsumDense("ab,bc->ac", (3, 3)).build((None, 2)), "does not fit"),
    ],
)
def test_bad_arguments_are_named(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: x + "a", TypeError, "<U1 cannot be computed with"),
        (lambda x: np.square(x), TypeError, r"numpy\.square of .* use fastconv\.ops"),
        (lambda x: x[:, 7], IndexError, "out of range"),
        (lambda x: ops.reshape(x, (2, 2)), ValueError, "the batch must stay"),
    ],
)
def test_errors_in_a_layer_name_it(function: object, error: type, message: str) -> None:
    with pytest.raises(error, match=rf"in layer 'mine' \(Lambda\): .*{message}"):
        fastconv.Sequential([layers.Input((3,)), layers.Lambda(function, name="mine")])


@pytest.mark.parametrize("value", [None, "a", float("nan")])
@pytest.mark.parametrize(
    ("name", "argument", "options"),
    [
        ("Dense", "units", {}),
        ("Conv2D", "filters", {"kernel_size": 3}),
        ("Conv2D", "groups", {"filters": 2, "kernel_size": 3}),
        ("Conv1DTranspose", "filters", {"kernel_size": 3}),
        ("SeparableConv2D", "filters", {"kernel_size": 3}),
        ("SeparableConv2D", "depth_multiplier", {"filters": 2, "kernel_size": 3}),
        ("DepthwiseConv2D", "depth_multiplier", {"kernel_size": 3}),
        ("Embedding", "input_dim", {"output_dim": 2}),
        ("Dropout", "rate", {}),
        ("GaussianDropout", "rate", {}),
        ("GaussianNoise", "stddev", {}),
        ("BatchNormalization", "momentum", {}),
        ("LayerNormalization", "epsilon", {}),
        ("RMSNormalization", "epsilon", {}),
        ("GroupNormalization", "groups", {}),
        ("LeakyReLU", "negative_slope", {}),
        ("ELU", "alpha", {}),
        ("Reshape", "target_shape", {}),
        ("Permute", "dims", {}),
        ("ZeroPadding2D", "padding", {}),
    ],
)
def test_what_is_no_number_is_named(name: str, argument: str, options: dict, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: {argument} must be .*, got {value!r}$"):
        getattr(layers, name)(**options, **{argument: value})


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Dense got unknown arguments: unit"):
        layers.Dense(3, unit=4)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.Conv2D(3, 3, name="stem"), (2, 8, 8), r"'stem' expects inputs of 4 dimensions"),
        (layers.Conv2D(3, 5, name="big"), (2, 4, 4, 1), r"in layer 'big' \(Conv2D\)"),
        (layers.Dense(3, name="head"), (5,), r"'head' expects inputs of at least 2 dimensions"),
        (layers.MaxPool2D(name="pool"), (2, 4), r"'pool' expects inputs of 4 dimensions"),
        (layers.Reshape((7,), name="fold"), (2, 8), r"'fold'.*\(8,\).*\(7,\)"),
        (layers.Conv2D(4, 3, groups=2, name="g"), (1, 4, 4, 3), r"'g': 3 input channels.*2 groups"),
        (layers.GroupNormalization(4, name="gn"), (1, 4, 6), r"'gn': 6 channels"),
    ],
)
def test_bad_inputs_name_the_layer(layer: layers.Layer, shape: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer(data(*shape))


def test_wrong_channels_name_the_layer() -> None:
    layer = layers.Conv2D(3, 3, name="stem")
    layer(data(1, 8, 8, 3))
    with pytest.raises(ValueError, match=r"'stem' expects inputs of size 3 along.*\(1, 8, 8, 4\)"):
        layer(data(1, 8, 8, 4))


def test_merging_needs_inputs_that_fit() -> None:
    with pytest.raises(ValueError, match=r"'sum' \(Add\) needs inputs of one shape"):
        layers.Add(name="sum")([data(2, 3), data(2, 4)])
    with pytest.raises(ValueError, match="at least 2 inputs"):
        layers.Add()(data(2, 3))
    with pytest.raises(ValueError, match=r"joins along axis -1"):
        layers.Concatenate()([data(2, 3, 4), data(2, 4, 4)])
    with pytest.raises(ValueError, match=r"\(Subtract\) needs 2 inputs, got 3"):
        layers.Subtract()([data(2, 3)] * 3)
    for axes in (1, 2, -2, (1, 3)):
        with pytest.raises(ValueError, match=r"\(Dot\) needs two inputs of one size along axes"):
            layers.Dot(axes)([data(3, 3), data(3, 4)])
    with pytest.raises(ValueError, match=r"\(Dot\) needs two inputs"):
        layers.Dot(1)([data(3, 3)] * 3)


def test_a_forgotten_super_init_is_explained() -> None:
    class Forgetful(layers.Layer):
        def __init__(self) -> None:
            self.x = 1

    with pytest.raises(RuntimeError, match=r"must call super\(\).__init__\(\)"):
        Forgetful()(data(2, 2))


@pytest.mark.parametrize(
    ("equation", "output_shape", "message"),
    [
        ("abc,cd->abd", (9, 4), "has 9 for 'b' .* which is 3 in inputs of shape"),
        ("abc,cd->abd", (7, None, 4), r"output_shape \(7, None, 4\) does not fit 'abd'"),
        ("ab,bd->ad", (4,), "inputs of shape .* do not fit 'ab'"),
    ],
)
def test_einsum_dense_whose_sizes_contradict_each_other(equation, output_shape, message):
    layer = layers.EinsumDense(equation, output_shape, name="mixing")
    with pytest.raises(ValueError, match=f"'mixing'.*{message}"):
        layer(np.ones((2, 3, 5), np.float32))
