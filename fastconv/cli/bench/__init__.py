"""``fastconv bench``: whole training steps beside the libraries that are installed."""

from fastconv.cli.bench.compare import run

__all__ = ["run"]
