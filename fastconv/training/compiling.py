"""`compile`: how a model is trained, and the programs and plans that follow from it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from fastconv.graph.tensor import Array, Variable
from fastconv.layers.building import by_one_thread
from fastconv.training.data import Group
from fastconv.training.feed import ArrayFeed, BatchFeed, Feed, input_specs, make_feed
from fastconv.training.indices import check_indices
from fastconv.training.objective import Compiled, metrics_in_attributes, results_of
from fastconv.training.programs import (
    Plans,
    Signature,
    Step,
    predict_step,
    step_counter,
    test_step,
    train_step,
)

METHODS = {"train": "fit", "test": "evaluate", "predict": "predict"}


def _each_once(metrics: Sequence[Any]) -> list[Any]:
    return list({id(metric): metric for metric in metrics}.values())


_NEVER_CALLED = (  # methods that subclasses may have for Keras
    *("train_step", "test_step", "predict_step", "compute_metrics"),
    *("make_train_function", "make_test_function", "make_predict_function"),
)


class Inference:
    """Runs one array of inputs through a model, for as long as the model stays what it is."""

    __slots__ = ("made", "plan", "plans", "step")

    def __init__(self, plans: Plans, plan: Any, step: Step, made: int) -> None:
        self.plans = plans
        self.plan = plan
        self.step = step
        self.made = made  # variables there were: with others, the model's may be others

    def __call__(self, x: Array) -> Any:
        step = self.step
        flags = x.flags
        if not (flags.c_contiguous and flags.aligned):
            x = x.copy()
        if step.indices:
            check_indices(step.indices, (x,))
        return step.pack(self.plan.run([x], len(x), seed=step.seed()))


class Compiling:
    """`compile`, and what follows from it: losses and metrics, programs and plans."""

    name: str
    trainable_weights: list[Variable]
    weights: list[Variable]
    _compiled: Compiled | None = None
    _plans: Plans | None = None
    _trained: tuple[int, ...] | None = None  # what was trainable when compile was called
    _inferred: dict[Any, Inference]  # by the shape of a row and the dtype
    _counter: Any = None  # holds the variable in which train programs note their step
    _compile_config: dict[str, Any] | None = None

    # ---- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        *,
        backend: str = "native",
        check_numerics: bool = False,
    ) -> None:
        """Choose how the model is trained.

        Args:
            optimizer: a name, a config or an optimizer.
            loss: a name, a function or a loss; for several outputs a list of them or a dictionary
                by output name.
            loss_weights: factors of the losses, a list or a dictionary.
            metrics: a list of names, functions or metrics; for several outputs a list of lists or
                a dictionary by output name.
            weighted_metrics: metrics that the sample weights apply to.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted for code
                written for Keras; they change nothing, programs are always compiled.
            backend: ``"native"``, or ``"numpy"`` to run the same programs in plain NumPy.
            check_numerics: look at every result of every step of training and evaluation; the
                first NaN or infinity is a FloatingPointError that names the step of the plan and
                its layer, raised before the weights are updated with it.

        Raises:
            ValueError: for an unknown optimizer, loss, metric or backend.
            TypeError: for something that is none of these, or a model with a ``train_step``,
                ``compute_metrics``, ``make_train_function`` or the like of its own.
        """
        del run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
        for method in _NEVER_CALLED:
            if callable(getattr(type(self), method, None)):
                raise TypeError(
                    f"{type(self).__name__}.{method} would never be called: steps are compiled. "
                    "Override compute_loss, use add_loss, or train by train_on_batch"
                )
        watch = "raise" if check_numerics else ""
        self._compiled = Compiled(
            optimizer, loss, loss_weights, metrics, weighted_metrics, backend, watch
        )
        self._compile_config = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        self._plans = None
        self._counter = [step_counter()]
        self._trained = self._trainable_ids() if getattr(self, "built", False) else None

    @property
    def compiled(self) -> bool:
        return self._compiled is not None

    @property
    def optimizer(self) -> Any:
        """The optimizer, None before `compile`."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss as given to `compile`."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def metrics(self) -> list[Any]:
        """The loss tracker, the metrics of `compile` (those that depend on shapes after the first
        batch), and those in attributes of the model and its layers. A model with a property of its
        own reports what that lists."""
        return self._every_metric()

    def _every_metric(self) -> list[Any]:
        compiled = self._compiled
        if compiled is None:
            return metrics_in_attributes(self)
        held = metrics_in_attributes(self) if compiled.held is None else compiled.held
        return _each_once([*compiled.all_metrics, *held])

    def _metric_results(self) -> dict[str, Any]:
        return results_of(self.metrics, self._reported())

    def _metric_variables(self) -> list[Variable]:
        every = _each_once([*self._every_metric(), *self.metrics])
        return [v for metric in every for v in metric.variables]

    def _reported(self) -> Mapping[Any, str]:
        """The names by which the metrics of `compile` are reported, where they are known."""
        return {} if self._compiled is None else self._compiled.reported

    @property
    def metrics_names(self) -> list[str]:
        reported = self._reported()
        return [reported.get(m, m.name) for m in self.metrics]

    def reset_metrics(self) -> None:
        """Start all metrics over."""
        for metric in _each_once([*self._every_metric(), *self.metrics]):
            metric.reset_state()

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given, as plain data; None before it."""
        if self._compiled is None or self._compile_config is None:
            return None
        from fastconv.saving.registry import serialize_keras_object

        config = {"optimizer": self._compiled.optimizer, **self._compile_config}
        return {
            **{k: serialize_keras_object(v) for k, v in config.items()},
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": False,
        }

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile as :meth:`get_compile_config` says, and make the optimizer's slots."""
        from fastconv import losses, metrics, optimizers

        def read(value: Any, deserialize: Any) -> Any:
            if isinstance(value, Mapping) and "class_name" not in value:
                return {k: read(v, deserialize) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                return [read(v, deserialize) for v in value]
            return deserialize(value) if isinstance(value, Mapping) else value

        self.compile(
            optimizer=read(config.get("optimizer", "rmsprop"), optimizers.deserialize),
            loss=read(config.get("loss"), losses.deserialize),
            loss_weights=config.get("loss_weights"),
            metrics=read(config.get("metrics"), metrics.deserialize),
            weighted_metrics=read(config.get("weighted_metrics"), metrics.deserialize),
        )
        if getattr(self, "built", False):
            self.optimizer.build(self.trainable_weights)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of the outputs, a scalar tensor; a subclass may compute another one.

        Added losses and penalties of weights come on top of it.
        """
        del x, training
        compiled = self._require_compiled("compute_loss")
        many = isinstance(y_pred, (list, tuple))
        if not many:
            y, y_pred, sample_weight = [y], [y_pred], [sample_weight]
        return compiled.total(y, y_pred, sample_weight)

    # ---- programs and plans

    def _require_compiled(self, method: str) -> Compiled:
        if self._compiled is None:
            raise RuntimeError(
                f"model {self.name!r} must be compiled before {method}(): call "
                "model.compile(optimizer, loss) first"
            )
        return self._compiled

    def _trainable_ids(self) -> tuple[int, ...]:
        return tuple(id(v) for v in self.trainable_weights)

    def _current_plans(self) -> Plans:
        """The plans of the model as it stands: none are left when its weights are others."""
        plans = self._plans
        if plans is None or plans.weights != tuple(id(v) for v in self.weights):
            with by_one_thread():
                plans, ids = self._plans, tuple(id(v) for v in self.weights)
                if plans is None or plans.weights != ids:
                    backend = "native" if self._compiled is None else self._compiled.backend
                    plans = self._plans = Plans(backend, ids)
        return plans

    def _step(self, mode: str, signature: Signature) -> Step:
        return self._prepared(mode, signature).known(mode, signature)

    def _prepared(self, mode: str, signature: Signature) -> Plans:
        """The current plans, with the program of a signature."""
        plans = self._current_plans()
        if mode == "predict":
            plans.step(mode, signature, lambda: predict_step(self, signature))
            return plans
        compiled = self._require_compiled(METHODS[mode])
        if mode == "test":
            plans.step(mode, signature, lambda: test_step(self, compiled, signature))
            return plans
        if self._trained is None:
            self._trained = self._trainable_ids()
        elif self._trained != self._trainable_ids():
            warnings.warn(
                f"what is trainable in model {self.name!r} has changed since compile(); the change "
                "takes effect when it is compiled again",
                stacklevel=6,
            )
        by_id = {id(v): v for v in self.weights}
        trained = [by_id[i] for i in self._trained if i in by_id]
        plans.step(
            mode,
            signature,
            lambda: train_step(self, compiled, signature, self._counter[0], trained),
        )
        if not compiled.optimizer.is_built_for(trained):  # a model of some of its layers used it
            compiled.optimizer.build(trained)
        return plans

    def _known_plans(self, mode: str, signature: Signature) -> Plans:
        """Plans with the program of a signature; that they fit the model has been seen to by
        `_feed`."""
        plans = self._plans
        if plans is None or not plans.has(mode, signature):
            plans = self._prepared(mode, signature)
        return plans

    def _plan(self, mode: str, signature: Signature, batch: int) -> Any:
        return self._known_plans(mode, signature).plan(mode, signature, batch)

    def _known_step(self, mode: str, signature: Signature) -> Step:
        return self._known_plans(mode, signature).known(mode, signature)

    def _inference(self, x: Array) -> Inference | None:
        """What runs the model on one array of its inputs: the plan of `predict`, or None where that
        would not do all that a call does."""
        found = self._inferred.get((x.shape[1:], x.dtype))
        if (
            found is not None
            and found.plans is self._plans
            and found.made == Variable.made
            and 0 < len(x) <= found.plan.max_batch
        ):
            return found
        if not self._runs_as_plan(x):
            return None
        signature = Signature(x=tuple(input_specs(self, Group([x]))))
        plans = self._prepared("predict", signature)
        plan = plans.plan("predict", signature, 1 << (len(x) - 1).bit_length())
        made = Inference(plans, plan, plans.known("predict", signature), Variable.made)
        self._inferred[x.shape[1:], x.dtype] = made
        return made

    def _runs_as_plan(self, x: Array) -> bool:
        return False

    def _feed(
        self, mode: str, x: Any, y: Any, sample_weight: Any, *, batch: int | None, **options: Any
    ) -> Feed:
        """A feed whose program is traced, and its labels and indices looked at, before anything is
        changed."""
        feed = make_feed(self, x, y, sample_weight, batch, **options)
        first = feed if isinstance(feed, ArrayFeed) else feed.prepare(feed.batches.first())
        check_indices(self._step(mode, first.signature).indices, first.rows.arrays)
        if isinstance(feed, BatchFeed):
            feed.check = lambda each: check_indices(
                self._known_step(mode, each.signature).indices, each.rows.arrays
            )
        return feed
