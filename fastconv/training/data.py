"""What users pass as data, as lists of checked arrays in the order of a model's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.graph.tensor import Array, Shape
from fastconv.losses.loss import whole_dtype

CHUNK = 1 << 18  # elements looked at together for NaN


@dataclass(frozen=True, slots=True)
class Spec:
    """One row input of a program: its shape with the batch as None, and its dtype."""

    shape: Shape
    dtype: str
    name: str


@dataclass(slots=True)
class Group:
    """Several arrays with as many rows, and how the user arranged them."""

    arrays: list[Array]
    keys: list[str] | None = None  # given as a dictionary with these keys
    single: bool = True  # given as one array, not in a list

    def rows(self, start: int, stop: int) -> Group:
        return Group([a[start:stop] for a in self.arrays], self.keys, self.single)

    def pack(self, values: Sequence[Any]) -> Any:
        """``values`` arranged as the user arranged the arrays."""
        if self.keys is not None:
            return dict(zip(self.keys, values, strict=True))
        return values[0] if self.single else list(values)


@dataclass(slots=True)
class Rows:
    """Data in memory: inputs, and maybe targets and weights, all with ``count`` rows."""

    x: Group
    y: Group | None
    weight: Group | None
    count: int

    @property
    def arrays(self) -> list[Array]:
        """Those of the inputs, then those of the targets."""
        return [*self.x.arrays, *(() if self.y is None else self.y.arrays)]

    def part(self, start: int, stop: int) -> Rows:
        return Rows(
            self.x.rows(start, stop),
            None if self.y is None else self.y.rows(start, stop),
            None if self.weight is None else self.weight.rows(start, stop),
            stop - start,
        )


def as_rows(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Rows:
    """Check and arrange data that is in memory.

    Raises:
        TypeError: for objects, strings and other things that are not numbers.
        ValueError: for empty data, different numbers of rows, or unknown names.
    """
    gx = as_group(x, "x", input_names)
    gy = None if y is None else as_group(y, "y", output_names)
    gw = None if sample_weight is None else as_group(sample_weight, "sample_weight", output_names)
    count = gx.arrays[0].shape[0]
    for label, group in (("x", gx), ("y", gy), ("sample_weight", gw)):
        for i, array in enumerate(group.arrays if group else ()):
            if array.shape[0] != count:
                which = f"{label}[{i}]" if len(group.arrays) > 1 else label  # type: ignore[union-attr]
                raise ValueError(
                    f"x has {count} rows and {which} has {array.shape[0]}: they must be as many"
                )
    if count == 0:
        raise ValueError("the data is empty: x has 0 rows")
    return Rows(gx, gy, gw, count)


def as_group(value: Any, label: str, names: Sequence[str] | None) -> Group:
    """One array, a list of arrays or a dictionary of arrays, in the order of ``names``."""
    if isinstance(value, Mapping):
        keys = list(value)
        if names:
            missing = [n for n in names if n not in value]
            unknown = [k for k in keys if k not in names]
            if (missing and label == "x") or (unknown and label != "x"):
                raise ValueError(
                    f"{label} is a dictionary of {', '.join(map(repr, keys))}; the model has "
                    f"{', '.join(map(repr, names))}"
                )
            keys = [n for n in names if value.get(n) is not None]
        if not keys:
            raise ValueError(f"{label} is an empty dictionary")
        return Group([to_array(value[k], f"{label}[{k!r}]") for k in keys], keys, single=False)
    if _skips_some(value, names):
        assert names is not None
        return as_group(dict(zip(names, value, strict=True)), label, names)
    if isinstance(value, (list, tuple)) and _holds_arrays(value, names):
        arrays = [to_array(v, f"{label}[{i}]") for i, v in enumerate(value)]
        return Group(arrays, None, single=len(arrays) == 1)
    return Group([to_array(value, label)])


def _skips_some(value: Any, names: Sequence[str] | None) -> bool:
    """Whether a list has None for some of several outputs."""
    return (
        isinstance(value, (list, tuple))
        and names is not None
        and len(value) == len(names) > 1
        and any(v is None for v in value)
    )


def _holds_arrays(values: Sequence[Any], names: Sequence[str] | None) -> bool:
    """Whether a list is a list of arrays, one for each input, rather than one array's rows."""
    if not values or not all(hasattr(v, "__array__") and np.ndim(v) > 0 for v in values):
        return names is not None and len(names) > 1 and len(values) == len(names)
    return names is None or len(names) != 1 or len(values) == 1


def to_array(value: Any, label: str) -> Array:
    """An array of numbers whose rows are dense in memory; nothing is copied without need."""
    if value is None:
        raise TypeError(f"{label} is None, expected an array")
    if hasattr(value, "toarray") and not isinstance(value, np.ndarray):
        value = value.toarray()  # a sparse matrix
    try:
        shared = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        array = np.from_dlpack(value) if shared else np.asarray(value)
    except (ValueError, TypeError, BufferError) as error:
        raise TypeError(f"{label} cannot be made an array: {error}") from error
    if array.dtype == object:
        raise TypeError(
            f"{label} is an array of Python objects (dtype=object): rows of different lengths, or "
            "columns that are not numbers; expected numbers"
        )
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{label} has dtype {array.dtype}, expected numbers")
    if array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim == 0:
        raise ValueError(f"{label} is a single number, expected an array with a row per example")
    if array.dtype == bool:
        array = array.view(np.uint8)
    return dense_rows(array)


def dense_rows(array: Array) -> Array:
    """The array itself, or a copy where the elements of a row are not next to each other, or not
    aligned."""
    if not array.flags.aligned:
        return array.copy()
    expected = array.itemsize
    for size, stride in zip(array.shape[:0:-1], array.strides[:0:-1], strict=True):
        if size != 1 and stride != expected:
            return np.ascontiguousarray(array)
        expected *= size
    if array.shape[0] > 1 and array.strides[0] < expected:
        return np.ascontiguousarray(array)
    return array


def check_finite(group: Group | None, label: str) -> None:
    """Raises ValueError, naming the array and the row, for NaN or infinity."""
    for i, array in enumerate(group.arrays if group is not None else ()):
        if array.dtype.kind != "f" or array.size == 0:
            continue
        row = array[:1].size
        rows = max(CHUNK // max(row, 1), 1)
        for start in range(0, array.shape[0], rows):
            chunk = array[start : start + rows]
            # A sum is much quicker than a test of each element, and finite if they all are (or
            # it overflows, and then they are tested).
            with np.errstate(over="ignore", invalid="ignore"):
                total = chunk.sum()
            if np.isfinite(total):
                continue
            bad = ~np.isfinite(chunk.reshape(chunk.shape[0], -1))
            if bad.any():
                where = int(np.flatnonzero(bad.any(axis=1))[0])
                value = chunk.reshape(chunk.shape[0], -1)[where][bad[where]][0]
                assert group is not None
                name = f"{label}[{i}]" if len(group.arrays) > 1 else label
                raise ValueError(
                    f"{name} holds {value} (first in row {start + where}): "
                    "clean the data before training"
                )


def fit_to_spec(array: Array, spec: Spec, model_name: str) -> Array:
    """The array with the rank of the input; raises ValueError where its shape does not fit.

    ``(N, 28, 28)`` goes into an input ``(None, 28, 28, 1)``, and the other way round.
    """
    want, given = spec.shape, array
    if array.ndim == len(want) - 1 and want[-1] == 1:
        array = array[..., np.newaxis]
    elif array.ndim == len(want) + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    sizes = zip(array.shape[1:], want[1:], strict=False)
    if array.ndim != len(want) or any(w is not None and a != w for a, w in sizes):
        raise ValueError(
            f"input {spec.name!r} of model {model_name!r} expects shape {want}, "
            f"got {given.shape}{_hint(given.shape, want)}"
        )
    return dense_rows(array)


def _hint(shape: tuple[int, ...], want: Shape) -> str:
    if shape == want[1:] or (want[-1] == 1 and shape == want[1:-1]):
        return ": a single example needs a batch dimension, x[np.newaxis]"
    if len(shape) == len(want) == 4 and shape[1] == want[-1] and shape[2:] == want[1:3]:
        return ": channels come last, x.transpose(0, 2, 3, 1)"
    return ""


def target_dtype(array: Array) -> str:
    """How targets enter a program: whole numbers as int32 where it holds them, images and real
    numbers as float32."""
    if array.dtype.kind == "f" or (array.dtype == np.uint8 and array.ndim > 2):
        return "float32"
    return whole_dtype(array)


def class_weights(class_weight: Mapping[Any, float], y: Group | None) -> Array:
    """The weight of every row from the weight of its class, 1 for classes that have none.

    Raises:
        TypeError: if ``class_weight`` is no dictionary.
        ValueError: without targets, with several outputs, or for a class that is no whole number or
            a weight that is no number.
    """
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            f"class_weight must be a dictionary from class to weight, got {class_weight!r}"
        )
    if y is None or len(y.arrays) != 1:
        raise ValueError("class_weight needs one array of targets")
    labels = y.arrays[0]
    if labels.ndim > 1 and labels.shape[-1] > 1:
        labels = labels.argmax(axis=-1)
    if labels.ndim > 1:
        labels = labels.reshape(labels.shape[0], -1)
        if labels.shape[1] != 1:
            raise ValueError(
                f"class_weight needs one label for each row, got targets of shape "
                f"{y.arrays[0].shape}"
            )
        labels = labels[:, 0]
    if labels.dtype.kind == "f":
        if np.any(labels != np.round(labels)):
            raise ValueError("class_weight needs whole numbers as labels")
        labels = labels.astype(np.int64)
    weights = np.ones(labels.shape, np.float32)
    for label, weight in class_weight.items():
        try:
            number, factor = float(label), float(weight)
        except (TypeError, ValueError):
            raise ValueError(
                f"class_weight: classes and weights must be numbers, got {label!r}: {weight!r}"
            ) from None
        if not number.is_integer():
            raise ValueError(f"class_weight: classes must be whole numbers, got {label!r}")
        weights[labels == number] = factor
    return weights


def split_validation(rows: Rows, fraction: Any) -> tuple[Rows, Rows]:
    """The first ``floor(N * (1 - fraction))`` rows and the rest.

    Raises:
        ValueError: if one of the parts would be empty.
    """
    if isinstance(fraction, str) or not 0 < fraction < 1:
        raise ValueError(f"validation_split must be between 0 and 1, got {fraction!r}")
    at = int(np.floor(rows.count * (1.0 - fraction)))
    if at == 0 or at == rows.count:
        raise ValueError(
            f"validation_split={fraction} of {rows.count} rows leaves {at} for training and "
            f"{rows.count - at} for validation; both need at least one"
        )
    return rows.part(0, at), rows.part(at, rows.count)


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)`` as three, with None for what is absent.

    Raises:
        ValueError: for a tuple of another length.
    """
    if not isinstance(data, (tuple, list)):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"data must be (x,), (x, y) or (x, y, sample_weight), got {len(data)} values"
        )
    x, y, weight = [*data, None, None][:3]
    return x, y, weight


def is_in_memory(x: Any) -> bool:
    """Whether ``x`` is arrays (or lists of numbers), rather than something that yields batches."""
    if isinstance(x, (list, tuple, Mapping)) or hasattr(x, "__array__") or hasattr(x, "toarray"):
        return True
    if hasattr(x, "__dlpack__"):
        return True
    return not (hasattr(x, "__next__") or hasattr(x, "__iter__") or hasattr(x, "__getitem__"))
