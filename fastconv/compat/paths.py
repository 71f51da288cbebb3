"""Where fastconv keeps what Keras has, or had, at a path."""

from __future__ import annotations

KERAS_VERSION = "3.15.1"  # what scripts are told: the newest version whose API was compared
TENSORFLOW_VERSION = "2.21.0"  # the release that goes with it

_SAME = (
    "activations",
    "applications",
    "applications.imagenet_utils",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "datasets.cifar10",
    "datasets.cifar100",
    "datasets.fashion_mnist",
    "datasets.mnist",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "ops.image",
    "optimizers",
    "optimizers.schedules",
    "preprocessing",
    "preprocessing.image",
    "random",
    "regularizers",
    "saving",
    "utils",
)
_OLD = {
    "backend": "compat.backend",
    "callbacks.callbacks": "callbacks",
    "engine": "layers",
    "engine.base_layer": "layers",
    "engine.input_layer": "layers",
    "engine.network": "models",
    "engine.sequential": "models",
    "engine.topology": "layers",
    "engine.training": "models",
    "layers.advanced_activations": "layers",
    "layers.convolutional": "layers",
    "layers.core": "layers",
    "layers.experimental": "layers",
    "layers.experimental.preprocessing": "layers",
    "layers.merge": "layers",
    "layers.merging": "layers",
    "layers.noise": "layers",
    "layers.normalization": "layers",
    "layers.pooling": "layers",
    "layers.preprocessing": "layers",
    "objectives": "losses",
    "optimizers.legacy": "optimizers",
    "utils.data_utils": "utils",
    "utils.generic_utils": "utils",
    "utils.image_utils": "utils",
    "utils.io_utils": "utils",
    "utils.layer_utils": "utils",
    "utils.np_utils": "utils",
    "utils.vis_utils": "utils",
}
_NETS = {  # a module of keras.applications, its nets, and how it prepares images
    "mobilenet": (("MobileNet",), "tf"),
    "resnet": (("ResNet50", "ResNet101", "ResNet152"), "caffe"),
    "resnet50": (("ResNet50",), "caffe"),
    "vgg16": (("VGG16",), "caffe"),
    "vgg19": (("VGG19",), "caffe"),
}

# Path below ``keras`` -> module of fastconv.
MODULES = {
    "": "fastconv",
    **{path: f"fastconv.{path}" for path in _SAME},
    **{path: f"fastconv.{module}" for path, module in _OLD.items()},
    **{f"applications.{net}": "fastconv.applications.imagenet_utils" for net in _NETS},
}

# Names that are kept, or were spelled, elsewhere: path -> name -> "module:name".
NAMES: dict[str, dict[str, str]] = {
    "": {"__version__": "fastconv.compat.paths:KERAS_VERSION"},
    "optimizers": {
        old: f"fastconv.optimizers:{new}"
        for old, new in (
            ("adadelta", "Adadelta"),
            ("adagrad", "Adagrad"),
            ("adam", "Adam"),
            ("adamax", "Adamax"),
            ("ftrl", "Ftrl"),
            ("nadam", "Nadam"),
            ("rmsprop", "RMSprop"),
            ("sgd", "SGD"),
        )
    },
    **{
        path: {
            name: f"fastconv.compat.callbacks:{name}"
            for name in ("ModelCheckpoint", "ReduceLROnPlateau")
        }
        for path in ("callbacks", "callbacks.callbacks")
    },
    **{
        f"applications.{net}": {
            **{name: f"fastconv.applications:{name}" for name in names},
            "preprocess_input": f"fastconv.applications.imagenet_utils:{mode}",
        }
        for net, (names, mode) in _NETS.items()
    },
    "engine.topology": {"Container": "fastconv.models:Model"},
    "engine.training": {"Trainer": "fastconv.models:Model"},
}

# What is answered of TensorFlow beside its keras.
TENSORFLOW = {
    "": {"__version__": "fastconv.compat.paths:TENSORFLOW_VERSION"},
    "config": {"list_physical_devices": "fastconv.compat.tensorflow:list_physical_devices"},
    "random": {"set_seed": "fastconv.random:set_seed"},
}
