"""Every primitive in plain NumPy.

``EVAL[name](*arrays, **attrs)`` computes in the dtype of its arguments; ``run_program`` runs a
whole program with them.
"""

from fastconv.reference.interpreter import run_node, run_program
from fastconv.reference.primitives import EVAL

__all__ = ["EVAL", "run_node", "run_program"]
