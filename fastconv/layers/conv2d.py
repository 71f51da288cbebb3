"""Convolution of images."""

from __future__ import annotations

from fastconv.layers.convolution import BaseConv


class Conv2D(BaseConv):
    """Convolution of images (batch, height, width, channels) with learned filters.

    Kernel (height, width, channels / groups, filters), bias (filters,). With ``padding="same"``
    the output has ceil(n / stride) rows of n, and an odd row of padding goes after.

    >>> import numpy as np
    >>> Conv2D(8, 3, padding="same")(np.ones((1, 6, 6, 3), "float32")).shape
    (1, 6, 6, 8)
    """

    rank = 2
