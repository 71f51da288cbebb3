"""Facts that Keras's documentation states: what its examples give, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastconv import activations, layers, losses, metrics, ops, optimizers
from fastconv.graph import Variable

PAIR = ([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])
ONES = ([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
CLASSES = ([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]])
LOGITS = ([0, 1, 0, 0], [-18.6, 0.51, 2.94, -12.8])
TRIPLES = ([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])
SCORES = ([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
HALVES = ([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])

LOSSES = [  # class, options, targets and predictions, weights, the value
    ("BinaryCrossentropy", {}, PAIR, None, 0.815),
    ("BinaryCrossentropy", {}, PAIR, [1, 0], 0.458),
    ("BinaryCrossentropy", {"reduction": "sum"}, PAIR, None, 1.630),
    ("BinaryCrossentropy", {"reduction": "none"}, PAIR, None, [0.916, 0.714]),
    ("BinaryCrossentropy", {"from_logits": True}, LOGITS, None, 0.865),
    ("BinaryFocalCrossentropy", {"gamma": 2, "from_logits": True}, LOGITS, None, 0.691),
    ("CategoricalCrossentropy", {}, CLASSES, None, 1.177),
    ("CategoricalCrossentropy", {}, CLASSES, [0.3, 0.7], 0.814),
    ("CategoricalCrossentropy", {"reduction": "sum"}, CLASSES, None, 2.354),
    ("CategoricalCrossentropy", {"reduction": "none"}, CLASSES, None, [0.0513, 2.303]),
    ("SparseCategoricalCrossentropy", {}, ([1, 2], CLASSES[1]), None, 1.177),
    ("SparseCategoricalCrossentropy", {}, ([1, 2], CLASSES[1]), [0.3, 0.7], 0.814),
    ("MeanSquaredError", {}, ONES, None, 0.5),
    ("MeanSquaredError", {}, ONES, [0.7, 0.3], 0.25),
    ("MeanSquaredError", {"reduction": "sum"}, ONES, None, 1.0),
    ("MeanSquaredError", {"reduction": "none"}, ONES, None, [0.5, 0.5]),
    ("MeanAbsoluteError", {}, ONES, None, 0.5),
    ("MeanAbsoluteError", {}, ONES, [0.7, 0.3], 0.25),
    ("MeanAbsolutePercentageError", {}, ([[2.0, 1], [2, 3]], [[1.0, 1], [1, 0]]), None, 50.0),
    ("MeanSquaredLogarithmicError", {}, ONES, None, 0.240),
    ("MeanSquaredLogarithmicError", {}, ONES, [0.7, 0.3], 0.120),
    ("CosineSimilarity", {"axis": 1}, ([[0.0, 1], [1, 1]], [[1.0, 0], [1, 1]]), None, -0.5),
    ("CosineSimilarity", {"axis": 1}, ([[0.0, 1], [1, 1]], [[1.0, 0], [1, 1]]), [0.8, 0.2], -0.1),
    ("Poisson", {}, (ONES[0], [[1.0, 1.0], [0.0, 0.0]]), None, 0.5),
    ("Poisson", {}, (ONES[0], [[1.0, 1.0], [0.0, 0.0]]), [0.8, 0.2], 0.4),
    ("KLDivergence", {}, PAIR, None, 0.458),
    ("KLDivergence", {}, PAIR, [0.8, 0.2], 0.366),
    ("LogCosh", {}, (ONES[0], [[1.0, 1.0], [0.0, 0.0]]), None, 0.108),
    ("Huber", {}, PAIR, None, 0.155),
    ("Huber", {"reduction": "none"}, PAIR, None, [0.18, 0.13]),
    ("Hinge", {}, PAIR, None, 1.3),
    ("Hinge", {}, PAIR, [1, 0], 0.55),
    ("SquaredHinge", {}, PAIR, None, 1.86),
    ("SquaredHinge", {}, PAIR, [1, 0], 0.73),
    ("CategoricalHinge", {}, PAIR, None, 1.4),
    ("CategoricalHinge", {}, PAIR, [1, 0], 0.6),
]


@pytest.mark.parametrize(("name", "options", "data", "weights", "value"), LOSSES)
def test_loss(name: str, options: dict, data: tuple, weights: Any, value: Any) -> None:
    y_true, y_pred = (np.asarray(v, np.float32) for v in data)
    if name.startswith("Sparse"):
        y_true = y_true.astype(np.int32)
    w = None if weights is None else np.asarray(weights, np.float32)
    result = getattr(losses, name)(**options)(y_true, y_pred, sample_weight=w)
    np.testing.assert_allclose(result, value, atol=6e-4)


METRICS = [
    ("Accuracy", {}, ([[1], [2], [3], [4]], [[0], [2], [3], [4]]), None, 0.75),
    ("Accuracy", {}, ([[1], [2], [3], [4]], [[0], [2], [3], [4]]), [1, 1, 0, 0], 0.5),
    ("BinaryAccuracy", {}, ([[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]]), None, 0.75),
    ("BinaryAccuracy", {}, ([[1], [1], [0], [0]], [[0.98], [1], [0], [0.6]]), [1, 0, 0, 1], 0.5),
    ("SparseCategoricalAccuracy", {}, ([[2], [1]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0]]), None, 0.5),
    ("SparseTopKCategoricalAccuracy", {"k": 1}, ([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]),
     [0.7, 0.3], 0.3),
    ("FalsePositives", {}, ([0, 1, 0, 0], [0, 0, 1, 1]), None, 2.0),
    ("FalsePositives", {}, ([0, 1, 0, 0], [0, 0, 1, 1]), [0, 0, 1, 0], 1.0),
    ("FalseNegatives", {}, ([0, 1, 1, 1], [0, 1, 0, 0]), None, 2.0),
    ("TrueNegatives", {}, ([0, 1, 0, 0], [1, 1, 0, 0]), None, 2.0),
    ("TruePositives", {}, ([0, 1, 1, 1], [1, 0, 1, 1]), [0, 0, 1, 0], 1.0),
    ("Precision", {}, ([0, 1, 1, 1], [1, 0, 1, 1]), None, 0.6666667),
    ("Precision", {"top_k": 2}, ([0, 0, 1, 1], [1, 1, 1, 1]), None, 0.0),
    ("Precision", {"top_k": 4}, ([0, 0, 1, 1], [1, 1, 1, 1]), None, 0.5),
    ("Recall", {}, ([0, 1, 1, 1], [1, 0, 1, 1]), None, 0.6666667),
    ("Recall", {}, ([0, 1, 1, 1], [1, 0, 1, 1]), [0, 0, 1, 0], 1.0),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, SCORES, None, 0.5),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, SCORES, [1, 1, 2, 2, 1], 0.333333),
    ("SpecificityAtSensitivity", {"sensitivity": 0.5}, SCORES, None, 0.66666667),
    ("SpecificityAtSensitivity", {"sensitivity": 0.5}, SCORES, [1, 1, 2, 2, 2], 0.5),
    ("PrecisionAtRecall", {"recall": 0.5}, SCORES, None, 0.5),
    ("PrecisionAtRecall", {"recall": 0.5}, SCORES, [2, 2, 2, 1, 1], 0.33333333),
    ("RecallAtPrecision", {"precision": 0.8}, HALVES, None, 0.5),
    ("RecallAtPrecision", {"precision": 0.8}, HALVES, [1, 0, 0, 1], 1.0),
    ("AUC", {"num_thresholds": 3}, HALVES, None, 0.75),
    ("AUC", {"num_thresholds": 3}, HALVES, [1, 0, 0, 1], 1.0),
    ("PearsonCorrelation", {"axis": -1}, TRIPLES, None, 0.9966996),
    ("ConcordanceCorrelation", {"axis": -1}, TRIPLES, None, 0.9816320),
    ("Hinge", {}, PAIR, None, 1.3),
    ("Hinge", {}, PAIR, [1, 0], 1.1),
    ("SquaredHinge", {}, PAIR, [1, 0], 1.46),
    ("CategoricalHinge", {}, PAIR, [1, 0], 1.2),
    ("IoU", {"num_classes": 2, "target_class_ids": [0]}, ([0, 0, 1, 1], [0, 1, 0, 1]), None, 1 / 3),
    ("BinaryIoU", {"target_class_ids": [0, 1], "threshold": 0.3},
     ([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]), [0.2, 0.3, 0.4, 0.1], 0.17361112),
    ("MeanIoU", {"num_classes": 2}, ([0, 0, 1, 1], [0, 1, 0, 1]), [0.3, 0.3, 0.3, 0.1], 0.238095),
    ("KLDivergence", {}, PAIR, None, 0.45814306),
    ("KLDivergence", {}, PAIR, [1, 0], 0.9162892),
    ("Poisson", {}, ([[0, 1], [0, 0]], [[1, 1], [0, 0]]), [1, 0], 0.99999994),
    ("BinaryCrossentropy", {}, PAIR, None, 0.81492424),
    ("BinaryCrossentropy", {}, PAIR, [1, 0], 0.9162905),
    ("CategoricalCrossentropy", {}, CLASSES, None, 1.1769392),
    ("CategoricalCrossentropy", {}, CLASSES, [0.3, 0.7], 1.6271976),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "data", "weights", "value"), METRICS)
def test_metric(name: str, options: dict, data: tuple, weights: Any, value: float) -> None:
    metric = getattr(metrics, name)(**options)
    y_true, y_pred = (np.asarray(v, np.float32) for v in data)
    w = None if weights is None else np.asarray(weights, np.float32)
    metric.update_state(y_true, y_pred, sample_weight=w)
    assert float(metric.result()) == pytest.approx(value, rel=1e-5, abs=1e-6)


LINE = [-20.0, -1.0, 0.0, 1.0, 20.0]
NEAR = [-3.0, -1.0, 0.0, 1.0, 3.0]
WIDE = [-10, -5, 0.0, 5, 10]
ACTIVATIONS = [
    ("relu", {}, WIDE, [0, 0, 0, 5, 10]),
    ("relu", {"negative_slope": 0.5}, WIDE, [-5, -2.5, 0, 5, 10]),
    ("relu", {"max_value": 5.0}, WIDE, [0, 0, 0, 5, 5]),
    ("relu", {"threshold": 5.0}, WIDE, [0, 0, 0, 5, 10]),
    ("sigmoid", {}, LINE, [2.06115369e-09, 0.268941432, 0.5, 0.731058598, 1.0]),
    ("tanh", {}, NEAR, [-0.9950548, -0.7615942, 0.0, 0.7615942, 0.9950548]),
    ("softplus", {}, LINE, [2.0611537e-09, 0.3132616, 0.6931472, 1.3132616, 20.0]),
    ("softsign", {}, [-1.0, 0.0, 1.0], [-0.5, 0.0, 0.5]),
    ("exponential", {}, NEAR, [0.04978707, 0.36787945, 1.0, 2.7182817, 20.085537]),
    ("gelu", {}, NEAR, [-0.00404951, -0.15865529, 0.0, 0.8413447, 2.9959507]),
    ("gelu", {"approximate": True}, NEAR, [-0.00363752, -0.15880796, 0.0, 0.841192, 2.9963627]),
    ("elu", {}, [-1.0, 0.0, 1.0], [-0.63212055, 0.0, 1.0]),
    ("selu", {}, [-1.0, 0.0, 1.0], [-1.1113307, 0.0, 1.0507009]),
    ("silu", {}, [-6.0, 1.0, 0.0, 1.0, 6.0], [-0.0148357, 0.7310586, 0.0, 0.7310586, 5.9851456]),
    ("hard_sigmoid", {}, [-3.0, -1.0, 0.0, 1.0, 3.0], [0, 1 / 3, 0.5, 2 / 3, 1]),
    ("hard_silu", {}, NEAR, [0.0, -0.3333333, 0.0, 0.6666667, 3.0]),
    ("leaky_relu", {}, [-1.0, 0.0, 1.0], [-0.2, 0.0, 1.0]),
    ("log_sigmoid", {}, [-0.541391, 0.0, 0.50, 5.0],
     [-1.0000418, -0.6931472, -0.474077, -0.00671535]),
    ("hard_tanh", {}, [-2.0, -1.0, 0.0, 1.0, 2.0], [-1, -1, 0, 1, 1]),
    ("tanh_shrink", {}, [-1.0, 0.0, 1.0], [-0.23840584, 0.0, 0.23840584]),
    ("soft_shrink", {}, [-1.0, 0.0, 1.0], [-0.5, 0.0, 0.5]),
    ("hard_shrink", {}, [-0.5, 0.0, 1.0], [0.0, 0.0, 1.0]),
    ("sparse_plus", {}, [-1.0, 0.0, 1.0], [0.0, 0.25, 1.0]),
    ("sparse_sigmoid", {}, [-6.0, 1.0, 0.0, 1.0, 6.0], [0.0, 1.0, 0.5, 1.0, 1.0]),
    ("squareplus", {}, [-1.0, 0.0, 1.0], [0.61803399, 1.0, 1.61803399]),
    ("celu", {}, [-1.0, 0.0, 1.0], [-0.63212056, 0.0, 1.0]),
    ("sparsemax", {}, [-6.0, 1.0, 0.0, 1.0, 6.0], [0, 0, 0, 0, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "x", "value"), ACTIVATIONS)
def test_activation(name: str, options: dict, x: list, value: list) -> None:
    result = getattr(activations, name)(np.asarray(x, np.float32), **options)
    np.testing.assert_allclose(result, value, rtol=1e-4, atol=1e-6)


NINE = np.arange(1.0, 10).reshape(3, 3)
TWELVE = np.arange(1.0, 13).reshape(3, 4)
FIVE = np.arange(1.0, 6)
POOLS = [
    ("MaxPooling2D", {"pool_size": 2, "strides": 1}, NINE, [[5, 6], [8, 9]]),
    ("MaxPooling2D", {"pool_size": 2, "strides": 2}, TWELVE, [[6, 8]]),
    ("MaxPooling2D", {"pool_size": 2, "strides": 1, "padding": "same"}, NINE,
     [[5, 6, 6], [8, 9, 9], [8, 9, 9]]),
    ("AveragePooling2D", {"pool_size": 2, "strides": 1}, NINE, [[3, 4], [6, 7]]),
    ("AveragePooling2D", {"pool_size": 2, "strides": 2}, TWELVE, [[3.5, 5.5]]),
    ("AveragePooling2D", {"pool_size": 2, "strides": 1, "padding": "same"}, NINE,
     [[3, 4, 4.5], [6, 7, 7.5], [7.5, 8.5, 9]]),
    ("MaxPooling1D", {"pool_size": 2, "strides": 1}, FIVE, [2, 3, 4, 5]),
    ("MaxPooling1D", {"pool_size": 2, "strides": 2}, FIVE, [2, 4]),
    ("MaxPooling1D", {"pool_size": 2, "strides": 1, "padding": "same"}, FIVE, [2, 3, 4, 5, 5]),
    ("AveragePooling1D", {"pool_size": 2, "strides": 1}, FIVE, [1.5, 2.5, 3.5, 4.5]),
    ("AveragePooling1D", {"pool_size": 2, "strides": 2}, FIVE, [1.5, 3.5]),
    ("AveragePooling1D", {"pool_size": 2, "strides": 1, "padding": "same"}, FIVE,
     [1.5, 2.5, 3.5, 4.5, 5.0]),
    ("ZeroPadding1D", {"padding": 2}, FIVE, [0, 0, 1, 2, 3, 4, 5, 0, 0]),
    ("ZeroPadding2D", {"padding": 1}, np.arange(4.0).reshape(2, 2),
     [[0, 0, 0, 0], [0, 0, 1, 0], [0, 2, 3, 0], [0, 0, 0, 0]]),
    ("Cropping2D", {"cropping": ((1, 0), (0, 2))}, NINE, [[4], [7]]),
    ("UpSampling1D", {"size": 2}, FIVE[:3], [1, 1, 2, 2, 3, 3]),
    ("UpSampling2D", {"size": (1, 2)}, np.arange(4.0).reshape(2, 2), [[0, 0, 1, 1], [2, 2, 3, 3]]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "x", "value"), POOLS)
def test_pooling_and_padding(name: str, options: dict, x: np.ndarray, value: list) -> None:
    result = getattr(layers, name)(**options)(x[np.newaxis, ..., np.newaxis].astype("float32"))
    np.testing.assert_allclose(result[0, ..., 0], value, rtol=1e-6)


PADS = [  # of [[1, 2, 3], [4, 5, 6]]: a row on each side, two columns
    ("constant", [[0] * 7, [0, 0, 1, 2, 3, 0, 0], [0, 0, 4, 5, 6, 0, 0], [0] * 7]),
    ("reflect", [[6, 5, 4, 5, 6, 5, 4], [3, 2, 1, 2, 3, 2, 1]] * 2),
    ("symmetric", [[2, 1, 1, 2, 3, 3, 2]] * 2 + [[5, 4, 4, 5, 6, 6, 5]] * 2),
    ("edge", [[1, 1, 1, 2, 3, 3, 3]] * 2 + [[4, 4, 4, 5, 6, 6, 6]] * 2),
    ("wrap", [[5, 6, 4, 5, 6, 4, 5], [2, 3, 1, 2, 3, 1, 2]] * 2),
]


@pytest.mark.parametrize(("mode", "value"), PADS)
def test_pad(mode: str, value: list) -> None:
    x = np.arange(1.0, 7, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(ops.pad(x, [[1, 1], [2, 2]], mode), value)


STEPS = [  # of w * w / 2, from w: values after each step
    ("SGD", {"learning_rate": 0.1}, 1.0, [0.9]),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}, 1.0, [0.9, 0.72]),
    ("RMSprop", {"learning_rate": 0.1}, 10.0, [9.683772]),
    ("Adam", {"learning_rate": 0.1}, 10.0, [9.9]),
    ("Adamax", {"learning_rate": 0.1}, 10.0, [9.9]),
]


@pytest.mark.parametrize(("name", "options", "start", "values"), STEPS)
def test_optimizer(name: str, options: dict, start: float, values: list) -> None:
    optimizer, w = getattr(optimizers, name)(**options), Variable(np.float32(start))
    for value in values:
        optimizer.apply_gradients([(w.numpy(), w)])
        assert float(w) == pytest.approx(value, rel=1e-5)
