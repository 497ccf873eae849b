"""How a training step is timed. Invariant: on a GPU nothing is under way when the clock starts or stops."""

from __future__ import annotations

import time
from typing import Callable

import torch


def seconds_of(device: torch.device, repeat: int, work: Callable[[], None]) -> float:
    """Seconds of one of `repeat` steps.

    On a GPU one more comes first and fetches memory, which is given back at the end, because contenders take turns.
    """
    gpu = device.type == "cuda"
    if gpu:
        work()
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(repeat):
        work()
    if gpu:
        torch.cuda.synchronize(device)
    seconds = (time.perf_counter() - start) / repeat
    if gpu:
        torch.cuda.empty_cache()
    return seconds
