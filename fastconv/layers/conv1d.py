"""Convolution of sequences."""

from __future__ import annotations

from fastconv.layers.convolution import BaseConv


class Conv1D(BaseConv):
    """Convolution over the steps of (batch, steps, channels).

    Kernel (size, channels / groups, filters). Arguments as in :class:`Conv2D`; padding may also be
    ``"causal"``: no output depends on later steps.
    """

    rank = 1
    causal = True
