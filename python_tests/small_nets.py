"""Rows, images and small compiled models that the tests of training share."""

import numpy as np

from fastconv import config, layers
from fastconv.models import Sequential

RNG = np.random.default_rng(1)
X = RNG.standard_normal((75, 6)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int64")


def net(**options):
    return Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, activation="relu", **options),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def compiled(optimizer="adam", metrics=("accuracy",), **options):
    config.set_random_seed(3)
    model = net()
    model.compile(optimizer, "binary_crossentropy", metrics=list(metrics), **options)
    return model


def conv_net(optimizer="adam", backend="native"):
    config.set_random_seed(11)
    model = Sequential(
        [
            layers.Input((10, 10, 3)),
            layers.Conv2D(12, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], backend=backend
    )
    return model
