"""What `compile` was told, resolved for each output once the model's outputs are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastconv import losses, metrics, ops, optimizers
from fastconv.graph.primitive import bind
from fastconv.graph.tensor import Tensor
from fastconv.losses import Loss, LossFunctionWrapper
from fastconv.metrics import Mean, MeanMetricWrapper, Metric
from fastconv.naming import name_of, uncounted

BACKENDS = ("native", "numpy")
_BY_SHAPE = {"accuracy", "acc"}
_LOSS_BY_SHAPE = {"crossentropy", "ce"}


@dataclass(slots=True)
class LossTerm:
    """The loss of one output."""

    output: int
    loss: Loss
    weight: float
    tracker: Mean | None  # where several outputs have losses


@dataclass(slots=True)
class OutputMetrics:
    """The metrics of one output."""

    output: int
    metrics: list[Metric]
    weighted: bool


@dataclass(slots=True)
class Compiled:
    """Optimizer, losses and metrics of a model, with their state."""

    optimizer: Any
    loss: Any
    loss_weights: Any
    metrics: Any
    weighted_metrics: Any
    backend: str
    watch: str = ""  # "raise": a step that gives a number that is not finite is an error
    loss_tracker: Mean = field(default_factory=lambda: Mean(name="loss"))
    terms: list[LossTerm] = field(default_factory=list)
    groups: list[OutputMetrics] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of the outputs, once they are known
    reported: dict[Metric, str] = field(default_factory=dict)  # names in logs
    resolved: bool = False
    held: list[Metric] | None = None  # in attributes of the model, as the last program found them

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"backend must be 'native' or 'numpy', got {self.backend!r}")
        self.optimizer = optimizers.get(self.optimizer)
        for identifier in _leaves(self.loss):
            if not _is_one_of(identifier, _LOSS_BY_SHAPE):
                losses.get(identifier)
        given_metrics = {"metrics": self.metrics, "weighted_metrics": self.weighted_metrics}
        for label, given in given_metrics.items():
            known = (type(None), list, tuple, Mapping, str, Metric)
            if not isinstance(given, known) and not callable(given):
                raise TypeError(f"{label} must be a list or a dictionary, got {given!r}")
            for identifier in _leaves(given):
                if not _is_one_of(identifier, _BY_SHAPE):
                    with uncounted():
                        metrics.get(identifier)

    def resolve(
        self,
        y_true: Sequence[Tensor | None],
        y_pred: Sequence[Tensor],
    ) -> None:
        """Choose a loss and metrics for every output; the first program does this."""
        if self.resolved:
            return
        names = self.names
        count = len(y_pred)
        chosen = _by_output(self.loss, names, "loss")
        weights = _by_output(self.loss_weights, names, "loss_weights")
        if self.loss_weights is not None and not isinstance(
            self.loss_weights, (list, tuple, Mapping)
        ):
            raise TypeError(
                f"loss_weights must be a list or a dictionary, got {self.loss_weights!r}"
            )
        used = [i for i in range(count) if chosen[i] is not None]
        for i in used:
            if y_true[i] is None:
                raise ValueError(f"output {names[i]!r} has a loss but no targets were given")
        self.terms = [
            LossTerm(
                i,
                _loss_of(chosen[i], y_true[i], y_pred[i]),
                1.0 if weights[i] is None else float(weights[i]),
                Mean(name=f"{names[i]}_loss") if len(used) > 1 else None,
            )
            for i in used
        ]
        taken = {"loss", *(t.tracker.name for t in self.terms if t.tracker is not None)}
        for given, label, weighted in (
            (self.metrics, "metrics", False),
            (self.weighted_metrics, "weighted_metrics", True),
        ):
            for i, listed in enumerate(_metric_lists(given, names, label)):
                prefix = f"{names[i]}_" if count > 1 else ""
                made = [_metric_of(m, y_true[i], y_pred[i], names[i]) for m in listed]
                for metric in made:
                    name = prefix + metric.name
                    if weighted and name in taken:
                        name = f"{prefix}weighted_{metric.name}"
                    self.reported[metric] = _free(name, taken)
                if made:
                    self.groups.append(OutputMetrics(i, made, weighted))
        self.resolved = True

    def forget(self) -> None:
        """Choose anew with the next program: this one could not be made."""
        self.names, self.terms, self.groups, self.reported = [], [], [], {}
        self.resolved = False

    @property
    def all_metrics(self) -> list[Metric]:
        """The loss, the losses of the outputs, the metrics, by name where there are several
        outputs: the order of `evaluate`."""
        trackers: list[Metric] = [t.tracker for t in self.terms if t.tracker is not None]
        listed = [m for g in self.groups for m in g.metrics]
        if len(self.names) > 1:
            listed.sort(key=self.reported.__getitem__)
        return [self.loss_tracker, *trackers, *listed]

    def total(
        self,
        y_true: Sequence[Tensor | None],
        y_pred: Sequence[Tensor],
        weights: Sequence[Tensor | None],
    ) -> Any:
        """The weighted sum of the losses of the outputs, or None without any."""
        total = None
        for term in self.terms:
            i = term.output
            target = y_true[i]
            if target is None:
                raise ValueError(f"output {self.names[i]!r} has a loss but no targets were given")
            try:
                value = term.loss(target, y_pred[i], weights[i])
            except (ValueError, TypeError) as error:
                raise type(error)(f"loss of output {self.names[i]!r}: {error}") from error
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"loss {term.loss.name!r} of output {self.names[i]!r} gave "
                    f"{type(value).__name__}, expected a tensor made with fastconv.ops"
                )
            if value.shape != ():
                value = ops.mean(value)
            if term.tracker is not None:
                rows = bind("count", y_pred[i], axes=[0])
                term.tracker.update_state(value, sample_weight=rows)
            if term.weight != 1.0:
                value = value * term.weight
            total = value if total is None else total + value
        return total

    def update_metrics(
        self,
        y_true: Sequence[Tensor | None],
        y_pred: Sequence[Tensor],
        weights: Sequence[Tensor | None],
    ) -> None:
        for group in self.groups:
            i = group.output
            if y_true[i] is None:
                raise ValueError(f"output {self.names[i]!r} has metrics but no targets were given")
            for metric in group.metrics:
                try:
                    metric.update_state(
                        y_true[i], y_pred[i], sample_weight=weights[i] if group.weighted else None
                    )
                except (ValueError, TypeError) as error:
                    raise type(error)(
                        f"metric {metric.name!r} of output {self.names[i]!r}: {error}"
                    ) from error


def results_of(listed: Sequence[Metric], reported: Mapping[Metric, str]) -> dict[str, Any]:
    """Every result as a Python number (or a list, or lists of lists), by the name that it is
    reported by, or the metric's."""
    found: dict[str, Any] = {}
    for metric in listed:
        result = metric.result()
        if isinstance(result, Mapping):
            found.update({str(k): _number(v) for k, v in result.items()})
        else:
            found[reported.get(metric, metric.name)] = _number(result)
    return found


def metrics_in_attributes(model: Any) -> list[Metric]:
    """Metrics that a model and the layers inside it hold in attributes, and in lists, tuples and
    dictionaries there."""
    found: list[Metric] = []

    def collect(value: Any) -> None:
        if isinstance(value, Metric):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            for item in value:
                collect(item)
        elif isinstance(value, dict):
            collect(list(value.values()))

    for layer in model._flatten_layers():
        for key, value in vars(layer).items():
            if key != "_compile_config":
                collect(value)
    return found


def _is_one_of(identifier: Any, names: set[str]) -> bool:
    return isinstance(identifier, str) and identifier in names


def _number(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value, np.float64).tolist()


def _leaves(given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, Mapping):
        if "class_name" in given:
            return [given]
        return [x for v in given.values() for x in _leaves(v)]
    if isinstance(given, (list, tuple)):
        return [x for v in given for x in _leaves(v)]
    return [given]


def _unknown_names(given: Mapping[str, Any], names: Sequence[str], label: str) -> None:
    unknown = [k for k in given if k not in names]
    if unknown:
        raise ValueError(
            f"{label} names {', '.join(map(repr, unknown))}, the outputs of the model are "
            f"{', '.join(map(repr, names))}"
        )


def _by_output(given: Any, names: Sequence[str], label: str) -> list[Any]:
    """One entry for each output, from a single one, a list or a dictionary."""
    if given is None:
        return [None] * len(names)
    if isinstance(given, Mapping) and "class_name" not in given:
        _unknown_names(given, names, label)
        return [given.get(n) for n in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(
                f"{label} has {len(given)} entries, the model has {len(names)} outputs: "
                f"{', '.join(map(repr, names))}"
            )
        return list(given)
    return [given] * len(names)


def _metric_lists(given: Any, names: Sequence[str], label: str) -> list[list[Any]]:
    """The metrics of each output. A flat list of another length goes to every output."""
    if given is None:
        return [[] for _ in names]
    if isinstance(given, Mapping) and "class_name" not in given:
        if len(names) == 1 and not any(k in names for k in given):
            return [_leaves(given)]
        _unknown_names(given, names, label)
        return [_leaves(given.get(n)) for n in names]
    if not isinstance(given, (list, tuple)):
        return [[given] for _ in names]
    nested = any(isinstance(m, (list, tuple)) for m in given)
    if len(names) > 1 and (nested or len(given) == len(names)):
        if len(given) != len(names):
            raise ValueError(
                f"{label} has {len(given)} entries, the model has {len(names)} outputs: "
                f"{', '.join(map(repr, names))}"
            )
        return [_leaves(m) for m in given]
    flat = _leaves(given)
    if len(names) > 1 and any(isinstance(m, Metric) for m in flat):
        raise ValueError(
            f"{label} must have a list for each output, {', '.join(map(repr, names))}: "
            "a metric object belongs to one of them"
        )
    return [flat for _ in names]


def _is_binary(y_pred: Tensor) -> bool:
    return y_pred.shape[-1] == 1


def _is_sparse(y_true: Tensor, y_pred: Tensor) -> bool:
    return y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1


def _loss_of(identifier: Any, y_true: Any, y_pred: Tensor) -> Loss:
    if _is_one_of(identifier, _LOSS_BY_SHAPE):
        if _is_binary(y_pred):
            identifier = "binary_crossentropy"
        elif _is_sparse(y_true, y_pred):
            identifier = "sparse_categorical_crossentropy"
        else:
            identifier = "categorical_crossentropy"
    found = losses.get(identifier)
    if isinstance(found, Loss):
        return found
    name = identifier if isinstance(identifier, str) else None
    return LossFunctionWrapper(found, name=name)


def _metric_of(identifier: Any, y_true: Tensor | None, y_pred: Tensor, output: str) -> Metric:
    if _is_one_of(identifier, _BY_SHAPE):
        if y_true is None:
            raise ValueError(f"output {output!r} has metrics but no targets were given")
        if _is_binary(y_pred):
            return metrics.BinaryAccuracy(name=identifier)
        if _is_sparse(y_true, y_pred):
            return metrics.SparseCategoricalAccuracy(name=identifier)
        return metrics.CategoricalAccuracy(name=identifier)
    found: Any = metrics.get(identifier)
    metric = found if isinstance(found, Metric) else MeanMetricWrapper(found)
    metric.name = identifier if isinstance(identifier, str) else name_of(found)
    return metric


def _free(name: str, taken: set[str]) -> str:
    """``name``, or with a number where it is taken."""
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate
