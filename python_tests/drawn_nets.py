"""Small nets, and their data, that tests draw and send to other processes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv import config, layers
from fastconv.layers import Input
from fastconv.models import Model

Bits = list[np.ndarray]
BLOCKS = ["conv", "conv", "depthwise", "pool", "average", "norm", "dropout", "noise", "residual"]
LOSSES = ["sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"]
LOSSES += ["mse", "mae", "kl_divergence", "categorical_hinge", "huber"]
BLOCKS += ["transposed", "separable", "layer norm", "group norm", "scaled"]


@dataclass(frozen=True)
class Net:
    """A net and its data, as numbers that can be drawn, printed and sent to another process."""

    size: int
    channels: int
    filters: int
    kernel: int
    stride: int
    blocks: tuple[str, ...]
    classes: int
    optimizer: str
    rows: int
    batch: int
    epochs: int
    shuffle: bool
    seed: int
    policy: str = "float32"
    loss: str = "sparse_categorical_crossentropy"
    metrics: tuple[str, ...] = ("accuracy",)

    def model(self) -> Model:
        config.set_random_seed(self.seed)
        before = config.dtype_policy()
        config.set_dtype_policy(self.policy)
        try:
            x = inputs = Input((self.size, self.size, self.channels))
            for block in self.blocks:
                x = self.block(block, x)
            outputs = layers.Dense(self.classes, activation="softmax")(layers.Flatten()(x))
        finally:
            config.set_dtype_policy(before)
        model = Model(inputs, outputs)
        model.compile(self.optimizer, self.loss, metrics=list(self.metrics))
        return model

    def block(self, name: str, x: Any) -> Any:
        if name == "conv":
            return layers.Conv2D(
                self.filters, self.kernel, self.stride, padding="same", activation="relu"
            )(x)
        if name == "depthwise":
            return layers.DepthwiseConv2D(3, padding="same")(x)
        if name == "pool":
            return layers.MaxPooling2D(2, padding="same")(x)
        if name == "average":
            return layers.AveragePooling2D(3, strides=2, padding="same")(x)
        if name == "norm":
            return layers.BatchNormalization()(x)
        if name == "dropout":
            return layers.Dropout(0.3)(x)
        if name == "noise":
            return layers.GaussianNoise(0.1)(x)
        if name == "transposed":
            return layers.Conv2DTranspose(self.filters, 3, padding="same", activation="relu")(x)
        if name == "separable":
            return layers.SeparableConv2D(self.filters, self.kernel, padding="same")(x)
        if name == "layer norm":
            return layers.LayerNormalization()(x)
        if name == "group norm":
            return layers.GroupNormalization(1)(x)
        if name == "scaled":
            return layers.Rescaling(0.5, offset=-0.1)(x)
        return layers.add([x, layers.Conv2D(x.shape[-1], 3, padding="same", activation="tanh")(x)])

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(self.seed)
        shape = (self.rows, self.size, self.size, self.channels)
        x = rng.standard_normal(shape).astype(np.float32)
        y = rng.integers(0, self.classes, self.rows)
        return x, y if self.loss.startswith("sparse") else np.eye(self.classes, dtype="float32")[y]

    def fit(self, model: Model, **options: Any) -> Bits:
        arguments = {"batch_size": self.batch, "epochs": self.epochs, "shuffle": self.shuffle}
        x, y = self.data()
        model.fit(x, y, verbose=0, **{**arguments, **options})
        return self.bits(model)

    def bits(self, model: Model) -> Bits:
        x, y = self.data()
        return [
            *model.get_weights(),
            *(v.numpy() for v in model.optimizer.variables),
            *(np.array(values) for values in model.history.history.values()),
            np.array(model.evaluate(x, y, batch_size=self.batch, verbose=0)),
            model.predict(x, batch_size=self.batch, verbose=0),
        ]


def bits_of(net: Net) -> Bits:
    config.set_num_threads(3)
    return net.fit(net.model())
