"""Whole training steps of seven nets, fastconv against the libraries that are installed.

Each library trains each net in a process of its own: data float32 in memory, shuffled batches
gathered every step, weights updated. The processes take turns, and one that is not at turn is
stopped, so that all of them see the same machine. The figure is the median over the rounds.
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

from rich.console import Console

import fastconv
from fastconv.cli.bench import report
from fastconv.cli.bench.nets import NETS
from fastconv.cli.info import cpu_name

PEERS = {  # what must be installed for each
    "fastconv": ("fastconv",),
    "fastconv_fast": ("fastconv",),
    "fastconv_bf16": ("fastconv",),
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
            [sys.executable, "-m", "fastconv.cli.bench.worker", peer, net, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
            cwd=Path(fastconv.__file__).parents[1],  # not another copy, from where we are
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
    cpus = len(os.sched_getaffinity(0))
    return {"cpu": cpu_name(), "cpus": cpus, "python": platform.python_version()}


def run(options: argparse.Namespace) -> int:
    """Compare, write the results to ``options.out`` and print them.

    Raises:
        ValueError: for an unknown net or library, or more threads than the process has CPUs.
    """
    nets = _chosen("net", options.nets, list(NETS))
    wanted = _chosen("library", options.peers, list(PEERS))
    cpus = len(os.sched_getaffinity(0))
    if options.threads is None:
        options.threads = cpus
    if options.threads > cpus:
        raise ValueError(f"--threads {options.threads} is more than this process's {cpus} CPUs")
    peers = []
    for peer in wanted:
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
    for net in nets:
        results["nets"][net] = compare(net, peers, options)
        report.write(results, options.out)  # what is known so far, should it be interrupted
    Console().print(report.terminal_table(results))
    print(f"Written: results.json, results.md and, with matplotlib, results.png in\n{options.out}")
    return 0


def _chosen(kind: str, names: list[str] | None, known: list[str]) -> list[str]:
    for name in names or ():
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}; expected one of {', '.join(known)}")
    return names or known
