"""Metrics: values against Keras over several batches, weights, programs, configuration."""

import numpy as np
import pytest
from real_keras import import_keras

import fastconv
from fastconv import metrics, ops
from fastconv.graph.primitive import tracing
from fastconv.graph.program import Program
from fastconv.graph.tensor import Tensor
from fastconv.naming import reset_names
from fastconv.reference import run_program

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning:keras")
RNG = np.random.default_rng(5)


def softmax(x):
    return (np.exp(x) / np.exp(x).sum(-1, keepdims=True)).astype("float32")


LOGITS = RNG.standard_normal((40, 6)).astype("float32")
P = softmax(LOGITS)
LABELS = RNG.integers(0, 6, 40)
ONE_HOT = np.eye(6, dtype="float32")[LABELS]
MULTI = RNG.integers(0, 2, (40, 6)).astype("float32")
Q = RNG.uniform(0, 1, (40, 6)).astype("float32")
ONE = RNG.integers(0, 2, (40, 1)), RNG.uniform(0, 1, (40, 1)).astype("float32")
REAL = RNG.standard_normal((40, 6)).astype("float32"), LOGITS
POSITIVE = np.abs(REAL[0]) + 0.1, np.abs(REAL[1]) + 0.1
SEGMENTS = RNG.integers(0, 6, (40, 3, 4)), RNG.integers(0, 6, (40, 3, 4))

CASES = [
    ("Accuracy", {}, (LABELS, np.where(P[:, 0] > 0.1, LABELS, 0))),
    ("BinaryAccuracy", {}, ONE),
    ("BinaryAccuracy", {"threshold": 0.7}, (MULTI, Q)),
    ("CategoricalAccuracy", {}, (ONE_HOT, P)),
    ("SparseCategoricalAccuracy", {}, (LABELS, P)),
    ("SparseCategoricalAccuracy", {}, (LABELS[:, None], P)),
    ("TopKCategoricalAccuracy", {"k": 2}, (ONE_HOT, P)),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, (LABELS, P)),
    ("MeanSquaredError", {}, REAL),
    ("RootMeanSquaredError", {}, REAL),
    ("MeanAbsoluteError", {}, REAL),
    ("MeanAbsolutePercentageError", {}, REAL),
    ("MeanSquaredLogarithmicError", {}, POSITIVE),
    ("LogCoshError", {}, REAL),
    ("CosineSimilarity", {}, REAL),
    ("BinaryCrossentropy", {}, (MULTI, Q)),
    ("CategoricalCrossentropy", {"from_logits": True}, (ONE_HOT, LOGITS)),
    ("SparseCategoricalCrossentropy", {}, (LABELS, P)),
    ("KLDivergence", {}, (P, Q)),
    ("Poisson", {}, POSITIVE),
    ("Hinge", {}, (MULTI, LOGITS)),
    ("SquaredHinge", {}, (MULTI, LOGITS)),
    ("CategoricalHinge", {}, (ONE_HOT, LOGITS)),
    ("Precision", {}, (MULTI, Q)),
    ("Precision", {"thresholds": [0.2, 0.5, 0.9]}, (MULTI, Q)),
    ("Precision", {"top_k": 2}, (ONE_HOT, P)),
    ("Recall", {"class_id": 3}, (MULTI, Q)),
    ("Recall", {"thresholds": 0.3}, ONE),
    ("TruePositives", {}, (MULTI, Q)),
    ("FalsePositives", {}, (MULTI, Q)),
    ("TrueNegatives", {"thresholds": [0.4, 0.6]}, (MULTI, Q)),
    ("FalseNegatives", {}, (MULTI, Q)),
    ("AUC", {}, ONE),
    ("AUC", {"curve": "PR", "num_thresholds": 50}, (MULTI, Q)),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, (MULTI, Q)),
    ("AUC", {"summation_method": "minoring", "thresholds": [0.1, 0.4, 0.8]}, ONE),
    ("AUC", {"from_logits": True}, (MULTI, LOGITS)),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, (MULTI, Q)),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4, "num_thresholds": 20}, (MULTI, Q)),
    ("PrecisionAtRecall", {"recall": 0.5, "class_id": 2}, (MULTI, Q)),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 1}, (MULTI, Q)),
    ("F1Score", {}, (ONE_HOT, P)),
    ("F1Score", {"average": "macro", "threshold": 0.4}, (MULTI, Q)),
    ("FBetaScore", {"average": "micro", "beta": 2.0}, (ONE_HOT, P)),
    ("FBetaScore", {"average": "weighted", "beta": 0.5}, (ONE_HOT, P)),
    ("R2Score", {}, REAL),
    ("R2Score", {"class_aggregation": None}, REAL),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 3}, REAL),
    ("PearsonCorrelation", {}, REAL),
    ("ConcordanceCorrelation", {}, REAL),
    ("MeanIoU", {"num_classes": 6}, SEGMENTS),
    ("MeanIoU", {"num_classes": 6, "ignore_class": 2}, SEGMENTS),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 3]}, SEGMENTS),
    ("BinaryIoU", {"threshold": 0.4}, (MULTI, Q)),
    ("OneHotIoU", {"num_classes": 6, "target_class_ids": [1, 4]}, (ONE_HOT, P)),
    ("OneHotMeanIoU", {"num_classes": 6}, (ONE_HOT, P)),
]
IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(CASES)]
BATCHES = [slice(0, 16), slice(16, 32), slice(32, 40)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=IDS)
def test_metric_is_that_of_keras(name, options, data, weighted):
    keras = import_keras()
    if "IoU" in name:
        options = {**options, "dtype": "float32"}  # Keras counts in int32 by default
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    weight = RNG.uniform(0, 2, 40).astype("float32") if weighted else None
    if weighted and (
        name in ("AUC", "Precision", "Recall") or "itives" in name or "atives" in name
    ):
        weight = weight[:, None]  # Keras broadcasts over the last axis here
    if weighted and "IoU" in name and "OneHot" not in name:
        spread = weight.reshape(40, *[1] * (data[0].ndim - 1))
        weight = (spread * np.ones(data[0].shape)).astype("float32")
    for rows in BATCHES:
        part = None if weight is None else weight[rows]
        ours.update_state(data[0][rows], data[1][rows], sample_weight=part)
        tensors = [keras.ops.convert_to_tensor(v[rows]) for v in data]
        theirs.update_state(*tensors, sample_weight=part)
    expected = keras.ops.convert_to_numpy(theirs.result())
    np.testing.assert_allclose(ours.result(), expected, rtol=3e-5, atol=1e-6)
    ours.reset_state()
    assert all((v.numpy() == 0).all() for v in ours.variables)


@pytest.mark.parametrize(("name", "options", "data"), CASES, ids=IDS)
def test_a_program_adds_the_same(name, options, data):
    now, traced = getattr(metrics, name)(**options), getattr(metrics, name)(**options)
    dtypes = ["int32" if v.dtype.kind == "i" else "float32" for v in data]
    with tracing() as trace:
        tensors = [Tensor((None, *v.shape[1:]), d) for v, d in zip(data, dtypes, strict=True)]
        weight = Tensor((None,))
        traced.update_state(*tensors, sample_weight=weight)
        program = Program.of([*tensors, weight], [], trace.updates)
    weights = RNG.uniform(0, 2, 40).astype("float32")
    for rows in BATCHES:
        now.update_state(data[0][rows], data[1][rows], sample_weight=weights[rows])
        feeds = [v[rows].astype(d) for v, d in zip(data, dtypes, strict=True)]
        run_program(program, [*feeds, weights[rows]])
    np.testing.assert_allclose(traced.result(), now.result(), rtol=1e-5, atol=1e-6)


def test_mean_counts_rows():
    mean = metrics.Mean()
    assert float(mean.result()) == 0.0
    mean.update_state(np.array([[1.0, 3.0], [5.0, 7.0]]))
    assert float(mean.count) == 2.0
    assert float(mean.result()) == 4.0
    assert float(mean(10.0, sample_weight=2.0)) == pytest.approx(7.0)


def test_sum():
    total = metrics.Sum()
    total.update_state([1.0, 2.0], sample_weight=[1.0, 10.0])
    assert float(total.result()) == 21.0


def test_custom_metric():
    class Largest(metrics.Metric):
        def __init__(self, name="largest"):
            super().__init__(name=name)
            self.seen = self.add_weight(name="seen", initializer="zeros")
            self.inner = metrics.Mean()

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen.assign(ops.maximum(self.seen, ops.max(y_pred)))
            self.inner.update_state(y_pred)

        def result(self):
            return self.seen.numpy()

    metric = Largest()
    assert float(metric(np.zeros(2), np.array([3.0, 1.0]))) == 3.0
    assert len(metric.variables) == 3
    metric.reset_state()
    assert float(metric.inner.count) == 0.0


REQUIRED = {
    "IoU": {"num_classes": 3, "target_class_ids": [1]},
    "MeanIoU": {"num_classes": 3, "ignore_class": 1},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [1]},
    "OneHotMeanIoU": {"num_classes": 3},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5, "class_id": 1},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5, "num_thresholds": 10},
}


@pytest.mark.parametrize("name", sorted(set(metrics.METRIC_CLASSES) - {"MeanMetricWrapper"}))
def test_config_round_trip(name):
    first = metrics.METRIC_CLASSES[name](**REQUIRED.get(name, {}))
    again = metrics.deserialize(metrics.serialize(first))
    assert type(again) is type(first)
    assert again.get_config() == first.get_config()


@pytest.mark.parametrize("name", sorted(set(metrics.METRIC_CLASSES) - {"MeanMetricWrapper"}))
def test_directions_are_those_of_keras(name):
    keras = import_keras()
    options = REQUIRED.get(name, {})
    theirs = getattr(keras.metrics, name)(**options)
    ours = metrics.METRIC_CLASSES[name](**options)
    assert ours._direction == getattr(theirs, "_direction", None)


def test_names():
    reset_names()
    assert isinstance(metrics.get("r2_score"), metrics.R2Score)
    assert isinstance(metrics.get("false_positives"), metrics.FalsePositives)
    assert metrics.get("mse") is metrics.get("MSE")
    assert metrics.get("AUC").name == "auc"
    assert metrics.get("cosine_similarity")([[1.0, 2.0]], [[2.0, 1.0]]) == pytest.approx(0.8)
    assert metrics.get("root_mean_squared_error").name == "root_mean_squared_error"
    assert metrics.get("RootMeanSquaredError").name == "root_mean_squared_error"
    with pytest.raises(ValueError, match="Did you mean 'Precision'"):
        metrics.get("precison")
    assert metrics.get(metrics.AUC).name == "auc_1"
    assert metrics.get(abs) is abs
    assert metrics.get({"class_name": "AUC", "config": {"curve": "PR"}}).curve == "PR"
    with pytest.raises(TypeError, match="a metric must be"):
        metrics.get(1.5)
    with pytest.raises(TypeError, match="is not the config of a metric"):
        metrics.get({"name": "auc"})


def test_names_in_histories_are_those_of_keras():
    def histories(module):
        module.utils.clear_session()
        found = module.metrics

        def error(y_true, y_pred):
            return module.ops.mean(y_true - y_pred, axis=-1)

        error.__name__ = "MeanError"

        class Bias:
            def __call__(self, y_true, y_pred):
                return module.ops.mean(y_pred - y_true, axis=-1)

        for make in (
            lambda: [found.AUC(), found.Precision()],
            lambda: [found.AUC(), found.Precision()],
            lambda: ["AUC", "auc", found.Recall],
            lambda: [found.AUC(), found.Recall(), found.AUC(name="auc")],
            lambda: [error, Bias(), lambda y_true, y_pred: y_pred, lambda y_true, y_pred: y_true],
            lambda: [found.MeanMetricWrapper(error, name="error"), found.mean_squared_error],
        ):
            model = module.Sequential(
                [module.Input((2,)), module.layers.Dense(1, activation="sigmoid")]
            )
            model.compile("sgd", "mse", metrics=make())
            yield sorted(model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0).history)

    assert list(histories(fastconv)) == list(histories(import_keras()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.AUC(curve="XY"), "curve"),
        (lambda: metrics.AUC(summation_method="sum"), "summation_method"),
        (lambda: metrics.AUC(multi_label=True), "multi_label"),
        (lambda: metrics.Precision(thresholds=2.0), "thresholds"),
        (lambda: metrics.IoU(3, [3]), "target_class_ids"),
        (lambda: metrics.FBetaScore(average="all"), "average"),
        (lambda: metrics.F1Score()(LABELS, LABELS), "expected .batch, classes."),
        (lambda: metrics.R2Score("sum"), "class_aggregation"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors must be >= 0, got -1"),
        (lambda: metrics.R2Score()(LABELS, LABELS), "expected .batch, outputs."),
        (lambda: metrics.F1Score(threshold=0.0), "threshold must be in"),
        (lambda: metrics.FBetaScore(beta=0.0), "beta must be a positive number"),
        (lambda: metrics.PrecisionAtRecall(2.0), "recall must be in"),
        (lambda: metrics.CategoricalAccuracy()(LABELS, P), "one-hot"),
        (lambda: metrics.SparseCategoricalAccuracy()(ONE_HOT, P), "labels must have shape"),
    ],
)
def test_wrong_use(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_metrics_whose_size_the_data_gives_in_training():
    import fastconv

    layers = fastconv.layers
    model = fastconv.Sequential([layers.Input((6,)), layers.Dense(6, activation="softmax")])
    names = ["f1_score", "r2_score", "mean_iou"]
    model.compile(
        "sgd",
        "categorical_crossentropy",
        metrics=[
            metrics.F1Score(average="macro"),
            metrics.R2Score(),
            metrics.OneHotMeanIoU(6, name="mean_iou"),
        ],
    )
    history = model.fit(LOGITS, ONE_HOT, epochs=2, batch_size=16, verbose=0).history
    assert all(np.isfinite(history[name]).all() for name in names)
    logs = model.evaluate(LOGITS, ONE_HOT, batch_size=7, verbose=0, return_dict=True)
    predicted = model.predict(LOGITS, verbose=0)
    expected = [metrics.F1Score(average="macro"), metrics.R2Score(), metrics.OneHotMeanIoU(6)]
    for name, metric in zip(names, expected, strict=True):
        assert logs[name] == pytest.approx(float(metric(ONE_HOT, predicted)), rel=1e-5)


def test_results_of_any_rank_are_lists_in_histories():
    import fastconv

    class Confusion(metrics.Metric):
        def __init__(self):
            super().__init__(name="confusion")
            self.counts = self.add_variable((6, 6))

        def update_state(self, y_true, y_pred, sample_weight=None):
            pairs = y_true[:, :, None] * y_pred[:, None, :]
            self.counts.assign_add(ops.sum(pairs, axis=0))

        def result(self):
            return self.counts.numpy()

    layers = fastconv.layers
    model = fastconv.Sequential([layers.Input((6,)), layers.Dense(6, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=[Confusion()])
    history = model.fit(LOGITS, ONE_HOT, epochs=2, verbose=0).history["confusion"]
    expected = ONE_HOT.T @ model.predict(LOGITS)
    _, found = model.evaluate(LOGITS, ONE_HOT, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.shape(history) == (2, 6, 6)
    assert isinstance(history[0][0][0], float)


def test_scores_of_nothing_and_of_too_many_regressors():
    assert float(metrics.F1Score().result()) == 0.0
    assert float(metrics.R2Score().result()) == 0.0
    x, y = np.float32([[0], [1], [2], [4]]), np.float32([[0], [1], [2], [3]])
    plain = float(metrics.R2Score()(x, y))
    one = float(metrics.R2Score(num_regressors=1)(x, y))
    assert one == pytest.approx(1 - (1 - plain) * 3 / 2, rel=1e-5)
    many = metrics.R2Score(num_regressors=3)
    many.update_state(x, y)
    with pytest.warns(UserWarning, match="3 regressors are too many for 4 values"):
        assert float(many.result()) == pytest.approx(plain)


def test_a_metric_of_ones_own_must_say_how():
    for call in (lambda m: m.update_state(LABELS, LABELS), lambda m: m.result()):
        with pytest.raises(NotImplementedError, match="Metric must define"):
            call(metrics.Metric(name="own"))
    assert repr(metrics.Mean(name="own")) == "<Mean name=own>"
