"""The worker of the machine's peak: the fastest of a few products of random matrices. Invariant: only products are timed."""

from __future__ import annotations

import json
import sys
import time

import torch
from torch import Tensor

from serve import own_output

# Square, and rows of an image batch through the MLP of an encoder block.
CPU_SHAPES = ((2048, 2048, 2048), (3200, 768, 3072))
CUDA_SHAPES = ((8192, 8192, 8192), (6400, 768, 3072))
REPEATS = {"cpu": 3, "cuda": 10}


def operands(device: str) -> dict[str, list[tuple[Tensor, Tensor]]]:
    shapes = CPU_SHAPES if device == "cpu" else CUDA_SHAPES
    draw = lambda rows, columns: torch.randn(rows, columns, device=device)  # noqa: E731
    pairs = [(draw(m, k), draw(k, n)) for m, k, n in shapes]
    return {"fp32": pairs, "bf16": [(a.bfloat16(), b.bfloat16()) for a, b in pairs]}


def tflops(a: Tensor, b: Tensor) -> float:
    flops = 2 * a.shape[0] * a.shape[1] * b.shape[1]
    best = float("inf")
    torch.mm(a, b)
    for _ in range(REPEATS[a.device.type]):
        if a.is_cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        torch.mm(a, b)
        if a.is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return flops / best / 1e12


def main() -> None:
    out = own_output()
    answer = lambda value: print(json.dumps(value), file=out, flush=True)  # noqa: E731
    configuration = json.loads(sys.stdin.readline())
    torch.set_num_threads(configuration["threads"])
    pairs = operands(configuration["device"])
    answer({"ready": True, "version": f"PyTorch {torch.__version__}", "threads": torch.get_num_threads()})
    for line in sys.stdin:
        answer({"tflops": max(tflops(a, b) for a, b in pairs[json.loads(line)["precision"]])})


if __name__ == "__main__":
    main()
