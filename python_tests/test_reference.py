"""The NumPy primitives against their definitions, written as loops, and published numbers."""

from itertools import product

import numpy as np
import pytest
from case import Case
from cases import CASES, UNCOVERED

from fastconv.graph import PRIMITIVES, Program, Tensor, Variable, bind, tracing
from fastconv.graph.precision import dtype_as_run
from fastconv.reference import EVAL, run_program
from fastconv.reference.philox import keep_mask, philox


def test_every_primitive_has_a_reference_and_a_case() -> None:
    assert set(EVAL) == set(PRIMITIVES)
    assert not UNCOVERED


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shape_rule_tells_shape_and_dtype(case: Case) -> None:
    arrays = case.arrays()
    tensors = [
        Tensor((None, *a.shape[1:]) if arg.batched else a.shape, str(a.dtype))
        for arg, a in zip(case.args, arrays, strict=True)
    ]
    specs = PRIMITIVES[case.op].shape_rule(*tensors, **case.attrs)
    state = {"seed": 1, "step": 2} if PRIMITIVES[case.op].stateful else {}
    made = EVAL[case.op](*arrays, **case.attrs, **state)
    results = made if isinstance(made, tuple) else (made,)
    for result, (shape, dtype) in zip(
        results, specs if isinstance(specs, list) else [specs], strict=True
    ):
        assert np.shape(result) == tuple(case.batch if d is None else d for d in shape)
        assert np.asarray(result).dtype == dtype_as_run(dtype)


def conv2d_by_definition(x, w, strides, padding, dilation, groups):
    n, h, width, c = x.shape
    kh, kw, depth, filters = w.shape
    oh = (h + padding[0] + padding[1] - dilation[0] * (kh - 1) - 1) // strides[0] + 1
    ow = (width + padding[2] + padding[3] - dilation[1] * (kw - 1) - 1) // strides[1] + 1
    y = np.zeros((n, oh, ow, filters))
    for i, oy, ox, ky, kx in product(range(n), range(oh), range(ow), range(kh), range(kw)):
        iy = oy * strides[0] + ky * dilation[0] - padding[0]
        ix = ox * strides[1] + kx * dilation[1] - padding[2]
        if not (0 <= iy < h and 0 <= ix < width):
            continue
        for f in range(filters):
            g = f // (filters // groups)
            y[i, oy, ox, f] += x[i, iy, ix, g * depth : (g + 1) * depth] @ w[ky, kx, :, f]
    assert c == depth * groups
    return y


SMALL = [c for c in CASES if c.op == "conv2d" and len(c.args) == 2 and c.flops < 60_000]


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_conv2d(case: Case) -> None:
    x, w = (a.astype(np.float64) for a in case.arrays())
    expected = conv2d_by_definition(x, w, **case.attrs)
    np.testing.assert_allclose(EVAL["conv2d"](x, w, **case.attrs), expected, rtol=1e-12, atol=1e-12)


def test_same_padding_puts_the_odd_row_after() -> None:
    """Published values of Keras for a 4x4 image of 1..16, stride 2."""
    x = np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4, 1)
    window = {"strides": [2, 2], "padding": [0, 1, 0, 1]}
    ones = np.ones((3, 3, 1, 1), np.float32)
    y = EVAL["conv2d"](x, ones, **window, dilation=[1, 1])
    assert y.ravel().tolist() == [54, 45, 72, 54]
    y = EVAL["average_pool2d"](x, **window, pool=[3, 3])
    assert y.ravel().tolist() == [6, 7.5, 12, 13.5]


@pytest.mark.parametrize("case", [c for c in CASES if c.op == "max_pool2d"], ids=str)
def test_max_pool2d(case: Case) -> None:
    (x,) = case.arrays()
    x[0, 0, 0, 0] = -np.inf
    y, index = EVAL["max_pool2d"](x, **case.attrs)
    (ph, pw), (sy, sx), pads = case.attrs["pool"], case.attrs["strides"], case.attrs["padding"]
    assert index.dtype == (np.uint8 if ph * pw <= 255 else np.int32)
    for n, oy, ox, c in np.ndindex(y.shape):
        inside = [
            (x[n, iy, ix, c], ky * pw + kx)
            for ky, kx in product(range(ph), range(pw))
            if 0 <= (iy := oy * sy + ky - pads[0]) < x.shape[1]
            and 0 <= (ix := ox * sx + kx - pads[2]) < x.shape[2]
        ]
        best = max(v for v, _ in inside)
        assert y[n, oy, ox, c] == best
        assert index[n, oy, ox, c] == next(k for v, k in inside if v == best)


def test_nan_wins_a_max() -> None:
    x = np.array([1, np.nan, 5, 2], np.float32).reshape(1, 2, 2, 1)
    y, index = EVAL["max_pool2d"](x, pool=[2, 2], strides=[2, 2], padding=[0, 0, 0, 0])
    assert np.isnan(y).all()
    assert index.ravel().tolist() == [1]
    y, index = EVAL["max_pool2d"](x, pool=[2, 2], strides=[2, 2], padding=[1, 1, 1, 1])
    assert index.ravel().tolist() == [3, 2, 1, 0]


def test_batch_norm_has_mean_zero_and_variance_one() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, (50, 4, 3))
    y, mean, variance = EVAL["batch_norm"](x, np.ones(3), np.zeros(3), epsilon=1e-12)
    np.testing.assert_allclose(y.mean(axis=(0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=(0, 1)), 1)
    np.testing.assert_allclose(mean, x.mean(axis=(0, 1)))
    np.testing.assert_allclose(variance, x.var(axis=(0, 1)))


def test_softmax_of_large_logits() -> None:
    x = np.array([[1e4, 0.0], [-1e4, 0.0]], np.float32)
    assert EVAL["softmax"](x).tolist() == [[1, 0], [0, 1]]
    assert EVAL["log_softmax"](x).tolist() == [[0, -1e4], [-1e4, 0]]


def test_a_label_out_of_range_makes_the_loss_nan() -> None:
    logits = np.zeros((3, 2), np.float32)
    loss, _ = EVAL["sparse_softmax_cross_entropy"](logits, np.array([0, 2, -1], np.int32))
    assert np.isnan(loss).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_known_answers(counter, key, words) -> None:
    """The test vectors published with the generator."""
    block, stream, low, high = counter
    made = philox(key[0] | key[1] << 32, np.array([block]), stream, low | high << 32)
    assert made.ravel().tolist() == list(words)


def test_dropout_keeps_the_right_share_and_depends_on_everything() -> None:
    masks = [keep_mask(100_000, 0.3, *s) for s in ((1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4))]
    for mask in masks:
        assert abs(mask.mean() - 0.7) < 0.01
    for other in masks[1:]:
        assert abs((masks[0] & other).mean() - 0.49) < 0.01
    np.testing.assert_array_equal(keep_mask(1000, 0.3, 1, 2, 3), masks[0][:1000])


def test_random_numbers_have_their_moments() -> None:
    state = {"shape": [200, 500], "stream": 0, "seed": 3, "step": 0}
    u = EVAL["random_uniform"](**state)
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 5e-3
    z = EVAL["random_normal"](**state)
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert abs((z**4).mean() - 3) < 0.1


LR = np.float32(0.1)
ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
RULE_VALUES = {
    ("momentum", ("momentum", 0.9), ("nesterov", 0)): (0.9, 0.71, 0.439),
    ("momentum", ("momentum", 0.9), ("nesterov", 1)): (0.81, 0.539, 0.1951),
    ("rmsprop", ("rho", 0.9), ("epsilon", 1e-7)): (0.68377, 0.45436, 0.26226),
    ("adam", *ADAM.items()): (0.9, 0.8, 0.7),
    ("adagrad", ("epsilon", 1e-7)): (0.90465, 0.83565, 0.77885),
    ("adadelta", ("rho", 0.95), ("epsilon", 1e-7)): (0.998586, 0.997154, 0.995709),
    ("nadam", *ADAM.items()): (0.89372, 0.81636, 0.74523),
    ("adamax", *ADAM.items()): (0.9, 0.8, 0.7),
    ("adam", *ADAM.items(), ("weight_decay", 0.004)): (0.89960, 0.79924, 0.69892),
}


@pytest.mark.parametrize(("rule", "expected"), RULE_VALUES.items(), ids=lambda x: str(x[0]))
def test_optimizer_rules(rule, expected) -> None:
    """Three steps of Keras from w = 1 with a gradient of 1."""
    name, *attrs = rule
    start = {"adagrad": [0.1], "nadam": [0.0, 0.0, 1.0]}
    count = {"momentum": 1, "rmsprop": 1}.get(name, 2)
    state = [np.float32(1), *map(np.float32, start.get(name, [0.0] * count))]
    timed = name in ("adam", "nadam", "adamax")
    lr = np.float32(1.0) if name == "adadelta" else LR
    for t, value in enumerate(expected, 1):
        w, *slots = state
        last = [lr, np.int32(t)] if timed else [lr]
        state = list(EVAL[name](w, np.float32(1), *slots, *last, **dict(attrs)))
        assert float(state[0]) == pytest.approx(value, abs=2e-5)


# The interpreter


def test_updates_are_written_after_everything_was_read() -> None:
    a, b = Variable(np.float32(1.0)), Variable(np.float32(2.0))
    with tracing() as trace:
        x, y = trace.read(a), trace.read(b)
        a.assign(y + 0.0)
        b.assign(x + 0.0)
        assert trace.read(a).node.inputs == [trace.updates[a]]
        assert trace.values(a) == [trace.leaf(a), trace.read(a)]
    run_program(Program.of([], [], trace.updates), [])
    assert (float(a), float(b)) == (2.0, 1.0)


def test_variables_can_be_given_instead() -> None:
    a = Variable(np.float32(1.0))
    with tracing() as trace:
        out = a + 1.0
        a.assign_add(5.0)
    given = {a: np.float32(10.0)}
    result = run_program(Program.of([], [out], trace.updates), [], given)
    assert (float(result[0]), float(given[a]), float(a)) == (11.0, 15.0, 1.0)


def test_missing_inputs_are_named() -> None:
    x = Tensor((None, 3), name="pixels")
    with pytest.raises(ValueError, match="1 inputs, got 0"):
        run_program(Program.of([x], [x * 2.0]), [])
    with pytest.raises(ValueError, match="pixels"):
        run_program(Program.of([], [bind("relu", x)]), [])
