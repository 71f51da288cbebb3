"""Nets ready to train: each function returns a model that is built but not compiled.

The names of papers and of Keras (``VGG16``) stand for the functions (``vgg16``).
"""

from fastconv.applications.alexnet import alexnet, alexnet_cifar
from fastconv.applications.cnn import cnn
from fastconv.applications.inception import inception_v1
from fastconv.applications.lenet import lenet5
from fastconv.applications.mlp import mlp
from fastconv.applications.mobilenet import mobilenet
from fastconv.applications.resnet import resnet18, resnet50, resnet101, resnet152
from fastconv.applications.resnet_cifar import resnet20, resnet32, resnet56
from fastconv.applications.vgg import vgg, vgg11, vgg13, vgg16, vgg19

AlexNet = alexnet
GoogLeNet = InceptionV1 = inception_v1
LeNet5 = lenet5
MobileNet = mobilenet
ResNet18 = resnet18
ResNet20 = resnet20
ResNet32 = resnet32
ResNet50 = resnet50
ResNet56 = resnet56
ResNet101 = resnet101
ResNet152 = resnet152
VGG11 = vgg11
VGG13 = vgg13
VGG16 = vgg16
VGG19 = vgg19

__all__ = [
    "VGG11",
    "VGG13",
    "VGG16",
    "VGG19",
    "AlexNet",
    "GoogLeNet",
    "InceptionV1",
    "LeNet5",
    "MobileNet",
    "ResNet18",
    "ResNet20",
    "ResNet32",
    "ResNet50",
    "ResNet56",
    "ResNet101",
    "ResNet152",
    "alexnet",
    "alexnet_cifar",
    "cnn",
    "inception_v1",
    "lenet5",
    "mlp",
    "mobilenet",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet152",
    "vgg",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
]
