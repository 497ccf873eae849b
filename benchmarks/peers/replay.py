"""A replay step in plain PyTorch: mixup, frozen teacher, distillation, AdamW. Invariant: only the step is timed."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from golden_formula import fill, tensor
from medcoss_torch import Behaviour, MedCoSS, Size, make_optimizer
from serve import serve
from step import CHECK_LENGTHS, CHECK_SEED, LEARNING_RATE, text_inputs, visual_shape


class Replay:
    def __init__(self, config: dict):
        torch.set_num_threads(config["threads"])
        self.version, self.threads = f"PyTorch {torch.__version__}", torch.get_num_threads()
        self.kind, self.device = config["kind"], config["device"]
        self.bf16 = config["precision"] == "bf16"
        self.corrected = config["preset"] == "corrected"
        behaviour = Behaviour.corrected() if self.corrected else Behaviour()
        self.student = MedCoSS(Size(), behaviour)
        self.teacher = MedCoSS(Size(), behaviour, decoder=False)
        fill(self.student, CHECK_SEED)
        fill(self.teacher, CHECK_SEED + 1)
        self.student.to(self.device)
        self.teacher.to(self.device).requires_grad_(False)
        self.teacher.train(not self.corrected)
        self.optimizer = make_optimizer(self.student, LEARNING_RATE)
        self.inputs = self.batch("step", config["lengths"])

    def batch(self, name: str, lengths: list[int]) -> tuple[Tensor, ...]:
        size = self.student.size
        if self.kind == "text":
            return text_inputs(name, lengths, size.text, CHECK_SEED, self.device)[:2]
        return (tensor(f"{name}.input", (len(lengths), *visual_shape(self.kind, size)), CHECK_SEED).to(self.device),)

    def patches(self) -> int:
        size = self.student.size
        return size.image_patches if self.kind == "image2d" else size.volume_patches

    def visual_loss(self, x: Tensor, partner: Tensor, weight: Tensor, noise: Tensor) -> Tensor:
        weight = weight.view(-1, *[1] * (x.dim() - 1))
        mixed = x * weight + x[partner] * (1 - weight)
        with torch.no_grad():
            target = self.teacher.encode_visual(mixed, noise)[0]
        return (self.student.encode_visual(mixed, noise)[0].float() - target.float()).square().mean()

    def text_loss(self, ids: Tensor, padding: Tensor, partner: Tensor, keep: Tensor) -> Tensor:
        if self.corrected:
            keep = keep | ~(padding.bool() & padding[partner].bool())
        ids, padding = torch.where(keep, ids, ids[partner]), torch.where(keep, padding, padding[partner])
        with torch.no_grad():
            target = self.teacher.encode_text(ids, padding)
        difference = (self.student.encode_text(ids, padding).float() - target.float()).square()
        return difference[padding.bool()].mean() if self.corrected else difference.mean()

    def loss(self, inputs: tuple[Tensor, ...], partner: Tensor, **draws: Tensor) -> Tensor:
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.bf16):
            if self.kind == "text":
                return self.text_loss(*inputs, partner, draws["keep"])
            return self.visual_loss(*inputs, partner, draws["weight"], draws["noise"])

    def check(self) -> dict[str, float]:
        self.student.eval()
        self.teacher.eval()
        samples, length = len(CHECK_LENGTHS), self.student.size.text
        loss = self.loss(
            self.batch("check", list(CHECK_LENGTHS)),
            torch.tensor([1, 0]),
            keep=tensor("check.keep", (samples, length), CHECK_SEED) < 0.4,
            weight=tensor("check.lambda", (samples,), CHECK_SEED),
            noise=tensor("check.noise", (samples, self.patches()), CHECK_SEED),
        )
        loss.backward()
        squares = [p.grad.double().square().sum() for p in self.student.parameters() if p.grad is not None]
        self.student.zero_grad(set_to_none=True)
        self.teacher.train(not self.corrected)
        return {"loss": loss.item(), "gradientNorm": torch.stack(squares).sum().sqrt().item()}

    def step(self, _number: int) -> float:
        self.student.train()
        samples, length = self.inputs[0].shape[0], self.student.size.text
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(
            self.inputs,
            torch.randperm(samples),
            keep=torch.rand(samples, length) < torch.rand(()),
            weight=torch.rand(samples),
            noise=torch.rand(samples, self.patches()),
        )
        loss.backward()
        self.optimizer.step()
        loss.item()
        return time.perf_counter() - start

    def note(self) -> None:
        return None


serve(Replay)
