"""Whether this is a notebook."""

from __future__ import annotations

import sys
from typing import Any


def notebook_display() -> Any:
    """``IPython.display`` where IPython runs the code, else None; nothing is imported for it."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None or ipython.get_ipython() is None else ipython.display
