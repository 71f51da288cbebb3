"""Operands that do not fit are refused, with what came and what was expected."""

import numpy as np
import pytest

from fastconv.graph import Tensor, Variable, bind, tracing

IMAGE = Tensor((None, 8, 8, 3))
WINDOW = {"strides": [1, 1], "padding": [0, 0, 0, 0]}
CONV = {**WINDOW, "dilation": [1, 1], "groups": 1}
ROWS = Tensor((None, 10))


@pytest.mark.parametrize(
    ("name", "inputs", "attrs", "message"),
    [
        ("add", (ROWS, Tensor((None, 9))), {}, r"add: shapes \(None, 10\) and \(None, 9\)"),
        ("add", (ROWS, Tensor((4, 10))), {}, "do not broadcast"),
        ("multiply", (Tensor((10, 1)), Tensor((None,))), {}, "batch on an axis other than"),
        ("relu_grad", (ROWS, Tensor((None, 1))), {}, "one shape"),
        ("dropout", (ROWS,), {"rate": 1.0, "stream": 0}, r"rate must be in \[0, 1\), got 1.0"),
        ("cast", (ROWS,), {"dtype": "complex64"}, "cast: dtype must be one of .* 'complex64'"),
        ("elu", (ROWS,), {"alpha": -1.0}, "alpha"),
        ("leaky_relu", (ROWS,), {"negative_slope": -0.1}, "negative_slope"),
        ("sum", (ROWS,), {"axes": [2]}, r"axes must be increasing and in 0..1"),
        ("max", (Tensor((None, 0)),), {"axes": [1]}, "empty"),
        ("argmax", (ROWS,), {"axis": 5}, "argmax"),
        ("reshape", (ROWS,), {"shape": [-1, 11]}, r"cannot turn shape \(None, 10\)"),
        ("reshape", (ROWS,), {"shape": [5, 2]}, "batch must stay"),
        ("transpose", (ROWS,), {"perm": [1, 0]}, "batch must stay"),
        ("transpose", (ROWS,), {"perm": [0, 0]}, "permutation"),
        ("concatenate", (ROWS, IMAGE), {"axis": 1}, "must agree on every axis but axis 1"),
        ("concatenate", (ROWS, ROWS), {"axis": 0}, "batch axis"),
        ("concatenate", (), {"axis": 0}, "at least one"),
        ("slice", (ROWS,), {"starts": [1, 0], "stops": [3, 5], "steps": [1, 1]}, "batch axis"),
        ("slice", (ROWS,), {"starts": [0, 0], "stops": [-1, 11], "steps": [1, 1]}, "0:11:1"),
        ("slice", (ROWS,), {"starts": [0], "stops": [5], "steps": [1]}, "needs 2 starts"),
        ("pad", (ROWS,), {"pads": [1, 0, 0, 0], "interior": [0, 0], "value": 0.0}, "batch axis"),
        ("pad", (ROWS,), {"pads": [0, 0, -1, 0], "interior": [0, 0], "value": 0.0}, "negative"),
        ("broadcast_to", (Tensor((3,)),), {"shape": [2, 4]}, "do not broadcast"),
        ("broadcast_to", (Tensor((3,)),), {"shape": [-1, 3]}, "needs a batched tensor"),
        ("take", (ROWS, Tensor((2,), "int32")), {"axis": 0}, "batch axis"),
        (
            "take",
            (ROWS, Tensor((2,), "int32")),
            {"axis": 1, "batch_dims": 1},
            "indices for each row",
        ),
        ("one_hot", (Tensor((None,), "int32"),), {"depth": 0}, "positive, got 0"),
        ("flip", (ROWS,), {"axes": [0]}, "batch axis"),
        ("matmul", (ROWS, Tensor((9, 4))), {}, "inner dimensions differ"),
        ("matmul", (ROWS, Tensor((10,))), {}, "at least 2 axes"),
        ("matmul", (Tensor((4, 10)), ROWS), {"transpose_b": 1}, "batch must be the first"),
        ("dense", (ROWS, Tensor((9, 4))), {}, r"needs inputs \(..., 9\), got \(None, 10\)"),
        ("dense", (ROWS, Tensor((10, 4)), Tensor((5,))), {}, r"bias must have shape \(4,\)"),
        ("conv2d", (IMAGE, Tensor((3, 3, 4, 8))), CONV, "needs inputs with 4 channels"),
        ("conv2d", (IMAGE, Tensor((3, 3, 3, 8)), Tensor((3,))), CONV, "bias must have shape"),
        ("conv2d", (IMAGE, Tensor((9, 3, 3, 8))), CONV, "does not fit an image"),
        ("conv2d", (ROWS, Tensor((3, 3, 3, 8))), CONV, "inputs must have shape"),
        ("conv2d", (IMAGE, Tensor((3, 3, 3, 8))), {**CONV, "strides": [0, 1]}, "strides"),
        ("conv2d", (IMAGE, Tensor((3, 3, 3, 8))), {**CONV, "dilation": [1, 0]}, "dilation"),
        ("conv2d", (IMAGE, Tensor((3, 3, 3, 8))), {**CONV, "padding": [-1, 0, 0, 0]}, "padding"),
        ("conv2d", (IMAGE, Tensor((3, 3, 1, 8))), {**CONV, "groups": 3}, "do not divide"),
        (
            "conv2d_input_grad",
            (Tensor((None, 5, 5, 8)), Tensor((3, 3, 3, 8))),
            {**CONV, "input_shape": [8, 8]},
            r"dy must have shape \(batch, 6, 6, 8\)",
        ),
        (
            "conv2d_weight_grad",
            (IMAGE, Tensor((None, 5, 6, 8))),
            {**CONV, "kernel_shape": [3, 3]},
            "dy must have shape",
        ),
        ("im2col", (IMAGE,), {**WINDOW, "dilation": [1, 1], "kernel_shape": [9, 9]}, "window"),
        (
            "col2im",
            (Tensor((None, 6, 6, 26)),),
            {**WINDOW, "dilation": [1, 1], "kernel_shape": [3, 3], "input_shape": [8, 8]},
            "columns must have shape",
        ),
        ("max_pool2d", (IMAGE,), {**WINDOW, "pool": [9, 9]}, "does not fit"),
        (
            "max_pool2d",
            (IMAGE,),
            {"pool": [2, 2], "strides": [2, 2], "padding": [2, 0, 0, 0]},
            "smaller than the window",
        ),
        (
            "max_pool2d_grad",
            (Tensor((None, 4, 4, 3)), Tensor((None, 4, 4, 3), "int32")),
            {**WINDOW, "pool": [5, 5], "input_shape": [8, 8]},
            "index must be uint8",
        ),
        ("average_pool2d", (ROWS,), {**WINDOW, "pool": [2, 2]}, "must have shape"),
        ("batch_norm", (IMAGE, Tensor((4,)), Tensor((3,))), {"epsilon": 1e-3}, "gamma"),
        ("batch_norm", (IMAGE, Tensor((3,)), Tensor((3,))), {"epsilon": 0.0}, "epsilon"),
        ("softmax", (Tensor((None, 0)),), {}, "classes"),
        ("softmax_cross_entropy", (ROWS, Tensor((None, 9))), {}, "targets must have shape"),
        (
            "sparse_softmax_cross_entropy",
            (ROWS, Tensor((None, 1), "int32")),
            {},
            r"labels must have shape \(None,\), got \(None, 1\)",
        ),
        ("adam", (Tensor((3,)), Tensor((3,))), {}, "adam: takes w, g, m, v, lr, t"),
        ("sgd", (Tensor((3,)), Tensor((4,)), Tensor(())), {}, "g must have shape"),
        ("sgd", (Tensor((3,)), Tensor((3,)), Tensor(())), {"momentum": 0.9}, "momentum"),
    ],
    ids=lambda v: v if isinstance(v, str) and " " not in v else "",
)
def test_wrong_shapes(name, inputs, attrs, message) -> None:
    with tracing(), pytest.raises(ValueError, match=message):
        bind(name, *inputs, **attrs)


@pytest.mark.parametrize(
    ("name", "inputs", "attrs", "message"),
    [
        ("take", (ROWS, Tensor((2,))), {"axis": 1}, "integers, got float32"),
        ("one_hot", (ROWS,), {"depth": 3}, "integers"),
        ("matmul", (ROWS, Tensor((10, 3), "int32")), {}, "b must be float32, got int32"),
        ("conv2d", (Tensor((1, 8, 8, 3), "uint8"), Tensor((3, 3, 3, 8))), CONV, "inputs must be"),
        ("sparse_softmax_cross_entropy", (ROWS, Tensor((None,))), {}, "labels must be integers"),
        ("dropout", (Tensor((3,), "int32"),), {"rate": 0.5, "stream": 0}, "float32, got int32"),
        ("add", (Tensor((3,), "complex64"), 1.0), {}, "complex64"),
    ],
    ids=lambda v: v if isinstance(v, str) and " " not in v else "",
)
def test_wrong_dtypes(name, inputs, attrs, message) -> None:
    with pytest.raises(TypeError, match=message):
        bind(name, *inputs, **attrs)


def test_only_the_first_axis_can_be_the_batch() -> None:
    with pytest.raises(ValueError, match="only the first dimension"):
        Tensor((3, None))


def test_a_symbolic_tensor_has_no_values() -> None:
    x = Tensor((None, 3))
    with pytest.raises(TypeError, match="truth value"):
        bool(x)
    with pytest.raises(TypeError, match=r"use fastconv\.ops"):
        np.asarray(x)
    for function in (np.square, np.add.reduce, lambda t: np.maximum(t, 0), lambda t: np.add(t, t)):
        with pytest.raises(TypeError, match=r"numpy\.\w+ of <Tensor .*use fastconv\.ops"):
            function(x)
    with pytest.raises(TypeError, match="no length"):
        len(x)


def test_assigning_another_shape() -> None:
    v = Variable(np.zeros(3), name="scale")
    with pytest.raises(ValueError, match="'scale' has shape"):
        v.assign(np.zeros(4))
    with tracing(), pytest.raises(ValueError, match="'scale' has shape"):
        v.assign(Tensor((4,)))
