"""From a model to an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from fastconv.graph.passes import simplify
from fastconv.graph.program import Program
from fastconv.saving.files import atomic, checked_target
from fastconv.saving.onnx.builder import GraphBuilder, import_onnx
from fastconv.saving.onnx.fold import fold_into_weights
from fastconv.saving.onnx.translate import translate

if TYPE_CHECKING:
    from fastconv.models.model import Model

OPSET = 17
_IR_VERSION = 8  # the first that knows this opset


def export_model(model: Model, filepath: str | PathLike[str], overwrite: bool = True) -> None:
    """Write what ``predict`` computes as an ONNX graph with the weights in it.

    Inputs and outputs have the model's names, shapes and layout, with any batch. Inside, images
    are channels-first, batch normalization is part of the convolution before it, and what makes
    only sense in training is left out. The file appears whole or not at all.

    Raises:
        ImportError: without the package onnx (``pip install 'fastconv[onnx]'``).
        ValueError: if the name does not end in .onnx, the model has no weights yet, or a layer
            computes what ONNX has no operator for.
        FileExistsError: if the file exists and ``overwrite`` is False.
    """
    onnx = import_onnx()
    target = checked_target(filepath, overwrite)
    if target.suffix != ".onnx":
        raise ValueError(f"cannot export to {target}: the name must end in .onnx")
    program = _inference_program(model)
    if program.updates:
        changed = ", ".join(repr(v.path) for v in program.updates)
        raise ValueError(
            f"model {model.name!r} changes {changed} when it predicts: ONNX has no such state"
        )
    proto = onnx_model(program, model.name, _output_names(model, len(program.outputs)))
    onnx.checker.check_model(proto, full_check=True)
    with atomic(target) as temporary:
        temporary.write_bytes(proto.SerializeToString())


def onnx_model(program: Program, name: str, output_names: Sequence[str]) -> Any:
    """A program as an ``onnx.ModelProto``, its variables as they are now.

    Raises:
        ValueError: for a primitive that ONNX has no operator for; it names the layer.
    """
    onnx = import_onnx()
    flow = simplify(program, fixed=True)
    fold_into_weights(flow)
    graph = GraphBuilder(onnx)
    for tensor, value in zip(program.inputs, flow.inputs, strict=True):
        graph.add_input(value, tensor.name or "input")
    for step in flow.steps:
        translate(graph, step)
    for value, output in zip(flow.outputs, output_names, strict=True):
        graph.add_output(value, output)
    return onnx.helper.make_model(
        graph.finish(name),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="fastconv",
    )


def _inference_program(model: Model) -> Program:
    from fastconv.graph.structure import flatten
    from fastconv.training.data import Spec
    from fastconv.training.programs import Signature, predict_step

    structure = model._symbolic_inputs()
    tensors = flatten(structure)
    keys = tuple(map(str, structure)) if isinstance(structure, Mapping) else None
    names = keys or model.input_names or _numbered("input", len(tensors))
    signature = Signature(
        x=tuple(Spec(t.shape, t.dtype, n) for t, n in zip(tensors, names, strict=True)),
        keys=keys,
        single=keys is None and not isinstance(structure, (list, tuple)),
    )
    return predict_step(model, signature).program


def _output_names(model: Model, count: int) -> list[str]:
    names = model.output_names
    return names if names is not None and len(names) == count else _numbered("output", count)


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{i + 1}" for i in range(count)]
