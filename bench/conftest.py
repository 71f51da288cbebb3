"""Lets the benchmarks import the table of cases that the tests use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "python_tests"))
