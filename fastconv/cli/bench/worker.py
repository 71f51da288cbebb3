"""One library training one net, in a process of its own, told by lines on standard input.

    python -m fastconv.cli.bench.worker PEER NET THREADS

It answers each line ``SECONDS`` with a line of JSON: how many examples it trained on in about that
time, how long it took, and the most memory it ever used. The first line says that it is ready.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from fastconv.cli.bench.nets import NETS, Net

Train = Callable[[int], object]  # over that many rows


def prepare(peer: str, net: Net, threads: int) -> tuple[Train, str]:
    """What trains, and the library's version."""
    if peer.startswith("torch"):
        import torch

        from fastconv.cli.bench.torch_nets import Trainer

        torch.set_num_threads(threads)
        return Trainer(net, bf16=peer == "torch_bf16").train, torch.__version__
    if peer in ("fastconv", "fastconv_fast", "fastconv_bf16", "numpy"):
        import fastconv

        fastconv.config.set_num_threads(threads)
        if peer == "fastconv_fast":
            fastconv.config.set_conv_precision("fast")
        if peer == "fastconv_bf16":
            fastconv.config.set_dtype_policy("mixed_bfloat16")
        options = {"backend": "numpy"} if peer == "numpy" else {}
        return fit_of(net, fastconv, options), fastconv.__version__
    os.environ["KERAS_BACKEND"] = {"keras_tf": "tensorflow", "keras_jax": "jax"}[peer]
    if peer == "keras_tf":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        engine = f"TensorFlow {tf.__version__}"
    else:
        import jax

        engine = f"JAX {jax.__version__}"
    import keras

    return fit_of(net, keras, {}), f"{keras.__version__} with {engine}"


def fit_of(net: Net, api: Any, options: dict[str, Any]) -> Train:
    model = net.compiled(api, **options)
    x, y = net.data()

    def train(rows: int) -> object:
        return model.fit(x[:rows], y[:rows], batch_size=net.batch, epochs=1, verbose=0)

    return train


def timed(train: Train, net: Net, seconds: float, rate: float) -> dict[str, float]:
    """Epochs for about ``seconds`` at a known rate of examples each second."""
    wanted = max(1, round(seconds * rate / net.batch)) * net.batch
    rows = min(wanted, net.rows)
    epochs = max(1, round(wanted / rows))
    start = time.perf_counter()
    for _ in range(epochs):
        train(rows)
    return {"examples": rows * epochs, "seconds": time.perf_counter() - start}


def measured_rate(train: Train, net: Net) -> float:
    """Examples each second, after enough steps that everything is compiled and warm."""
    for _ in range(2):
        train(net.batch)
    rate, rows = 0.0, net.batch
    while True:
        start = time.perf_counter()
        train(rows)
        took = time.perf_counter() - start
        rate = rows / took
        if took > 0.3 or rows == net.rows:
            return rate
        rows = min(net.rows, 4 * rows)


def main() -> None:
    peer, name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    replies = private_stdout()
    net = NETS[name]
    try:
        train, version = prepare(peer, net, threads)
        rate = measured_rate(train, net)
        print(json.dumps({"version": version, "rate": rate}), file=replies, flush=True)
        for line in sys.stdin:
            result = timed(train, net, float(line), rate)
            rate = result["examples"] / result["seconds"]
            result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(json.dumps(result), file=replies, flush=True)
    except Exception as error:
        message = str(error).strip().splitlines() or [""]
        reply = {"error": f"{type(error).__name__}: {message[0]}"}
        print(json.dumps(reply), file=replies, flush=True)
        raise


def private_stdout() -> TextIO:
    """Standard output for the replies alone: what libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


if __name__ == "__main__":
    main()
