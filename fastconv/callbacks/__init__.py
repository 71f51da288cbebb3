"""Callbacks: what happens around epochs and batches."""

from fastconv.callbacks.averages import SwapEMAWeights
from fastconv.callbacks.backup import BackupAndRestore
from fastconv.callbacks.callback import Callback, CallbackList, History, LambdaCallback
from fastconv.callbacks.monitor import EarlyStopping, ModelCheckpoint, Monitor, ReduceLROnPlateau
from fastconv.callbacks.progress import Progbar, ProgbarLogger
from fastconv.callbacks.simple import CSVLogger, LearningRateScheduler, TerminateOnNaN
from fastconv.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
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
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
