"""Latency of five nets at rest: fastconv against onnxruntime on the same exported net.

    python bench/inference.py --out results
    python bench/inference.py --nets lenet5 --batches 1 --peers call onnxruntime --threads 1

All take turns in one process, with a short pause between two: rounds of some tenths of a second, in
which the same inputs are run again and again. The figure is the median over the rounds of the
median time of one run. Writes inference.json and inference.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastconv.cli.bench.compare import machine
from fastconv.cli.bench.nets import NETS, Net

PEERS = {  # what must be installed for each
    "call": ("fastconv",),
    "predict": ("fastconv",),
    "onnxruntime": ("onnx", "onnxruntime"),
    "torch": ("torch",),
}
LABELS = {
    "call": "fastconv `model(x)`",
    "predict": "fastconv `model.predict`",
    "onnxruntime": "onnxruntime",
    "torch": "PyTorch channels_last",
}
MEASURED = ("cifar_lab", "mnist_cnn", "lenet5", "resnet20", "mnist_mlp")
PAUSE = 0.03  # seconds in which the threads of the last one come to rest

Run = Callable[[], object]


def runners(net: Net, batch: int, peers: list[str], threads: int) -> dict[str, Run]:
    """What each peer does with a batch of the net's inputs."""
    import fastconv

    fastconv.config.set_num_threads(threads)
    model = net.build(fastconv)
    x = net.data()[0][:batch].copy()
    made: dict[str, Run] = {}
    for peer in peers:
        if peer == "call":
            made[peer] = lambda: model(x)
        elif peer == "predict":
            made[peer] = lambda: model.predict(x, batch_size=batch, verbose=0)
        elif peer == "onnxruntime":
            made[peer] = onnxruntime_run(model, x, threads)
        else:
            made[peer] = torch_run(net, x, threads)
    return made


def onnxruntime_run(model: Any, x: Any, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        model.export(path)
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    feeds = {session.get_inputs()[0].name: x}
    return lambda: session.run(None, feeds)


def torch_run(net: Net, x: Any, threads: int) -> Run:
    import torch

    from fastconv.cli.bench.torch_nets import BUILD

    torch.set_num_threads(threads)
    module = BUILD[net.name]().eval()
    tensor = torch.from_numpy(x)
    if x.ndim == 4:
        module = module.to(memory_format=torch.channels_last)
        tensor = tensor.permute(0, 3, 1, 2)

    def run() -> object:
        with torch.inference_mode():
            return module(tensor).numpy()

    return run


def timed(run: Run, seconds: float) -> float:
    """The median time of a run, over about ``seconds``, once everything is warm."""
    times: list[float] = []
    run()
    end = time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        run()
        stop = time.perf_counter()
        times.append(stop - start)
        if stop > end:
            return statistics.median(times)


def measure(net: Net, batch: int, peers: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of one run for each peer, and of every round."""
    made = runners(net, batch, peers, options.threads)
    rounds: dict[str, list[float]] = {peer: [] for peer in peers}
    for run in made.values():
        timed(run, options.seconds / 4)
    for turn in range(options.rounds):
        for i in range(len(peers)):
            peer = peers[(i + turn) % len(peers)]
            time.sleep(PAUSE)
            rounds[peer].append(timed(made[peer], options.seconds))
    return {p: {"seconds": statistics.median(r), "rounds": r} for p, r in rounds.items()}


def table(results: dict[str, Any]) -> str:
    """A row for each net and batch; in brackets the peer's time over that of ``model(x)``, or, for
    want of it, of the first column."""
    peers = results["peers"]
    base = "call" if "call" in peers else peers[0]
    caption = (
        f"Inference, {results['threads']} threads of {results['machine']['cpu']}: microseconds for "
        f"one batch, median of {results['rounds']} interleaved rounds. In brackets: times that of "
        f"{LABELS[base]}."
    )
    lines = [
        caption,
        "",
        "| net | batch | " + " | ".join(LABELS[p] for p in peers) + " |",
        "|---|---:|" + "---:|" * len(peers),
    ]
    for net, batches in results["nets"].items():
        for batch, figures in batches.items():
            cells = []
            for peer in peers:
                seconds = figures[peer]["seconds"]
                cell = f"{seconds * 1e6:,.0f}" if seconds > 1e-4 else f"{seconds * 1e6:.1f}"
                ratio = seconds / figures[base]["seconds"]
                cells.append(cell if peer == base else f"{cell} ({ratio:.2f}x)")
            lines.append(f"| {net} | {batch} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(MEASURED), metavar="NET")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 256], metavar="ROWS")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of one peer in one round")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the results")
    options = parser.parse_args(argv)
    cpus = sorted(os.sched_getaffinity(0))
    if not 1 <= options.threads <= len(cpus):
        parser.error(f"--threads must be between 1 and {len(cpus)}, the CPUs of this process")
    if options.rounds < 1 or options.seconds <= 0 or min(options.batches) < 1:
        parser.error("--rounds, --seconds and --batches must be positive")
    return options


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    peers = []
    for peer in options.peers:
        missing = [m for m in PEERS[peer] if importlib.util.find_spec(m) is None]
        if missing:
            print(f"{peer} left out: {', '.join(missing)} not installed", file=sys.stderr)
        else:
            peers.append(peer)
    if not peers:
        print("none of the peers is installed", file=sys.stderr)
        return 1
    results: dict[str, Any] = {
        "machine": machine(),
        "threads": options.threads,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "peers": peers,
        "nets": {},
    }
    for name in options.nets:
        results["nets"][name] = {
            str(batch): measure(NETS[name], batch, peers, options) for batch in options.batches
        }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "inference.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "inference.md").write_text(table(results))
    print(table(results))
    return 0


if __name__ == "__main__":
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cpus[: arguments(None).threads])
    sys.exit(main())
