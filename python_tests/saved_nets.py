"""Two nets, of our classes or of Keras's: a chain, and a graph with all that a file must keep."""

from __future__ import annotations


def chain(module: object) -> object:
    m = module.layers
    model = module.Sequential(
        [
            m.Input((8, 8, 3)),
            m.Conv2D(4, 3, padding="same", kernel_regularizer="l2"),
            m.BatchNormalization(),
            m.LeakyReLU(),
            m.MaxPooling2D(),
            m.Dropout(0.25),
            m.Flatten(),
            m.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def graph(module: object) -> object:
    """Branches, a shared layer, a model in the model called twice, arithmetic, two outputs."""
    m = module.layers
    x = m.Input((8, 8, 3), name="image")
    conv = m.Conv2D(4, 3, padding="same", activation="relu")
    a = m.BatchNormalization()(conv(x))
    b = m.DepthwiseConv2D(3, padding="same")(a)
    c = m.Add()([a, b]) * 0.5 + 1.0
    v, w = m.GlobalAveragePooling2D()(c), m.GlobalMaxPooling2D()(conv(x))
    code = m.Input((4,))
    head = module.Model(code, m.Dense(5, activation="tanh")(code), name="head")
    tail = module.Sequential([m.Input((5,)), m.Dense(3, activation="softmax")], name="tail")
    first = tail(head(v))
    second = m.Dense(1, name="score")(m.Concatenate()([head(v), head(w)]))
    model = module.Model(x, [first, second])
    model.compile(
        module.optimizers.SGD(0.05, momentum=0.9),
        ["sparse_categorical_crossentropy", "mse"],
        loss_weights=[1.0, 0.5],
    )
    return model


NETS = {"chain": chain, "graph": graph}
