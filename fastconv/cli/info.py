"""``fastconv info``."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

import fastconv
from fastconv import _core, config, datasets
from fastconv.datasets import store


def run(options: argparse.Namespace) -> int:
    """Print the version, the machine and the data sets found."""
    if options.threads is not None:
        config.set_num_threads(options.threads)
    threads = config.num_threads()
    peaks = _core.measure_peaks(threads)
    forced = os.environ.get("FASTCONV_ISA")
    table = Table(show_header=False)
    table.add_row("fastconv", fastconv.__version__)
    table.add_row("Python", platform.python_version())
    table.add_row("CPU", cpu_name())
    table.add_row("kernels", _core.isa() + (" (forced by FASTCONV_ISA)" if forced else ""))
    table.add_row("kernels available", ", ".join(_core.available_isas()))
    table.add_row("threads", str(threads))
    table.add_row("measured peak", f"{peaks['gflops']:.0f} GFLOP/s float32")
    table.add_row("measured memory read", f"{peaks['gbytes_per_second']:.0f} GB/s")
    for label, folder in store.data_folders():
        table.add_row(f"data: {label}", f"{folder}{'' if folder.is_dir() else ' (no such folder)'}")
    table.add_row("data sets found", ", ".join(["digits (in the package)", *found()]))
    Console().print(table)
    return 0


def found() -> list[str]:
    """The names of the data sets that would load without a download."""
    kinds = (datasets.mnist, datasets.fashion_mnist, datasets.cifar10, datasets.cifar100)
    names = [k.__name__.rpartition(".")[2] for k in kinds if store.is_present(k.LAYOUTS)]
    return [*names, "pima"] if store.is_present(datasets.pima.LAYOUTS) else names


def cpu_name() -> str:
    """The CPU's name as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
