"""Layers with their options and the shape of an input: a row or more for every layer."""

from __future__ import annotations

from typing import Any

import numpy as np

IMAGE = (5, 7, 4)
LINE = (6, 2)

LAYERS: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("Dense", {"units": 3}, (6,)),
    ("Dense", {"units": 3, "activation": "gelu", "use_bias": False}, (2, 6)),
    ("Conv2D", {"filters": 6, "kernel_size": 3}, IMAGE),
    ("Conv2D", {"filters": 6, "kernel_size": (3, 2), "strides": 2, "padding": "same"}, IMAGE),
    ("Conv2D", {"filters": 6, "kernel_size": 2, "dilation_rate": 2, "activation": "elu"}, IMAGE),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2, "padding": "same"}, IMAGE),
    ("Conv2D", {"filters": 2, "kernel_size": 3, "data_format": "channels_first"}, IMAGE),
    ("Conv1D", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, (9, 4)),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}, IMAGE),
    ("SeparableConv2D", {"filters": 5, "kernel_size": 3, "depth_multiplier": 2}, IMAGE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, IMAGE),
    ("MaxPooling2D", {}, IMAGE),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("MaxPooling2D", {"pool_size": 2, "data_format": "channels_first"}, IMAGE),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, IMAGE),
    ("AveragePooling2D", {"pool_size": (2, 3)}, IMAGE),
    ("MaxPooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}, (6, 2)),
    ("AveragePooling1D", {"pool_size": 3, "strides": 2}, (6, 2)),
    ("GlobalAveragePooling2D", {}, IMAGE),
    ("GlobalAveragePooling2D", {"keepdims": True, "data_format": "channels_first"}, IMAGE),
    ("GlobalMaxPooling2D", {}, IMAGE),
    ("GlobalAveragePooling1D", {}, (6, 2)),
    ("GlobalMaxPooling1D", {}, (6, 2)),
    ("AdaptiveAveragePooling1D", {"output_size": 4}, LINE),
    ("AdaptiveAveragePooling2D", {"output_size": (3, 2)}, IMAGE),
    ("AdaptiveMaxPooling1D", {"output_size": 3}, LINE),
    ("AdaptiveMaxPooling2D", {"output_size": 4, "data_format": "channels_first"}, IMAGE),
    ("Flatten", {}, IMAGE),
    ("Flatten", {"data_format": "channels_first"}, IMAGE),
    ("Reshape", {"target_shape": (-1, 10)}, IMAGE),
    ("Permute", {"dims": (3, 1, 2)}, IMAGE),
    ("RepeatVector", {"n": 3}, (4,)),
    ("Dropout", {"rate": 0.5}, IMAGE),
    ("SpatialDropout2D", {"rate": 0.5}, IMAGE),
    ("GaussianNoise", {"stddev": 0.5}, IMAGE),
    ("GaussianDropout", {"rate": 0.5}, IMAGE),
    ("Activation", {"activation": "silu"}, IMAGE),
    ("ReLU", {}, IMAGE),
    ("ReLU", {"max_value": 0.7, "negative_slope": 0.2, "threshold": 0.1}, IMAGE),
    ("LeakyReLU", {}, IMAGE),
    ("LeakyReLU", {"negative_slope": 0.1}, IMAGE),
    ("ELU", {"alpha": 0.7}, IMAGE),
    ("PReLU", {"shared_axes": [1, 2], "alpha_initializer": "random_normal"}, IMAGE),
    ("Softmax", {}, IMAGE),
    ("Softmax", {"axis": 1}, IMAGE),
    ("BatchNormalization", {}, IMAGE),
    ("BatchNormalization", {"axis": 1, "epsilon": 0.1, "scale": False}, IMAGE),
    ("LayerNormalization", {}, IMAGE),
    ("LayerNormalization", {"axis": [2, 3], "center": False}, IMAGE),
    ("GroupNormalization", {"groups": 2}, IMAGE),
    ("GroupNormalization", {"groups": -1}, IMAGE),
    ("ZeroPadding2D", {"padding": ((1, 2), (0, 3))}, IMAGE),
    ("ZeroPadding2D", {"padding": (1, 2), "data_format": "channels_first"}, IMAGE),
    ("Cropping2D", {"cropping": ((1, 2), (0, 3))}, IMAGE),
    ("UpSampling2D", {"size": (2, 3)}, IMAGE),
    ("ZeroPadding1D", {"padding": (1, 2)}, (6, 2)),
    ("Cropping1D", {"cropping": (1, 2)}, (6, 2)),
    ("UpSampling1D", {"size": 3}, (6, 2)),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, IMAGE),
    ("Rescaling", {"scale": 0.5, "offset": -1.0}, IMAGE),
    ("Identity", {}, IMAGE),
    ("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, (9, 4)),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, (5, 4)),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "padding": "same"}, (5, 4)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "kernel_regularizer": "l2"}, IMAGE),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}, (9, 4)),
    ("SeparableConv1D", {"filters": 5, "kernel_size": 3, "strides": 2}, (9, 4)),
    ("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 5, "bias_axes": "c"}, (6,)),
    ("EinsumDense", {"equation": "abc,cde->abde", "output_shape": (6, 3, 2)}, LINE),
    ("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}, LINE),
    ("UnitNormalization", {}, IMAGE),
    ("RMSNormalization", {}, IMAGE),
    ("SpatialDropout1D", {"rate": 0.5}, LINE),
    ("AlphaDropout", {"rate": 0.5}, IMAGE),
    ("Normalization", {"mean": 0.5, "variance": 2.0}, IMAGE),
    ("Resizing", {"height": 3, "width": 10}, IMAGE),
    ("CenterCrop", {"height": 3, "width": 4}, IMAGE),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, IMAGE),
    ("RandomBrightness", {"factor": 0.2}, IMAGE),
    ("RandomContrast", {"factor": 0.2}, IMAGE),
    ("RandomCrop", {"height": 3, "width": 4, "seed": 1}, IMAGE),
    ("RandomErasing", {"factor": (1, 1), "scale": (0.2, 0.6), "fill_value": 9.0}, IMAGE),
    ("RandomFlip", {"mode": "horizontal"}, IMAGE),
    ("RandomGrayscale", {"factor": 0.7}, (5, 7, 3)),
    ("RandomInvert", {"factor": (0.7, 0.8), "value_range": (0, 1)}, IMAGE),
    ("RandomRotation", {"factor": 0.2}, IMAGE),
    ("RandomTranslation", {"height_factor": 0.2, "width_factor": 0.2}, IMAGE),
    ("RandomZoom", {"height_factor": 0.2}, IMAGE),
    ("Embedding", {"input_dim": 9, "output_dim": 3}, (6,)),
]
MERGES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")),
    ("Concatenate", {}),
    ("Concatenate", {"axis": 1}),
    ("Dot", {"axes": 1}),
    ("Dot", {"axes": (2, 1), "normalize": True}),
]
RANDOM = {  # differ in training from seed to seed
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout"),
    *("GaussianNoise", "RandomBrightness", "RandomContrast", "RandomCrop", "RandomErasing"),
    *("RandomFlip", "RandomGrayscale", "RandomInvert", "RandomRotation", "RandomTranslation"),
    "RandomZoom",
}


def dtype_of(name: str) -> str:
    """The dtype of the inputs that the layer takes."""
    return "int32" if name == "Embedding" else "float32"


def ids(rows: list[Any]) -> list[str]:
    return [f"{row[0]}-{i}" for i, row in enumerate(rows)]


def inputs_of(name: str, shape: tuple[int, ...], rows: int = 3, seed: int = 0) -> np.ndarray:
    """A batch that the layer takes."""
    rng = np.random.default_rng(seed)
    if dtype_of(name) == "int32":
        return rng.integers(0, 9, (rows, *shape)).astype("int32")
    return rng.standard_normal((rows, *shape)).astype("float32")
