"""Files that the fuzzers found worth keeping: each is taken or refused, nothing else happens."""

import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz"
sys.path.insert(0, str(FUZZ))
from readers import READERS, replay  # noqa: E402

CORPUS = sorted(p for reader in READERS for p in (FUZZ / "corpus" / reader).iterdir())


def test_every_reader_has_a_corpus() -> None:
    assert {p.parent.name for p in CORPUS} == set(READERS)


@pytest.mark.parametrize("reader", sorted(READERS))
def test_replay(reader: str) -> None:
    pytest.importorskip("PIL")
    taken = [replay(reader, p.read_bytes()) for p in CORPUS if p.parent.name == reader]
    assert any(taken)
