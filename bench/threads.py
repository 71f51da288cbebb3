"""How much sooner a training step of each net ends on several threads than on one.

    python bench/threads.py --out results

The nets are those of compare.py. Every net trains through ``fit`` on each number of threads in
turns, some tenths of a second each; the figure is the median over the rounds. Writes threads.json
and threads.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import fastconv
from fastconv import _core
from fastconv.cli.bench.compare import machine
from fastconv.cli.bench.nets import NETS, Net
from fastconv.cli.bench.worker import fit_of, measured_rate

CPUS = len(os.sched_getaffinity(0))
COUNTS = tuple(t for t in (1, 2, 4, 8, 16, 32, 64, 128) if t <= CPUS)


def measure(net: Net, rounds: int, turn: float) -> dict[int, float]:
    """Seconds of a step for each number of threads."""
    train = fit_of(net, fastconv, {})
    seconds: dict[int, list[float]] = {count: [] for count in COUNTS}
    steps = dict.fromkeys(COUNTS, 1)
    for count in COUNTS:
        fastconv.config.set_num_threads(count)
        wanted = round(turn * measured_rate(train, net) / net.batch)
        steps[count] = max(1, min(wanted, net.rows // net.batch))
    for _ in range(rounds):
        for count in COUNTS:
            fastconv.config.set_num_threads(count)
            start = time.perf_counter()
            train(steps[count] * net.batch)
            seconds[count].append((time.perf_counter() - start) / steps[count])
    return {count: statistics.median(took) for count, took in seconds.items()}


def table(results: dict[str, Any]) -> str:
    """Milliseconds of a step, and one thread's over those of the most."""
    heads = " | ".join(f"{count} thread" + "s" * (count > 1) for count in COUNTS)
    caption = (
        f"Milliseconds of a training step on {results['machine']['cpu']}, {results['isa']}, "
        f"median of {results['rounds']} rounds in turns."
    )
    lines = [
        caption,
        "",
        f"| net | {heads} | ratio |",
        "|---|" + "---:|" * (len(COUNTS) + 1),
    ]
    for name, seconds in results["nets"].items():
        cells = [f"{took * 1e3:,.3g}" for took in seconds.values()]
        took = list(seconds.values())
        lines.append(f"| {name} | {' | '.join(cells)} | {took[0] / took[-1]:.2f} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS), metavar="NET")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one turn")
    parser.add_argument("--out", type=Path, help="folder for the results")
    options = parser.parse_args(argv)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    nets = {name: measure(NETS[name], options.rounds, options.seconds) for name in options.nets}
    results: dict[str, Any] = {
        "machine": machine(),
        "isa": _core.isa(),
        "rounds": options.rounds,
        "nets": nets,
    }
    print(table(results))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "threads.json").write_text(json.dumps(results, indent=1) + "\n")
        (options.out / "threads.md").write_text(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
