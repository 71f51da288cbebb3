"""Passes: from a program as it was traced to the steps that the core runs."""

from __future__ import annotations

from fastconv.graph.passes.flow import Flow, Step, Value
from fastconv.graph.passes.fuse_epilogues import fuse_epilogues, fuse_max_pool
from fastconv.graph.passes.fuse_gradients import fuse_bias_grads, move_masks
from fastconv.graph.passes.fuse_norms import fuse_moments, fuse_norm_masks
from fastconv.graph.passes.fuse_pointwise import fuse_pointwise
from fastconv.graph.passes.fuse_rows import fuse_rows
from fastconv.graph.passes.fuse_updates import fuse_penalties, fuse_updates
from fastconv.graph.passes.keep_rounded import keep_rounded
from fastconv.graph.passes.schedule import schedule
from fastconv.graph.passes.simplify import simplify
from fastconv.graph.program import Program

__all__ = ["Flow", "Step", "Value", "run_passes", "simplify"]


def run_passes(program: Program) -> Flow:
    """Simplify, fuse and order a program. The time is near linear in its length."""
    flow = simplify(program)
    schedule(flow)
    move_masks(flow)
    fuse_bias_grads(flow)
    fuse_penalties(flow)
    fuse_rows(flow)
    fuse_epilogues(flow)
    fuse_max_pool(flow)
    schedule(flow)
    fuse_pointwise(flow)
    fuse_norm_masks(flow)
    fuse_moments(flow)
    fuse_updates(flow)
    schedule(flow)
    keep_rounded(flow)
    return flow
