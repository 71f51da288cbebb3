"""Single layers, forward and both gradients: fastconv against PyTorch channels_last (oneDNN).

    python bench/layers.py --out results
    python bench/layers.py --layers "16,32x32" --threads 1 --isa avx2

The layers are those of ``LAYERS`` and all convolutions and dense layers of the nets of
compare.py. The two libraries take turns in one process, some hundredths of a second each, and the
figure is the median over the rounds of the median time of one call. fastconv's forward includes
bias and ReLU, its input gradient a ReLU's mask; PyTorch's a bias, and nothing. GFLOP/s count every
tap, those on padding as well, so that an algorithm with fewer multiplications may exceed the peak.
With --out, layers.json and layers.md are written there.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from inference import PAUSE, timed

from fastconv.cli.bench.compare import limits, machine
from fastconv.cli.bench.nets import NETS

DIRECTIONS = ("forward", "input gradient", "weight gradient")
PEERS = ("fastconv", "torch")

LINE = 16  # floats in a cache line

Run = Callable[[], object]
Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Layer:
    """A convolution of square images; with size 0 a dense layer."""

    channels: int
    size: int
    filters: int
    kernel: int = 3
    padding: str = "same"
    stride: int = 1

    def __str__(self) -> str:
        if self.size == 0:
            return f"dense {self.channels},{self.filters}"
        text = f"{self.channels},{self.size}x{self.size},{self.filters}"
        kernel = f"{self.kernel}x{self.kernel} {self.padding}"
        return f"{text} {kernel}" + (f" stride {self.stride}" if self.stride > 1 else "")

    @property
    def out_size(self) -> int:
        if self.padding == "same":
            return -(-self.size // self.stride)
        return (self.size - self.kernel) // self.stride + 1

    @property
    def pads(self) -> tuple[int, int]:
        """Rows and columns of zeros before and after, as Keras has them."""
        total = max(0, (self.out_size - 1) * self.stride + self.kernel - self.size)
        return total // 2, total - total // 2

    @property
    def flops(self) -> int:
        """Of one example, in each direction."""
        pixels = self.out_size**2 * self.kernel**2 if self.size else 1
        return 2 * pixels * self.channels * self.filters

    def arrays(self, batch: int) -> tuple[Array, Array, Array, Array]:
        """x, weights, bias and the gradient of the output."""
        rng = np.random.default_rng(0)
        if self.size == 0:
            shapes = [(batch, self.channels), (self.channels, self.filters)]
            out: tuple[int, ...] = (batch, self.filters)
        else:
            shapes = [(batch, self.size, self.size, self.channels)]
            shapes.append((self.kernel, self.kernel, self.channels, self.filters))
            out = (batch, self.out_size, self.out_size, self.filters)
        x, w, b, dy = (normal(rng, shape) for shape in (*shapes, (self.filters,), out))
        return x, w, b, dy


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal numbers that begin with a cache line, as both libraries' own tensors do."""
    size = int(np.prod(shape))
    room = np.empty(size + LINE, np.float32)
    start = -room.ctypes.data % (4 * LINE) // 4
    array = room[start : start + size].reshape(shape)
    rng.standard_normal(dtype=np.float32, out=array)
    return array


LAYERS = (
    Layer(3, 32, 32),
    Layer(32, 32, 32, padding="valid"),
    Layer(32, 15, 64),
    Layer(64, 15, 64, padding="valid"),
    Layer(1, 28, 32, padding="valid"),
    Layer(32, 26, 32, padding="valid"),
    Layer(16, 32, 16),
    Layer(32, 16, 32),
    Layer(64, 8, 64),
    Layer(16, 32, 32, stride=2),
    Layer(64, 32, 64),
    Layer(128, 16, 128),
    Layer(256, 8, 256),
    Layer(6, 14, 16, 5, "valid"),
    Layer(64, 56, 64, 1),
)


def layers_of(net: str) -> list[Layer]:
    """The convolutions and dense layers of a net, without repetitions."""
    import fastconv

    found: dict[Layer, None] = {}
    for layer in NETS[net].build(fastconv).layers:
        if isinstance(layer, fastconv.layers.Conv2D):
            _, size, _, channels = layer.input.shape
            found[
                Layer(
                    channels,
                    size,
                    layer.filters,
                    layer.kernel_size[0],
                    layer.padding,
                    layer.strides[0],
                )
            ] = None
        elif isinstance(layer, fastconv.layers.Dense):
            found[Layer(layer.input.shape[-1], 0, layer.units)] = None
    return list(found)


def fastconv_runs(layer: Layer, batch: int) -> list[tuple[Run, str]]:
    """A run in each direction, and the algorithm that it takes."""
    from fastconv import _core

    x, w, b, dy = layer.arrays(batch)
    attrs: dict[str, Any] = {}
    prefix, kernel_shape = "dense", {}
    if layer.size:
        prefix = "conv2d"
        strides = [layer.stride, layer.stride]
        attrs = {"strides": strides, "dilation": [1, 1], "padding": [*layer.pads] * 2, "groups": 1}
        kernel_shape = {"kernel_shape": [layer.kernel, layer.kernel]}
    like_input = {"input_shape": [layer.size, layer.size]} if layer.size else {}

    def planned(op: str, inputs: Sequence[Array], result: Array, **more: Any) -> tuple[Run, str]:
        arrays = list(inputs)
        tensors = [("float32", a.shape, False, "input", None) for a in arrays]
        tensors.append(("float32", result.shape, False, "temp", None))
        ids = list(range(len(arrays)))
        steps = [(op, ids, [len(ids)], attrs | more, str(layer))]
        plan = _core.Plan(tensors, steps, ids, [], 1)
        return lambda: plan.run(arrays, 1), plan.summary()[0]["algorithm"]

    masked = {"epilogue": "relu_grad %0 %1", "extra": 1}
    return [
        planned(prefix, (x, w, b), dy, bias=1, epilogue="relu %0", extra=0),
        planned(f"{prefix}_input_grad", (dy, w, x), x, **masked, **like_input),
        planned(f"{prefix}_weight_grad", (x, dy), w, **kernel_shape),
    ]


def torch_runs(layer: Layer, batch: int) -> list[Run]:
    import torch
    from torch.nn import functional as F  # noqa: N812

    x, w, b, dy = (torch.from_numpy(a) for a in layer.arrays(batch))
    if layer.size == 0:
        wt = w.t().contiguous()
        return [lambda: F.linear(x, wt, b), lambda: dy @ wt, lambda: dy.t() @ x]
    padding = [
        layer.pads[1]
    ] * 2  # where the two differ, one more column on the left: the same work
    xi, dyi = x.permute(0, 3, 1, 2), dy.permute(0, 3, 1, 2)
    wi = w.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
    strides = [layer.stride, layer.stride]

    def gradient(mask: list[bool]) -> Run:
        backward = torch.ops.aten.convolution_backward
        return lambda: backward(
            *(dyi, xi, wi, None, strides, padding, [1, 1], False, [0, 0], 1, mask)
        )

    return [
        lambda: F.conv2d(xi, wi, b, strides, padding),
        gradient([True, False, False]),
        gradient([False, True, False]),
    ]


def measure(layer: Layer, options: argparse.Namespace, peak: float) -> dict[str, Any]:
    """GFLOP/s of both libraries in every direction."""
    ours = fastconv_runs(layer, options.batch)
    runs: dict[str, list[Run]] = {"fastconv": [run for run, _ in ours]}
    if "torch" in options.peers:
        runs["torch"] = torch_runs(layer, options.batch)
    work = layer.flops * options.batch / 1e9
    figures: dict[str, Any] = {}
    for i, direction in enumerate(DIRECTIONS):
        seconds: dict[str, list[float]] = {peer: [] for peer in runs}
        for turn in range(options.rounds):
            for peer in runs if turn % 2 == 0 else reversed(runs):
                if options.threads > 1 and len(runs) > 1:
                    time.sleep(PAUSE)  # the other's threads come to rest
                seconds[peer].append(timed(runs[peer][i], options.seconds))
        rates = {peer: work / statistics.median(times) for peer, times in seconds.items()}
        figures[direction] = {"algorithm": ours[i][1], "gflops": rates}
        figures[direction]["of_peak"] = rates["fastconv"] / peak
        if "torch" in rates:
            figures[direction]["ratio"] = rates["fastconv"] / rates["torch"]
    return figures


def table(results: dict[str, Any]) -> str:
    """A row for each layer and direction."""
    caption = (
        f"Layers, batch {results['batch']}, {results['threads']} threads of "
        f"{results['machine']['cpu']}, {results['isa']}, peak {results['peak_gflops']:.0f} "
        f"GFLOP/s: GFLOP/s, median of {results['rounds']} interleaved rounds."
    )
    lines = [
        caption,
        "",
        "| channels,size,filters | direction | algorithm | fastconv | of peak | PyTorch | ratio |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for layer, directions in results["layers"].items():
        for direction, figure in directions.items():
            rates = figure["gflops"]
            cells = [layer, direction, figure["algorithm"], f"{rates['fastconv']:.0f}"]
            cells.append(f"{figure['of_peak']:.0%}".replace("%", " %"))
            cells.append(f"{rates['torch']:.0f}" if "torch" in rates else "-")
            cells.append(f"{figure['ratio']:.2f}" if "ratio" in figure else "-")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", nargs="+", default=[""], metavar="TEXT", help="part of a name")
    parser.add_argument("--nets", nargs="*", choices=NETS, default=list(NETS), metavar="NET")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--isa", help="for both libraries: sse42, avx2, avx512, neon")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.04, help="of one library in one round")
    parser.add_argument("--out", type=Path, help="folder for the results")
    options = parser.parse_args(argv)
    cpus = len(os.sched_getaffinity(0))
    if not 1 <= options.threads <= cpus:
        parser.error(f"--threads must be between 1 and {cpus}, the CPUs of this process")
    if options.rounds < 1 or options.seconds <= 0 or options.batch < 1:
        parser.error("--rounds, --seconds and --batch must be positive")
    return options


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    from fastconv import _core

    if options.isa not in (None, _core.isa()):
        print(f"the kernels of {_core.isa()} run, not those of {options.isa}", file=sys.stderr)
        return 1
    _core.set_num_threads(options.threads)
    if "torch" in options.peers:
        if importlib.util.find_spec("torch") is None:
            print("torch left out: not installed", file=sys.stderr)
            options.peers.remove("torch")
        else:
            import torch

            torch.set_num_threads(options.threads)
    peak = _core.measure_peaks(options.threads)["gflops"]
    results: dict[str, Any] = {
        "machine": machine(),
        "isa": _core.isa(),
        "threads": options.threads,
        "batch": options.batch,
        "rounds": options.rounds,
        "peak_gflops": peak,
        "layers": {},
    }
    layers = dict.fromkeys((*LAYERS, *(layer for net in options.nets for layer in layers_of(net))))
    for layer in layers:
        if any(part in str(layer) for part in options.layers):
            results["layers"][str(layer)] = measure(layer, options, peak)
    print(table(results))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "layers.json").write_text(json.dumps(results, indent=1) + "\n")
        (options.out / "layers.md").write_text(table(results))
    return 0


if __name__ == "__main__":
    chosen = arguments(None)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    wanted = os.environ | limits(chosen.isa)
    if wanted != os.environ:  # the libraries read it as they are imported, and fastconv already is
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)
    sys.exit(main())
