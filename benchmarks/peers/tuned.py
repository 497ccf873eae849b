"""The worker of best-practice PyTorch: whole training steps, plain or replay, eager or compiled.

Fused AdamW, bf16 by autocast, gradients set to None, one synchronisation a turn on a GPU; `compile` names the mode of
`torch.compile`, which must take the whole loss as one graph. Invariant: nothing but steps is timed, and what the check
compares is computed by the code that is timed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from golden_formula import fill, tensor
from medcoss_torch import Behaviour, Size, make_optimizer
from serve import serve
from step import CHECK_SEED, LEARNING_RATE, gradient_norm, text_inputs, visual_shape
from turns import seconds_of
from tuned_torch import Draws, Pair, Tuned, positions_of, text_distillation, visual_distillation


class Training:
    def __init__(self, config: dict):
        torch.set_num_threads(config["threads"])
        torch.manual_seed(config["seed"])
        self.version, self.threads = f"PyTorch {torch.__version__}", torch.get_num_threads()
        self.config, self.mode = config, config.get("compile")
        self.kind, self.device = config["kind"], torch.device(config["device"])
        self.replay, self.published = config["objective"] == "replay", config["preset"] == "published"
        self.student = self.network(CHECK_SEED, decoder=True)
        if self.replay:
            self.teacher = self.network(CHECK_SEED + 1, decoder=False).requires_grad_(False)
        self.optimizer = make_optimizer(self.student, LEARNING_RATE, fused=True)
        self.inputs = self.batch("step", config["lengths"])
        compiled = {"mode": self.mode, "fullgraph": True, "dynamic": False}
        self.run = torch.compile(self.loss, **compiled) if self.mode else self.loss

    def network(self, seed: int, decoder: bool) -> Tuned:
        behaviour = Behaviour() if self.published else Behaviour.corrected()
        model = Tuned(Size(), behaviour, decoder)
        fill(model, seed)
        return model.to(self.device).prepare()

    def batch(self, name: str, lengths: list[int]) -> tuple[Tensor, ...]:
        """Inputs on the device, as a loader hands them over."""
        size = self.student.size
        if self.kind != "text":
            x = tensor(f"{name}.input", (len(lengths), *visual_shape(self.kind, size)), CHECK_SEED).to(self.device)
            return (x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x,)
        ids, padding, labels = text_inputs(name, lengths, size.text, CHECK_SEED, self.device)
        return (ids, padding) if self.replay else (ids, padding, *positions_of(labels))

    def loss(self, inputs: tuple[Tensor, ...], extra: dict[str, Tensor], draws: tuple[Draws, ...]) -> Tensor:
        bf16 = self.config["precision"] == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16):
            text = self.kind == "text"
            if self.replay:
                distil = text_distillation if text else visual_distillation
                return distil(Pair(self.student, self.teacher, draws), *inputs, **extra)
            loss = self.student.text_loss if text else self.student.visual_loss
            return loss(*inputs, **extra, draws=draws[0])

    def draws(self, samples: int, training: bool) -> tuple[Draws, ...]:
        student = Draws.make(self.student, samples, training, self.device)
        if not self.replay:
            return (student,)
        return student, Draws.make(self.teacher, samples, training and self.published, self.device)

    def extra(self, samples: int) -> dict[str, Tensor]:
        """What else a step draws."""
        return self.named_extra(samples, lambda _name, *shape: torch.rand(shape, device=self.device))

    def named_extra(self, samples: int, draw) -> dict[str, Tensor]:
        size = self.student.size
        patches = size.image_patches if self.kind == "image2d" else size.volume_patches
        noise = {} if self.kind == "text" else {"noise": draw("noise", samples, patches)}
        if not self.replay:
            return noise
        partner = torch.arange(samples - 1, -1, -1, device=self.device)
        if self.kind == "text":
            return {"partner": partner, "keep": draw("keep", samples, size.text) < 0.4}
        return {"partner": partner, "weight": draw("lambda", samples), **noise}

    def check(self) -> dict[str, float]:
        """Loss and gradient norm in evaluation mode."""
        lengths = self.config["checkLengths"]
        samples = len(lengths)
        draw = lambda name, *shape: tensor(f"check.{name}", shape, CHECK_SEED).to(self.device)  # noqa: E731
        loss = self.run(self.batch("check", lengths), self.named_extra(samples, draw), self.draws(samples, False))
        loss.backward()
        outcome = {"loss": loss.item(), "gradientNorm": gradient_norm(self.student)}
        self.student.zero_grad(set_to_none=True)
        return outcome

    def train(self) -> None:
        samples = len(self.config["lengths"])
        if self.mode:
            torch.compiler.cudagraph_mark_step_begin()
        self.optimizer.zero_grad(set_to_none=True)
        self.run(self.inputs, self.extra(samples), self.draws(samples, True)).backward()
        self.optimizer.step()

    def step(self, _number: int) -> float:
        return seconds_of(self.device, self.config["repeat"], self.train)

    def note(self) -> str | None:
        if not self.mode:
            return None
        stats = torch._dynamo.utils.counters
        if not stats["stats"]["unique_graphs"] or stats["graph_break"]:
            raise RuntimeError(f"torch.compile did not take the whole loss: {dict(stats['graph_break'])}")
        return f"torch.compile, mode {self.mode}: the whole loss is one graph"


if __name__ == "__main__":
    serve(Training)
