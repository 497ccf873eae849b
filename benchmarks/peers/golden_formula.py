"""The generator of golden weights and inputs. Invariant: numbers depend on (name, index, seed) alone."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

import numpy as np
import torch
from torch import nn

MASK = (1 << 64) - 1
CHUNK = 1 << 17
POOL = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
Change = Callable[[np.ndarray], np.ndarray]


def fnv1a(text: str) -> int:
    """64-bit FNV-1a of the UTF-8 bytes."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def uniform(name: str, count: int, seed: int, change: Change = lambda u: u, dtype: type = np.float64) -> np.ndarray:
    """`count` numbers: float64 ones in [0,1), changed, then rounded to `dtype`. By all cores."""
    out = np.empty(count, dtype=dtype)
    base = np.uint64((fnv1a(name) + seed * 0x632BE59BD9B4E019 + 0x9E3779B97F4A7C15) & MASK)

    def write(start: int) -> None:
        stop = min(start + CHUNK, count)
        z = np.arange(start, stop, dtype=np.uint64) + base
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        out[start:stop] = change((z >> np.uint64(11)).astype(np.float64) * 2.0**-53)

    for _ in POOL.map(write, range(0, count, CHUNK)):
        pass
    return out


def tensor(name: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Float32 numbers in [0,1) of the given shape."""
    return torch.from_numpy(uniform(name, math.prod(shape), seed, dtype=np.float32)).view(shape)


def offset_and_scale(name: str, shape: tuple[int, ...], is_table: bool) -> tuple[float, float]:
    """Centre and half-width of a parameter's values."""
    if name.endswith(("gamma_1", "gamma_2")):
        return 0.1, 0.05
    if len(shape) == 1:
        return (1.0, 0.1) if name.endswith(".weight") else (0.0, 0.02)
    if is_table or name in ("cls_token", "mask_token", "decoder_pos_embed_2D", "decoder_pos_embed_3D"):
        return 0.0, 0.02
    return 0.0, math.sqrt(6 / (shape[0] + math.prod(shape) / shape[0]))


@torch.no_grad()
def fill(model: nn.Module, seed: int) -> None:
    """Overwrites every parameter with its formula."""
    tables = {f"{name}.weight" for name, m in model.named_modules() if isinstance(m, nn.Embedding)}
    for name, parameter in model.named_parameters():
        offset, scale = offset_and_scale(name, tuple(parameter.shape), name in tables)
        values = uniform(name, parameter.numel(), seed, lambda u, o=offset, s=scale: o + s * (2 * u - 1), np.float32)
        parameter.copy_(torch.from_numpy(values).view(parameter.shape))
