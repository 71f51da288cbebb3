"""Callbacks: what happens around epochs and batches."""

from fastconv.callbacks.callback import Callback, CallbackList, History, LambdaCallback
from fastconv.callbacks.monitor import EarlyStopping, ModelCheckpoint, Monitor, ReduceLROnPlateau
from fastconv.callbacks.progress import Progbar, ProgbarLogger
from fastconv.callbacks.simple import CSVLogger, LearningRateScheduler, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "Monitor",
    "Progbar",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]
