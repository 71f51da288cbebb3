"""Training: what `compile`, `fit`, `evaluate` and `predict` do."""

from fastconv.training.trainer import Trainer

__all__ = ["Trainer"]
