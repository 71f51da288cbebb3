"""How the time of a training step grows with batch, width, depth and threads.

    python bench/growth.py --out results

A net of 3x3 convolutions on 32x32 images (`net`), and the same with one size changed at a time.
All of them take turns in one process, a tenth of a second each, and the figure is the median over
the rounds. Writes growth.json, growth.md and (with matplotlib) growth.png.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import fastconv
from fastconv.cli.bench.compare import machine

CPUS = len(os.sched_getaffinity(0))
TURN = 0.1  # seconds of one point in one round


@dataclass(frozen=True)
class Point:
    """One size of net and batch: ``depth`` convolutions of ``width`` filters."""

    batch: int = 128
    width: int = 32
    depth: int = 4
    threads: int = CPUS


VARIED: dict[str, tuple[int, ...]] = {
    "batch": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    "width": (8, 16, 32, 64, 128),
    "depth": (1, 2, 4, 8, 16),
    "threads": tuple(t for t in (1, 2, 4, 8, 16, 32, 64, 128) if t <= CPUS),
}


def net(point: Point) -> fastconv.Sequential:
    """Convolutions with ReLU, global average pooling and ten classes; plain SGD."""
    layers = fastconv.layers
    stack = [layers.Input((32, 32, 3))]
    for _ in range(point.depth):
        stack.append(layers.Conv2D(point.width, 3, padding="same", activation="relu"))
    model = fastconv.Sequential([*stack, layers.GlobalAveragePooling2D(), layers.Dense(10)])
    loss = fastconv.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=fastconv.optimizers.SGD(0.01), loss=loss)
    return model


class Trained:
    """A net that trains for about as long as it is told to."""

    def __init__(self, point: Point) -> None:
        self.point, self.model = point, net(point)
        rng = np.random.default_rng(0)
        rows = max(point.batch, min(4096, point.batch * 16))
        self.x = rng.standard_normal((rows, 32, 32, 3), np.float32)
        self.y = rng.integers(0, 10, rows)
        self.seconds: list[float] = []  # of a step, one for each round
        self.steps = 1
        self.run()
        self.steps = max(1, round(TURN / max(self.run(), 1e-6)))

    def run(self) -> float:
        """Seconds of a step."""
        fastconv.config.set_num_threads(self.point.threads)
        rows = len(self.x) // self.point.batch * self.point.batch
        in_epoch = rows // self.point.batch
        epochs, rest = divmod(self.steps, in_epoch)
        start = time.perf_counter()
        for steps in [in_epoch] * epochs + [rest] * (rest > 0):
            part = slice(steps * self.point.batch)
            self.model.fit(self.x[part], self.y[part], batch_size=self.point.batch, verbose=0)
        return (time.perf_counter() - start) / self.steps


def measure(rounds: int) -> dict[Point, float]:
    """Seconds of a step of every point."""
    varied = (replace(Point(), **{name: v}) for name, values in VARIED.items() for v in values)
    all_points = [Trained(point) for point in dict.fromkeys(varied)]
    for _ in range(rounds):
        for trained in all_points:
            trained.seconds.append(trained.run())
    return {t.point: statistics.median(t.seconds) for t in all_points}


def table(results: dict[str, Any], seconds: dict[Point, float]) -> str:
    """Milliseconds of a step, and microseconds of an image, for each size."""
    cpu = results["machine"]["cpu"]
    lines = [
        f"4 convolutions of 32 filters on 32x32 images, batch 128, {CPUS} threads of {cpu}:",
        "",
        "| changed | to | ms a step | us an image |",
        "|---|---:|---:|---:|",
    ]
    for name, values in VARIED.items():
        for value in values:
            point = replace(Point(), **{name: value})
            took = seconds[point]
            image = f"{took * 1e6 / point.batch:,.1f}"
            lines.append(f"| {name} | {value} | {took * 1e3:,.2f} | {image} |")
    return "\n".join(lines) + "\n"


def chart(seconds: dict[Point, float], path: Path) -> None:
    """Time against each size on logarithmic axes, beside growth in proportion to it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    for ax, (name, values) in zip(figure.subplots(1, len(VARIED)), VARIED.items(), strict=True):
        took = [seconds[replace(Point(), **{name: v})] * 1e3 for v in values]
        ax.loglog(values, took, "o-", label="measured")
        power = {"threads": -1, "width": 2}.get(name, 1)
        most = len(values) - 1 if power > 0 else 0
        ideal = [took[most] * (v / values[most]) ** power for v in values]
        label = {-1: "1 / threads", 2: "width squared"}.get(power, f"in proportion to {name}")
        ax.loglog(values, ideal, "--", color="grey", label=label)
        ax.set_xticks(values, [str(v) for v in values], rotation=45 if len(values) > 6 else 0)
        ax.minorticks_off()
        ax.set_xlabel(name)
        ax.legend(fontsize=8)
    figure.axes[0].set_ylabel("ms a training step")
    figure.savefig(path, dpi=120)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the results")
    options = parser.parse_args(argv)
    if options.rounds < 1:
        parser.error("--rounds must be positive")
    threads = fastconv.config.num_threads()
    try:
        seconds = measure(options.rounds)
    finally:
        fastconv.config.set_num_threads(threads)
    results = {
        "machine": machine(),
        "points": [{**asdict(point), "seconds": took} for point, took in seconds.items()],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "growth.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "growth.md").write_text(table(results, seconds))
    if importlib.util.find_spec("matplotlib") is not None:
        chart(seconds, options.out / "growth.png")
    print(table(results, seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
