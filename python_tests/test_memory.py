"""Memory: what does not fit is said before it starts, and nothing piles up."""

from pathlib import Path
from typing import Any

import children
import numpy as np
import pytest

from fastconv import config, layers
from fastconv.models import Sequential
from fastconv.training import memory


def compiled(size: int = 32) -> Sequential:
    config.set_random_seed(1)
    model = Sequential(
        [
            layers.Input((size, size, 3)),
            layers.Conv2D(16, 3, activation="relu", name="wide"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def data(rows: int, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((rows, size, size, 3), np.float32), np.zeros(rows, np.int64)


def test_a_plan_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: (150_000_000, "free memory"))
    model = compiled()
    before = model.get_weights()
    x, y = data(4096)
    with pytest.raises(MemoryError) as caught:
        model.fit(x, y, batch_size=4096, verbose=0)
    message = str(caught.value)
    assert message.startswith("the train plan for batches of 4096 rows needs ")
    assert "150 MB can be had (free memory)" in message
    assert "wide" in message
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    fitting = int(message.split("Batches of ")[1].split(" ")[0])
    assert 100 < fitting < 4096
    model.fit(x[:fitting], y[:fitting], batch_size=fitting, verbose=0)
    monkeypatch.setattr(memory, "available", lambda: (5, "free memory"))
    monkeypatch.setattr(memory, "SMALL", 0)
    with pytest.raises(MemoryError, match="Not even batches of 1 row"):
        compiled().predict(x, verbose=0)
    monkeypatch.setattr(memory, "available", lambda: None)
    compiled().predict(x[:2], verbose=0)


def put(root: Path, **files: str) -> str:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def test_what_the_system_says(tmp_path: Path) -> None:
    assert memory.available(str(tmp_path / "nothing")) is None
    meminfo = "MemTotal: 100 kB\nMemAvailable:   5000 kB\nHugePages_Total: 0\n"
    root = put(tmp_path, proc__meminfo=meminfo)
    assert memory.available(root) == (5_120_000, "free memory")
    put(
        tmp_path,
        proc__self__cgroup="0::/a/b\n",
        sys__fs__cgroup__a__memory_dot_max="900000\n",
        sys__fs__cgroup__a__memory_dot_current="500000\n",
        sys__fs__cgroup__a__memory_dot_stat="anon 1\ninactive_file 1000\n",
        sys__fs__cgroup__a__b__memory_dot_max="max\n",
        sys__fs__cgroup__a__b__memory_dot_current="400000\n",
    )
    assert memory.available(root) == (401_000, "the limit of the control group")
    put(
        tmp_path,
        proc__self__cgroup="4:cpu,memory:/x\n3:pids:/\n",
        sys__fs__cgroup__memory__memory_dot_limit_in_bytes="800000",
        sys__fs__cgroup__memory__memory_dot_usage_in_bytes="900000",
        sys__fs__cgroup__memory__x__memory_dot_limit_in_bytes=str(2**63 - 4096),
        sys__fs__cgroup__memory__x__memory_dot_usage_in_bytes="7",
    )
    assert memory.available(root) == (0, "the limit of the control group")


def run(code: str) -> Any:
    return children.run("-c", code, PYTHONPATH=f"{children.HOME}:{Path(__file__).parent}")


def test_a_limit_of_address_space() -> None:
    done = run(
        """
import resource
from test_memory import *
model = compiled()
model.fit(*data(8), verbose=0)
used = memory._fields(Path("/proc/self/status"))["VmSize:"] * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))
try:
    model.fit(*data(6000), batch_size=6000, verbose=0)
except MemoryError as error:
    print(error)
model.fit(*data(64), batch_size=16, verbose=0)
assert np.isfinite(model.predict(data(8)[0], verbose=0)).all()
"""
    )
    assert done.returncode == 0, done.stderr
    assert "the limit of address space" in done.stdout


def test_nothing_piles_up() -> None:
    """A thousand calls of predict and of fit, with other numbers of rows and other threads."""
    done = run(
        """
from test_memory import *
def resident():
    return memory._fields(Path("/proc/self/status"))["VmRSS:"]
model = compiled(6)
x, y = data(40, 6)
def calls(count):
    for i in range(count):
        rows = 1 + i * 7 % 40
        config.set_num_threads(1 + i % 3)
        model.predict(x[:rows], batch_size=16, verbose=0)
        model.fit(x[:rows], y[:rows], batch_size=16, verbose=0)
calls(200)
before = resident()
calls(1000)
print(resident() - before)
"""
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 4096, "kB more than before a thousand calls"
