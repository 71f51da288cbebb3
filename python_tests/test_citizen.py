"""fastconv beside other libraries, and where a machine lacks what is usually there."""

import importlib.util
import shutil
import signal
import subprocess
from itertools import permutations
from pathlib import Path

import children
import pytest

TRAIN = """
import hashlib
def bits():
    import numpy as np
    from fastconv import config, layers
    from fastconv.models import Sequential
    config.set_random_seed(3)
    model = Sequential([
        layers.Input((8, 8, 3)), layers.Conv2D(8, 3, activation="relu"), layers.Dropout(0.2),
        layers.Flatten(), layers.Dense(4, activation="softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((64, 8, 8, 3)), rng.integers(0, 4, 64)
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    digest = hashlib.sha256(model.predict(x, verbose=0).tobytes())
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()
"""


def run(code: str, *before: str, **environment: str) -> str:
    """The last line that a program prints; it must end without an error."""
    done = children.run(
        "-c", TRAIN + code, before=before, PYTHONDONTWRITEBYTECODE="1", **environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def expected() -> str:
    return run("print(bits())")


def without(*flags: str) -> list[str]:
    """The beginning of a command that runs apart from the network or from mounts."""
    tool = shutil.which("unshare")
    command = [str(tool), *flags]
    if tool is None or subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("needs the right to unshare")
    return command


OTHERS = {
    "torch": "import torch; a = torch.ones(300, 300); assert (a @ a).sum() > 0",
    "numpy": "import numpy as np; a = np.ones((300, 300)); assert (a @ a).sum() > 0",
    "fastconv": "assert bits() == {expected!r}",
}


@pytest.mark.parametrize("order", [" ".join(order) for order in permutations(OTHERS)])
def test_beside_torch_and_numpy(order: str, expected: str) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch")
    code = "\n".join(OTHERS[name].format(expected=expected) for name in 2 * order.split())
    assert run(code + "\nprint('done')") == "done"


def test_no_home_no_network_no_shared_memory(expected: str, tmp_path: Path) -> None:
    assert run("print(bits())", HOME="/proc/none", FASTCONV_HOME="/proc/none") == expected
    assert run("print(bits())", *without("--net")) == expected
    bare = without("--mount")
    script = 'umount -l /dev/shm && exec "$@"'
    if subprocess.run([*bare, "sh", "-c", script, "sh", "true"], capture_output=True).returncode:
        pytest.skip("/dev/shm cannot be taken away here")
    assert run("print(bits())", *bare, "sh", "-c", script, "sh") == expected


def test_a_server_that_forks_workers(expected: str) -> None:
    """As gunicorn does: trained before the fork, used after it, workers replaced when they end."""
    code = f"""
import os
assert bits() == {expected!r}
for generation in range(3):
    workers = []
    for _ in range(3):
        worker = os.fork()
        if worker == 0:
            os._exit(0 if all(bits() == {expected!r} for _ in range(2)) else 1)
        workers.append(worker)
    for worker in workers:
        assert os.waitpid(worker, 0)[1] == 0
assert bits() == {expected!r}
print("done")
"""
    assert run(code) == "done"


def test_workers_of_a_test_runner(expected: str, tmp_path: Path) -> None:
    """Processes that pytest-xdist starts train at the same time."""
    pytest.importorskip("xdist")
    tests = f"""
{TRAIN}
import pytest

@pytest.mark.parametrize("i", range(6))
def test_bits(i):
    assert bits() == {expected!r}
"""
    path = tmp_path / "test_training.py"
    path.write_text(tests)
    out = children.printed("-m", "pytest", "-n", "3", "-p", "no:cacheprovider", str(path))
    assert "6 passed" in out
    assert "3 workers" in out


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_handler_of_ones_own(name: str) -> None:
    """A handler runs within a step, may stop the training, and the model stays usable."""
    code = f"""
import os, signal, threading
import numpy as np
from fastconv import layers
from fastconv.models import Sequential
model = Sequential([layers.Input((200,)), layers.Dense(500), layers.Dense(1)])
model.compile("sgd", "mse")
x, y = np.zeros((500, 200)), np.zeros((500, 1))
def stop(*_):
    model.stop_training = True
signal.signal(signal.{name}, stop)
threading.Timer(0.3, os.kill, (os.getpid(), signal.{name})).start()
history = model.fit(x, y, epochs=10**6, verbose=0)
assert 0 < len(history.epoch) < 10**6
model.fit(x, y, verbose=0)
print("done")
"""
    assert hasattr(signal, name)
    assert run(code) == "done"


@pytest.mark.parametrize("forked", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_where_no_more_threads_can_be_had(expected: str, limit: int, forked: bool) -> None:
    """Those that are there do the work."""
    code = f"""
import os, resource, sys
from fastconv import config
config.set_num_threads(1)
bits()
config.set_num_threads(3)
pid = os.fork() if {forked} else 0
if pid == 0:
    if os.geteuid() == 0:  # a user of its own: others' processes would count
        os.setgid(65534), os.setuid(60000 + os.getpid() % 5000)
    resource.setrlimit(resource.RLIMIT_NPROC, ({limit}, {limit}))
    print(bits(), flush=True)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    assert run(code) == expected


def test_small_nets_are_shared_in_these_tests() -> None:
    """Else the tests of threads, forks and servers would try one thread alone."""
    code = """
import time
from fastconv import config
config.set_num_threads(3)
bits()
end = time.monotonic() + 30  # nobody waits for a thread that has not begun
threads = lambda: int(open("/proc/self/status").read().split("Threads:")[1].split()[0])
while threads() < 4 and time.monotonic() < end:
    time.sleep(0.01)
print(threads())
"""
    assert int(run(code, OPENBLAS_NUM_THREADS="1")) == 4  # leader, helpers, and who holds them
