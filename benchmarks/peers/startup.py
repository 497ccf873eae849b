"""Start-up in PyTorch: a fresh Python each turn, from its start to the end of the first step of the tiny model.

Invariant: run with arguments it is that process, otherwise the worker that starts and times it.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time

TINY = {"encoder_width": 192, "encoder_layers": 4, "encoder_heads": 3, "decoder_width": 128, "decoder_layers": 2}


def first_step(device: str, threads: int) -> None:
    import torch

    from medcoss_torch import Behaviour, MedCoSS, Size, make_optimizer

    torch.set_num_threads(threads)
    model = MedCoSS(Size(**TINY, decoder_heads=4, vocabulary=30522), Behaviour.corrected()).to(device)
    optimizer = make_optimizer(model, 1e-4)
    loss = model.masked_visual(torch.full((2, 3, 224, 224), 0.5, device=device), torch.rand(2, 196, device=device)).loss
    loss.backward()
    optimizer.step()
    print(loss.item())


class Startup:
    def __init__(self, config: dict):
        from importlib.metadata import version

        self.version, self.threads = f"PyTorch {version('torch')}", config["threads"]
        self.command = [sys.executable, __file__, config["device"], str(config["threads"])]

    def check(self) -> dict[str, float]:
        self.step(0)
        return {}

    def step(self, _number: int) -> float:
        start = time.perf_counter()
        printed = subprocess.run(self.command, check=True, capture_output=True, text=True).stdout
        seconds = time.perf_counter() - start
        if not math.isfinite(float(printed)):
            raise RuntimeError(f"no loss: {printed}")
        return seconds

    def note(self) -> None:
        return None


if __name__ == "__main__":
    if len(sys.argv) > 1:
        first_step(sys.argv[1], int(sys.argv[2]))
    else:
        from serve import serve

        serve(Startup)
