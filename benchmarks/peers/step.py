"""The plain peer's worker: whole training steps, plain or replay (mixup, frozen teacher, distillation), with AdamW.

Invariant: nothing but the step itself is timed; on a GPU a turn is `repeat` steps between two synchronisations.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from golden_formula import fill, tensor, uniform
from medcoss_torch import Behaviour, MedCoSS, Size, make_optimizer
from serve import serve
from turns import seconds_of

LEARNING_RATE = 1e-4
CHECK_SEED = 7
FIRST_WORD, WORDS, LABEL_EVERY = 1000, 27996, 7


class Training:
    def __init__(self, config: dict):
        torch.set_num_threads(config["threads"])
        torch.manual_seed(config["seed"])
        self.version, self.threads = f"PyTorch {torch.__version__}", torch.get_num_threads()
        self.config, self.kind, self.device = config, config["kind"], torch.device(config["device"])
        self.replay, self.corrected = config["objective"] == "replay", config["preset"] == "corrected"
        self.student = self.network(CHECK_SEED, decoder=True)
        if self.replay:
            self.teacher = self.network(CHECK_SEED + 1, decoder=False).requires_grad_(False)
        self.optimizer = make_optimizer(self.student, LEARNING_RATE)
        self.inputs = self.batch("step", config["lengths"])

    def network(self, seed: int, decoder: bool) -> MedCoSS:
        behaviour = Behaviour.corrected() if self.corrected else Behaviour()
        model = MedCoSS(Size(), behaviour, decoder)
        fill(model, seed)
        return model.to(self.device)

    def batch(self, name: str, lengths: list[int]) -> tuple[Tensor, ...]:
        """A generated batch; `lengths` are real tokens of each text."""
        size = self.student.size
        if self.kind == "text":
            inputs = text_inputs(name, lengths, size.text, CHECK_SEED, self.device)
            return inputs[:2] if self.replay else inputs
        return (tensor(f"{name}.input", (len(lengths), *visual_shape(self.kind, size)), CHECK_SEED).to(self.device),)

    def named_draws(self, samples: int, draw) -> dict[str, Tensor]:
        size = self.student.size
        patches = size.image_patches if self.kind == "image2d" else size.volume_patches
        noise = {} if self.kind == "text" else {"noise": draw("noise", samples, patches)}
        if not self.replay:
            return noise
        partner = torch.arange(samples - 1, -1, -1, device=self.device)
        if self.kind == "text":
            return {"partner": partner, "keep": draw("keep", samples, size.text) < 0.4}
        return {"partner": partner, "weight": draw("lambda", samples), **noise}

    def distillation(self, inputs: tuple[Tensor, ...], partner: Tensor, **draws: Tensor) -> Tensor:
        if self.kind == "text":
            return self.text_distillation(*inputs, partner, draws["keep"])
        x, noise = inputs[0], draws["noise"]
        weight = draws["weight"].view(-1, *[1] * (x.dim() - 1))
        mixed = x * weight + x[partner] * (1 - weight)
        with torch.no_grad():
            target = self.teacher.encode_visual(mixed, noise)[0]
        return (self.student.encode_visual(mixed, noise)[0].float() - target.float()).square().mean()

    def text_distillation(self, ids: Tensor, padding: Tensor, partner: Tensor, keep: Tensor) -> Tensor:
        if self.corrected:
            keep = keep | ~(padding.bool() & padding[partner].bool())
        ids, padding = torch.where(keep, ids, ids[partner]), torch.where(keep, padding, padding[partner])
        with torch.no_grad():
            target = self.teacher.encode_text(ids, padding)
        difference = (self.student.encode_text(ids, padding).float() - target.float()).square()
        return difference[padding.bool()].mean() if self.corrected else difference.mean()

    def loss(self, inputs: tuple[Tensor, ...], draws: dict[str, Tensor]) -> Tensor:
        bf16 = self.config["precision"] == "bf16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16):
            if self.replay:
                return self.distillation(inputs, **draws)
            if self.kind == "text":
                return self.student.masked_text(*inputs)[0]
            return self.student.masked_visual(*inputs, **draws).loss

    def set_mode(self, training: bool) -> None:
        self.student.train(training)
        if self.replay:
            self.teacher.train(training and not self.corrected)

    def with_gradients(self, find: Callable[[Tensor], dict]) -> dict:
        """What is found after a backward pass of the check's batch in evaluation mode."""
        lengths = self.config["checkLengths"]
        self.set_mode(False)
        draw = lambda name, *shape: tensor(f"check.{name}", shape, CHECK_SEED).to(self.device)  # noqa: E731
        loss = self.loss(self.batch("check", lengths), self.named_draws(len(lengths), draw))
        loss.backward()
        found = find(loss)
        self.student.zero_grad(set_to_none=True)
        return found

    def check(self) -> dict[str, float]:
        """Loss and gradient norm."""
        return self.with_gradients(lambda loss: {"loss": loss.item(), "gradientNorm": gradient_norm(self.student)})

    def gradients(self, count: int) -> dict[str, dict]:
        """Of each parameter that has one: so many flat places, evenly spread, and the gradient there."""
        return self.with_gradients(lambda _loss: some_gradients(self.student, count))

    def train(self) -> None:
        draw = lambda _name, *shape: torch.rand(shape, device=self.device)  # noqa: E731
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.inputs, self.named_draws(len(self.config["lengths"]), draw)).backward()
        self.optimizer.step()

    def step(self, _number: int) -> float:
        self.set_mode(True)
        return seconds_of(self.device, self.config["repeat"], self.train)

    def note(self) -> None:
        return None


def gradient_norm(model: nn.Module) -> float:
    squares = [p.grad.double().square().sum() for p in model.parameters() if p.grad is not None]
    return torch.stack(squares).sum().sqrt().item()


def some_gradients(model: nn.Module, count: int) -> dict[str, dict]:
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        flat = parameter.grad.flatten()
        at = torch.linspace(0, len(flat) - 1, min(count, len(flat)), dtype=torch.float64).long()
        found[name] = {"at": at.tolist(), "values": flat[at.to(flat.device)].tolist()}
    return found


def visual_shape(kind: str, size: Size) -> tuple[int, ...]:
    return (3, size.image, size.image) if kind == "image2d" else (1, *size.volume)


def text_inputs(name: str, lengths: list[int], width: int, seed: int, device: torch.device) -> tuple[Tensor, ...]:
    """Ids, padding mask and labels [B,L] of generated words, every seventh of them to be predicted."""
    shape = (len(lengths), width)
    words = torch.from_numpy(FIRST_WORD + (uniform(f"{name}.ids", len(lengths) * width, seed) * WORDS).astype("int64"))
    place = torch.arange(width).expand(shape)
    padding = (place < torch.tensor(lengths)[:, None]).long()
    ids = words.view(shape) * padding
    labels = torch.where((place % LABEL_EVERY == 3) & padding.bool(), ids, -100)
    return ids.to(device), padding.to(device), labels.to(device)


if __name__ == "__main__":
    serve(Training)
