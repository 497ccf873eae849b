"""K-means of PyTorch, flash-kmeans and scikit-learn on generated features. Invariant: all start at the same centres.

    python3 kmeans_gpu.py make FILE N D K     writes the samples, float32
    python3 kmeans_gpu.py time FILE N D K     times Lloyd's iterations, one JSON object a line
"""

from __future__ import annotations

import glob
import json
import os
import sys
import tempfile
import time
import zipfile

import numpy as np
import torch

ITERATIONS, ROUNDS, CHECKED = 10, 3, 1
CHUNK = 1 << 15
WITHIN = 0.7

device = "cuda" if torch.cuda.is_available() else "cpu"


def make(path: str, n: int, d: int, k: int) -> None:
    """As benchmarks/cases/kmeans-data.ts: clusters of exponential sizes, variances 1/i over the features."""
    draws = torch.Generator(device).manual_seed(7)
    scale = (1 + torch.arange(d, device=device)).float().rsqrt()
    centres = torch.randn(k, d, generator=draws, device=device)
    weights = -torch.log1p(-torch.rand(k, generator=draws, device=device))
    member = torch.multinomial(weights, n, replacement=True, generator=draws)
    with open(path, "wb") as file:
        for rows in member.split(CHUNK):
            noise = torch.randn(len(rows), d, generator=draws, device=device)
            file.write((scale * (centres[rows] + WITHIN * noise)).cpu().numpy().tobytes())


def synchronize() -> None:
    if device == "cuda":
        torch.cuda.synchronize()


class Torch:
    """Products in chunks, arg-min compiled behind them, sums by index_add."""

    def __init__(self, x: torch.Tensor, dtype: torch.dtype):
        self.x, self.parts = x, x.to(dtype).split(CHUNK)
        self.nearest = torch.compile(self.nearest_of, dynamic=False)
        self.ones = torch.ones(len(x), device=device)

    @staticmethod
    def nearest_of(part: torch.Tensor, centres: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
        return (norms - 2 * (part @ centres.T).float()).argmin(1)

    def run(self, centres: torch.Tensor, iterations: int) -> torch.Tensor:
        for _ in range(iterations):
            low, norms = centres.to(self.parts[0].dtype), centres.square().sum(1)
            labels = torch.cat([self.nearest(part, low, norms) for part in self.parts])
            sums = torch.zeros_like(centres).index_add_(0, labels, self.x)
            counts = torch.zeros(len(centres), device=device).index_add_(0, labels, self.ones)
            centres = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp_min(1), centres)
        return centres


class Flash:
    def __init__(self, x: torch.Tensor, dtype: torch.dtype):
        from flash_kmeans import batch_kmeans_Euclid

        self.x, self.fit = x.to(dtype)[None], batch_kmeans_Euclid

    def run(self, centres: torch.Tensor, iterations: int) -> torch.Tensor:
        start = centres.to(self.x.dtype)[None]
        found = self.fit(self.x, centres.shape[0], max_iters=iterations, tol=-1.0, init_centroids=start)
        return found[1][0].float()


class ScikitLearn:
    """On the CPU, so fewer iterations; its labels after the last one and inertia are part of the time."""

    def __init__(self, x: torch.Tensor, _: torch.dtype):
        self.x = x.cpu().numpy()

    def run(self, centres: torch.Tensor, iterations: int) -> torch.Tensor:
        from sklearn.cluster import KMeans

        model = KMeans(len(centres), init=centres.cpu().numpy(), n_init=1, max_iter=iterations, tol=0)
        return torch.from_numpy(model.fit(self.x).cluster_centers_).to(device)


def quality(x: torch.Tensor, centres: torch.Tensor) -> float:
    """The inertia of centres, float64."""
    total = torch.zeros((), dtype=torch.float64, device=device)
    for part in x.split(CHUNK // 8):
        total += torch.cdist(part.double(), centres.double()).min(1).values.square().sum()
    return total.item()


def seconds_of(contender, centres: torch.Tensor, iterations: int) -> float:
    synchronize()
    start = time.perf_counter()
    contender.run(centres, iterations)
    synchronize()
    return time.perf_counter() - start


def measure(name: str, kind, dtype: torch.dtype, x: torch.Tensor, centres: torch.Tensor) -> None:
    contender = kind(x, dtype)
    found = contender.run(centres, CHECKED)
    if kind is ScikitLearn:
        per = seconds_of(contender, centres, 2) - seconds_of(contender, centres, 1)
    else:
        per = sorted(seconds_of(contender, centres, ITERATIONS) for _ in range(ROUNDS))[ROUNDS // 2] / ITERATIONS
    inertia = quality(x, found)
    print(json.dumps({"name": name, "ms": per * 1000, "inertia": inertia}), flush=True)


def unpack_wheels() -> None:
    """Pure Python wheels beside this file become importable, as files, because Triton reads its kernels' source."""
    folder = tempfile.mkdtemp()
    for wheel in glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "wheels", "*.whl")):
        zipfile.ZipFile(wheel).extractall(folder)
    sys.path.insert(0, folder)


def main() -> None:
    task, path, *size = sys.argv[1:]
    n, d, k = map(int, size)
    if task == "make":
        make(path, n, d, k)
        return
    unpack_wheels()
    torch.set_float32_matmul_precision("high")
    x = torch.from_numpy(np.fromfile(path, dtype=np.float32).reshape(n, d)).to(device)
    centres = x[torch.arange(k, device=device) * n // k].clone()
    contenders = [
        ("flash-kmeans float16", Flash, torch.float16),
        ("flash-kmeans float32", Flash, torch.float32),
        ("PyTorch bfloat16", Torch, torch.bfloat16),
        ("PyTorch TF32", Torch, torch.float32),
        ("scikit-learn", ScikitLearn, torch.float32),
    ]
    for name, kind, dtype in contenders:
        try:
            measure(name, kind, dtype, x, centres)
        except Exception as error:  # one that cannot run here must not hide the others
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
