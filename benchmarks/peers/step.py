"""The peer's worker: one process that builds the network and runs training steps on command.

Reads one JSON object a line and answers each with one line. The first is the configuration; then `check` (loss and
gradient norm of generated inputs) and `steps` (seconds of each). Invariant: nothing but the step itself is timed.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from torch import Tensor

from golden_formula import fill, tensor, uniform
from medcoss_torch import Behaviour, MedCoSS, Size, make_optimizer

LEARNING_RATE = 1e-4
CHECK_BATCH, CHECK_SEED, CHECK_LENGTHS = 2, 7, (100, 60)
FIRST_WORD, WORDS, LABEL_EVERY = 1000, 27996, 7


class Worker:
    def __init__(self, config: dict):
        torch.set_num_threads(config["threads"])
        torch.manual_seed(config["seed"])
        self.kind, self.batch, self.device = config["kind"], config["batch"], config["device"]
        self.bf16 = config["precision"] == "bf16"
        behaviour = Behaviour() if config["preset"] == "published" else Behaviour.corrected()
        self.model = MedCoSS(Size(), behaviour)
        fill(self.model, CHECK_SEED)
        self.model.to(self.device)
        self.optimizer = make_optimizer(self.model, LEARNING_RATE)
        self.inputs = self.synthetic(config["lengths"])

    def synthetic(self, lengths: list[int]) -> tuple[Tensor, ...]:
        """The batch that every timed step sees; `lengths` are real tokens of each text."""
        if self.kind == "text":
            return text_inputs("step", lengths, self.model.size.text, CHECK_SEED, self.device)
        shape = visual_shape(self.kind, self.model.size)
        return (tensor("step.input", (self.batch, *shape), CHECK_SEED).to(self.device),)

    def loss(self, *inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        size = self.model.size
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.bf16):
            if self.kind == "text":
                return self.model.masked_text(*inputs)[0]
            patches = size.image_patches if self.kind == "image2d" else size.volume_patches
            if noise is None:
                noise = torch.rand(inputs[0].shape[0], patches, device=self.device)
            return self.model.masked_visual(*inputs, noise).loss

    def check(self) -> dict:
        """Loss and gradient norm in evaluation mode."""
        size = self.model.size
        self.model.eval()
        if self.kind == "text":
            inputs, noise = text_inputs("check", list(CHECK_LENGTHS), size.text, CHECK_SEED, self.device), None
        else:
            patches = size.image_patches if self.kind == "image2d" else size.volume_patches
            shape = (CHECK_BATCH, *visual_shape(self.kind, size))
            inputs = (tensor("check.input", shape, CHECK_SEED).to(self.device),)
            noise = tensor("check.noise", (CHECK_BATCH, patches), CHECK_SEED).to(self.device)
        loss = self.loss(*inputs, noise=noise)
        loss.backward()
        squares = [p.grad.double().square().sum() for p in self.model.parameters() if p.grad is not None]
        self.model.zero_grad(set_to_none=True)
        return {"loss": loss.item(), "gradientNorm": torch.stack(squares).sum().sqrt().item()}

    def steps(self, count: int) -> dict:
        self.model.train()
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(*self.inputs)
            loss.backward()
            self.optimizer.step()
            value = loss.item()
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "loss": value}


def visual_shape(kind: str, size: Size) -> tuple[int, ...]:
    return (3, size.image, size.image) if kind == "image2d" else (1, *size.volume)


def text_inputs(name: str, lengths: list[int], width: int, seed: int, device: str) -> tuple[Tensor, ...]:
    """Ids, padding mask and labels [B,L] of generated words, every seventh of them to be predicted."""
    shape = (len(lengths), width)
    words = torch.from_numpy(FIRST_WORD + (uniform(f"{name}.ids", len(lengths) * width, seed) * WORDS).astype("int64"))
    place = torch.arange(width).expand(shape)
    padding = (place < torch.tensor(lengths)[:, None]).long()
    ids = words.view(shape) * padding
    labels = torch.where((place % LABEL_EVERY == 3) & padding.bool(), ids, -100)
    return ids.to(device), padding.to(device), labels.to(device)


def main() -> None:
    answer = lambda value: print(json.dumps(value), flush=True)  # noqa: E731
    worker = Worker(json.loads(sys.stdin.readline()))
    answer({"ready": True, "version": f"PyTorch {torch.__version__}", "threads": torch.get_num_threads()})
    for line in sys.stdin:
        request = json.loads(line)
        answer(worker.check() if request["command"] == "check" else worker.steps(request["count"]))


if __name__ == "__main__":
    main()
