"""Whole training steps of seven nets, fastconv against the libraries that are installed.

    python bench/compare.py --out results            # everything
    python bench/compare.py --nets cifar_lab lenet5 --peers fastconv torch --rounds 5

Each library trains each net in a process of its own: data float32 in memory, shuffled batches
gathered every step, weights updated. The processes take turns, a few seconds each, and one that is
not at turn is stopped, so that all of them see the same machine. The figure is the median over the
rounds. Writes results.json, results.md and (with matplotlib) results.png.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import report
from nets import NETS

PEERS = {  # what must be installed for each
    "fastconv": ("fastconv",),
    "fastconv_fast": ("fastconv",),
    "torch": ("torch",),
    "torch_bf16": ("torch",),
    "keras_tf": ("keras", "tensorflow"),
    "keras_jax": ("keras", "jax"),
    "numpy": ("fastconv",),
}


def limits(isa: str | None) -> dict[str, str]:
    """Environment variables that keep fastconv and the libraries below it to one ISA."""
    if isa is None:
        return {}
    names = {  # ATen, oneDNN, OpenBLAS
        "sse42": ("default", "SSE41", "Nehalem"),
        "avx2": ("avx2", "AVX2", "Haswell"),
        "avx512": ("avx512", "AVX512_CORE", "SkylakeX"),
    }
    env = {"FASTCONV_ISA": isa}
    if isa in names:
        aten, onednn, openblas = names[isa]
        env.update(ATEN_CPU_CAPABILITY=aten, ONEDNN_MAX_CPU_ISA=onednn, OPENBLAS_CORETYPE=openblas)
        env["MKL_ENABLE_INSTRUCTIONS"] = {"sse42": "SSE4_2"}.get(isa, isa.upper())
        env["XLA_FLAGS"] = f"--xla_cpu_max_isa={env['MKL_ENABLE_INSTRUCTIONS']}"
    return env


class Worker:
    """A library that trains one net, running only while it is asked to."""

    def __init__(self, peer: str, net: str, threads: int, isa: str | None) -> None:
        env = dict(os.environ)
        env.update(
            OMP_NUM_THREADS=str(threads),
            MKL_NUM_THREADS=str(threads),
            OPENBLAS_NUM_THREADS=str(threads),
            TF_CPP_MIN_LOG_LEVEL="3",
            PYTHONWARNINGS="ignore",
        )
        env.update(limits(isa))
        self.peer, self.error = peer, ""
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), peer, net, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        hello = self._reply()
        self.version = str(hello.get("version", ""))
        self._pause()

    def run(self, seconds: float) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        result = self._reply()
        self._pause()
        return result

    def close(self) -> None:
        with self.process:  # its pipes are closed too
            self.process.kill()

    def _pause(self) -> None:
        if not self.error:
            self.process.send_signal(signal.SIGSTOP)

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.error = f"ended with status {self.process.wait()}"
            return {}
        reply: dict[str, Any] = json.loads(line)
        self.error = reply.get("error", "")
        return reply


def compare(net: str, peers: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """The figures of each library on one net; a library that fails says why instead."""
    workers: list[Worker] = []
    samples: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    try:
        for peer in peers:
            print(f"{net}: starting {peer}", file=sys.stderr, flush=True)
            workers.append(Worker(peer, net, options.threads, options.isa))
        for turn in range(options.rounds):
            for i in range(len(workers)):
                worker = workers[(i + turn) % len(workers)]
                if worker.error:
                    continue
                result = worker.run(options.seconds)
                if not worker.error:
                    rate = result["examples"] / result["seconds"]
                    samples.setdefault(worker.peer, []).append(rate)
                    memory[worker.peer] = result["peak_mb"]
    finally:
        for worker in workers:
            worker.close()
    figures: dict[str, Any] = {}
    for worker in workers:
        rates = samples.get(worker.peer)
        if worker.error or not rates:
            print(f"{net}: {worker.peer} left out: {worker.error}", file=sys.stderr)
            figures[worker.peer] = {"error": worker.error}
            continue
        figures[worker.peer] = {
            "version": worker.version,
            "examples_per_second": statistics.median(rates),
            "steps_per_second": statistics.median(rates) / NETS[net].batch,
            "rounds": rates,
            "peak_mb": memory[worker.peer],
        }
    return figures


def machine() -> dict[str, Any]:
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [s.split(":", 1)[1] for s in cpuinfo.read_text().splitlines() if "model name" in s]
        model = names[0].strip() if names else model
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS), metavar="NET")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one library in one round")
    parser.add_argument("--isa", help="of fastconv and the peers: sse42, avx2, avx512, neon")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the results")
    options = parser.parse_args(argv)
    cpus = sorted(os.sched_getaffinity(0))
    if not 1 <= options.threads <= len(cpus):
        parser.error(f"--threads must be between 1 and {len(cpus)}, the CPUs of this process")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
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
    results: dict[str, Any] = {
        "machine": machine(),
        "threads": options.threads,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "isa": options.isa,
        "nets": {},
    }
    for net in options.nets:
        results["nets"][net] = compare(net, peers, options)
        report.write(results, options.out)  # what is known so far, should it be interrupted
    print(report.table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
