"""Very short calls from Python into PyTorch. Invariant: a call does next to nothing natively."""

from __future__ import annotations

import time

import torch

from serve import serve


class Crossing:
    def __init__(self, config: dict):
        torch.set_num_threads(config["threads"])
        self.version, self.threads = f"PyTorch {torch.__version__}", torch.get_num_threads()
        self.count, self.a, self.b = config["count"], torch.ones(1), torch.ones(1)

    def check(self) -> dict[str, float]:
        return {}

    @torch.inference_mode()
    def step(self, _number: int) -> float:
        start = time.perf_counter()
        for _ in range(self.count):
            torch.add(self.a, self.b)
        return time.perf_counter() - start

    def note(self) -> None:
        return None


serve(Crossing)
