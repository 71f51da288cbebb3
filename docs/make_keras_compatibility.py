"""Writes keras-compatibility.md: what of Keras fastconv has, compared signature by signature.

    KERAS_BACKEND=torch python docs/make_keras_compatibility.py

Needs Keras, of the version that ``fastconv.compat.paths.KERAS_VERSION`` names.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastconv.compat.arguments import parameters
from fastconv.compat.methods import OldMethods
from fastconv.compat.modules import answered, is_module
from fastconv.compat.paths import KERAS_VERSION, MODULES, TENSORFLOW

PAGE = Path(__file__).with_name("keras-compatibility.md")

NAMESPACES = (
    "",
    "layers",
    "models",
    "optimizers",
    "optimizers.schedules",
    "losses",
    "metrics",
    "callbacks",
    "initializers",
    "regularizers",
    "constraints",
    "activations",
    "ops",
    "ops.image",
    "random",
    "saving",
    "utils",
    "preprocessing.image",
    "applications",
    "datasets",
    "config",
)
CLASSES = {
    "Model": "compile fit evaluate predict train_on_batch test_on_batch predict_on_batch summary "
    "save save_weights load_weights export get_layer add_loss compute_loss to_json count_params "
    "reset_metrics compute_metrics train_step",
    "Sequential": "add pop build",
    "layers.Layer": "add_weight add_loss build call get_weights set_weights get_config from_config "
    "compute_output_shape count_params",
    "optimizers.Optimizer": "apply_gradients build get_config exclude_from_weight_decay",
    "metrics.Metric": "add_weight update_state result reset_state",
    "callbacks.Callback": "on_epoch_begin on_epoch_end on_train_begin on_train_end "
    "on_train_batch_begin on_train_batch_end on_test_begin on_test_end on_predict_end set_params",
}

INTRODUCTION = f"""\
fastconv beside Keras {KERAS_VERSION}: every public symbol and the arguments of each. *Same* has all
of Keras's arguments with the same defaults; it may have more. This page is written by
`docs/make_keras_compatibility.py`."""

DECISIONS = """\
- `lr` is another name of an optimizer's `learning_rate`; `decay=d` divides the rate by
  `1 + d * iterations`, as in Keras 2. Keras 3 refuses the one and ignores the other.
- Adadelta's learning rate is 1 by default (its paper's, Keras 2's and PyTorch's), not .001.
- `pool_size` is 2 by default for every pooling layer; Keras requires it for average pooling.
- Compiling again without `metrics` drops the old ones.
- Changing `trainable` takes effect at the next `compile`; training without it warns.
- A layer called with `training=` inside a functional model keeps to it, as in Keras 2. Keras 3 lets
  the model decide, and writes a layer's default into files: there it counts as not given.
- Only the first dimension of a tensor, the batch, may be unknown. `K.flatten` of a symbolic batch
  keeps a row for each example; sums and means over it are the same.
- Weights and losses are float32, with the policy `bfloat16` too. Other float types are
  converted. Inside models, arithmetic on whole numbers is exact up to 2**24, as float32 is.
- Losses and metrics keep the batch apart: a matrix of each row with each other, sorting along the
  batch, or `reshape(y, (-1,))` of it, are refused.
- `run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss` are accepted and change
  nothing.
- A file runs no code: a `Lambda` is loaded by the name of its function, never from bytecode.
- A function between the layers of a functional model is one operation, named, ordered and written
  as in Keras (`Add`, `GetItem`, `Clip`). Random numbers, functions that take the size of the batch
  (`ops.reshape(x, (ops.shape(x)[0], -1))`) and those that Keras does not have are written as
  fastconv's `OpLayer`, which Keras refuses to read; functions of NumPy are refused when saving.
- `ImageDataGenerator` and the functions beside it count rows as the first axis, as Keras 2 and its
  manual do: Keras 3.15 exchanges rows and columns in its matrix, so that it shifts, shears and
  zooms along the other axis, and rotates the other way.
- `keras.applications.vgg16`, `vgg19`, `resnet`, `resnet50` and `mobilenet` have their nets and
  `preprocess_input`. They have no `decode_predictions`, which is for weights to download.
- `image_dataset_from_directory` returns batches of arrays with `take`, `skip`, `shuffle`, `map`,
  `prefetch`, `cache`, `as_numpy_iterator` and `cardinality`, of what a `tf.data.Dataset` has."""

# Why an argument is missing, or has another default.
ARGUMENTS = {
    "aggregation|autocast|layout|overwrite_with_gradient": "one process, one float type",
    "synchroni.*": "one process",
    "dtype": "float32 unless asked for",
    "input_axes|output_axes": "fans follow from the shape",
    "sparse|ragged|optional|input_tensor": "dense inputs only",
    "splines": "drawn by matplotlib in one way",
    "from_sorted_ids": "scores only",
    "learning_rate": "as in its paper and in Keras 2",
    "lora_.*|quantization_config": "no adapters, no quantization",
    "max_shard_size|zipped": "a model is one file",
    "pool_size": "the usual one",
    "renorm.*": "rarely used",
    "verbose|input_signature": "there is nothing to trace",
}
# What is missing for one reason, by namespace ("*": any).
GROUPS = {
    "layers": {
        "recurrent layers (not what fastconv is for)": r".*(LSTM|GRU|RNN).*|Bidirectional"
        "|TimeDistributed|Masking",
        "attention, text and tables (likewise)": r".*Attention|.*Embedding|.*Lookup|Hash.*|Text.*"
        "|CategoryEncoding|Discretization",
        "volumes": ".*3D",
        "one-dimensional forms": ".*1D|.*1DTranspose",
        "augmentation": "Random.*|Rand.*|Aug.*|.*Mix|AutoContrast|.*Equalization|Solarization"
        "|MaxNumBoundingBoxes|Pipeline",
        "sound": ".*Spectrogram",
        "layers of other frameworks": "Flax.*|Jax.*|TFSM.*|Torch.*",
    },
    "ops": {
        "signals and complex numbers": "eig|i?r?fft2?|i?stft|irfft|angle|conj.*|imag|real|view.*"
        "|polar|correlate|extract_sequences",
        "of nets that fastconv is not for": "ctc.*|.*attention",
    },
    "ops.image": {"augmentation, colours and patches": ".*"},
    "optimizers": {"other methods": ".*"},
    "losses": {"detection, speech and metric learning": "(?i)ctc|circle|dice|tversky|.*general.*"},
    "metrics": {"segmentation": ".*IoU", "at a given rate": ".*At.*"},
    "config": {"one mode, one backend": ".*"},
    "applications": {"other nets, and weights to download": ".*"},
    "datasets": {"tables and text": ".*"},
    "": {"other backends, precisions and devices": ".*"},
}


@dataclass
class Comparison:
    """One symbol of Keras beside fastconv's."""

    name: str
    missing: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)  # Keras's name, ours
    defaults: list[tuple[str, str, str]] = field(default_factory=list)  # argument, Keras's, ours

    @property
    def same(self) -> bool:
        return not (self.missing or self.renamed or self.defaults)

    def text(self) -> str:
        parts = [f"no `{a}`{_why(a)}" for a in self.missing]
        parts += [f"`{theirs}` is called `{ours}`" for theirs, ours in self.renamed]
        parts += [
            f"`{argument}` is {ours} by default, Keras's {theirs}{_why(argument)}"
            for argument, theirs, ours in self.defaults
        ]
        return "; ".join(parts)


def _why(argument: str) -> str:
    for pattern, reason in ARGUMENTS.items():
        if re.fullmatch(pattern, argument):
            return f" ({reason})"
    return ""


def signature(called: Any) -> dict[str, inspect.Parameter]:
    """Named parameters by name; of a class, its constructor's."""
    target = called.__init__ if isinstance(called, type) else called
    try:
        found = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return {}
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {n: p for n, p in found.items() if p.kind not in variable and n not in ("self", "cls")}


def compare(name: str, theirs: Any, ours: Any) -> Comparison:
    result = Comparison(name)
    if inspect.ismodule(theirs):
        theirs, ours = theirs.load_data, answered(theirs.__name__).load_data
    if not callable(theirs) or not callable(ours):
        return result
    expected, known = signature(theirs), signature(ours)
    _, accepted = parameters(ours)
    if not expected or expected.keys() <= {"args", "kwargs"}:
        return result
    places = list(known)
    for place, (argument, parameter) in enumerate(expected.items()):
        if argument in known:
            before, after = shown(parameter.default), shown(known[argument].default)
            if before != after and not (argument == "name" and before == "None"):
                result.defaults.append((argument, before, after))
        elif accepted is not None and argument not in accepted:
            own = places[place] if place < len(places) else argument
            if own not in expected and own in known and _alike(parameter, known[own]):
                result.renamed.append((argument, own))
            else:
                result.missing.append(argument)
    return result


def _alike(theirs: inspect.Parameter, ours: inspect.Parameter) -> bool:
    return theirs.kind == ours.kind and shown(theirs.default) == shown(ours.default)


def shown(default: Any) -> str:
    """A default value as text; n and (n, n) are the same."""
    if default is inspect.Parameter.empty:
        return "required"
    if "DEFAULT_FACTORY" in type(default).__name__ or "DEFAULT_FACTORY" in repr(default):
        return "empty"
    if isinstance(default, (list, tuple)):
        if default and all(v == default[0] for v in default):
            return shown(default[0])
        return f"({', '.join(shown(v) for v in default)})"
    if isinstance(default, float) and default == int(default):
        return repr(int(default))
    if default is None or isinstance(default, (bool, int, float, str)):
        return repr(default)
    return str(getattr(default, "__name__", type(default).__name__))


def keras_module(namespace: str) -> Any:
    if namespace == "preprocessing.image":  # Keras 3 keeps it, but not at a public path
        return importlib.import_module("keras.src.legacy.preprocessing.image")
    return importlib.import_module(f"keras.{namespace}" if namespace else "keras")


def public(namespace: str, module: Any) -> dict[str, Any]:
    """What users find in a namespace, without the modules below it; those of data sets count."""
    own = namespace == "preprocessing.image"
    return {
        name: value
        for name, value in sorted(vars(module).items())
        if not name.startswith("_")
        and inspect.ismodule(value) == (namespace == "datasets")
        and (not own or getattr(value, "__module__", "") == module.__name__)
    }


def section(title: str, found: dict[str, Any], ours: Any, names: set[str]) -> list[str]:
    """Same, different and missing of one namespace or class."""
    compared = [compare(n, v, getattr(ours, n)) for n, v in found.items() if n in names]
    same = [c.name for c in compared if c.same]
    different = [c for c in compared if not c.same]
    missing = [n for n in found if n not in names]
    lines = [
        f"## {title}",
        "",
        f"{len(same)} same, {len(different)} different, {len(missing)} missing.",
        "",
    ]
    if same:
        lines += [f"**Same**: {_listed(same)}.", ""]
    if different:
        lines += ["| different | how |", "|---|---|"]
        lines += [f"| `{c.name}` | {c.text()} |" for c in different]
        lines.append("")
    if missing:
        groups = _grouped(title, missing)
        lines.append("**Missing**:")
        lines.append("")
        lines += [f"- {label}: {_listed(g)}" for label, g in groups.items()]
        lines.append("")
    return lines


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _grouped(title: str, missing: list[str]) -> dict[str, list[str]]:
    namespace = title.partition("keras")[2].strip("`.")
    patterns = GROUPS.get(namespace, {}) if title.startswith("`") else {}
    groups: dict[str, list[str]] = {label: [] for label in patterns}
    for name in missing:
        label = next((k for k, p in patterns.items() if re.fullmatch(p, name)), "others")
        groups.setdefault(label, []).append(name)
    return {label: names for label, names in groups.items() if names}


def page() -> str:
    """The whole page."""
    keras = importlib.import_module("keras")
    fastconv = importlib.import_module("fastconv")
    lines = [
        "# Keras compatibility",
        "",
        INTRODUCTION,
        "",
        "## Decisions",
        "",
        DECISIONS,
        "",
        *_old(),
    ]
    for namespace in NAMESPACES:
        path = f"keras.{namespace}" if namespace else "keras"
        ours = answered(path) if is_module(path) else None
        names = set() if ours is None else set(ours.__all__)
        lines += section(f"`{path}`", public(namespace, keras_module(namespace)), ours, names)
    for path, methods in CLASSES.items():
        theirs, ours = keras, fastconv
        for part in path.split("."):
            theirs, ours = getattr(theirs, part), getattr(ours, part)
        found = {m: getattr(theirs, m) for m in methods.split() if hasattr(theirs, m)}
        names = {m for m in found if hasattr(ours, m)}
        lines += section(f"Methods of `{path.rpartition('.')[2]}`", found, ours, names)
    return "\n".join(lines).rstrip() + "\n"


def _old() -> list[str]:
    """What of Keras 2 is answered."""
    paths = sorted(
        p
        for p, module in MODULES.items()
        if p and p != "backend" and not p.startswith("applications.") and module != f"fastconv.{p}"
    )
    methods = [n for n in vars(OldMethods) if not n.startswith("_")]
    backend = answered("keras.backend").__all__
    tensorflow = [
        ".".join(filter(None, ("tensorflow", path, name)))
        for path, names in TENSORFLOW.items()
        for name in names
    ]
    return [
        "## Of Keras 2",
        "",
        f"`fastconv run` answers `keras`, `tensorflow.keras` and {_listed(tensorflow)}.",
        "",
        f"- Methods of models: {_listed(methods)}.",
        "- Arguments: `ModelCheckpoint(period=)`, `ReduceLROnPlateau(epsilon=)`.",
        f"- Paths: {_listed(f'keras.{p}' for p in paths)}.",
        f"- `keras.backend`: {_listed(backend)}.",
        "",
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
