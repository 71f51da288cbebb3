"""Data sets, as in Keras: ``(x_train, y_train), (x_test, y_test) = mnist.load_data()``."""

from fastconv.datasets import cifar10, cifar100, digits, fashion_mnist, mnist, pima

__all__ = ["cifar10", "cifar100", "digits", "fashion_mnist", "mnist", "pima"]
