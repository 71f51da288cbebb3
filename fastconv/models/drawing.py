"""The drawing of a model: layers as boxes in rows, and what flows between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from os import PathLike
from pathlib import Path
from statistics import median
from typing import Any

from fastconv.layers.layer import Layer
from fastconv.layers.op_layer import kind_of
from fastconv.models.model import Model
from fastconv.utils import plots
from fastconv.utils.notebooks import notebook_display

_LETTER, _LINE, _PAD = 0.085, 0.19, 0.12  # inches: a letter's width, a line's height, around text
_GAP, _RISE = 0.3, 0.4  # inches: between boxes of a row, between rows
_SWEEPS = 4  # times that the rows are ordered by their neighbours
_PULLS = 9  # times that places are drawn under those above or over those below; the last, under


@dataclass(eq=False)
class _Place:
    """A box, or (without text) where a long edge passes a row."""

    row: int
    text: str = ""
    sources: list[_Place] = field(default_factory=list)
    targets: list[_Place] = field(default_factory=list)
    x: float = 0.0

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n") if self.text else []

    @property
    def width(self) -> float:
        return max((len(s) for s in self.lines), default=0) * _LETTER + 2 * _PAD

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _PAD if self.text else 0.0


def plot_model(
    model: Model,
    to_file: str | PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Draw a model's layers and their connections into a file (``.png``, ``.svg``, ``.pdf``).

    Args:
        model: a functional or built sequential model.
        to_file: the picture to write; its ending is the format.
        show_shapes: write the shapes of inputs and outputs into the boxes.
        show_dtype: and the type of the elements.
        show_layer_names: and the name of the layer beside its class.
        rankdir: ``"TB"``, from top to bottom.
        expand_nested: False: a model inside is one box.
        dpi: dots per inch.
        show_layer_activations: write the activation into the boxes of layers that have one.
        show_trainable: mark layers with weights as trainable or not.

    Returns:
        In a notebook the picture, to be shown; else None.

    Raises:
        ValueError: for a model that is not built, another direction, or nested models expanded.
        ImportError: without matplotlib.
    """
    if rankdir != "TB":
        raise ValueError(f"plot_model: rankdir must be 'TB', got {rankdir!r}")
    if expand_nested:
        raise ValueError("plot_model: expand_nested is not covered; draw the inner model itself")

    def text(layer: Layer) -> str:
        kind = kind_of(layer)
        lines = [f"{layer.name} ({kind})" if show_layer_names else kind]
        activation = getattr(layer, "activation", None)
        if show_layer_activations and activation is not None:
            lines.append(f"activation: {getattr(activation, '__name__', activation)}")
        if show_shapes:
            lines.append(f"{_shape(layer, 'input')} → {_shape(layer, 'output')}")
        if show_dtype:
            lines.append(layer.dtype)
        if show_trainable and layer.weights:
            lines.append("trainable" if layer.trainable else "frozen")
        return "\n".join(lines)

    places = _in_rows(_connections(model), text)
    rows = _ordered(places)
    _spread(rows)
    _straighten(rows)
    path = plots.save(_draw(rows), to_file, dpi)
    return _shown(path)


def _shape(layer: Layer, end: str) -> str:
    shape = getattr(layer, f"{end}_shape")
    return ", ".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def _connections(model: Model) -> dict[Layer, list[Layer]]:
    """The layers in an order that can be run, each with those whose outputs it takes."""
    if not getattr(model, "_graph", None):
        raise ValueError(f"plot_model: model {model.name!r} is not built, or not made of layers")
    graph = model._known_graph()
    found: dict[Layer, list[Layer]] = {layer: [] for layer in graph.operations}
    for node in graph.nodes:
        for tensor in node.input_tensors:
            source = tensor.history.layer
            if source not in found[node.layer] and source is not node.layer:
                found[node.layer].append(source)
    return found


def _in_rows(connections: dict[Layer, list[Layer]], text: Any) -> list[_Place]:
    """Every layer one row below the lowest of its sources; long edges get places on their way."""
    boxes: dict[Layer, _Place] = {}
    places: list[_Place] = []
    for layer, sources in connections.items():
        above = [boxes[s] for s in sources if s in boxes]
        box = boxes[layer] = _Place(max((s.row + 1 for s in above), default=0), text(layer))
        for source in above:
            at = source
            for row in range(source.row + 1, box.row):
                passing = _Place(row, sources=[at])
                at.targets.append(passing)
                places.append(passing)
                at = passing
            at.targets.append(box)
            box.sources.append(at)
        places.append(box)
    return places


def _ordered(places: list[_Place]) -> list[list[_Place]]:
    """Rows whose places stand near their neighbours in the rows above and below."""
    rows: list[list[_Place]] = [[] for _ in range(max(p.row for p in places) + 1)]
    for place in places:
        rows[place.row].append(place)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else rows[::-1]:
            _spread(rows)
            near = {p: p.sources if down else p.targets for p in row}
            middle = {p: sum(n.x for n in near[p]) / len(near[p]) if near[p] else p.x for p in row}
            row.sort(key=middle.__getitem__)
    return rows


def _spread(rows: list[list[_Place]]) -> None:
    """Places of a row side by side, each row centred."""
    for row in rows:
        left = -(sum(p.width for p in row) + _GAP * (len(row) - 1)) / 2
        for place in row:
            place.x = left + place.width / 2
            left += place.width + _GAP


def _straighten(rows: list[list[_Place]]) -> None:
    """Move places under and over their neighbours, as far as those beside them give way."""
    for pull in range(_PULLS):
        down = pull % 2 == 0
        for row in rows if down else rows[::-1]:
            near = [p.sources if down else p.targets for p in row]
            wishes = [
                median(n.x for n in ns) if ns else p.x for p, ns in zip(row, near, strict=True)
            ]
            _pull(row, wishes)


def _pull(row: list[_Place], wishes: list[float]) -> None:
    """Put the places of a row as near to where they wish as they can be (least squares).

    Measured from the leftmost place that each could have, positions may only grow: this is an
    isotonic regression, by pooling neighbours that want to pass each other.
    """
    first = [0.0]
    for one, two in pairwise(row):
        first.append(first[-1] + (one.width + two.width) / 2 + _GAP)
    pools: list[tuple[float, int]] = []  # sum of wishes, places
    for wish, at in zip(wishes, first, strict=True):
        pools.append((wish - at, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1] = (pools[-1][0] + total, pools[-1][1] + count)
    shifts = [total / count for total, count in pools for _ in range(count)]
    for place, at, shift in zip(row, first, shifts, strict=True):
        place.x = at + shift


def _draw(rows: list[list[_Place]]) -> Any:
    from matplotlib.patches import FancyBboxPatch

    heights = [max(p.height for p in row) for row in rows]
    tops = [-sum(heights[:i]) - _RISE * i for i in range(len(rows) + 1)]
    left = min(row[0].x - row[0].width / 2 for row in rows) - _GAP / 2
    right = max(row[-1].x + row[-1].width / 2 for row in rows) + _GAP / 2
    width = right - left
    height = -tops[-1] - _RISE + _GAP
    drawing, ax = plots.figure(size=(width, height))
    drawing.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.set_xlim(left, right)
    ax.set_ylim(-height + _GAP / 2, _GAP / 2)
    ax.axis("off")

    def middle(place: _Place) -> float:
        return tops[place.row] - heights[place.row] / 2

    for place in (p for row in rows for p in row):
        for target in place.targets:  # straight out of the row, across, straight into the next
            floor = tops[place.row] - heights[place.row]
            start = middle(place) - place.height / 2 if place.text else tops[place.row]
            end = middle(target) + target.height / 2 if target.text else tops[target.row]
            across = [(place.x, start), (place.x, floor), (target.x, tops[target.row])]
            ax.plot(*zip(*across, strict=True), color="black", lw=0.8, solid_joinstyle="round")
            if target.text:
                arrow = {
                    "arrowstyle": "-|>",
                    "lw": 0.8,
                    "color": "black",
                    "shrinkA": 0,
                    "shrinkB": 0,
                }
                entry = (target.x, tops[target.row] + 0.02)
                ax.annotate("", (target.x, end), entry, arrowprops=arrow)
        if not place.text:
            continue
        corner = (place.x - place.width / 2, middle(place) - place.height / 2)
        shape = FancyBboxPatch(
            corner,
            place.width,
            place.height,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor="#eef3fa",
            edgecolor="#33506f",
            linewidth=0.8,
        )
        ax.add_patch(shape)
        ax.text(place.x, middle(place), place.text, ha="center", va="center", fontsize=9)
    return drawing


def _shown(path: Path) -> Any:
    """The picture as notebooks show it, where this is one."""
    display = notebook_display()
    if display is None:
        return None
    if path.suffix == ".svg":
        return display.SVG(filename=str(path))
    return display.Image(filename=str(path)) if path.suffix == ".png" else None
