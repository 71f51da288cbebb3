"""Loss functions (``binary_crossentropy``) and loss objects (``BinaryCrossentropy``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastconv.losses.hinge import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from fastconv.losses.loss import Loss, LossFunctionWrapper
from fastconv.losses.overlap import Dice, Tversky, dice, tversky
from fastconv.losses.probabilistic import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)
from fastconv.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)
from fastconv.losses.robust import (
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
)
from fastconv.saving.registry import deserialize_keras_object, serialize_keras_object
from fastconv.utils.lookup import by_name

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh

LOSS_CLASSES: dict[str, type[Loss]] = {
    c.__name__: c
    for c in (
        BinaryCrossentropy,
        BinaryFocalCrossentropy,
        CategoricalCrossentropy,
        CategoricalFocalCrossentropy,
        CategoricalGeneralizedCrossEntropy,
        CategoricalHinge,
        CosineSimilarity,
        Dice,
        Hinge,
        Huber,
        KLDivergence,
        LogCosh,
        MeanAbsoluteError,
        MeanAbsolutePercentageError,
        MeanSquaredError,
        MeanSquaredLogarithmicError,
        Poisson,
        SparseCategoricalCrossentropy,
        SquaredHinge,
        Tversky,
    )
}
LOSS_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "mse": mse,
    "mae": mae,
    "mape": mape,
    "msle": msle,
    "kld": kld,
    "kullback_leibler_divergence": kld,
    "logcosh": log_cosh,
    "bce": binary_crossentropy,
    **{
        f.__name__: f
        for f in (
            binary_crossentropy,
            binary_focal_crossentropy,
            categorical_crossentropy,
            categorical_focal_crossentropy,
            categorical_generalized_cross_entropy,
            categorical_hinge,
            cosine_similarity,
            dice,
            hinge,
            huber,
            kl_divergence,
            log_cosh,
            mean_absolute_error,
            mean_absolute_percentage_error,
            mean_squared_error,
            mean_squared_logarithmic_error,
            poisson,
            sparse_categorical_crossentropy,
            squared_hinge,
            tversky,
        )
    },
}


def get(identifier: Any) -> Any:
    """A loss object or function from its name, config, class or itself; None stays None.

    Raises:
        ValueError: for an unknown name, with the nearest known ones.
        TypeError: for anything else.

    >>> get("mse").__name__
    'mean_squared_error'
    """
    if identifier is None or isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        known: dict[str, Any] = {**LOSS_FUNCTIONS, **LOSS_CLASSES}
        found = by_name(identifier, known, "loss")
        return found() if isinstance(found, type) else found
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier):
        return identifier
    raise TypeError(f"a loss must be a name, a function or a Loss, got {type(identifier).__name__}")


def serialize(loss: Any) -> Any:
    """A loss as Keras writes it in a file: the name of a function, the config of an object."""
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """A loss from what :func:`serialize` gave; raises ValueError for an unknown one."""
    if isinstance(name, Mapping):
        name = {"module": "keras.losses", **name}
    found = deserialize_keras_object(name, custom_objects)
    if isinstance(found, Mapping):
        raise TypeError(f"{name} is not the config of a loss")
    return get(found)


__all__ = [
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "cosine_similarity",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
