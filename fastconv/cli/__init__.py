"""The command line: ``fastconv train | evaluate | predict | run | info``."""

from fastconv.cli.main import main

__all__ = ["main"]
