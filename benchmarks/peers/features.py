"""Features in plain PyTorch: the encoder in inference mode, mean over real tokens. Invariant: only that is timed."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from golden_formula import fill, tensor
from medcoss_torch import Behaviour, MedCoSS, Size
from serve import serve
from step import CHECK_SEED, text_inputs, visual_shape


class Features:
    def __init__(self, config: dict):
        torch.set_num_threads(config["threads"])
        self.version, self.threads = f"PyTorch {torch.__version__}", torch.get_num_threads()
        self.kind, self.device = config["kind"], config["device"]
        self.bf16 = config["precision"] == "bf16"
        self.model = MedCoSS(Size(), Behaviour.corrected())
        fill(self.model, CHECK_SEED)
        self.model.eval().to(self.device)
        self.inputs = self.batch(config["lengths"])

    def batch(self, lengths: list[int]) -> tuple[Tensor, ...]:
        size = self.model.size
        if self.kind == "text":
            return text_inputs("step", lengths, size.text, CHECK_SEED, self.device)[:2]
        return (tensor("step.input", (len(lengths), *visual_shape(self.kind, size)), CHECK_SEED).to(self.device),)

    @torch.inference_mode()
    def features(self) -> Tensor:
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.bf16):
            if self.kind != "text":
                return self.model.encode_visual(self.inputs[0], None)[0].float().mean(1)
            ids, padding = self.inputs
            weight = padding[:, :, None].float()
            return (self.model.encode_text(ids, padding).float() * weight).sum(1) / weight.sum(1)

    def check(self) -> dict[str, float]:
        found = self.features().double()
        return {"norm": found.norm().item(), "first": found[0].norm().item()}

    def step(self, _number: int) -> float:
        start = time.perf_counter()
        self.features()
        return time.perf_counter() - start

    def note(self) -> None:
        return None


serve(Features)
