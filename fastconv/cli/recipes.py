"""How each net is trained unless the command says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastconv.optimizers import Optimizer


@dataclass(frozen=True, slots=True)
class Recipe:
    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int


_BY_MODEL = {
    "cnn": Recipe("rmsprop", 5e-4, 128, 10),
    "mlp": Recipe("adam", 1e-3, 128, 10),
    "lenet5": Recipe("sgd", 0.01, 128, 10),
    "resnet20": Recipe("sgd", 0.1, 128, 20),
    "vgg": Recipe("sgd", 0.05, 128, 15),
}
_BY_DATASET_AND_MODEL = {
    ("digits", "cnn"): Recipe("adam", 1e-3, 32, 20),
    ("digits", "mlp"): Recipe("adam", 1e-3, 32, 20),
    ("digits", "resnet20"): Recipe("adam", 1e-3, 32, 15),
    ("digits", "vgg"): Recipe("adam", 1e-3, 32, 10),
    ("mnist", "cnn"): Recipe("adadelta", 1.0, 128, 5),
    ("fashion_mnist", "cnn"): Recipe("adadelta", 1.0, 128, 10),
}
_RATES = {
    "sgd": 0.01,
    "rmsprop": 1e-3,
    "adam": 1e-3,
    "adamw": 1e-3,
    "nadam": 1e-3,
    "adamax": 1e-3,
    "adagrad": 0.01,
    "adadelta": 1.0,
}


def recipe(
    dataset: str,
    model: str,
    *,
    optimizer: str | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
) -> Recipe:
    """The recipe with what was asked for in its place. Another optimizer brings its own usual rate.

    >>> recipe("mnist", "cnn", epochs=3)
    Recipe(optimizer='adadelta', learning_rate=1.0, batch_size=128, epochs=3)
    """
    own = _BY_DATASET_AND_MODEL.get((dataset, model), _BY_MODEL[model])
    chosen = optimizer or own.optimizer
    usual = own.learning_rate if chosen == own.optimizer else _RATES[chosen]
    return Recipe(
        chosen,
        usual if learning_rate is None else learning_rate,
        batch_size or own.batch_size,
        epochs or own.epochs,
    )


def make_optimizer(chosen: Recipe) -> Optimizer:
    from fastconv import optimizers

    rate = chosen.learning_rate
    if chosen.optimizer == "sgd":
        return optimizers.SGD(rate, momentum=0.9)
    classes: dict[str, type[Optimizer]] = {
        "rmsprop": optimizers.RMSprop,
        "adam": optimizers.Adam,
        "adamw": optimizers.AdamW,
        "nadam": optimizers.Nadam,
        "adamax": optimizers.Adamax,
        "adagrad": optimizers.Adagrad,
        "adadelta": optimizers.Adadelta,
    }
    return classes[chosen.optimizer](learning_rate=rate)
