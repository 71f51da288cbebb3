"""The base of the optimizers: an update, weight decay, moving averages, slots."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from fastconv import ops
from fastconv.graph.primitive import bind, current_trace
from fastconv.graph.tensor import Variable
from fastconv.optimizers import schedules
from fastconv.optimizers.clipping import check_clips, clipped
from fastconv.optimizers.clock import Clock, LearningRate
from fastconv.optimizers.schedules import LearningRateSchedule
from fastconv.optimizers.slots import Slots
from fastconv.utils.arguments import number, whole


class Optimizer(Clock):
    """Moves variables along their gradients.

    A subclass makes its slots in ``build`` (with :meth:`add_slots`) and gives the rule in
    ``update_step(gradient, variable, learning_rate)``, written with `fastconv.ops` and ``assign``,
    so that the same rule runs at once in :meth:`apply_gradients` and inside a compiled step.

    Args:
        learning_rate: a number, a :class:`LearningRateSchedule`, or a function of no arguments.
        weight_decay: before each step every variable shrinks by ``variable * decay * rate``.
        clipnorm: upper bound of the L2 norm of each variable's gradient.
        global_clipnorm: upper bound of the L2 norm of all gradients together.
        clipvalue: upper bound of the absolute value of each entry of a gradient.
        use_ema: keep a moving average of the variables; `fit` ends by writing it to them.
        ema_momentum: ``average = momentum * average + (1 - momentum) * variable``.
        ema_overwrite_frequency: write the averages to the variables every so many steps.
        loss_scale_factor: what :meth:`scale_loss` multiplies by and :meth:`apply` divides gradients
            by. Compiled steps do neither: their float32 gradients do not underflow.
        gradient_accumulation_steps: one update for so many steps, with the mean of their gradients.
            Schedules count the steps, moving averages and Adam's corrections the updates.
        name: name of the optimizer.
        lr: an older name of ``learning_rate``.
        decay: the rate is divided by one plus ``decay`` times the number of steps made.
    """

    # True where update_step itself applies the weight decay of the variable.
    decays_in_update: ClassVar[bool] = False

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        *,
        lr: float | None = None,
        decay: float = 0.0,
        **unknown: Any,
    ) -> None:
        kind = type(self).__name__
        unknown.pop("is_legacy_optimizer", None)
        unknown.pop("jit_compile", None)
        if unknown:
            raise TypeError(f"{kind} has no argument {', '.join(map(repr, unknown))}")
        check_clips(kind, clipnorm=clipnorm, global_clipnorm=global_clipnorm, clipvalue=clipvalue)
        scale = loss_scale_factor
        if scale is not None and number(kind, "loss_scale_factor", scale) <= 0:
            raise ValueError(f"{kind}: loss_scale_factor must be > 0, got {scale}")
        number(kind, "ema_momentum", ema_momentum, 0, 1)
        if ema_overwrite_frequency is not None:
            whole(kind, "ema_overwrite_frequency", ema_overwrite_frequency)
        if weight_decay is not None:
            number(kind, "weight_decay", weight_decay, 0)
        super().__init__(learning_rate if lr is None else lr, decay, gradient_accumulation_steps)
        self.name = name or kind.lower()
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.global_clipnorm = global_clipnorm
        self.clipvalue = clipvalue
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.built = False
        self.swapped = False  # whether the variables hold the averages, and the averages theirs
        self._slots = Slots()
        self._averages: list[Variable] = []
        self._gathered: list[Variable] = []  # sums of gradients since the last update
        self._trainable: list[Variable] = []
        self._index: dict[int, int] = {}
        self._undecayed: list[Variable] = []
        self._undecayed_names: re.Pattern[str] | None = None

    def _check_decays(self, *names: str) -> None:
        """Refuse rates of decay outside of [0, 1), and a negative ``epsilon``."""
        kind = type(self).__name__
        for name in names:
            number(kind, name, getattr(self, name), 0, 1, below=True)
        number(kind, "epsilon", getattr(self, "epsilon", 0.0), 0, below=True)

    # ---- slots

    @property
    def variables(self) -> list[Variable]:
        """Iterations, learning rate, then the slots: the order in which files hold them."""
        head = [self._iterations]
        if isinstance(self._learning_rate, Variable):
            head.append(self._learning_rate)
        return head + self._slots.used

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the slots of ``variables``; a subclass calls this first and then adds its own.

        Variables that it has been built for before keep their slots.

        Raises:
            ValueError: if it has been built for others only.
        """
        self._slots.begin(self.name, variables)
        self._trainable = list(variables)
        self._index = {id(v): i for i, v in enumerate(self._trainable)}
        if self.use_ema:
            self._averages = [
                self.add_variable_from_reference(v, "average", v.numpy()) for v in variables
            ]
        if self.gradient_accumulation_steps is not None:
            (self._gathered,) = self.add_slots(variables, "gradient_accumulator")
        self.built = True

    def is_built_for(self, variables: Sequence[Variable]) -> bool:
        return self.built and [id(v) for v in variables] == [id(v) for v in self._trainable]

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str = "var", initializer: Any = 0.0
    ) -> Variable:
        """A slot of the shape and dtype of ``reference_variable``, filled with a number; or the one
        that it got under this name when the optimizer was last built for it."""
        if isinstance(initializer, str) and initializer == "zeros":
            initializer = 0.0
        shape = reference_variable.shape
        if callable(initializer):
            return self._add_slot(
                reference_variable, name, lambda: initializer(shape, dtype="float32")
            )
        return self._add_slot(
            reference_variable, name, lambda: np.full(shape, initializer, np.float32)
        )

    def _add_slot(self, owner: Variable, name: str, value: Callable[[], Any]) -> Variable:
        """A slot of ``owner`` that starts from ``value()``, or the one that it has by this name."""

        def make() -> Variable:
            path = f"{self.name}/{owner.path.replace('/', '_')}_{name}"
            return Variable(value(), dtype=owner.dtype, trainable=False, name=name, path=path)

        slot = self._slots.take(owner, name, make)
        self._slots.used.append(slot)
        return slot

    def add_slots(
        self, variables: Sequence[Variable], *names: str, fill: float = 0.0
    ) -> list[list[Variable]]:
        """One list of slots for each name, interleaved by variable in :attr:`variables`."""
        rows = [
            [self.add_variable_from_reference(v, name, fill) for name in names] for v in variables
        ]
        return [[row[i] for row in rows] for i in range(len(names))]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Write arrays to :attr:`variables`, after checking all of their shapes."""
        own = self.variables
        if len(weights) != len(own):
            raise ValueError(
                f"{type(self).__name__} has {len(own)} variables, got {len(weights)} arrays"
            )
        arrays = [np.asarray(w) for w in weights]
        for variable, array in zip(own, arrays, strict=True):
            if array.shape != variable.shape:
                raise ValueError(
                    f"optimizer variable {variable.path!r} has shape {variable.shape}, "
                    f"got {array.shape}"
                )
        for variable, array in zip(own, arrays, strict=True):
            variable.assign(array)

    # ---- an update

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Apply the rule to one variable and its slots."""
        raise NotImplementedError(f"{type(self).__name__} must define update_step")

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> None:
        """One step on ``(gradient, variable)`` pairs, made at once; a gradient may be None."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """One step: clip, decay, update, average, constrain, count; or only gather gradients."""
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    "apply(grads) without variables needs a built optimizer: "
                    "call optimizer.build(variables) first"
                )
            trainable_variables = self._trainable
        if len(grads) != len(trainable_variables):
            raise ValueError(f"{len(grads)} gradients for {len(trainable_variables)} variables")
        if not self.built:
            self.build(trainable_variables)
        for variable in trainable_variables:
            if id(variable) not in self._index:
                raise ValueError(
                    f"optimizer {self.name!r} was built without variable {variable.path!r}"
                )
        pairs = [
            (g if hasattr(g, "shape") else np.asarray(g, np.float32), v)
            for g, v in zip(grads, trainable_variables, strict=True)
            if g is not None
        ]
        for gradient, variable in pairs:
            if tuple(gradient.shape) != variable.shape:
                raise ValueError(
                    f"the gradient of {variable.path!r} has shape {tuple(gradient.shape)}, "
                    f"expected {variable.shape}"
                )
        variables = [v for _, v in pairs]
        rate = self._current_rate()
        grads = [g for g, _ in pairs]
        if self.loss_scale_factor is not None and self._fed is None:
            grads = [g / self.loss_scale_factor for g in grads]
        if self.gradient_accumulation_steps is None:
            self._update(grads, variables, rate)
        else:
            self._gather(grads, variables, rate)
        if self.use_ema:
            self._average()
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        if self._fed is None:
            self._iterations.data[...] += 1

    def _update(self, grads: Sequence[Any], variables: Sequence[Variable], rate: Any) -> None:
        grads = clipped(
            grads,
            clipvalue=self.clipvalue,
            clipnorm=self.clipnorm,
            global_clipnorm=self.global_clipnorm,
        )
        for gradient, variable in zip(grads, variables, strict=True):
            if not self.decays_in_update and self._decay_of(variable):
                variable.assign(variable - variable * (rate * self._decay_of(variable)))
            self.update_step(gradient, variable, rate)

    def _gather(self, grads: Sequence[Any], variables: Sequence[Variable], rate: Any) -> None:
        """Add to the sums of gradients; where an update is due, make it with their mean."""
        sums = [self._gathered[self._index_of(v)] for v in variables]
        totals = [s + g for s, g in zip(sums, grads, strict=True)]
        means = [t / float(self.gradient_accumulation_steps or 1) for t in totals]
        due, trace = self.is_due, current_trace()
        if trace is not None:
            before = dict(trace.updates)
            self._update(means, variables, rate)
            for variable, new in list(trace.updates.items()):
                old = before.get(variable, trace.leaf(variable))
                if new is not old:
                    variable.assign(ops.where(due, new, old))
        elif due:
            self._update(means, variables, rate)
        for gathered, total in zip(sums, totals, strict=True):
            gathered.assign(ops.where(due, 0.0, total))

    def scale_loss(self, loss: Any) -> Any:
        """The loss times ``loss_scale_factor``, for gradients that go to :meth:`apply`."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def _index_of(self, variable: Variable) -> int:
        return self._index[id(variable)]

    _get_variable_index = _index_of  # the name that custom optimizers written for Keras call

    def assign(self, variable: Variable, value: Any) -> None:
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        variable.assign_sub(value)

    def _run_update(
        self, rule: str, variable: Variable, slots: Sequence[Variable], *inputs: Any, **attrs: Any
    ) -> None:
        """Apply the update primitive ``rule`` and write the variable and its slots."""
        new = bind(rule, *inputs, **attrs, weight_decay=self._decay_of(variable))
        values = new if isinstance(new, tuple) else (new,)
        for target, value in zip((variable, *slots), values, strict=True):
            target.assign(value)

    # ---- decay, averages

    def exclude_from_weight_decay(
        self,
        var_list: Sequence[Variable] | None = None,
        var_names: Sequence[str] | None = None,
    ) -> None:
        """Leave out variables, given themselves or by a part of their names."""
        if self.built:
            raise ValueError("exclude_from_weight_decay must be called before the first step")
        self._undecayed = list(var_list or ())
        self._undecayed_names = re.compile("|".join(sorted(set(var_names)))) if var_names else None

    def _is_undecayed(self, variable: Variable) -> bool:
        names = self._undecayed_names
        return any(v is variable for v in self._undecayed) or (
            names is not None and names.search(variable.path) is not None
        )

    def _decay_of(self, variable: Variable) -> float:
        if self.weight_decay is None or self._is_undecayed(variable):
            return 0.0
        return float(self.weight_decay)

    def _average(self) -> None:
        step = ops.cast(self.step, "float32")
        momentum = ops.where(step > 1.0, float(self.ema_momentum), 0.0)
        every = self.ema_overwrite_frequency
        for variable, average in zip(self._trainable, self._averages, strict=True):
            average.assign(momentum * average + (1.0 - momentum) * variable)
            if every is not None and current_trace() is not None:
                now = ops.equal(ops.mod(step, float(every)), 0.0)
                variable.assign(ops.where(now, average, variable))
            elif every is not None and int(self.step) % every == 0:
                variable.assign(average.numpy())

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Write the moving averages to the variables; `fit` does so at its end."""
        if self.use_ema and self.built:
            if self.swapped:
                self.swap_averages()
            for variable in var_list:
                if id(variable) in self._index:
                    variable.assign(self._averages[self._index[id(variable)]].numpy())

    def swap_averages(self) -> None:
        """Exchange the variables with their moving averages."""
        for variable, average in zip(self._trainable, self._averages, strict=True):
            value = variable.numpy()
            variable.assign(average.numpy())
            average.assign(value)
        self.swapped = not self.swapped

    # ---- configuration

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._index = {id(v): i for i, v in enumerate(self._trainable)}

    def get_config(self) -> dict[str, Any]:
        rate: Any
        if isinstance(self._learning_rate, Variable):
            rate = float(self._learning_rate)
        elif isinstance(self._learning_rate, LearningRateSchedule):
            rate = schedules.serialize(self._learning_rate)
        else:
            raise ValueError(
                f"a {type(self).__name__} whose learning rate is a function cannot be saved: "
                "write it as a LearningRateSchedule"
            )
        config = {
            "name": self.name,
            "learning_rate": rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }
        if self.decay:
            config["decay"] = self.decay
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Optimizer:
        config = dict(config)
        if isinstance(config.get("learning_rate"), Mapping):
            config["learning_rate"] = schedules.deserialize(config["learning_rate"], custom_objects)
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name} iterations={int(self._iterations)}>"
