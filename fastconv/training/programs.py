"""The programs of a model (train, evaluate, predict) and the plans made from them."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from typing import Any

import numpy as np

from fastconv import ops, random
from fastconv.graph.autodiff import gradients
from fastconv.graph.primitive import Trace, as_tensor, bind, tracing
from fastconv.graph.program import Program
from fastconv.graph.tensor import Tensor, Variable
from fastconv.layers.building import by_one_thread
from fastconv.training.data import Spec
from fastconv.training.indices import IndexCheck, index_checks
from fastconv.training.objective import Compiled, metrics_in_attributes


@dataclass(frozen=True, slots=True)
class Signature:
    """What a program takes: inputs, targets and weights, and how the inputs are arranged."""

    x: tuple[Spec, ...]
    y: tuple[Spec, ...] = ()
    weight: tuple[Spec, ...] = ()
    keys: tuple[str, ...] | None = None
    single: bool = True
    y_keys: tuple[str, ...] | None = None
    weight_keys: tuple[str, ...] | None = None

    def inputs(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        x, y, weight = (
            [Tensor(s.shape, s.dtype, name=s.name) for s in specs]
            for specs in (self.x, self.y, self.weight)
        )
        return x, y, weight

    def pack(self, x: Sequence[Tensor]) -> Any:
        if self.keys is not None:
            return dict(zip(self.keys, x, strict=True))
        return x[0] if self.single else list(x)


@dataclass(slots=True)
class Step:
    """A program with what is needed to feed it and to read it."""

    program: Program
    rows: int  # how many of its inputs take rows
    pack: Any  # arranges its outputs as the model does
    indices: Sequence[IndexCheck] = ()  # what its arrays must hold
    adds_losses: bool = False  # whether a layer called add_loss
    draws: bool = field(init=False)  # random numbers

    def __post_init__(self) -> None:
        self.draws = any(node.op.stateful for node in self.program.nodes)

    def seed(self) -> int:
        """For one run on its own: programs that draw numbers draw others each time."""
        return random.next_seed() if self.draws else 0


def flatten_outputs(outputs: Any, names: Sequence[str] | None) -> tuple[list[Tensor], list[str]]:
    """The outputs of a model as a list, with a name for each."""
    if isinstance(outputs, Mapping):
        return [as_tensor(v) for v in outputs.values()], [str(k) for k in outputs]
    if isinstance(outputs, (list, tuple)):
        flat = [as_tensor(v) for v in outputs]
    else:
        flat = [as_tensor(outputs)]
    if names is not None and len(names) == len(flat):
        return flat, _distinct(names)
    return flat, [f"output_{i + 1}" if len(flat) > 1 else "output" for i in range(len(flat))]


def _distinct(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        found.append(name if name not in found else f"{name}_{found.count(name)}")
    return found


def packer(outputs: Any) -> Any:
    """A function that arranges a list of arrays as the model arranged its outputs."""
    if isinstance(outputs, Mapping):
        keys = list(outputs)
        return lambda arrays: dict(zip(keys, arrays, strict=True))
    if isinstance(outputs, (list, tuple)):
        return list
    return lambda arrays: arrays[0]


def by_output(
    compiled: Compiled, keys: tuple[str, ...] | None, values: Sequence[Any], label: str
) -> list[Any]:
    """One target or weight (or None) for each output, from those that were given."""
    names, loss = compiled.names, compiled.loss
    if not values:
        return [None] * len(names)
    if keys is None and len(values) < len(names) and isinstance(loss, (list, tuple)):
        # Only for those outputs that have a loss.
        trained = [n for n, one in zip(names, loss, strict=False) if one is not None]
        keys = tuple(trained) if len(trained) == len(values) else None
    if keys is not None and set(keys) <= set(names):
        known = dict(zip(keys, values, strict=True))
        return [known.get(n) for n in names]
    if len(values) == len(names):
        return list(values)
    if len(values) == 1 and label == "sample_weight":
        return [values[0]] * len(names)
    listed = ", ".join(map(repr, names))
    given = f" ({', '.join(map(repr, keys))})" if keys is not None else ""
    raise ValueError(
        f"{label} holds {len(values)} arrays{given}, the model has {len(names)} outputs: {listed}"
    )


def _total_loss(
    model: Any,
    trace: Trace,
    x: Any,
    y_true: list[Tensor | None],
    y_pred: list[Tensor],
    weights: list[Tensor | None],
) -> Any:
    """The losses of the outputs, added losses and penalties of weights, summed."""
    one = len(y_pred) == 1
    total = model.compute_loss(
        x=x,
        y=y_true[0] if one else y_true,
        y_pred=y_pred[0] if one else y_pred,
        sample_weight=weights[0] if one else weights,
    )
    for added in trace.losses:
        value = added if len(added.shape) == 0 else ops.sum(added)
        total = value if total is None else total + value
    for variable in model.trainable_weights:
        if variable.regularizer is not None:
            penalty = variable.regularizer(variable)
            total = penalty if total is None else total + penalty
    return total


def _forward(
    model: Any, compiled: Compiled, signature: Signature, training: bool, trace: Trace
) -> tuple[list[Tensor], Any, list[IndexCheck]]:
    """Trace the model, its loss and its metrics: all row inputs, the loss, what labels and
    indices must be."""
    x, y, weight = signature.inputs()
    packed = signature.pack(x)
    outputs = model(packed, training=training)
    y_pred, names = flatten_outputs(outputs, getattr(model, "output_names", None))
    known = compiled.resolved
    compiled.held = metrics_in_attributes(model)
    try:
        compiled.names = compiled.names or names
        y_true = by_output(compiled, signature.y_keys, y, "y")
        weights = by_output(compiled, signature.weight_keys, weight, "sample_weight")
        compiled.resolve(y_true, y_pred)
        with trace.named("loss"):
            total = _total_loss(model, trace, packed, y_true, y_pred, weights)
        if total is not None:
            with trace.named("metrics"):
                rows = bind("count", x[0], axes=[0])
                compiled.loss_tracker.update_state(total, sample_weight=rows)
                compiled.update_metrics(y_true, y_pred, weights)
    except BaseException:
        if not known:
            compiled.forget()
        raise
    indices = index_checks(trace.indices, [*x, *y], y_true, compiled.names)
    return [*x, *y, *weight], total, indices


def _gradients(total: Tensor, trace: Trace, variables: Sequence[Variable]) -> list[Tensor | None]:
    """Of the loss, with respect to each variable wherever it is read."""
    values = [trace.values(v) for v in variables]
    found = iter(gradients(total, [t for tensors in values for t in tensors]))
    grads: list[Tensor | None] = []
    for tensors in values:
        known = [g for g in islice(found, len(tensors)) if g is not None]
        grads.append(reduce(operator.add, known) if known else None)
    return grads


def train_step(
    model: Any,
    compiled: Compiled,
    signature: Signature,
    counter: Variable,
    variables: Sequence[Variable],
) -> Step:
    """Forward, loss, metrics, gradients and update.

    The inputs end with those of the optimizer's clock, whose number of the step is also written to
    ``counter``. ``variables`` are the weights to train.

    Raises:
        ValueError: if there is nothing to minimise, or it depends on no weight.
    """
    with tracing() as trace:
        inputs, total, indices = _forward(model, compiled, signature, True, trace)
        if total is None:
            raise ValueError(
                f"model {model.name!r} has no loss: give compile(loss=...), or call add_loss"
            )
        clock = compiled.optimizer.step_inputs()
        with trace.named("gradients"):
            grads = _gradients(total, trace, variables)
        if not variables:
            warnings.warn(f"model {model.name!r} has no trainable weights", stacklevel=2)
        elif all(g is None for g in grads):
            raise ValueError(
                f"the loss of model {model.name!r} does not depend on any trainable weight"
            )
        if not compiled.optimizer.is_built_for(variables):
            compiled.optimizer.build(variables)
        with trace.named("optimizer"), compiled.optimizer.fed(clock):
            compiled.optimizer.apply(grads, variables)
        trace.updates[counter] = clock[1]
        program = Program.of([*inputs, *clock], [], trace.updates)
    return Step(program, len(inputs), None, indices)


def gradient_step(
    model: Any, compiled: Compiled, signature: Signature, variables: Sequence[Variable]
) -> Program:
    """A program of the loss and its gradient for each variable, as in training; no updates."""
    with tracing() as trace:
        inputs, total, _ = _forward(model, compiled, signature, True, trace)
        if total is None:
            raise ValueError(f"model {model.name!r} has no loss: give compile(loss=...)")
        grads = [
            bind("multiply", trace.leaf(v), 0.0) if g is None else g
            for v, g in zip(variables, _gradients(total, trace, variables), strict=True)
        ]
        return Program.of(inputs, [total, *grads])


def test_step(model: Any, compiled: Compiled, signature: Signature) -> Step:
    """Forward, loss and metrics."""
    with tracing() as trace:
        inputs, _, indices = _forward(model, compiled, signature, False, trace)
        program = Program.of(inputs, [], trace.updates)
    return Step(program, len(inputs), None, indices)


def predict_step(model: Any, signature: Signature) -> Step:
    """Forward only."""
    with tracing() as trace:
        x, _, _ = signature.inputs()
        outputs = model(signature.pack(x), training=False)
        y_pred, _ = flatten_outputs(outputs, None)
        # An output that is an input of the model, or one tensor twice, needs a value of its own.
        seen = {id(t) for t in x}
        for i, tensor in enumerate(y_pred):
            if id(tensor) in seen or tensor.node is None:
                y_pred[i] = bind("identity", tensor)
            seen.add(id(tensor))
        program = Program.of(x, y_pred, trace.updates)
    checks = index_checks(trace.indices, x)
    return Step(program, len(x), packer(outputs), checks, adds_losses=bool(trace.losses))


class Plans:
    """Programs by what they take, and their plans by the largest batch they run.

    Args:
        backend: ``"native"`` or ``"numpy"``.
        weights: the identities of the weights that the model has.
    """

    def __init__(self, backend: str, weights: tuple[int, ...]) -> None:
        self.backend = backend
        self.weights = weights
        self._steps: dict[tuple[str, Signature], Step] = {}
        self._plans: dict[tuple[str, Signature], Any] = {}

    def step(self, mode: str, signature: Signature, make: Any) -> Step:
        key = (mode, signature)
        if key not in self._steps:
            with by_one_thread():
                if key not in self._steps:
                    self._steps[key] = make()
        return self._steps[key]

    def has(self, mode: str, signature: Signature) -> bool:
        return (mode, signature) in self._steps

    def known(self, mode: str, signature: Signature) -> Step:
        return self._steps[mode, signature]

    def plan(self, mode: str, signature: Signature, batch: int) -> Any:
        """A plan for at least ``batch`` rows; one that was made for more rows is used again."""
        key = (mode, signature)
        plan = self._plans.get(key)
        if plan is None or plan.max_batch < batch:
            with by_one_thread():
                plan = self._plans.get(key)
                if plan is None or plan.max_batch < batch:
                    plan = make_plan(self._steps[key].program, batch, self.backend, mode)
                    self._plans[key] = plan
        return plan

    def finding(self, mode: str) -> str:
        """The step that was seen first to make a number that is not finite; or nothing."""
        return next((p.finding for (m, _), p in self._plans.items() if m == mode and p.finding), "")

    def clear_findings(self) -> None:
        for plan in self._plans.values():
            plan.clear_finding()

    def latest(self, mode: str) -> Any:
        """The plan of ``mode`` made last, or None."""
        return next((p for (m, _), p in reversed(self._plans.items()) if m == mode), None)


def make_plan(program: Program, batch: int, backend: str, mode: str) -> Any:
    if backend == "numpy":
        from fastconv.training.numpy_plan import NumpyPlan

        return NumpyPlan(program, batch)
    from fastconv.graph.lower import lower
    from fastconv.training.memory import require_memory

    plan = lower(program, batch, frozen=mode != "train")
    require_memory(plan, program, mode)
    return plan


def step_counter() -> Variable:
    """Where a train program notes the number of its last step."""
    return Variable(np.zeros((), np.int32), dtype="int32", trainable=False, name="step")
