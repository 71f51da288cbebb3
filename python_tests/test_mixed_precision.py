"""Dtype policies: what they say, what layers do with them, training as good as in float32."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from children import printed
from real_keras import import_keras

import fastconv
from fastconv import DTypePolicy, dtype_policies, layers, mixed_precision, ops
from fastconv._core import available_isas
from fastconv.graph import Program, Tensor, bind
from fastconv.graph.lower import lower
from fastconv.reference import EVAL
from fastconv.reference.bfloat16 import round_to_bfloat16

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def float32_again() -> Iterator[None]:
    yield
    mixed_precision.set_global_policy("float32")


def digits(rows: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Four noisy patterns and their numbers."""
    rng = np.random.default_rng(1)
    patterns = rng.standard_normal((4, 24)).astype(np.float32)
    y = rng.integers(0, 4, rows)
    return patterns[y] + rng.standard_normal((rows, 24)).astype(np.float32), y


def mlp() -> fastconv.Sequential:
    fastconv.config.set_random_seed(3)
    stack = [layers.Input((24,)), layers.Dense(32, activation="relu"), layers.Dropout(0.1)]
    stack += [layers.BatchNormalization(), layers.Dense(4, activation="softmax")]
    model = fastconv.Sequential(stack)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# Rounding


def test_rounding_is_to_the_nearest_even() -> None:
    x = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 3.4e38, 1e-40, -1e-40], np.float32)
    expected = [1.0, 1.0, 1 + 2**-6, -1.0, np.inf, 0.0, -0.0]
    rounded = round_to_bfloat16(x)
    assert rounded.tolist() == expected
    assert np.signbit(rounded[-1])
    assert np.isnan(round_to_bfloat16(np.array([np.nan], np.float32))[0])


def test_a_cast_rounds_and_an_autocast_does_not() -> None:
    x = np.concatenate([RNG.standard_normal(999), [1e-40, np.inf, -np.inf, np.nan, 3.4e38]])
    x = x.astype(np.float32)
    t = Tensor((None,))
    there = ops.cast(ops.cast(t, "bfloat16"), "float32")
    loose = bind("autocast", bind("autocast", t, dtype="bfloat16"), dtype="float32")
    cast, same = lower(Program.of([t], [there, loose * 0.5]), x.size).run([x], x.size)
    np.testing.assert_array_equal(cast, round_to_bfloat16(x))
    np.testing.assert_array_equal(same, x * np.float32(0.5))
    np.testing.assert_array_equal(ops.cast(x, "bfloat16"), round_to_bfloat16(x))


@pytest.mark.parametrize(("m", "k", "n"), [(5, 7, 3), (33, 130, 70), (128, 513, 96)])
def test_products_round_their_factors_only(m: int, k: int, n: int) -> None:
    """On factors that are bfloat16 already, nothing but the order of the sums differs."""
    x = round_to_bfloat16(RNG.standard_normal((m, k)).astype(np.float32))
    w = round_to_bfloat16(RNG.standard_normal((k, n)).astype(np.float32))
    exact = ops.dense(x, w)
    close = bind("dense", x, w, precision="bfloat16")
    np.testing.assert_allclose(close, exact, rtol=1e-5, atol=1e-5 * k**0.5)
    noise = np.float32(1 + 2**-10)  # less than half a step: rounded away
    np.testing.assert_array_equal(bind("dense", x * noise, w * noise, precision="bfloat16"), close)


# Policies


def test_policies() -> None:
    policy = DTypePolicy("mixed_bfloat16")
    assert (policy.name, policy.compute_dtype, policy.variable_dtype) == (
        "mixed_bfloat16",
        "bfloat16",
        "float32",
    )
    assert policy == mixed_precision.Policy("mixed_bfloat16") != DTypePolicy("float32")
    assert dtype_policies.deserialize(dtype_policies.serialize(policy)) == policy
    assert DTypePolicy().name == "float32"
    mixed_precision.set_global_policy(policy)
    assert mixed_precision.global_policy() == policy == fastconv.config.dtype_policy()
    assert DTypePolicy().name == "mixed_bfloat16"
    fastconv.config.set_dtype_policy("float32")
    assert layers.Dense(1).compute_dtype == "float32"


@pytest.mark.parametrize("name", ["float16", "mixed_float16", "bfloat17", 16, ""])
def test_unknown_policies_are_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"float32.*mixed_bfloat16.*got"):
        mixed_precision.set_global_policy(name)
    assert mixed_precision.global_policy().name == "float32"


def test_layers_take_a_policy() -> None:
    for dtype in ("mixed_bfloat16", DTypePolicy("mixed_bfloat16")):
        layer = layers.Dense(3, dtype=dtype)
        assert layer.compute_dtype == "bfloat16"
        assert layer.dtype == layer.variable_dtype == "float32"
        y = layer(layers.Input((5,)))
        assert y.dtype == "bfloat16"
        assert {w.dtype for w in layer.weights} == {"float32"}
        again = layers.Dense.from_config(layer.get_config())
        assert again.dtype_policy == DTypePolicy("mixed_bfloat16")
    with pytest.raises(ValueError, match="bfloat17"):
        layers.Dense(3, dtype="bfloat17")


def test_tensors_between_layers() -> None:
    """Layers cast float inputs to their own compute dtype; numbers beside a tensor do not count."""
    x = layers.Input((6,))
    y = layers.Dense(6, dtype="mixed_bfloat16")(x)
    assert y.dtype == "bfloat16"
    assert (y * 2.0 + 1).dtype == "bfloat16"
    assert (y + x).dtype == "float32"
    assert layers.BatchNormalization(dtype="mixed_bfloat16")(y).dtype == "bfloat16"
    assert layers.Dense(2)(y).dtype == "float32"
    assert layers.Dropout(0.5, dtype="mixed_bfloat16")(x).dtype == "bfloat16"
    assert layers.Dense(2, dtype="mixed_bfloat16", autocast=False)(x).dtype == "float32"


# Training


def test_training_is_as_good_as_in_float32() -> None:
    x, y = digits()
    accuracy = {}
    for name in ("float32", "mixed_bfloat16"):
        mixed_precision.set_global_policy(name)
        model = mlp()
        model.fit(x, y, epochs=6, verbose=0)
        accuracy[name] = model.evaluate(x, y, verbose=0)[1]
        assert model.predict(x[:5], verbose=0).dtype == np.float32
        assert {w.dtype for w in model.weights} == {"float32"}
    assert accuracy["mixed_bfloat16"] > accuracy["float32"] - 0.02
    assert accuracy["float32"] > 0.9


def test_native_and_numpy_agree() -> None:
    """The core rounds where the reference rounds."""
    mixed_precision.set_global_policy("mixed_bfloat16")
    x, y = digits(64)
    losses = []
    for backend in ("numpy", "native"):
        model = mlp()
        model.compile("sgd", "sparse_categorical_crossentropy", backend=backend)
        losses.append(model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-4)


def test_calls_on_arrays_round_inputs_and_weights() -> None:
    layer = layers.Dense(8, dtype="mixed_bfloat16")
    x = RNG.standard_normal((4, 30)).astype(np.float32)
    y = layer(x)
    kernel = round_to_bfloat16(layer.kernel.numpy())
    np.testing.assert_allclose(y, round_to_bfloat16(x) @ kernel, rtol=1e-5, atol=1e-5)


def test_the_same_bits_on_any_number_of_threads() -> None:
    mixed_precision.set_global_policy("mixed_bfloat16")
    x, y = digits(200)
    before = fastconv.config.num_threads()
    weights = []
    try:
        for count in (1, 3):
            fastconv.config.set_num_threads(count)
            model = mlp()
            model.fit(x, y, epochs=2, verbose=0)
            weights.append(model.get_weights())
    finally:
        fastconv.config.set_num_threads(before)
    for a, b in zip(*weights, strict=True):
        assert a.tobytes() == b.tobytes()


def test_files_carry_the_policy(tmp_path: Path) -> None:
    mixed_precision.set_global_policy("mixed_bfloat16")
    model = mlp()
    x, y = digits(64)
    model.fit(x, y, epochs=1, verbose=0)
    mixed_precision.set_global_policy("float32")
    model.save(tmp_path / "m.keras")
    again = fastconv.models.load_model(tmp_path / "m.keras")
    assert again.layers[0].compute_dtype == "bfloat16"
    assert again.layers[0].get_config()["dtype"] == {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "mixed_bfloat16"},
        "registered_name": None,
    }
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert json.loads(model.to_json())["config"]["layers"][1]["config"]["dtype"]["config"] == {
        "name": "mixed_bfloat16"
    }


# Convolutions


def relative_rms(result: np.ndarray, exact: np.ndarray) -> float:
    return float(np.sqrt(np.mean((result - exact) ** 2)) / np.std(exact))


@pytest.mark.parametrize(("precision", "most"), [("default", 0.015), ("high", 0.004)])
def test_convolutions_are_as_exact_as_documented(precision: str, most: float) -> None:
    """F4 on rounded tiles, or plain sums of rounded factors."""
    before = fastconv.config.conv_precision()
    fastconv.config.set_conv_precision(precision)
    try:
        shape = {"strides": [1, 1], "dilation": [1, 1], "padding": [1, 1, 1, 1], "groups": 1}
        x = RNG.standard_normal((4, 17, 19, 33)).astype(np.float32)
        w = RNG.standard_normal((3, 3, 33, 40)).astype(np.float32)
        dy = RNG.standard_normal((4, 17, 19, 40)).astype(np.float32)
        for name, operands, attrs in (
            ("conv2d", (x, w), {}),
            ("conv2d_input_grad", (dy, w), {"input_shape": [17, 19]}),
            ("conv2d_weight_grad", (x, dy), {"kernel_shape": [3, 3]}),
        ):
            exact = EVAL[name](*(a.astype(np.float64) for a in operands), **shape, **attrs)
            result = bind(name, *operands, **shape, **attrs, precision="bfloat16")
            assert 1e-4 < relative_rms(result, exact) < most, name
    finally:
        fastconv.config.set_conv_precision(before)


def test_a_convolution_net_trains() -> None:
    mixed_precision.set_global_policy("mixed_bfloat16")
    fastconv.config.set_random_seed(2)
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 128)
    x = rng.standard_normal((128, 12, 12, 3)).astype(np.float32)
    x[:, :, 1:] += np.where(y, 1.0, -1.0)[:, None, None, None].astype(np.float32) * x[:, :, :-1]
    stack = [layers.Input((12, 12, 3)), layers.Conv2D(16, 3, padding="same", activation="relu")]
    stack += [layers.Conv2D(16, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    stack += [layers.MaxPooling2D(), layers.Conv2D(24, 3, strides=2), layers.Flatten()]
    model = fastconv.Sequential([*stack, layers.Dense(1, activation="sigmoid", dtype="float32")])
    model.compile(fastconv.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    assert model.verify(x, y, batch_size=32).ok
    history = model.fit(x, y, epochs=12, batch_size=32, verbose=0).history
    assert model.output.dtype == "float32"
    assert history["accuracy"][-1] > 0.9


PRODUCTS = """
import hashlib
import numpy as np
from fastconv.graph import bind
from fastconv._core import isa
shape = {"strides": [1, 1], "dilation": [1, 1], "padding": [1, 1, 1, 1], "groups": 1}
rng = np.random.default_rng(0)
a, b, c, d = (rng.standard_normal(s).astype(np.float32)
              for s in ((3, 9, 9, 17), (3, 3, 17, 20), (70, 90), (90, 50)))
found = [bind("conv2d", a, b, **shape, precision="bfloat16")]
found += [bind("dense", c, d, precision="bfloat16")]
print(isa(), *(hashlib.sha256(f.tobytes()).hexdigest() for f in found))
"""


@pytest.mark.skipif("avx512bf16" not in available_isas(), reason="needs AVX512_BF16")
def test_emulation_gives_the_same_bits() -> None:
    made = []
    for name in ("avx512", "avx512bf16"):
        isa, *bits = printed("-c", PRODUCTS, FASTCONV_ISA=name).split()
        assert isa == name
        made.append(bits)
    assert made[0] == made[1]


# Keras itself


def small(module: object) -> object:
    stack = [module.layers.Input((8, 8, 2)), module.layers.Conv2D(8, 3, activation="relu")]
    stack += [module.layers.BatchNormalization(), module.layers.Flatten()]
    stack += [module.layers.Dense(3), module.layers.Softmax(dtype="float32")]
    return module.Sequential(stack)


def test_keras_reads_the_policy_and_we_read_keras() -> None:
    keras = import_keras()
    mixed_precision.set_global_policy("mixed_bfloat16")
    before = keras.config.dtype_policy().name
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        ours, theirs = small(fastconv), small(keras)
    finally:
        keras.config.set_dtype_policy(before)
        mixed_precision.set_global_policy("float32")
    assert [layer.output.dtype for layer in ours.layers] == [
        keras.backend.standardize_dtype(layer.output.dtype) for layer in theirs.layers
    ]
    policies = [layer.dtype_policy.name for layer in ours.layers]
    assert [layer.dtype_policy.name for layer in theirs.layers] == policies
    for again in (
        keras.models.model_from_json(ours.to_json()),
        fastconv.models.model_from_json(theirs.to_json()),
    ):
        assert [layer.dtype_policy.name for layer in again.layers] == policies
