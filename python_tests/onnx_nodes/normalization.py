"""Normalizations, softmax and losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv import layers, ops
from onnx_nodes.node import OutOfScopeError, operator


@operator("BatchNormalization")
def batch_normalization(a: Any, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    epsilon = a.get("epsilon", 1e-5)
    if not a.get("training_mode", 0):
        return ops.batch_normalization(x, mean, variance, 1, bias, scale, epsilon)
    layer = layers.BatchNormalization(axis=1, momentum=a.get("momentum", 0.9), epsilon=epsilon)
    layer.build(x.shape)
    layer.set_weights([scale, bias, mean, variance])
    y = layer(x, training=True)
    return [y, *layer.get_weights()[2:]]


@operator("LayerNormalization")
def layer_normalization(a: Any, x: Any, scale: Any, bias: Any = None) -> Any:
    axes = tuple(range(x.ndim))[a.get("axis", -1) :]
    epsilon = a.get("epsilon", 1e-5)
    y = ops.layer_normalization(x, scale, bias, axes, epsilon)
    mean = ops.mean(x, axes, keepdims=True)
    return [y, mean, ops.rsqrt(ops.var(x, axes, keepdims=True) + np.float32(epsilon))]


@operator("RMSNormalization")
def rms_normalization(a: Any, x: Any, scale: Any) -> Any:
    axes = tuple(range(x.ndim))[a.get("axis", -1) :]
    return ops.rms_normalization(x, scale, axes, a.get("epsilon", 1e-5))


def _groups(x: Any, scale: Any, bias: Any, groups: int, epsilon: float) -> Any:
    layer = layers.GroupNormalization(groups, axis=1, epsilon=epsilon)
    layer.build(x.shape)
    layer.set_weights([scale, bias])
    return layer(x)


@operator("GroupNormalization")
def group_normalization(a: Any, x: Any, scale: Any, bias: Any) -> Any:
    return _groups(x, scale, bias, a["num_groups"], a.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def instance_normalization(a: Any, x: Any, scale: Any, bias: Any) -> Any:
    return _groups(x, scale, bias, -1, a.get("epsilon", 1e-5))


@operator("MeanVarianceNormalization")
def mean_variance_normalization(a: Any, x: Any) -> Any:
    return ops.layer_normalization(x, axis=a.get("axes", [0, 2, 3]), epsilon=1e-9)


@operator("LpNormalization")
def lp_normalization(a: Any, x: Any) -> Any:
    return ops.normalize(x, a.get("axis", -1), a.get("p", 2), epsilon=1e-20)


@operator("Softmax", "LogSoftmax", "Hardmax")
def softmax(a: Any, x: Any) -> Any:
    axis = a.get("axis", -1 if a.opset >= 13 else 1)
    if a.opset < 13:
        raise OutOfScopeError("has no softmax over several axes")
    if a.op == "Hardmax":
        return ops.one_hot(ops.argmax(x, axis), x.shape[axis], axis)
    return (ops.softmax if a.op == "Softmax" else ops.log_softmax)(x, axis)


def _reduced(a: Any, values: Any, weight: Any, target: Any) -> Any:
    """Weighted losses, summed or averaged; targets that are to be ignored count nothing."""
    labels = _labels(a, target)
    counts = np.ones(target.shape, np.float32) if weight is None else ops.take(weight, labels)
    ignored = a.get("ignore_index")
    if ignored is not None:
        counts = ops.where(target == ignored, 0.0, counts)
    values = values * counts
    mode = a.get("reduction", "mean")
    if mode == "none":
        return values
    return ops.sum(values) if mode == "sum" else ops.sum(values) / ops.sum(counts)


def _labels(a: Any, target: Any) -> Any:
    ignored = a.get("ignore_index")
    return target if ignored is None else ops.where(target == ignored, 0, target)


@operator("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(a: Any, scores: Any, target: Any, weight: Any = None) -> Any:
    labels = _labels(a, target)
    values = ops.sparse_categorical_crossentropy(labels, scores, from_logits=True, axis=1)
    total = _reduced(a, values, weight, target)
    return [total, ops.log_softmax(scores, axis=1)]


@operator("NegativeLogLikelihoodLoss")
def negative_log_likelihood(a: Any, scores: Any, target: Any, weight: Any = None) -> Any:
    labels = ops.expand_dims(_labels(a, target), 1)
    values = -ops.squeeze(ops.take_along_axis(scores, labels, axis=1), 1)
    return _reduced(a, values, weight, target)


@operator("Dropout")
def dropout(a: Any, x: Any, rate: Any = None, training: Any = None) -> Any:
    if training is not None and bool(training) and (rate is None or float(rate) > 0):
        raise OutOfScopeError("draws other random numbers")
    return [layers.Dropout(0.5)(x), np.ones(x.shape, np.bool_)]
