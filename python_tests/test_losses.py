"""Losses: values against Keras, reductions, weights, logits, gradients, wrong shapes."""

import numpy as np
import pytest
from real_keras import import_keras, to_numpy

from fastconv import layers, losses, ops
from fastconv.graph.autodiff import gradients
from fastconv.graph.primitive import tracing
from fastconv.graph.program import Program
from fastconv.graph.tensor import Tensor
from fastconv.models import Sequential
from fastconv.reference import run_program

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")
RNG = np.random.default_rng(11)
REAL = RNG.standard_normal((6, 5)).astype("float32"), RNG.standard_normal((6, 5)).astype("float32")
POSITIVE = np.abs(REAL[0]) + 0.1, np.abs(REAL[1]) + 0.1
BINARY = RNG.integers(0, 2, (6, 5)).astype("float32"), RNG.uniform(0, 1, (6, 5)).astype("float32")
ONE_HOT = np.eye(5, dtype="float32")[RNG.integers(0, 5, 6)]
SIMPLEX = np.exp(REAL[0]) / np.exp(REAL[0]).sum(-1, keepdims=True)
LABELS = RNG.integers(0, 5, 6)

FUNCTIONS = [
    ("mean_squared_error", REAL),
    ("mean_absolute_error", REAL),
    ("mean_absolute_percentage_error", REAL),
    ("mean_squared_logarithmic_error", POSITIVE),
    ("huber", REAL),
    ("log_cosh", REAL),
    ("cosine_similarity", REAL),
    ("hinge", (BINARY[0], REAL[1])),
    ("squared_hinge", (BINARY[0] * 2 - 1, REAL[1])),
    ("categorical_hinge", (ONE_HOT, REAL[1])),
    ("kl_divergence", (SIMPLEX, BINARY[1])),
    ("poisson", POSITIVE),
    ("binary_crossentropy", BINARY),
    ("binary_focal_crossentropy", BINARY),
    ("categorical_crossentropy", (ONE_HOT, SIMPLEX)),
    ("sparse_categorical_crossentropy", (LABELS, SIMPLEX)),
    ("categorical_focal_crossentropy", (ONE_HOT, SIMPLEX)),
    ("dice", BINARY),
    ("tversky", BINARY),
]
OBJECTS = [
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, (BINARY[0], REAL[1])),
    ("BinaryCrossentropy", {"reduction": "sum"}, BINARY),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 3.0}, BINARY),
    ("CategoricalCrossentropy", {"from_logits": True}, (ONE_HOT, REAL[1])),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, (ONE_HOT, SIMPLEX)),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, (LABELS, REAL[1])),
    ("Huber", {"delta": 0.3}, REAL),
    ("MeanSquaredError", {"reduction": "none"}, REAL),
    ("MeanAbsoluteError", {"reduction": "mean_with_sample_weight"}, REAL),
    ("CosineSimilarity", {"axis": 0}, REAL),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "gamma": 1.5}, (ONE_HOT, REAL[1])),
    ("CategoricalFocalCrossentropy", {"label_smoothing": 0.1, "alpha": 0.5}, (ONE_HOT, SIMPLEX)),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, (LABELS, SIMPLEX)),
    ("Dice", {"axis": 1}, BINARY),
    ("Tversky", {"alpha": 0.3, "beta": 0.8, "axis": 1}, BINARY),
]


def call_keras(function, keras, y_true, y_pred, **options):
    tensors = [keras.ops.convert_to_tensor(v) for v in (y_true, y_pred)]
    return to_numpy(function(*tensors, **options))


@pytest.mark.parametrize(("name", "data"), FUNCTIONS, ids=[n for n, _ in FUNCTIONS])
def test_function_is_that_of_keras(name, data):
    keras = import_keras()
    expected = call_keras(getattr(keras.losses, name), keras, *data)
    found = getattr(losses, name)(*data)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options", "data"), OBJECTS)
def test_object_is_that_of_keras(name, options, data, weighted):
    keras = import_keras()
    weight = np.array([0.5, 0, 2, 1, 1, 3], "float32") if weighted else None
    if weighted and options.get("axis") == 0:
        weight = weight[:5]
    theirs = getattr(keras.losses, name)(**options)
    expected = call_keras(theirs, keras, *data, sample_weight=weight)
    ours = getattr(losses, name)(**options)
    np.testing.assert_allclose(ours(*data, weight), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "data"), FUNCTIONS, ids=[n for n, _ in FUNCTIONS])
def test_a_program_computes_the_same(name, data):
    function = getattr(losses, name)
    with tracing():
        y_true = Tensor((None, *data[0].shape[1:]), "int32" if data[0] is LABELS else "float32")
        y_pred = Tensor((None, 5))
        values = function(y_true, y_pred)
        (grad,) = gradients(ops.mean(values), [y_pred])
        program = Program.of([y_true, y_pred], [values, grad])
    values, grad = run_program(program, [data[0].astype(y_true.dtype), data[1]])
    np.testing.assert_allclose(values, function(*data), rtol=1e-5, atol=1e-6)
    assert grad.shape == data[1].shape
    assert np.isfinite(grad).all()


@pytest.mark.parametrize(
    ("loss", "activation", "target", "extreme"),
    [
        (losses.binary_crossentropy, ops.sigmoid, [[0.0]], [[200.0]]),
        (losses.categorical_crossentropy, ops.softmax, [[1.0, 0.0]], [[-100.0, 100.0]]),
        (losses.sparse_categorical_crossentropy, ops.softmax, [0], [[-100.0, 100.0]]),
    ],
)
def test_a_program_uses_the_logits_behind_the_activation(loss, activation, target, extreme):
    target, extreme = np.array(target), np.array(extreme, "float32")
    dtype = "int32" if target.dtype == int else "float32"
    with tracing():
        y_true, logits = (
            Tensor((None, *target.shape[1:]), dtype),
            Tensor((None, *extreme.shape[1:])),
        )
        values = loss(y_true, activation(logits))
        (grad,) = gradients(ops.sum(values), [logits])
        program = Program.of([y_true, logits], [values, grad])
    values, grad = run_program(program, [target.astype(dtype), extreme])
    # From the probability the loss would be that of the clipped 1e-7, and its gradient 0.
    np.testing.assert_allclose(values, [200.0], rtol=1e-6)
    np.testing.assert_allclose(np.abs(grad), np.ones_like(grad), rtol=1e-6)


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid", "tanh"])
@pytest.mark.parametrize("metrics", [[], ["mse"]])
@pytest.mark.parametrize("name", [name for name, _ in FUNCTIONS])
def test_evaluate_gives_the_loss_of_what_predict_gives(name, metrics, activation):
    """Whether or not something else needs what the loss is computed from."""
    sparse = name.startswith("sparse")
    y = LABELS if sparse else ONE_HOT
    model = Sequential([layers.Input((5,)), layers.Dense(5, activation=activation)])
    model.compile("sgd", name, metrics=[] if sparse else metrics)
    found = model.evaluate(REAL[0], y, verbose=0, return_dict=True)["loss"]
    expected = to_numpy(losses.get(name)(y, model.predict(REAL[0], verbose=0))).mean()
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-6)


def test_logits_twice_are_noticed():
    with tracing():
        y_pred = ops.softmax(Tensor((None, 3)))
        with pytest.warns(UserWarning, match="from_logits=True"):
            losses.CategoricalCrossentropy(from_logits=True)(Tensor((None, 3)), y_pred)


def test_ranks_are_matched():
    a, b = np.array([1.0, 3.0]), np.array([[2.0], [5.0]])
    np.testing.assert_allclose(losses.mse(a, b), [1.0, 4.0])
    np.testing.assert_allclose(losses.mse(b, a), [1.0, 4.0])
    assert float(losses.BinaryCrossentropy()([1, 0], [[0.5], [0.5]])) == pytest.approx(np.log(2))
    labels = LABELS.reshape(-1, 1)
    np.testing.assert_array_equal(
        losses.sparse_categorical_crossentropy(labels, SIMPLEX),
        losses.sparse_categorical_crossentropy(LABELS, SIMPLEX),
    )


def test_targets_that_int32_does_not_hold():
    far, zero = np.array([[3_000_000_000]]), np.zeros((1, 1), "float32")
    assert float(losses.mae(far, zero)[0]) == float(losses.MeanAbsoluteError()(far, zero)) == 3e9
    with pytest.raises(ValueError, match="labels must be from 0 to 4"):
        losses.sparse_categorical_crossentropy(np.array([2**32]), SIMPLEX[:1])


@pytest.mark.parametrize("wrong", [-1, 5])
def test_labels_are_among_the_classes(wrong):
    labels = LABELS.copy()
    labels[2] = wrong
    generalized = losses.CategoricalGeneralizedCrossEntropy()
    for loss in (losses.sparse_categorical_crossentropy, generalized):
        with pytest.raises(ValueError, match=f"labels must be from 0 to 4, got .*{wrong}"):
            loss(labels, SIMPLEX)


def test_ignored_class_has_no_loss():
    labels = LABELS.copy()
    labels[2] = -1
    values = losses.SparseCategoricalCrossentropy(ignore_class=-1, reduction="none")(
        labels, SIMPLEX
    )
    assert values[2] == 0
    rest = np.delete(values, 2)
    assert (rest > 0).all()
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    assert loss(labels, SIMPLEX) == pytest.approx(rest.mean())
    assert loss(labels[:, None], SIMPLEX) == pytest.approx(rest.mean())
    weights = np.linspace(1, 2, len(labels))
    expected = (rest * np.delete(weights, 2)).sum() / len(rest)
    assert loss(labels, SIMPLEX, weights) == pytest.approx(expected)
    assert loss(np.full_like(labels, -1), SIMPLEX) == 0


def test_weights_divide_by_the_number_of_rows():
    loss = losses.MeanSquaredError()
    y = np.zeros((4, 1))
    assert float(loss(y, np.ones((4, 1)), np.array([1.0, 0, 0, 0]))) == pytest.approx(0.25)
    spread = losses.MeanSquaredError("mean_with_sample_weight")
    assert float(spread(y, np.ones((4, 1)), np.array([2.0, 0, 0, 0]))) == pytest.approx(1.0)
    assert float(spread(y, np.ones((4, 1)), np.zeros(4))) == 0.0


@pytest.mark.parametrize("name", sorted(losses.LOSS_CLASSES))
def test_config_round_trip(name):
    first = losses.get(name)
    again = losses.deserialize(losses.serialize(first))
    assert type(again) is type(first)
    assert again.get_config() == first.get_config()


def test_names():
    assert losses.get("MSE") is losses.get("mse") is losses.mean_squared_error
    assert losses.get("Huber").name == "huber_loss"
    assert losses.serialize(losses.mse) == "mean_squared_error"
    assert losses.deserialize("mean_squared_error") is losses.mse
    with pytest.raises(ValueError, match="Did you mean 'categorical_crossentropy'"):
        losses.get("categorical_crossentropi")
    assert losses.get(losses.Huber).name == "huber_loss"
    assert losses.get(abs) is abs
    assert losses.get({"class_name": "Huber", "config": {"delta": 2.0}}).get_config()["delta"] == 2
    with pytest.raises(TypeError, match="a loss must be"):
        losses.get(3)
    with pytest.raises(TypeError, match="is not the config of a loss"):
        losses.get({"name": "mse"})
    with pytest.raises(NotImplementedError, match=r"must define call\(y_true, y_pred\)"):
        losses.Loss()(ONE_HOT, SIMPLEX)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.mse(np.ones((2, 3)), np.ones((2, 4))), r"\(2, 3\) and y_pred \(2, 4\)"),
        (lambda: losses.binary_crossentropy(np.ones((2, 3)), np.ones((2, 1))), "binary"),
        (lambda: losses.categorical_crossentropy(LABELS, SIMPLEX), "sparse_categorical"),
        (lambda: losses.sparse_categorical_crossentropy(ONE_HOT, SIMPLEX), "one-hot"),
        (lambda: losses.sparse_categorical_crossentropy(LABELS + 1, SIMPLEX), "from 0 to"),
        (lambda: losses.categorical_crossentropy(ONE_HOT, SIMPLEX, axis=0), "last axis"),
        (lambda: losses.MeanSquaredError(reduction="average"), "reduction"),
        (
            lambda: losses.MeanSquaredError()(np.ones((3, 1)), np.ones((3, 1)), np.ones((3, 2, 2))),
            "sample_weight of shape",
        ),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0), "q must be"),
        (lambda: losses.CategoricalCrossentropy(label_smoothing=2.0), "label_smoothing"),
    ],
)
def test_wrong_use(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_text_is_refused():
    with pytest.raises(TypeError, match="need numbers"):
        losses.mse(np.array(["a"]), np.ones(1))
