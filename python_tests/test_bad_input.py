"""Wrong use of compile, fit, evaluate and predict: a clear error, and an untouched model."""

import numpy as np
import pytest

from fastconv import callbacks, constraints, layers, losses, metrics, ops, random
from fastconv.models import Model, Sequential
from fastconv.utils import plots

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(12, 6, 6, 3)).astype("float32")
LABELS = RNG.integers(0, 4, 12)


def net():
    return Sequential(
        [
            layers.Input((6, 6, 3), name="photo"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax", name="classes"),
        ],
        name="shop",
    )


@pytest.mark.parametrize("size", [2.5, float("inf"), float("nan"), "6"])
def test_sizes_are_whole_numbers(size):
    with pytest.raises(ValueError, match="Input: every dimension must be a whole number"):
        layers.Input((6, size))
    with pytest.raises(ValueError, match="a size of a shape must be a whole number"):
        layers.Dense(2).build((None, size))
    assert layers.Input((6.0, np.int64(5))).shape == (None, 6, 5)


@pytest.fixture
def model():
    m = net()
    m.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return m


def spoil(array, value, at=7):
    array = array.copy()
    array[at] = value
    return array


WRONG_DATA = [
    ({"x": IMAGES[:10]}, r"x has 10 rows and y has 12"),
    ({"x": IMAGES[:, :5]}, r"'photo' of model 'shop' expects shape \(None, 6, 6, 3\), got .*5, 6"),
    ({"x": IMAGES[..., :1]}, r"got \(12, 6, 6, 1\)"),
    ({"x": IMAGES.reshape(12, -1)}, r"got \(12, 108\)"),
    ({"x": IMAGES.transpose(0, 3, 1, 2)}, "channels come last"),
    ({"x": spoil(IMAGES, np.nan)}, r"x holds nan \(first in row 7\)"),
    ({"x": spoil(IMAGES, -np.inf)}, "x holds -inf"),
    ({"y": spoil(LABELS.astype(float), np.nan)}, "y holds nan"),
    ({"y": spoil(LABELS, 4)}, "'classes' has 4 classes, so labels must be from 0 to 3; y holds 4"),
    ({"y": spoil(LABELS, -1)}, "y holds -1"),
    ({"y": LABELS + 0.5 - 0.5 * (LABELS > 2)}, "whole numbers"),
    ({"y": np.eye(4)[LABELS]}, r"loss of output 'classes'.*one-hot"),
    ({"y": None}, "'classes' has a loss but no targets"),
    ({"x": IMAGES[:0], "y": LABELS[:0]}, "empty"),
    ({"sample_weight": np.ones(5)}, "sample_weight has 5"),
    ({"sample_weight": spoil(np.ones(12), np.inf)}, "sample_weight holds inf"),
    ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
    ({"batch_size": -4}, "batch_size"),
    ({"batch_size": 2.5}, "batch_size"),
    ({"epochs": -1}, "epochs"),
    ({"steps_per_epoch": 0}, "steps_per_epoch"),
    ({"validation_split": 1.5}, "validation_split"),
    ({"validation_split": "a"}, "validation_split must be between 0 and 1, got 'a'"),
    ({"validation_freq": 0}, "validation_freq must be a positive integer, got 0"),
    ({"validation_freq": 2.0}, "validation_freq"),
    ({"validation_freq": "a"}, "validation_freq"),
    ({"validation_freq": [1, "b"]}, "a positive integer or a list of them"),
    ({"validation_data": (IMAGES[:, :3], LABELS)}, "expects shape"),
    ({"validation_data": (IMAGES, LABELS, LABELS, LABELS)}, "got 4 values"),
    ({"validation_data": (IMAGES, spoil(LABELS, 9))}, "y holds 9"),
    ({"verbose": 3}, "verbose"),
    ({"class_weight": {"cat": 2.0}}, "classes and weights must be numbers, got 'cat': 2.0"),
    ({"class_weight": {1: None}}, "classes and weights must be numbers, got 1: None"),
    ({"class_weight": {0.9: 2.0}}, "class_weight: classes must be whole numbers, got 0.9"),
    ({"x": None}, "x is None"),
    ({"x": [IMAGES, IMAGES]}, "x has 2 rows and y has 12"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_DATA)
def test_wrong_data(model, wrong, message):
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(**{"x": IMAGES, "y": LABELS, "verbose": 0, **wrong})
    assert int(model.optimizer.iterations) == 0
    for v, w in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(v, w)
    assert len(model.fit(IMAGES, LABELS, verbose=0).history["loss"]) == 1


WRONG_TYPES = [
    ({"x": np.array([["a"] * 3] * 12)}, "expected numbers"),
    ({"x": [[1.0], [1.0, 2.0]]}, "x cannot be made an array|dtype=object"),
    ({"x": np.array([object()] * 12)}, "dtype=object"),
    ({"y": [None] * 12}, "dtype=object"),
    ({"y": np.array(["cat"] * 12)}, "expected numbers"),
    ({"x": IMAGES + 1j}, "expected numbers"),
    ({"class_weight": [1.0, 2.0]}, "class_weight must be a dictionary from class to weight"),
    ({"callbacks": callbacks.TerminateOnNaN}, "got the class TerminateOnNaN"),
    ({"callbacks": [callbacks.TerminateOnNaN]}, "got the class TerminateOnNaN"),
    ({"callbacks": ["early"]}, "got str"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_TYPES)
def test_wrong_types(model, wrong, message):
    with pytest.raises(TypeError, match=message):
        model.fit(**{"x": IMAGES, "y": LABELS, "verbose": 0, **wrong})


def test_wrong_data_in_evaluate_and_predict(model):
    with pytest.raises(ValueError, match="expects shape"):
        model.predict(IMAGES[:, :2])
    with pytest.raises(ValueError, match=r"single example needs a batch dimension"):
        model.predict(IMAGES[0])
    with pytest.raises(ValueError, match="x holds nan"):
        model.predict(spoil(IMAGES, np.nan))
    with pytest.raises(ValueError, match="y holds 17"):
        model.evaluate(IMAGES, spoil(LABELS, 17), verbose=0)
    with pytest.raises(ValueError, match="empty"):
        model.predict(IMAGES[:0])
    with pytest.raises(ValueError, match="expects shape"):
        model.train_on_batch(IMAGES[:, :2], LABELS)
    for given in (3, None, iter(IMAGES)):
        for call in (model.train_on_batch, model.test_on_batch, model.predict_on_batch):
            with pytest.raises((TypeError, ValueError), match=r"batch must be given as arrays|x "):
                call(given)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1)])
def test_a_single_grey_image(shape):
    model = Sequential([layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(2)])
    message = rf"got \({', '.join(map(str, shape))}\): a single example needs a batch dimension"
    with pytest.raises(ValueError, match=message):
        model.predict(np.zeros(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.BatchNormalization(momentum=2), "momentum must be in"),
        (lambda: layers.BatchNormalization(epsilon=-1), "epsilon must be >= 0"),
        (lambda: layers.Embedding(0, 3), "Embedding: input_dim must be .*at least 1, got 0"),
        (lambda: layers.Embedding(4, -3), "output_dim must be .*at least 1, got -3"),
        (lambda: losses.Huber(delta=-1), "Huber: delta must be > 0, got -1"),
        (lambda: losses.huber([0.0], [1.0], 0), "huber: delta"),
        (lambda: constraints.MaxNorm(-1), "MaxNorm: max_value must be >= 0"),
        (lambda: constraints.MinMaxNorm(2, 1), "MinMaxNorm: 0 <= min_value <= max_value"),
        (lambda: metrics.Precision(class_id=5)([[1.0, 0.0]], [[0.5, 0.5]]), "class_id must be"),
        (lambda: random.randint((2,), 3, 3), "maxval must be above minval"),
        (lambda: ops.moveaxis(np.zeros((2, 3)), (0, 1), (1,)), "as many different axes"),
        (lambda: plots.confusion_matrix([0], [2], 2), "predicted must be from 0 to 1, got 2 to 2"),
        (lambda: plots.confusion_matrix([0], [1, 1], 2), "1 labels and 2 predicted"),
    ],
)
def test_values_without_a_meaning(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Blocks(Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(8)
        self.inner = Sequential([layers.Dense(8), layers.BatchNormalization()])
        self.reshape = layers.Reshape((2, 4))
        self.out = Sequential([layers.Flatten(), layers.Dense(3)])
        self.tail = []

    def call(self, inputs):
        if not self.tail:
            self.tail.append(layers.Dense(3))
        return self.tail[0](self.out(self.reshape(self.inner(self.dense(inputs)))))


def chain_of_blocks():
    inner = Sequential([layers.Dense(8), layers.BatchNormalization()])
    last = [layers.Reshape((2, 4)), layers.Flatten(), layers.Dense(3)]
    return Sequential([layers.Dense(8), inner, *last, layers.Dense(3)])


@pytest.mark.parametrize("make", [chain_of_blocks, Blocks])
def test_data_of_a_wrong_shape_build_nothing(make):
    right, wrong = np.ones((16, 3), "float32"), np.ones((16, 3, 4), "float32")
    for use in (
        lambda m, x: m.fit(x, np.ones((16, 3)), verbose=0),
        lambda m, x: m.predict(x, verbose=0),
        lambda m, x: m(x),
        lambda m, x: m.build((None, *x.shape[1:])),
    ):
        model = make()
        model.compile("sgd", "mse")
        with pytest.raises(ValueError, match=r"cannot reshape examples of shape \(3, 8\)"):
            use(model, wrong)
        assert not model.built
        assert model.weights == []
        use(model, right)
        assert len(model.weights) == 12


@pytest.mark.parametrize("wrong", [-1, 10])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_indices_without_a_row(wrong, dtype):
    x = np.zeros((4, 3), dtype)
    y = np.ones((4, 1))
    inputs = layers.Input((3,), dtype=dtype), layers.Input((3,), dtype=dtype)
    rows = layers.Embedding(10, 4, name="words")(inputs[1])
    model = Model(inputs, layers.Dense(1)(layers.Flatten()(rows)))
    model.compile("adam", "mse")
    bad = x.copy()
    bad[2, 1] = wrong
    before = model.get_weights()
    for use in (
        lambda: model.fit((x, bad), y, verbose=0),
        lambda: model.fit((x, x), y, validation_data=((x, bad), y), verbose=0),
        lambda: model.train_on_batch((x, bad), y),
        lambda: model.evaluate((x, bad), y, verbose=0),
        lambda: model.predict((x, bad)),
        lambda: model((x, bad)),
    ):
        with pytest.raises(ValueError, match=rf"'words' has input_dim=10.* hold {wrong}"):
            use()
    assert model.optimizer.iterations == 0
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit((bad, x), y, verbose=0)


def test_indices_that_a_model_computes():
    model = Sequential(
        [
            layers.Input((3,)),
            layers.Lambda(lambda x: ops.cast(ops.cast(x, "bool"), "int32")),
            layers.Embedding(2, 4),
        ]
    )
    assert np.isfinite(model.predict(np.array([[-7.0, 0.0, 9.0]]))).all()


def test_data_before_compile():
    model = net()
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(RuntimeError, match=r"'shop' must be compiled before"):
            call(IMAGES, LABELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm'. Did you mean 'Adam'"),
        ({"loss": "binary_crossentropi"}, "unknown loss .* Did you mean 'binary_crossentropy'"),
        ({"metrics": ["acuracy"]}, "unknown metric 'acuracy'. Did you mean 'Accuracy'"),
        ({"weighted_metrics": ["prescision"]}, "unknown metric"),
        ({"backend": "torch"}, "backend"),
    ],
)
def test_wrong_compile(options, message):
    with pytest.raises(ValueError, match=message):
        net().compile(**{"optimizer": "sgd", "loss": "mse", **options})


def test_losses_and_metrics_that_do_not_fit_the_outputs():
    x = layers.Input((3,))
    two = Model(x, [layers.Dense(1, name="a")(x), layers.Dense(2, name="b")(x)], name="two")
    data = np.ones((4, 3)), [np.ones((4, 1)), np.ones((4, 2))]
    for options, error, message in (
        ({"loss": ["mse"]}, ValueError, "loss has 1 entries, the model has 2 outputs: 'a', 'b'"),
        ({"loss": {"c": "mse"}}, ValueError, "loss names 'c', the outputs .* are 'a', 'b'"),
        ({"loss_weights": 2.0}, TypeError, "loss_weights must be a list or a dictionary"),
        ({"metrics": [["mae"]]}, ValueError, "metrics has 1 entries, the model has 2 outputs"),
        ({"metrics": [metrics.MeanAbsoluteError()]}, ValueError, "belongs to one of them"),
        ({"loss": lambda t, p: 1.0}, TypeError, "gave ndarray, expected a tensor"),
        ({"loss": lambda t, p: ops.matmul(p, p)}, ValueError, "loss of output 'a': matmul"),
        ({"metrics": [lambda t, p: ops.matmul(p, p)]}, ValueError, "metric .* of output 'a'"),
    ):
        two.compile(**{"optimizer": "sgd", "loss": "mse", **options})
        with pytest.raises(error, match=message):
            two.fit(*data, verbose=0)
    two.compile("sgd", {"a": "mse"}, metrics={"b": "mae"})
    with pytest.raises(ValueError, match="output 'b' has metrics but no targets were given"):
        two.fit(data[0], {"a": data[1][0]}, verbose=0)


def test_wrong_types_in_compile():
    for options in ({"optimizer": 3}, {"loss": 3}, {"metrics": 3}, {"metrics": [3]}):
        with pytest.raises(TypeError):
            net().compile(**{"optimizer": "sgd", "loss": "mse", **options})
    with pytest.raises(TypeError, match="unexpected keyword"):
        net().compile("sgd", "mse", metric=["accuracy"])
    model = net()
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="unexpected keyword"):
        model.fit(IMAGES, LABELS, epoch=3)


def test_no_loss():
    model = net()
    model.compile("sgd")
    with pytest.raises(ValueError, match="has no loss"):
        model.fit(IMAGES, LABELS, verbose=0)


def test_several_inputs_and_outputs():
    a, b = layers.Input((3,), name="a"), layers.Input((2,), name="b")
    p = layers.Dense(1, name="p")(a)
    q = layers.Dense(1, name="q")(b)
    model = Model([a, b], [p, q], name="two")
    xa, xb, y = np.zeros((4, 3)), np.zeros((4, 2)), np.zeros((4, 1))

    def compile_and_fit(x=(xa, xb), target=(y, y), **options):
        model.compile("sgd", **{"loss": "mse", **options})
        model.fit(list(x) if isinstance(x, tuple) else x, target, verbose=0)

    compile_and_fit(target=[y, y])
    for wrong, message in [
        ({"x": xa}, "takes 2 inputs .'a', 'b'., x holds 1"),
        ({"x": {"a": xa}}, "x is a dictionary of 'a'; the model has 'a', 'b'"),
        ({"target": y}, "y holds 1 arrays, the model has 2 outputs: 'p', 'q'"),
        ({"target": {"p": y}}, "output 'q' has a loss but no targets"),
        ({"target": {"p": y, "r": y}}, "y is a dictionary of 'p', 'r'; the model has 'p', 'q'"),
        ({"loss": {"r": "mse"}}, "loss names 'r', the outputs of the model are 'p', 'q'"),
        ({"loss": ["mse"]}, "loss has 1 entries"),
        ({"metrics": {"r": "mae"}}, "metrics names 'r'"),
        ({"loss_weights": [1.0]}, "loss_weights has 1"),
        ({"x": (xb, xa)}, r"input 'a' of model 'two' expects shape \(None, 3\), got \(4, 2\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            compile_and_fit(**{"target": [y, y], **wrong})


def test_targets_beside_batches(model):
    def batches():
        yield IMAGES, LABELS

    with pytest.raises(ValueError, match="must come in them"):
        model.fit(batches(), LABELS, verbose=0)
    with pytest.raises(ValueError, match="validation_data instead"):
        model.fit(batches(), validation_split=0.5, verbose=0)
    with pytest.raises(ValueError, match="gave no batch"):
        model.fit(iter([]), verbose=0)
    with pytest.raises(TypeError, match="expected numbers"):
        model.fit(object(), LABELS, verbose=0)


def test_a_bad_batch_stops_without_harm(model):
    def batches():
        yield IMAGES, LABELS
        yield IMAGES[:, :2], LABELS

    with pytest.raises(ValueError, match="expects shape"):
        model.fit(batches(), verbose=0)
    assert int(model.optimizer.iterations) == 1
    assert np.isfinite(model.predict(IMAGES)).all()


def test_labels_of_every_batch_are_looked_at(model):
    def batches(wrong):
        yield IMAGES, LABELS
        yield IMAGES[:8], spoil(LABELS, wrong)[:8]

    for wrong in (4, -1):
        with pytest.raises(ValueError, match=f"'classes' has 4 classes.*; y holds {wrong}"):
            model.fit(batches(wrong), verbose=0)
        with pytest.raises(ValueError, match=f"y holds {wrong}"):
            model.evaluate(batches(wrong), verbose=0)
    assert int(model.optimizer.iterations) == 2
    assert np.isfinite(model.predict(IMAGES)).all()
    model.compile("sgd", losses.SparseCategoricalCrossentropy(ignore_class=-1))
    assert np.isfinite(model.fit(batches(-1), verbose=0).history["loss"][0])
    with pytest.raises(ValueError, match="y holds -2"):
        model.fit(batches(-2), verbose=0)


def scaled(y_true, y_pred):
    return 2 * losses.sparse_categorical_crossentropy(y_true, y_pred)


def by_ops(y_true, y_pred):
    return ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred)


@pytest.mark.parametrize("loss", [scaled, by_ops, losses.CategoricalGeneralizedCrossEntropy()])
@pytest.mark.parametrize("shape", [(12,), (12, 1)])
def test_labels_of_every_loss_of_labels_are_looked_at(loss, shape):
    model = net()
    model.compile("sgd", loss)
    for wrong in (4, -1):
        with pytest.raises(ValueError, match=f"'classes' has 4 classes.*; y holds {wrong}"):
            model.fit(IMAGES, spoil(LABELS, wrong).reshape(shape), verbose=0)
    assert int(model.optimizer.iterations) == 0
    assert np.isfinite(model.fit(IMAGES, LABELS.reshape(shape), verbose=0).history["loss"][0])
