"""The nets of the comparison in PyTorch: channels last, and a tight training loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fastconv.cli.bench.nets import Net


class Residual(nn.Module):
    def __init__(self, before: int, filters: int, stride: int) -> None:
        super().__init__()
        self.first = normalized(before, filters, 3, stride)
        self.second = normalized(filters, filters, 3, 1)
        self.shortcut = nn.Identity() if stride == 1 else normalized(before, filters, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x), inplace=True))
        return F.relu(y + self.shortcut(x), inplace=True)


def normalized(before: int, filters: int, kernel: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(before, filters, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01))


def relu() -> nn.Module:
    return nn.ReLU(inplace=True)


def cifar_lab() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1), relu(), nn.Conv2d(32, 32, 3), relu()),
        *(nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Conv2d(32, 64, 3, padding=1), relu(), nn.Conv2d(64, 64, 3), relu()),
        *(nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(2304, 512), relu(), nn.Dropout(0.5), nn.Linear(512, 10)),
    )


def mnist_cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), relu(), nn.Conv2d(32, 32, 3), relu()),
        *(nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(4608, 128), relu(), nn.Dropout(0.5), nn.Linear(128, 10)),
    )


def mnist_mlp() -> nn.Module:
    return nn.Sequential(
        *(nn.Linear(784, 512), relu(), nn.Dropout(0.2)),
        *(nn.Linear(512, 512), relu(), nn.Dropout(0.2)),
        nn.Linear(512, 10),
    )


def lenet5() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh()),
        nn.Linear(84, 10),
    )


def resnet20() -> nn.Module:
    blocks: list[nn.Module] = [normalized(3, 16, 3, 1), relu()]
    before = 16
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            blocks.append(Residual(before, filters, 2 if stage > 0 and block == 0 else 1))
            before = filters
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def vgg() -> nn.Module:
    stack: list[nn.Module] = []
    before = 3
    for filters in (64, 128, 256):
        for _ in range(2):
            stack.append(nn.Conv2d(before, filters, 3, padding=1))
            stack += [nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01), relu()]
            before = filters
        stack.append(nn.MaxPool2d(2))
    head = (nn.Flatten(), nn.Linear(4096, 256), relu(), nn.Dropout(0.5), nn.Linear(256, 10))
    return nn.Sequential(*stack, *head)


def pima_mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(8, 12), relu(), nn.Linear(12, 12), relu(), nn.Linear(12, 1), nn.Flatten(0)
    )


BUILD = {f.__name__: f for f in (cifar_lab, mnist_cnn, mnist_mlp, lenet5, resnet20, vgg, pima_mlp)}


class Trainer:
    """``train(rows)`` runs whole training steps over that many shuffled rows."""

    def __init__(self, net: Net, bf16: bool) -> None:
        self.net, self.bf16 = net, bf16
        x, y = net.data()
        self.x = torch.from_numpy(x)  # images NHWC: a gathered batch is channels last as it is
        self.y = torch.from_numpy(y.astype(np.float32 if net.classes == 1 else np.int64))
        self.model = BUILD[net.name]().to(memory_format=torch.channels_last)
        self.model.train()
        self.optimizer = self._optimizer()
        self.loss = F.binary_cross_entropy_with_logits if net.classes == 1 else F.cross_entropy

    def _optimizer(self) -> torch.optim.Optimizer:
        name, arguments = self.net.optimizer
        rate = arguments["learning_rate"]
        weights = self.model.parameters()
        made: dict[str, Any] = {
            "SGD": lambda: torch.optim.SGD(weights, rate, arguments.get("momentum", 0.0)),
            "RMSprop": lambda: torch.optim.RMSprop(weights, rate, alpha=0.9, eps=1e-7),
            "Adadelta": lambda: torch.optim.Adadelta(weights, rate, rho=0.95, eps=1e-7),
            "Adam": lambda: torch.optim.Adam(weights, rate, eps=1e-7),
        }
        optimizer: torch.optim.Optimizer = made[name]()
        return optimizer

    def train(self, rows: int) -> float:
        order = torch.randperm(rows)
        total = torch.zeros(())
        for start in range(0, rows, self.net.batch):
            index = order[start : start + self.net.batch]
            x, y = self.x.index_select(0, index), self.y.index_select(0, index)
            if x.ndim == 4:
                x = x.permute(0, 3, 1, 2)
            self.optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                output = self.model(x)
            loss = self.loss(output.float(), y)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total)
