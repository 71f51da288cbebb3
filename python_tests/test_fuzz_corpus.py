"""Files that the fuzzers found worth keeping: each is taken or refused, nothing else happens."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from encoded_plan import Decoder

from fastconv import _core

FUZZ = Path(__file__).parent / "fuzz"
sys.path.insert(0, str(FUZZ))
from readers import READERS, replay  # noqa: E402

LARGE = 1 << 22
CORPUS = sorted(p for reader in READERS for p in (FUZZ / "corpus" / reader).iterdir())


def test_every_reader_has_a_corpus() -> None:
    assert {p.parent.name for p in CORPUS} == set(READERS)


@pytest.mark.parametrize("reader", sorted(READERS))
def test_replay(reader: str) -> None:
    pytest.importorskip("PIL")
    taken = [replay(reader, p.read_bytes()) for p in CORPUS if p.parent.name == reader]
    assert any(taken)


def run_plan(content: bytes) -> bool:
    """Whether the core makes a plan of the bytes and runs it, on arrays of ones."""
    tensors, steps, inputs, outputs, most, batch, frozen = Decoder(content).plan()
    full = [
        (*t[:4], np.ones(t[1], t[0]) if t[3] in ("variable", "constant") else t[4])
        for t in tensors
        if math.prod(t[1]) < LARGE
    ]
    if len(full) < len(tensors):
        return False
    plan = _core.Plan(full, steps, inputs, outputs, most, frozen)
    batch = min(max(batch, 0), most)
    if plan.arena_bytes > LARGE:
        return False
    feeds = []
    for i in inputs:
        dtype, shape, batched, *_ = tensors[i]
        feeds.append(np.ones([batch, *shape[1:]] if batched else shape, dtype))
    plan.run(feeds, batch)
    return True


def test_plans() -> None:
    """Refused with a message, or run."""
    taken = []
    for path in sorted((FUZZ / "corpus" / "plan").iterdir()):
        try:
            taken.append(run_plan(path.read_bytes()))
        except (ValueError, TypeError, MemoryError, OverflowError):
            taken.append(False)
    assert any(taken)
    assert not all(taken)
