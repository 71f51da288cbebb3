"""ONNX's operators in terms of fastconv's ops and layers, to run ONNX's published node cases.

ONNX has channels after the batch; every convolution and pool transposes its operands here.
"""

from onnx_nodes import convolution, moves, normalization, numbers, reductions
from onnx_nodes.node import OPERATORS, OutOfScopeError, run_graph

__all__ = [
    "OPERATORS",
    "OutOfScopeError",
    "convolution",
    "moves",
    "normalization",
    "numbers",
    "reductions",
    "run_graph",
]
