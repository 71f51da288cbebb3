"""The primitives of inference in terms of ONNX operators."""

from __future__ import annotations

from fastconv.graph.passes import Step
from fastconv.saving.onnx import linear, moves, pointwise, reductions
from fastconv.saving.onnx.builder import GraphBuilder

_TRANSLATIONS = {
    **pointwise.TRANSLATIONS,
    **linear.TRANSLATIONS,
    **reductions.TRANSLATIONS,
    **moves.TRANSLATIONS,
}


def translate(graph: GraphBuilder, step: Step) -> None:
    """Add the nodes of one step of a program.

    Raises:
        ValueError: if there are none for it; it names the layer.
    """
    add = _TRANSLATIONS.get(step.name)
    where = f"layer {step.scope!r}" if step.scope else "the model"
    if add is None:
        raise ValueError(f"{where}: {step.name} cannot be exported to ONNX")
    graph.scope = step.scope
    try:
        add(graph, step)
    except NotImplementedError as error:
        raise ValueError(f"{where}: {step.name} cannot be exported to ONNX: {error}") from error
