"""Nets ready to train: each function returns a model that is built but not compiled."""

from fastconv.applications.cnn import cnn
from fastconv.applications.lenet import lenet5
from fastconv.applications.mlp import mlp
from fastconv.applications.resnet import resnet20
from fastconv.applications.vgg import vgg

__all__ = ["cnn", "lenet5", "mlp", "resnet20", "vgg"]
