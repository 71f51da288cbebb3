"""Convolution by ops: padding, sizes, layouts, and its transpose."""

import numpy as np
import pytest

from fastconv import ops
from fastconv.graph import Tensor

RNG = np.random.default_rng(0)


def test_same_padding() -> None:
    x = np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4, 1)
    y = ops.conv(x, np.ones((3, 3, 1, 1)), strides=2, padding="same", data_format="channels_last")
    assert y.ravel().tolist() == [54, 45, 72, 54]
    y = ops.average_pool(x, 3, 2, "same", "channels_last")
    assert y.ravel().tolist() == [6, 7.5, 12, 13.5]


@pytest.mark.parametrize("n", [4, 5, 7, 8])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("s", [1, 2, 3])
def test_sizes_of_convolutions(n, k, s) -> None:
    x = Tensor((None, n, n + 1, 2))
    kernel, back = np.ones((k, k, 2, 3)), np.ones((k, k, 3, 2))
    assert ops.conv(x, kernel, s, "same").shape == (None, -(-n // s), -(-(n + 1) // s), 3)
    if n >= k:
        assert ops.conv(x, kernel, s).shape[1] == (n - k) // s + 1
    assert ops.conv_transpose(x, back, s, "same").shape == (None, n * s, (n + 1) * s, 3)
    assert ops.conv_transpose(x, back, s).shape[1] == (n - 1) * s + max(k, s)


def test_channels_first_is_the_same_image() -> None:
    x = RNG.standard_normal((2, 7, 6, 3)).astype(np.float32)
    w = RNG.standard_normal((3, 3, 3, 4)).astype(np.float32)
    first = x.transpose(0, 3, 1, 2)
    for last_result, first_result in (
        (ops.conv(x, w, 2, "same"), ops.conv(first, w, 2, "same", "channels_first")),
        (ops.max_pool(x, 2), ops.max_pool(first, 2, data_format="channels_first")),
        (
            ops.average_pool(x, 3, 1, "same"),
            ops.average_pool(first, 3, 1, "same", "channels_first"),
        ),
    ):
        np.testing.assert_array_equal(last_result.transpose(0, 3, 1, 2), first_result)


def test_sequences_are_images_of_height_one() -> None:
    x = RNG.standard_normal((2, 9, 3)).astype(np.float32)
    w = RNG.standard_normal((3, 3, 4)).astype(np.float32)
    y = ops.conv(x, w, 2, "same", dilation_rate=1)
    image = ops.conv(x[:, None], w[None], (1, 2), "same")
    np.testing.assert_array_equal(y, image[:, 0])
    np.testing.assert_array_equal(ops.max_pool(x, 2), x[:, :8].reshape(2, 4, 2, 3).max(axis=2))


def test_depthwise_and_separable() -> None:
    x = RNG.standard_normal((2, 6, 6, 3)).astype(np.float32)
    w = RNG.standard_normal((3, 3, 3, 2)).astype(np.float32)
    y = ops.depthwise_conv(x, w)
    for c in range(3):
        one = ops.conv(x[..., c : c + 1], w[:, :, c : c + 1])
        np.testing.assert_allclose(y[..., 2 * c : 2 * c + 2], one, rtol=1e-5, atol=1e-5)
    point = RNG.standard_normal((1, 1, 6, 5)).astype(np.float32)
    both = ops.separable_conv(x, w, point)
    np.testing.assert_allclose(both, ops.conv(y, point), rtol=1e-5, atol=1e-5)


def test_conv_transpose_is_the_transpose() -> None:
    """<conv(x), y> = <x, conv_transpose(y)>."""
    x = RNG.standard_normal((2, 9, 9, 3)).astype(np.float32)
    w = RNG.standard_normal((3, 3, 3, 4)).astype(np.float32)
    y = RNG.standard_normal((2, 4, 4, 4)).astype(np.float32)
    left = float((ops.conv(x, w, 2) * y).sum())
    right = float((x * ops.conv_transpose(y, w, 2)).sum())
    assert left == pytest.approx(right, rel=1e-4)


def test_im2col_and_col2im() -> None:
    x = RNG.standard_normal((2, 5, 5, 3)).astype(np.float32)
    w = RNG.standard_normal((3, 3, 3, 4)).astype(np.float32)
    columns = ops.im2col(x, 3, padding="same")
    y = ops.dense(columns, w.reshape(27, 4))
    np.testing.assert_allclose(y, ops.conv(x, w, padding="same"), rtol=1e-5, atol=1e-5)
    ones = ops.im2col(np.ones((1, 4, 4, 1)), 3)
    counts = ops.col2im(ones, 4, 3)[0, :, :, 0]
    assert counts[0].tolist() == [1, 2, 2, 1]
    assert counts[1].tolist() == [2, 4, 4, 2]
