"""The text of a tape: pointwise steps as instructions on registers.

Instructions are separated by ``; ``, each ``name arg ...``, an argument being ``%r`` or a number.
With K inputs in %0 .. %(K-1), instruction i writes %(K+i).
"""

from __future__ import annotations

from collections.abc import Sequence

from fastconv.graph.passes.flow import Step, Value

# Attributes that become operands of the instruction, in this order.
_OPERANDS = {
    "leaky_relu": ("negative_slope",),
    "leaky_relu_grad": ("negative_slope",),
    "elu": ("alpha",),
    "elu_grad": ("alpha",),
    "dropout": ("rate", "stream"),
    "cast": ("dtype",),
}


def operands(steps: Sequence[Step], given: Sequence[Value] = ()) -> list[Value]:
    """What the steps read from outside, each once, after ``given``; numbers are left out."""
    made = {v for step in steps for v in step.outputs}
    found = dict.fromkeys(given)
    for step in steps:
        for value in step.inputs[:1] if step.name == "broadcast_to" else step.inputs:
            if value not in made and (value.scalar is None or _needs_register(step)):
                found[value] = None
    return list(found)


def _needs_register(step: Step) -> bool:
    return step.name in ("broadcast_to", "dropout")


def count_instructions(steps: Sequence[Step]) -> int:
    return sum(step.name != "broadcast_to" for step in steps)


def write(
    steps: Sequence[Step], inputs: Sequence[Value], results: Sequence[Value]
) -> tuple[str, list[int]]:
    """The code of ``steps`` on ``inputs``, and the registers that hold ``results``."""
    register = {value: f"%{i}" for i, value in enumerate(inputs)}
    lines: list[str] = []

    def emit(line: str) -> str:
        lines.append(line)
        return f"%{len(inputs) + len(lines) - 1}"

    for step in steps:
        out = step.outputs[0]
        if step.name == "broadcast_to":
            register[out] = register[step.inputs[0]]
            continue
        words = [step.name]
        arguments = [register.get(value) or number(value.scalar) for value in step.inputs]
        if step.name in ("add", "multiply"):
            arguments.sort(key=_register_order)
        words += arguments
        for key in _OPERANDS.get(step.name, ()):
            attr = step.attrs[key]
            words.append(repr(attr) if isinstance(attr, float) else str(attr))
        register[out] = emit(" ".join(words))
    found = []
    for value in results:
        name = register[value]
        if int(name[1:]) < len(inputs):
            name = emit(f"identity {name}")
        found.append(int(name[1:]))
    return "; ".join(lines), found


def _register_order(argument: str) -> tuple[bool, int]:
    """Registers by their number, then numbers."""
    return (False, int(argument[1:])) if argument[0] == "%" else (True, 0)


def number(value: float | None) -> str:
    if value is None:
        raise ValueError("a pointwise operand is neither made nor given")
    return repr(float(value))
