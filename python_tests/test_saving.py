"""Files of models and weights: round trips, Keras reading ours and we Keras's."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from real_keras import import_keras, to_numpy
from saved_nets import NETS, chain, graph

import fastconv
from fastconv import layers, ops
from fastconv.models import Model, Sequential, load_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((12, 8, 8, 3)).astype("float32")
LABELS = RNG.integers(0, 3, 12)


def targets(name: str) -> object:
    return LABELS if name == "chain" else [LABELS, LABELS.astype("float32")]


def outputs(value: object) -> list[np.ndarray]:
    return [to_numpy(v) for v in (value if isinstance(value, list) else [value])]


def trained(module: object, name: str) -> object:
    model = NETS[name](module)
    model.fit(IMAGES, targets(name), epochs=2, batch_size=4, verbose=0)
    return model


def assert_same_outputs(one: object, two: object, tolerance: float = 0.0) -> None:
    first = outputs(one.predict(IMAGES, verbose=0))
    second = outputs(two.predict(IMAGES, verbose=0))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def optimizer_state(model: object) -> list[np.ndarray]:
    return [np.asarray(v.numpy()) for v in model.optimizer.variables]


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", NETS)
def test_a_saved_model_goes_on_where_it_was(name: str, ending: str, tmp_path: Path) -> None:
    model = trained(fastconv, name)
    path = tmp_path / f"model{ending}"
    model.save(path)
    again = load_model(path)
    assert_same_outputs(model, again)
    for a, b in zip(optimizer_state(model), optimizer_state(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.get_config() == model.get_config()
    options = {"epochs": 1, "verbose": 0, "batch_size": 4}
    fastconv.config.set_random_seed(1)  # of the order of batches, and of dropout
    one = model.fit(IMAGES, targets(name), **options).history
    fastconv.config.set_random_seed(1)
    two = again.fit(IMAGES, targets(name), **options).history
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-6)
    assert list(one) == list(two)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", NETS)
def test_keras_reads_what_we_write(name: str, ending: str, tmp_path: Path) -> None:
    keras = import_keras()
    model = trained(fastconv, name)
    path = tmp_path / f"model{ending}"
    model.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Keras cannot read a list of losses back from its own .h5 files.
        theirs = keras.models.load_model(path, compile=(name, ending) != ("graph", ".h5"))
    assert_same_outputs(model, theirs, 2e-5)
    if ending == ".keras":
        state = [to_numpy(v.value) for v in theirs.optimizer.variables]
        for a, b in zip(optimizer_state(model), state, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", NETS)
def test_we_read_what_keras_writes(name: str, ending: str, tmp_path: Path) -> None:
    keras = import_keras()
    path = tmp_path / f"model{ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = trained(keras, name)
        theirs.save(path)
    model = load_model(path)
    assert_same_outputs(model, theirs, 2e-5)
    state = [to_numpy(v.value) for v in theirs.optimizer.variables]
    for a, b in zip(optimizer_state(model), state, strict=True):
        np.testing.assert_array_equal(a, b)
    assert type(model.optimizer).__name__ == type(theirs.optimizer).__name__


@pytest.mark.parametrize("name", NETS)
def test_weights_are_exchanged_with_keras(name: str, tmp_path: Path) -> None:
    keras = import_keras()
    ours, theirs = trained(fastconv, name), NETS[name](keras)
    path = tmp_path / "all.weights.h5"
    ours.save_weights(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.load_weights(path)
        assert_same_outputs(ours, theirs, 2e-5)
        theirs.save_weights(path)
    fresh = NETS[name](fastconv)
    fresh.load_weights(path)
    assert_same_outputs(ours, fresh)


@pytest.mark.parametrize("file", ["w.weights.h5", "w.h5", "w.keras", "model.h5"])
def test_weights_from_any_file(file: str, tmp_path: Path) -> None:
    model = trained(fastconv, "graph")
    path = tmp_path / file
    if file in ("w.keras", "model.h5"):
        model.save(path)
    else:
        model.save_weights(path)
    fresh = graph(fastconv)
    fresh.load_weights(path)
    assert_same_outputs(model, fresh)


def test_weights_by_name(tmp_path: Path) -> None:
    def net(last: int) -> Sequential:
        return Sequential(
            [
                layers.Input((4,)),
                layers.Dense(3, name="body"),
                layers.Dense(last, name=f"head{last}"),
            ]
        )

    source, target = net(2), net(5)
    source.save_weights(tmp_path / "w.h5")
    head = target.layers[1].get_weights()[0]
    target.load_weights(tmp_path / "w.h5", by_name=True)
    np.testing.assert_array_equal(target.layers[0].get_weights()[0], source.get_weights()[0])
    np.testing.assert_array_equal(target.layers[1].get_weights()[0], head)


def test_names_that_are_split_over_several_attributes(tmp_path: Path) -> None:
    model = chain(fastconv)
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        names = list(file.attrs["layer_names"])
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:1], names[1:]
    fresh = chain(fastconv)
    fresh.load_weights(tmp_path / "w.h5")
    assert_same_outputs(model, fresh)


def test_more_names_than_an_attribute_holds(tmp_path: Path) -> None:
    class Many(layers.Layer):
        def build(self, input_shape: object) -> None:
            for i in range(4200):
                self.add_weight((), "random_normal", name=f"weight_{i}")

        def call(self, inputs: object) -> object:
            return inputs

    model, fresh = (Sequential([layers.Input((4,)), Many()]) for _ in range(2))
    model.save_weights(tmp_path / "w.h5")
    fresh.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(fresh.get_weights(), model.get_weights())
    import_keras()
    from keras.src.legacy.saving.legacy_h5_format import load_subset_weights_from_hdf5_group

    with h5py.File(tmp_path / "w.h5") as file:
        theirs = load_subset_weights_from_hdf5_group(file[model.layers[0].name])
    np.testing.assert_array_equal(theirs, model.get_weights())


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("count", [1, 10])  # groups of few members and of many have two forms
def test_names_that_are_not_ascii(count: int, ending: str, tmp_path: Path) -> None:
    keras = import_keras()
    path = tmp_path / f"größe{ending}"
    for module in (fastconv, keras):
        stack = [module.layers.Dense(3, name=f"größe_{i}") for i in range(count)]
        model = module.Sequential([module.layers.Input((4,)), *stack])
        model.save(path)
        for loaded in (load_model(path), keras.models.load_model(path)):
            assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
            for mine, saved in zip(loaded.get_weights(), model.get_weights(), strict=True):
                np.testing.assert_array_equal(mine, saved)


@pytest.mark.parametrize("file", ["w.h5", "w.weights.h5"])
def test_weights_that_do_not_fit_are_skipped_on_demand(file: str, tmp_path: Path) -> None:
    def net(last: int) -> Sequential:
        return Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(last)])

    source, target = net(2), net(5)
    source.save_weights(tmp_path / file)
    before = target.get_weights()
    with pytest.raises(ValueError, match=r"has shape \(3, 5\), the file has \(3, 2\)"):
        target.load_weights(tmp_path / file)
    for now, then in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    target.load_weights(tmp_path / file, skip_mismatch=True)
    np.testing.assert_array_equal(target.get_weights()[0], source.get_weights()[0])
    np.testing.assert_array_equal(target.get_weights()[2], before[2])


def test_a_file_of_keras_2(tmp_path: Path) -> None:
    """The form that standalone Keras 2 wrote, names ending in ``:0`` and old spellings."""
    glorot = {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
    }
    dense = {
        "name": "dense_1",
        "trainable": True,
        "batch_input_shape": [None, 4],
        "dtype": "float32",
        "units": 3,
        "activation": "relu",
        "use_bias": True,
        "kernel_initializer": glorot,
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}},
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "sequential_1",
            "layers": [
                {"class_name": "Dense", "config": dense},
                {"class_name": "Dropout", "config": {"name": "dropout_1", "rate": 0.5}},
            ],
        },
    }
    training = {
        "optimizer_config": {"class_name": "SGD", "config": {"lr": 0.01, "momentum": 0.0}},
        "loss": "mse",
        "metrics": ["accuracy"],
        "loss_weights": None,
    }
    kernel = RNG.standard_normal((4, 3)).astype("float32")
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.3.1"
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["training_config"] = json.dumps(training).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense_1", b"dropout_1"]
        group.create_group("dropout_1").attrs["weight_names"] = np.array([], "S1")
        inner = group.create_group("dense_1")
        inner.attrs["weight_names"] = [b"dense_1/kernel:0", b"dense_1/bias:0"]
        inner["dense_1/kernel:0"] = kernel
        inner["dense_1/bias:0"] = np.zeros(3, "float32")
    model = load_model(path)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], kernel)
    assert model.layers[0].kernel_regularizer.l2 == 0.01
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert len(model.evaluate(np.ones((2, 4)), np.ones((2, 3)), verbose=0)) == 2


def _paths(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return found


def test_the_archive_is_laid_out_as_keras_lays_it_out(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    model = chain(fastconv)
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        kinds = {i.filename: i.compress_type for i in archive.infolist()}
        config = json.loads(archive.read("config.json"))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            paths = set(_paths(file))
            assert file["layers/dense/vars"].attrs["name"] == model.layers[-1].name
    assert kinds == dict.fromkeys(("metadata.json", "config.json", "model.weights.h5"), 0)
    assert config["module"] == "keras"
    assert config["class_name"] == "Sequential"
    assert config["build_config"] == {"input_shape": [None, 8, 8, 3]}
    assert config["compile_config"]["loss"] == "sparse_categorical_crossentropy"
    assert [c["class_name"] for c in config["config"]["layers"]][:2] == ["InputLayer", "Conv2D"]
    assert {"layers/conv2d/vars/1", "layers/batch_normalization/vars/3"} <= paths
    assert "optimizer/vars/0" in paths


def test_targets_of_saving(tmp_path: Path) -> None:
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"must end in \.keras or \.h5"):
        model.save(tmp_path / "model.bin")
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5"):
        model.save_weights(tmp_path / "model.bin")
    with pytest.raises(FileNotFoundError, match="no directory"):
        model.save(tmp_path / "no" / "m.keras")
    model.save(tmp_path / "m.keras")
    with pytest.raises(FileExistsError, match="overwrite is False"):
        model.save(tmp_path / "m.keras", overwrite=False)
    with pytest.raises(ValueError, match="no weights yet"):
        Sequential([layers.Dense(2)]).save(tmp_path / "n.keras")


def test_uncompiled_models_and_no_optimizer(tmp_path: Path) -> None:
    bare = Sequential([layers.Input((3,)), layers.Dense(2)])
    bare.save(tmp_path / "bare.keras")
    assert load_model(tmp_path / "bare.keras").optimizer is None
    model = chain(fastconv)
    model.save(tmp_path / "m.keras", include_optimizer=False)
    assert load_model(tmp_path / "m.keras").optimizer is None
    model.save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras", compile=False).optimizer is None
    fresh = load_model(tmp_path / "m.keras")
    assert int(fresh.optimizer.iterations) == 0


def test_operations_without_a_name_in_keras(tmp_path: Path) -> None:
    x = layers.Input((4, 6))
    y = ops.flip(ops.concatenate([x[:, 1:3], x], axis=1), axis=2)
    model = Model(x, ops.reshape(y, (-1, 12, 3)))
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    v = RNG.standard_normal((3, 4, 6)).astype("float32")
    np.testing.assert_array_equal(again(v), model(v))
    np.testing.assert_array_equal(again.predict(v, verbose=0), model(v))
