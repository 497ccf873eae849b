"""The distillation loss with its gradient in plain PyTorch. Invariant: nothing but the two passes is timed."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from golden_formula import tensor
from serve import serve

SEED = 7


class Distillation:
    def __init__(self, config: dict):
        torch.set_num_threads(config["threads"])
        self.version, self.threads = f"PyTorch {torch.__version__}", torch.get_num_threads()
        self.passes, shape = config["passes"], tuple(config["shape"])
        self.student = tensor("student", shape, SEED).requires_grad_()
        self.teacher = tensor("teacher", shape, SEED)
        lengths = config.get("lengths")
        self.real = None if lengths is None else torch.arange(shape[1]) < torch.tensor(lengths)[:, None]

    def run(self) -> float:
        self.student.grad = None
        start = time.perf_counter()
        if self.real is None:
            loss = F.mse_loss(self.student, self.teacher)
        else:
            loss = F.mse_loss(self.student[self.real], self.teacher[self.real])
        loss.backward()
        self.loss = loss.item()
        return time.perf_counter() - start

    def check(self) -> dict[str, float]:
        self.run()
        return {"loss": self.loss, "gradientNorm": self.student.grad.double().norm().item()}

    def step(self, _number: int) -> float:
        return sum(self.run() for _ in range(self.passes))

    def note(self) -> None:
        return None


serve(Distillation)
