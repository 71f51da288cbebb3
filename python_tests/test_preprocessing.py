"""Images from arrays and files: random changes, normalization and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastconv
from fastconv.preprocessing import image
from fastconv.preprocessing.image import ImageDataGenerator, affine

CHANGES = {
    "rotation_range": 20,
    "width_shift_range": 0.2,
    "height_shift_range": 2.0,
    "shear_range": 10,
    "zoom_range": 0.3,
    "channel_shift_range": 20.0,
    "brightness_range": (0.5, 1.5),
    "horizontal_flip": True,
    "vertical_flip": True,
}


def pictures(n: int = 6, height: int = 8, width: int = 9, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels), np.uint8)


# Changes of one image


def test_a_shift_moves_down_and_right_and_fills() -> None:
    x = np.arange(12, dtype="float32").reshape(3, 4, 1)
    expected = {
        "nearest": [[0, 0, 1, 2], [0, 0, 1, 2], [4, 4, 5, 6]],
        "constant": [[7, 7, 7, 7], [7, 0, 1, 2], [7, 4, 5, 6]],
        "reflect": [[0, 0, 1, 2], [0, 0, 1, 2], [4, 4, 5, 6]],
        "wrap": [[6, 4, 5, 6], [2, 0, 1, 2], [6, 4, 5, 6]],
    }
    for mode, result in expected.items():
        generator = ImageDataGenerator(fill_mode=mode, cval=7)
        y = generator.apply_transform(x, {"tx": -1, "ty": -1})
        np.testing.assert_array_equal(y[..., 0], result, mode)


def test_quarter_turns_flips_and_zooms() -> None:
    x = pictures(1, 5, 5)[0].astype("float32")
    generator = ImageDataGenerator()
    turned = generator.apply_transform(x, {"theta": 90})
    np.testing.assert_allclose(turned, np.rot90(x, -1), atol=1e-3)
    flipped = generator.apply_transform(x, {"flip_horizontal": True, "flip_vertical": True})
    np.testing.assert_array_equal(flipped, x[::-1, ::-1])
    inside = generator.apply_transform(x, {"zx": 0.5, "zy": 0.5})
    np.testing.assert_array_equal(inside[::2, ::2], x[1:4, 1:4])
    np.testing.assert_array_equal(generator.apply_transform(x, {}), x)
    np.testing.assert_array_equal(image.flip_axis(x, 1), x[:, ::-1])


def test_channel_shift_stays_in_the_range_of_the_image() -> None:
    x = np.array([[[10.0, 20.0, 30.0]]])
    np.testing.assert_array_equal(image.apply_channel_shift(x, 5.0, 2), [[[15, 25, 30]]])


def test_brightness_of_eight_bit_values() -> None:
    x = np.array([[[10.0, 100.9, 200.0]]])
    np.testing.assert_array_equal(image.apply_brightness_shift(x, 1.5, False), [[[15, 150, 255]]])
    with pytest.raises(ValueError, match="1, 3 or 4 channels"):
        image.apply_brightness_shift(np.zeros((2, 2, 2)), 1.0)


def test_channels_first_gives_the_same() -> None:
    x = pictures(1)[0]
    last, first = (ImageDataGenerator(data_format=f) for f in ("channels_last", "channels_first"))
    change = {"theta": 10, "tx": 1, "zy": 0.7, "flip_horizontal": True, "brightness": 1.2}
    y = first.apply_transform(x.transpose(2, 0, 1), change)
    np.testing.assert_array_equal(y.transpose(1, 2, 0), last.apply_transform(x, change))


def test_random_parameters_are_in_their_ranges() -> None:
    generator = ImageDataGenerator(**CHANGES)
    drawn = [generator.get_random_transform((10, 20, 3), seed=i) for i in range(200)]
    limits = {"theta": 20, "tx": 2, "ty": 4, "shear": 10, "channel_shift_intensity": 20}
    for name, limit in limits.items():
        values = [d[name] for d in drawn]
        assert -limit <= min(values) < -0.8 * limit
        assert 0.8 * limit < max(values) <= limit
    for name, low, high in (("zx", 0.7, 1.3), ("zy", 0.7, 1.3), ("brightness", 0.5, 1.5)):
        assert all(low <= d[name] <= high for d in drawn)
    assert 60 < sum(d["flip_horizontal"] for d in drawn) < 140
    assert drawn[3] == generator.get_random_transform((10, 20, 3), seed=3)


def test_shifts_by_whole_pixels_and_by_named_values() -> None:
    generator = ImageDataGenerator(width_shift_range=3, height_shift_range=[5, 0.5])
    drawn = [generator.get_random_transform((10, 20, 3), seed=i) for i in range(100)]
    assert {d["ty"] for d in drawn} == {-2, -1, 0, 1, 2}
    assert {d["tx"] for d in drawn} == {-5, -0.5, 0.5, 5}
    fraction = ImageDataGenerator(width_shift_range=[0.1, 0.2])
    values = {fraction.get_random_transform((10, 20, 3), seed=i)["ty"] for i in range(50)}
    assert values == {-4, -2, 2, 4}


def test_functions_that_draw() -> None:
    x = pictures(1)[0].astype("float32")
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2, "seed": 1}
    for changed in (
        image.random_rotation(x, 30, **axes),
        image.random_shift(x, 0.3, 0.3, 0, 1, 2, seed=1),
        image.random_shear(x, 30, **axes),
        image.random_zoom(x, (0.5, 0.7), **axes, fill_mode="constant"),
        image.random_channel_shift(x, 50, 2, seed=1),
        image.random_brightness(x, (0.2, 0.6), seed=1),
    ):
        assert changed.shape == x.shape
        assert not np.array_equal(changed, x)
    with pytest.raises(ValueError, match="two numbers"):
        image.random_zoom(x, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fill_mode": "mirror"}, "fill_mode"),
        ({"zoom_range": [1, 2, 3]}, "zoom_range"),
        ({"brightness_range": 0.2}, "brightness_range"),
        ({"validation_split": 1.5}, "validation_split"),
        ({"data_format": "first"}, "data_format"),
        ({"interpolation_order": 3}, "interpolation_order"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageDataGenerator(**options)


# Normalization


def test_normalization_by_sample_and_by_feature() -> None:
    x = pictures(20).astype("float32")
    with pytest.warns(UserWarning, match="samplewise_center"):
        generator = ImageDataGenerator(samplewise_std_normalization=True)
    batch = generator.flow(x, batch_size=20, shuffle=False)[0]
    np.testing.assert_allclose(batch.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(batch.std(axis=(1, 2, 3)), 1, atol=1e-4)
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    with pytest.warns(UserWarning, match="no effect before"):
        generator.standardize(x[0].copy())
    generator.fit(x)
    batch = generator.flow(x, batch_size=20)[0]
    np.testing.assert_allclose(batch.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(batch.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_statistics_of_many_pixels() -> None:
    """They follow those that are small against the sum so far as well."""
    x = np.ones((2, 512, 512, 3), np.float32)
    x[0, 0, 0] = 2**25
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    generator.fit(x)
    np.testing.assert_allclose(generator.mean, [[x.mean((0, 1, 2), np.float64)]], rtol=1e-6)
    np.testing.assert_allclose(generator.std, [[x.std((0, 1, 2), np.float64)]], rtol=1e-6)


def test_whitening_makes_pixels_uncorrelated() -> None:
    x = np.random.default_rng(0).standard_normal((400, 3, 3, 1)).astype("float32")
    x[:, 1] += x[:, 0]
    generator = ImageDataGenerator(featurewise_center=True, zca_whitening=True)
    generator.fit(x)
    white = generator.flow(x, batch_size=400)[0].reshape(400, 9)
    np.testing.assert_allclose(white.T @ white / 400, np.eye(9), atol=1e-3)


def test_standardize_rescales_in_place_after_the_function() -> None:
    generator = ImageDataGenerator(rescale=0.5, preprocessing_function=lambda x: x + 1)
    np.testing.assert_array_equal(generator.standardize(np.ones((1, 1, 3), "float32")), [[[1] * 3]])
    x = np.full((1, 1, 3), 8.0, "float32")
    ImageDataGenerator(rescale=0.5).standardize(x)
    np.testing.assert_array_equal(x, [[[4, 4, 4]]])


def test_fit_on_changed_images() -> None:
    moves = {**CHANGES, "channel_shift_range": 0.1, "brightness_range": None}
    generator = ImageDataGenerator(featurewise_center=True, rescale=1 / 255, **moves)
    generator.fit(pictures(), augment=True, rounds=2, seed=1)
    assert generator.mean is not None
    assert generator.mean.shape == (1, 1, 3)
    assert 0 < generator.mean.min() < generator.mean.max() < 1


# Batches


def test_flow_gives_each_row_once_an_epoch_and_goes_on() -> None:
    x, y = pictures(10), np.arange(10)
    flow = ImageDataGenerator(rescale=1 / 255).flow(x, y, batch_size=4, seed=1)
    assert (len(flow), flow.n, flow.num_batches) == (3, 10, 3)
    epochs = [[next(flow) for _ in range(3)] for _ in range(2)]
    orders = [np.concatenate([labels for _, labels in epoch]) for epoch in epochs]
    assert [sorted(order) for order in orders] == [list(range(10))] * 2
    assert not np.array_equal(*orders)
    for images, labels in epochs[0]:
        assert images.dtype == np.float32
        np.testing.assert_allclose(images, x[labels] / 255, rtol=1e-6)
    with pytest.raises(IndexError, match="batch 3 of 3"):
        flow[3]


def test_changes_follow_from_seed_epoch_and_image_alone() -> None:
    x = pictures(12)

    def epoch(batch_size: int, seed: int = 5, skip: int = 0) -> np.ndarray:
        flow = ImageDataGenerator(**CHANGES).flow(x, batch_size=batch_size, seed=seed)
        for _ in range(skip):
            flow.on_epoch_end()
        order = reversed(range(len(flow)))  # the order of asking does not matter
        return np.concatenate(list(reversed([flow[i] for i in order])))

    np.testing.assert_array_equal(epoch(4), epoch(5))
    assert not np.array_equal(epoch(4), epoch(4, seed=6))
    assert not np.array_equal(epoch(4), epoch(4, skip=1))
    flow = ImageDataGenerator(**CHANGES).flow(x, batch_size=12, seed=5)
    first, second = next(flow), next(flow)
    np.testing.assert_array_equal(first, epoch(4))
    np.testing.assert_array_equal(second, epoch(4, skip=1))
    flow.reset()
    np.testing.assert_array_equal(next(flow), second)


def test_images_and_masks_change_alike() -> None:
    x = pictures(8)
    flows = [ImageDataGenerator(rotation_range=90).flow(v, seed=3) for v in (x, 255 - x)]
    a, b = (next(flow) for flow in flows)
    np.testing.assert_allclose(a, 255 - b, atol=1e-3)


def test_flow_with_weights_other_inputs_and_subsets() -> None:
    x, y, w = pictures(10), np.arange(10) % 2, np.linspace(0, 1, 10)
    generator = ImageDataGenerator(validation_split=0.2)
    flow = generator.flow((x, [y * 3]), y, sample_weight=w, batch_size=10, shuffle=False)
    (images, other), labels, weights = flow[0]
    np.testing.assert_array_equal(images, x)
    np.testing.assert_array_equal(other, y * 3)
    np.testing.assert_array_equal(labels, y)
    np.testing.assert_array_equal(weights, w)
    parts = [generator.flow(x, y, subset=s, shuffle=False) for s in ("validation", "training")]
    assert [p.n for p in parts] == [2, 8]
    np.testing.assert_array_equal(parts[0][0][0], x[:2])
    with pytest.raises(ValueError, match="different classes"):
        generator.flow(x, np.arange(10), subset="training")
    with pytest.raises(ValueError, match="x has 10 rows and y has 9"):
        generator.flow(x, y[:9])
    with pytest.raises(ValueError, match="expected images"):
        generator.flow(x[0])


def test_more_steps_than_batches_change_images_anew() -> None:
    seen = []

    class Noted(fastconv.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs["loss"])

    model = fastconv.Sequential(
        [fastconv.Input((8, 9, 3)), fastconv.layers.Flatten(), fastconv.layers.Dense(1)]
    )
    model.compile(fastconv.optimizers.SGD(0.0), "mse")
    flow = ImageDataGenerator(rotation_range=90, rescale=1 / 255).flow(
        pictures(4), np.zeros(4), batch_size=4, seed=1
    )
    model.fit(flow, steps_per_epoch=3, epochs=2, verbose=0, callbacks=[Noted()])
    assert len(seen) == 6
    assert len({round(float(loss), 6) for loss in seen}) > 3


def test_training_from_flow() -> None:
    fastconv.config.set_random_seed(1)
    x = np.zeros((32, 6, 6, 1), "float32")
    y = np.arange(32) % 2
    x[y == 1] += 200
    flow = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True).flow(x, y, 8, seed=1)
    model = fastconv.Sequential(
        [fastconv.Input((6, 6, 1)), fastconv.layers.Flatten(), fastconv.layers.Dense(1, "sigmoid")]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(flow, epochs=8, verbose=0, validation_data=flow)
    assert history.history["val_accuracy"][-1] == 1
    assert flow.total_batches_seen >= 8 * 2 * 4
    assert model.evaluate(flow, verbose=0)[1] == 1


# Others compute the same


@pytest.mark.parametrize("mode", affine.FILL_MODES)
@pytest.mark.parametrize("order", [0, 1])
def test_sampling_agrees_with_scipy(mode: str, order: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    for size in ((7, 7), (5, 9), (1, 4)):
        x = np.random.default_rng(1).uniform(0, 255, (*size, 2)).astype("float32")
        for change in (
            {"theta": 33, "tx": 1.3, "ty": -2.6, "shear": 12, "zx": 1.3, "zy": 0.7},
            {"tx": 9.25, "ty": -11.5},
            {"zx": 3, "zy": 2.5},
        ):
            m = affine.matrices(size, **change)
            expected = [
                ndimage.affine_transform(
                    x[..., c], m[0, :, :2], m[0, :, 2], order=order, mode=mode, cval=7.0
                )
                for c in range(2)
            ]
            result = affine.transform(x[np.newaxis], m, mode, 7.0, order)[0]
            np.testing.assert_allclose(result, np.stack(expected, -1), atol=1e-3)


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")
def test_generator_agrees_with_keras() -> None:
    pytest.importorskip("scipy")
    from real_keras import import_keras

    import_keras()
    from keras.src.legacy.preprocessing.image import ImageDataGenerator as Reference

    x = pictures(6, 8, 8).astype("float32")
    theirs, ours = (c(fill_mode="reflect", rescale=0.5) for c in (Reference, ImageDataGenerator))
    changes = [
        {"theta": 25, "tx": 1.5, "ty": -2, "shear": 8, "zx": 1.2, "zy": 0.8},
        {"flip_horizontal": True, "channel_shift_intensity": 30.0},
        {"flip_vertical": True, "brightness": 1.3},
        {"brightness": 0.4},
    ]
    for picture, change in zip(x, changes, strict=False):
        # Keras 3 exchanges rows and columns in its matrix, which Keras 2 and its manual do not.
        swapped = dict(change)
        for a, b in (("flip_horizontal", "flip_vertical"),):
            swapped[a], swapped[b] = change.get(b, False), change.get(a, False)
        expected = theirs.apply_transform(picture.transpose(1, 0, 2), swapped).transpose(1, 0, 2)
        result = ours.apply_transform(picture, change)
        np.testing.assert_allclose(result, expected, atol=2e-3)
        np.testing.assert_allclose(
            ours.standardize(result), theirs.standardize(np.array(expected)), atol=2e-3
        )
    options = {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 1e-2}
    theirs, ours = Reference(**options), ImageDataGenerator(**options)
    small = pictures(80, 3, 3).astype("float32")
    for generator in (theirs, ours):
        generator.fit(small)
    np.testing.assert_allclose(
        ours.standardize(small.copy()), theirs.standardize(small.copy()), atol=1e-3
    )


def test_what_one_normalization_means_for_another() -> None:
    with pytest.warns(UserWarning, match="zca_whitening implies featurewise_center=True"):
        generator = ImageDataGenerator(zca_whitening=True)
    assert generator.featurewise_center
    with pytest.warns(UserWarning, match="replaces featurewise_std_normalization"):
        generator = ImageDataGenerator(
            featurewise_center=True, featurewise_std_normalization=True, zca_whitening=True
        )
    assert not generator.featurewise_std_normalization


def test_alpha_stays_and_what_is_no_image_is_refused() -> None:
    x = np.random.default_rng(0).uniform(0, 255, (3, 4, 4)).astype("uint8")
    darker = image.apply_brightness_shift(x, 0.5, scale=False)
    np.testing.assert_array_equal(darker[..., :3], np.floor(x[..., :3] * 0.5))
    np.testing.assert_array_equal(darker[..., 3], x[..., 3])
    assert image.apply_affine_transform(x) is x
    generator = ImageDataGenerator(preprocessing_function=lambda one: one * 2.0)
    batch = np.ones((2, 3, 3, 1), np.uint8)
    np.testing.assert_array_equal(generator.standardize(batch), np.full((2, 3, 3, 1), 2.0))
    np.testing.assert_array_equal(ImageDataGenerator().random_transform(x, seed=1), x)
    for call, message in (
        (lambda: generator.apply_transform(batch, {}), "an image of 3 axes"),
        (lambda: generator.fit(x), "expected images"),
        (lambda: image.apply_affine_transform(x, row_axis=0, col_axis=0), "axes 0, 1 and 2"),
        (lambda: generator.flow(batch, batch_size=0), "batch_size must be at least 1, got 0"),
        (lambda: image.Iterator(3, 2, False, 1)[0], "must define"),
    ):
        with pytest.raises((ValueError, NotImplementedError), match=message):
            call()
    with pytest.warns(UserWarning, match="1, 3 or 4 channels, got 2"):
        flow = generator.flow(np.ones((3, 3, 3, 2)), batch_size=2, shuffle=False)
    assert flow.next().shape == (2, 3, 3, 2)
    assert iter(flow) is flow
    assert list(generator.flow(np.ones((0, 3, 3, 1)))) == []
