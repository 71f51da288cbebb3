"""Settings of the process: threads, algorithms, float type, data layout, the seed.

The defaults suit nearly every program; nothing here is read from a file.
"""

from __future__ import annotations

from typing import Any

CONV_ALGORITHMS = ("auto", "im2col", "direct", "winograd")
CONV_PRECISIONS = ("high", "default", "fast")

_epsilon = 1e-7
_image_data_format = "channels_last"


def set_num_threads(count: Any) -> None:
    """Use ``count`` threads from the next step on. Results do not depend on it.

    Raises:
        ValueError: if ``count`` is not a positive integer.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"the number of threads must be a positive integer, got {count!r}")
    from fastconv import _core

    _core.set_num_threads(count)


def num_threads() -> int:
    """Threads that a step may use: ``OMP_NUM_THREADS`` or the cores the process may run on."""
    from fastconv import _core

    return int(_core.num_threads())


def set_conv_algorithm(name: str) -> None:
    """Choose how convolutions are computed in models compiled, and calls made, from now on.

    Args:
        name: ``"auto"`` (by shape), ``"im2col"``, ``"direct"`` or ``"winograd"``. Where the named
            algorithm does not cover a shape, ``"auto"``'s choice is used.

    Raises:
        ValueError: for another name.
    """
    if name not in CONV_ALGORITHMS:
        raise ValueError(
            f"unknown convolution algorithm {name!r}; expected one of {', '.join(CONV_ALGORITHMS)}"
        )
    from fastconv import _core
    from fastconv.graph import eager

    _core.set_conv_algorithm(name)
    eager.forget_plans()


def conv_algorithm() -> str:
    """The name given to :func:`set_conv_algorithm`.

    >>> conv_algorithm()
    'auto'
    """
    from fastconv import _core

    return _core.conv_algorithm()


def set_conv_precision(name: str) -> None:
    """Choose how exact convolutions are in models compiled, and calls made, from now on.

    Args:
        name: ``"high"`` keeps to plain sums, whatever :func:`set_conv_algorithm` says.
            ``"default"`` allows Winograd's algorithm for 3x3 convolutions, F(4x4, 3x3), two to
            four times as fast and with about twice the rounding error of plain sums
            (relative RMS 6e-7 at 32 channels). ``"fast"`` allows F(5x5, 3x3) and F(6x6, 3x3)
            as well, up to 1.5 times as fast again where the output's height and width suit
            them, with four times the error of ``"default"``.

    Dense layers follow it too: at inference, on CPUs that add beside their multiply-adds, they are
    Winograd's inner products but with ``"high"``, a quarter faster with less than twice the error.

    Raises:
        ValueError: for another name.
    """
    if name not in CONV_PRECISIONS:
        raise ValueError(
            f"unknown convolution precision {name!r}; expected one of {', '.join(CONV_PRECISIONS)}"
        )
    from fastconv import _core
    from fastconv.graph import eager

    _core.set_conv_precision(name)
    eager.forget_plans()


def conv_precision() -> str:
    """The name given to :func:`set_conv_precision`.

    >>> conv_precision()
    'default'
    """
    from fastconv import _core

    return _core.conv_precision()


def floatx() -> str:
    """The float type of weights, inputs and outputs, which is always ``"float32"``.

    >>> floatx()
    'float32'
    """
    return "float32"


def set_floatx(value: str) -> None:
    """Accepts ``"float32"`` only; for products in bfloat16 see :func:`set_dtype_policy`.

    Raises:
        ValueError: for another type.
    """
    if value != "float32":
        raise ValueError(f"fastconv computes in float32; floatx cannot be {value!r}")


def dtype_policy() -> Any:
    """The dtype policy of layers that are not given one: see :mod:`fastconv.dtype_policies`.

    >>> dtype_policy()
    <DTypePolicy "float32">
    """
    from fastconv import dtype_policies

    return dtype_policies.dtype_policy()


def set_dtype_policy(policy: Any) -> None:
    """Set :func:`dtype_policy`: ``"float32"``, ``"mixed_bfloat16"`` or ``"bfloat16"``.

    Raises:
        ValueError: for an unknown policy.
    """
    from fastconv import dtype_policies

    dtype_policies.set_dtype_policy(policy)


def epsilon() -> float:
    """The small number that keeps divisions and logarithms finite (1e-7 unless set)."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Set :func:`epsilon`.

    Raises:
        ValueError: if ``value`` is not between 0 and 1.
    """
    global _epsilon
    if not 0 < float(value) < 1:
        raise ValueError(f"epsilon must be between 0 and 1, got {value!r}")
    _epsilon = float(value)


def image_data_format() -> str:
    """``"channels_last"`` or ``"channels_first"``: what layers assume when they are not told."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set :func:`image_data_format`.

    Raises:
        ValueError: for anything but ``"channels_last"`` and ``"channels_first"``.
    """
    global _image_data_format
    _image_data_format = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """``data_format``, or the process's default where it is None.

    Raises:
        ValueError: for an unknown layout.
    """
    if data_format is None:
        return _image_data_format
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(
            f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}"
        )
    return data_format


def set_random_seed(seed: Any) -> None:
    """Seed Python's, NumPy's and fastconv's random numbers.

    After it, initial weights, shuffling, dropout and augmentation are the same from run to run,
    for any number of threads.

    Raises:
        ValueError: if ``seed`` is not an integer in [0, 2**32).
    """
    import random as python_random

    import numpy as np

    from fastconv import random as fastconv_random

    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer in [0, 2**32), got {seed!r}")
    python_random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002  the global generator is what user code may use
    fastconv_random.set_seed(int(seed))
