"""Intersection over union of the regions of each class, for segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.losses.loss import operand
from fastconv.metrics.metric import Metric


class IoU(Metric):
    """The mean over some classes of ``tp / (tp + fp + fn)``; classes never seen are left out.

    Args:
        num_classes: how many classes there are; pixels of other numbers are not counted.
        target_class_ids: the classes whose mean is taken.
        ignore_class: a label whose pixels are not counted.
        sparse_y_true, sparse_y_pred: whether these are class numbers; otherwise the largest entry
            along ``axis`` is the class.
        axis: -1, the last one; others are not supported.

    Raises:
        ValueError: for classes that do not exist, or another axis than the last.
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype, name)
        kind = type(self).__name__
        if any(not 0 <= c < num_classes for c in target_class_ids) or not target_class_ids:
            raise ValueError(
                f"{kind}: target_class_ids must be among the {num_classes} classes, got "
                f"{target_class_ids}"
            )
        if axis != -1:
            raise ValueError(f"{kind}: classes must be on the last axis, got axis={axis}")
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        # Rows are labels, columns predictions.
        self.total_cm = self.add_variable((num_classes, num_classes), name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        true = y_true if self.sparse_y_true else ops.argmax(operand(y_true), axis=-1)
        pred = y_pred if self.sparse_y_pred else ops.argmax(operand(y_pred), axis=-1)
        true, pred = (_by_example(operand(v, "int32")) for v in (true, pred))
        labels = ops.one_hot(true, self.num_classes)
        if self.ignore_class is not None:
            seen = ops.cast(ops.not_equal(true, int(self.ignore_class)), "float32")
            labels = labels * ops.expand_dims(seen, -1)
        if sample_weight is not None:
            weight = _by_example(operand(sample_weight, "float32"))
            labels = labels * ops.expand_dims(weight, -1)
        counts = ops.matmul(ops.transpose(labels, (0, 2, 1)), ops.one_hot(pred, self.num_classes))
        self.total_cm.assign_add(ops.sum(counts, axis=0))

    def result(self) -> Any:
        matrix = self.total_cm.data
        both = np.diag(matrix)[self.target_class_ids]
        either = (matrix.sum(axis=0) + matrix.sum(axis=1))[self.target_class_ids] - both
        valid = either > 1e-9
        if not valid.any():
            return np.float32(0.0)
        return np.float32(np.mean(both[valid] / either[valid]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }


class MeanIoU(IoU):
    """:class:`IoU` with all classes."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            list(range(num_classes)),
            name,
            dtype,
            ignore_class,
            sparse_y_true,
            sparse_y_pred,
            axis,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["target_class_ids"]
        return config


class OneHotIoU(IoU):
    """:class:`IoU` with one-hot labels, and a score for each class (or class numbers)."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config


class OneHotMeanIoU(MeanIoU):
    """:class:`MeanIoU` with one-hot labels, and a score for each class (or class numbers)."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config


class BinaryIoU(IoU):
    """:class:`IoU` of two classes: predictions of ``threshold`` and more are the class 1."""

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        above = ops.greater_equal(operand(y_pred, "float32"), float(self.threshold))
        super().update_state(y_true, ops.cast(above, "int32"), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "dtype": self.dtype,
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
        }


def _by_example(x: Any) -> Any:
    """(batch, values) from any shape."""
    return ops.expand_dims(x, -1) if len(x.shape) == 1 else ops.flatten(x)
