"""The table of a model's layers."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

from fastconv.graph.structure import flatten
from fastconv.graph.tensor import Variable
from fastconv.layers.layer import Layer
from fastconv.layers.op_layer import kind_of
from fastconv.models.model import Model

DEFAULT_WIDTH = 80


def print_summary(
    model: Model,
    line_length: int | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Print the layers, their output shapes, weights and, for a graph, what they are connected to.

    Colours appear on a terminal only; into a file or ``print_fn`` goes plain text, 80 columns wide
    unless told otherwise.
    """
    from rich.console import Console

    console = Console(highlight=False)
    plain = print_fn is not None or not console.is_terminal
    width = line_length or (DEFAULT_WIDTH if plain else min(max(console.width, 60), 100))
    if plain:
        console = Console(
            file=io.StringIO(),
            width=width,
            color_system=None,
            force_terminal=False,
            highlight=False,
        )
    console.print(f'Model: "{_escape(model.name)}"', style="bold")
    console.print(_table(model, width, expand_nested, show_trainable, layer_range))
    for line in _totals(model):
        console.print(line, style="bold")
    if plain:
        text = console.file.getvalue()  # type: ignore[attr-defined]
        text = "\n".join(line.rstrip() for line in text.splitlines())
        if print_fn is None and "utf" not in (sys.stdout.encoding or "").lower():
            text = text.replace("─", "-")
        (print_fn or print)(text)


def _table(
    model: Model, width: int, expand_nested: bool, show_trainable: bool, layer_range: Any
) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    connected = not _is_chain(model)
    rows = [
        (
            f"{'  ' * depth}{_escape(layer.name)} ({kind_of(layer)})",
            _shape_text(layer),
            _count_text(layer),
            _sources_text(layer, model),
            "-" if not layer.weights else "Y" if layer.trainable else "N",
        )
        for layer, depth in _rows(model, expand_nested, layer_range)
    ]
    # Shapes and counts stay on one line where that leaves room for the names.
    shapes = min(max((len(r[1]) for r in rows), default=1), width // 3)
    counts = max((len(r[2]) for r in rows), default=1)
    table = Table(width=width, header_style="bold", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("Layer (type)", overflow="fold", ratio=10)
    table.add_column("Output Shape", overflow="fold", min_width=shapes)
    table.add_column("Param #", justify="right", min_width=counts)
    if connected:
        table.add_column("Connected to", overflow="fold", ratio=9)
    if show_trainable:
        table.add_column("Trainable", justify="center", width=9)
    shown = [True, True, True, connected, show_trainable]
    for row in rows:
        table.add_row(*(text for text, show in zip(row, shown, strict=True) if show))
    return table


def _rows(model: Model, expand_nested: bool, layer_range: Any) -> list[tuple[Layer, int]]:
    layers = list(model.operations)
    if layer_range is not None:
        names = [layer.name for layer in layers]
        first, last = layer_range
        for name in (first, last):
            if name not in names:
                raise ValueError(f"model {model.name!r} has no layer {name!r}")
        layers = layers[names.index(first) : names.index(last) + 1]
    rows: list[tuple[Layer, int]] = []
    for layer in layers:
        rows.append((layer, 0))
        if expand_nested and isinstance(layer, Model):
            rows.extend((inner, depth + 1) for inner, depth in _rows(layer, True, None))
    return rows


def _is_chain(model: Model) -> bool:
    """Whether each layer takes the output of the one before, so that connections need no column."""
    if not model.is_functional:
        return True
    graph = model._known_graph()
    if len(graph.input_tensors) != 1 or len(graph.output_tensors) != 1:
        return False
    operations = graph.operations
    calls = [n for n in graph.nodes if n.input_tensors]
    made_by = {layer.name: i for i, layer in enumerate(operations)}
    return len(calls) == len(operations) - 1 and all(
        len(n.input_tensors) == 1
        and made_by[n.input_tensors[0].history.layer.name] == made_by[n.layer.name] - 1
        for n in calls
    )


def _shape_text(layer: Layer) -> str:
    try:
        shapes = _shapes(layer)
    except (AttributeError, ValueError, NotImplementedError, TypeError):
        return "?"
    return ", ".join(str(s) for s in shapes) if shapes else "?"


def _shapes(layer: Layer) -> list[Any]:
    if layer._inbound_nodes:
        return [t.shape for t in layer._inbound_nodes[0].output_tensors]
    if isinstance(layer, Model) and layer._graph is not None:
        return [t.shape for t in layer._graph.output_tensors]
    if layer.built and layer._build_shape is not None:
        shape = layer.compute_output_shape(layer._build_shape)
        return [shape] if isinstance(shape, tuple) else flatten(shape)
    return []


def _count_text(layer: Layer) -> str:
    if not layer.built:
        return "0 (unbuilt)"
    return f"{layer.count_params():,}"


def _sources_text(layer: Layer, model: Model) -> str:
    if not model.is_functional:
        return "-"
    graph = model._known_graph()
    places = []
    for node in layer._inbound_nodes:
        if graph.contains(node):
            for tensor in node.input_tensors:
                source, call, index = tensor.history
                place = f"[{call}][{index}]" if call or index else ""
                places.append(source.name + place)
    return _escape(", ".join(places)) or "-"


def _totals(model: Model) -> list[str]:
    trainable = model.trainable_weights
    other = model.non_trainable_weights
    lines = [
        _line("Total params", *trainable, *other),
        _line("Trainable params", *trainable),
        _line("Non-trainable params", *other),
    ]
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and getattr(optimizer, "built", False):
        slots = optimizer.variables
        lines[0] = _line("Total params", *trainable, *other, *slots)
        lines.append(_line("Optimizer params", *slots))
    return lines


def _line(label: str, *variables: Variable) -> str:
    count = sum(v.size for v in variables)
    size = sum(v.data.nbytes for v in variables)
    return f" {label}: {count:,} ({_bytes_text(size)})"


def _bytes_text(size: float) -> str:
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
