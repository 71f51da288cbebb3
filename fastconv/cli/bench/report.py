"""The results of a comparison as JSON, as a Markdown table and as a chart."""

from __future__ import annotations

import importlib.util
import json
from math import nan
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

LABELS = {
    "fastconv": "fastconv",
    "fastconv_fast": "fastconv, fast",
    "fastconv_bf16": "fastconv bf16",
    "torch": "PyTorch",
    "torch_bf16": "PyTorch bf16",
    "keras_tf": "Keras + TensorFlow",
    "keras_jax": "Keras + JAX",
    "numpy": "NumPy reference",
}
UNITS = "images per second (pima_mlp: steps per second); in brackets, fastconv's rate over it."
STEPS = ("pima_mlp",)  # nets so small that steps, not examples, are what one counts


def write(results: dict[str, Any], folder: Path) -> None:
    """results.json, results.md and, with matplotlib, results.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / "results.md").write_text(table(results))
    if importlib.util.find_spec("matplotlib") is not None:
        chart(results, folder / "results.png")


def peers_of(results: dict[str, Any]) -> list[str]:
    seen = {p for figures in results["nets"].values() for p, f in figures.items() if _rate(f)}
    return [p for p in LABELS if p in seen]


def _rate(figure: dict[str, Any] | None) -> float | None:
    return figure.get("examples_per_second") if figure else None


def table(results: dict[str, Any]) -> str:
    """One row for each net; in brackets how much faster fastconv is."""
    peers = peers_of(results)
    lines = [
        f"{_caption(results)}: {UNITS}",
        "",
        "| net | " + " | ".join(LABELS[p] for p in peers) + " |",
        "|---|" + "---:|" * len(peers),
    ]
    for net, figures in results["nets"].items():
        ours = _rate(figures.get("fastconv"))
        cells = []
        for peer in peers:
            figure = figures.get(peer)
            rate = _rate(figure)
            if figure is None or rate is None:
                cells.append("-")
                continue
            shown = figure["steps_per_second"] if net in STEPS else rate
            text = f"{shown:,.0f}" if shown >= 100 else f"{shown:.1f}"
            if ours and peer != "fastconv":
                text += f" ({ours / rate:.2f}x)" if ours / rate < 10 else f" ({ours / rate:.0f}x)"
            cells.append(text)
        lines.append(f"| {net} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def terminal_table(results: dict[str, Any]) -> Table:
    """One row for each net and library: rates, how much faster fastconv is, most memory used."""
    shown = Table(title=_caption(results), title_justify="left", box=SIMPLE_HEAD)
    shown.add_column("net")
    shown.add_column("library")
    for name in ("examples/s", "steps/s", "fastconv is", "peak MB"):
        shown.add_column(name, justify="right")
    for net, figures in results["nets"].items():
        ours = _rate(figures.get("fastconv"))
        for i, (peer, figure) in enumerate(figures.items()):
            rate = _rate(figure)
            if rate is None:
                cells = ["failed", "", "", ""]
            else:
                ratio = f"{ours / rate:.2f}x" if ours and peer != "fastconv" else ""
                cells = [f"{rate:,.0f}", f"{figure['steps_per_second']:,.1f}", ratio]
                cells.append(f"{figure['peak_mb']:,.0f}")
            shown.add_row(net if i == 0 else "", LABELS[peer], *cells)
        shown.add_section()
    return shown


def _caption(results: dict[str, Any]) -> str:
    return (
        f"Training, {results['threads']} threads of {results['machine']['cpu']}, "
        f"median of {results['rounds']} interleaved rounds"
    )


TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


def chart(results: dict[str, Any], path: Path) -> None:
    """Bars of each library's rate over PyTorch's (or over the first library's), net by net: up from
    1 where it is faster, down where it is slower, equal factors equally far."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    peers = [p for p in peers_of(results) if p != "numpy"]
    if not peers:
        return
    base = "torch" if "torch" in peers else peers[0]
    nets = [n for n, figures in results["nets"].items() if _rate(figures.get(base))]
    figure = Figure(figsize=(1.6 + 1.5 * max(len(nets), 2), 4), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    shown = [p for p in peers if p != base] or peers
    width = 0.8 / len(shown)
    for i, peer in enumerate(shown):
        heights = []
        for net in nets:
            rate = _rate(results["nets"][net].get(peer))
            ratio = (rate or nan) / results["nets"][net][base]["examples_per_second"]
            heights.append(ratio - 1)
        places = [n + (i - (len(shown) - 1) / 2) * width for n in range(len(nets))]
        ax.bar(places, heights, width, bottom=1, label=LABELS[peer])
    ax.axhline(1, color="black", linewidth=0.8)
    ax.set_yscale("log")
    ax.set_yticks([t for t in TICKS if ax.get_ylim()[0] <= t <= ax.get_ylim()[1]])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xticks(range(len(nets)), nets)
    ax.set_ylabel(f"training speed over {LABELS[base]}")
    ax.set_title(f"{results['threads']} threads of {results['machine']['cpu']}")
    ax.legend(fontsize=8)
    figure.savefig(path, dpi=120)
