"""Optimizer rules: each takes a variable, its gradient and its slots, and returns the new ones.

``lr`` is a float32 scalar and ``t`` an int32 scalar (the step, from 1). Every rule has the
attribute ``weight_decay`` (0.0 for none), which is decoupled: ``w -= w * weight_decay * lr``
before the step.
"""

from __future__ import annotations

from typing import Any

from fastconv.graph.primitive import Spec, primitive
from fastconv.graph.primitives.common import need_float
from fastconv.graph.tensor import Tensor

# rule: (slots, whether it takes t, attributes)
RULES: dict[str, tuple[tuple[str, ...], bool, tuple[str, ...]]] = {
    "sgd": ((), False, ()),
    "momentum": (("v",), False, ("momentum", "nesterov")),
    "rmsprop": (("v",), False, ("rho", "epsilon")),
    "rmsprop_momentum": (("v", "mom"), False, ("rho", "epsilon", "momentum")),
    "rmsprop_centered": (("v", "mean"), False, ("rho", "epsilon")),
    "rmsprop_centered_momentum": (("v", "mean", "mom"), False, ("rho", "epsilon", "momentum")),
    "adam": (("m", "v"), True, ("beta_1", "beta_2", "epsilon")),
    "adam_amsgrad": (("m", "v", "vhat"), True, ("beta_1", "beta_2", "epsilon")),
    "adagrad": (("acc",), False, ("epsilon",)),
    "adadelta": (("acc", "delta"), False, ("rho", "epsilon")),
    "nadam": (("m", "v", "u_product"), True, ("beta_1", "beta_2", "epsilon")),
    "adamax": (("m", "u"), True, ("beta_1", "beta_2", "epsilon")),
}


def _rule(name: str) -> Any:
    slots, timed, names = RULES[name]
    expected = ["w", "g", *slots, "lr", *(["t"] if timed else [])]

    def rule(*inputs: Tensor, **attrs: Any) -> list[Spec]:
        if len(inputs) != len(expected):
            raise ValueError(f"{name}: takes {', '.join(expected)}; got {len(inputs)} tensors")
        unknown = (set(attrs) - {"weight_decay"}) ^ set(names)
        if unknown:
            raise ValueError(f"{name}: wrong attributes: {', '.join(sorted(unknown))}")
        w = inputs[0]
        need_float(name, w=w, g=inputs[1])
        for argument, x in zip(expected, inputs, strict=True):
            shape = () if argument in ("lr", "t", "u_product") else w.shape
            if x.shape != shape:
                raise ValueError(f"{name}: {argument} must have shape {shape}, got {x.shape}")
        return [(x.shape, x.dtype) for x in (w, *inputs[2 : 2 + len(slots)])]

    return rule


for _name in RULES:
    primitive(_name, _rule(_name))
