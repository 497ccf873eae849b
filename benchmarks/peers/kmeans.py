"""The k-means worker of scikit-learn and FAISS, and of the libraries for GPUs in `kmeans_gpu.py`.

Invariant: nothing but one call of the library is timed.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from serve import serve

CHECKED_ITERATIONS = 5
CHECKED_SAMPLES, CLEAR = 1000, 1e-5
FAISS_ITERATIONS = 25


def squared_distances(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Float64 squared distances [N,K]."""
    return np.stack([((x.astype(np.float64) - c.astype(np.float64)) ** 2).sum(1) for c in centres], axis=1)


class Library:
    """What both have in common; `run` returns labels, centres, inertia and iterations."""

    def __init__(self, config: dict):
        self.config, self.threads, self.found = config, config["threads"], ""
        n, d, k = config["samples"], config["dimensions"], config["clusters"]
        self.data = np.fromfile(config["path"], dtype=np.float32).reshape(n, d)
        self.centres = self.data[np.arange(k) * n // k].copy()

    def check(self) -> dict[str, float]:
        labels, centres, _, _ = self.run(1, 0.0, 0, True)
        every = -(-len(self.data) // CHECKED_SAMPLES)
        distances = squared_distances(self.data[::every], centres)
        own = np.take_along_axis(distances, labels[::every, None].astype(np.int64), axis=1)[:, 0]
        wrong = (own > distances.min(axis=1) * (1 + CLEAR)).sum()
        if wrong:
            raise RuntimeError(f"{wrong} wrong labels")
        labels, centres, _, _ = self.run(CHECKED_ITERATIONS, 0.0, 0, True)
        return {"inertia": float(((self.data - centres[labels]).astype(np.float64) ** 2).sum())}

    def step(self, number: int) -> float:
        start = time.perf_counter()
        if self.config["task"] == "fit":
            result = self.fit(number)
        else:
            result = self.run(self.config["iterations"], 0.0, 0, True, labels=False)
        seconds = time.perf_counter() - start
        self.found = f"{self.config['task']}: inertia {result[2]:.7g} after {result[3]} iterations"
        return seconds

    def note(self) -> str:
        return self.found


class ScikitLearn(Library):
    def __init__(self, config: dict):
        import sklearn

        super().__init__(config)
        self.version = f"scikit-learn {sklearn.__version__}"
        warnings.filterwarnings("ignore")

    def run(self, iterations: int, tolerance: float, seed: int, given: bool, labels: bool = True):
        from sklearn.cluster import KMeans

        init = self.centres if given else "k-means++"
        model = KMeans(self.config["clusters"], init=init, n_init=1, max_iter=iterations, tol=tolerance, random_state=seed)
        model.fit(self.data)
        return model.labels_, model.cluster_centers_, model.inertia_, model.n_iter_

    def fit(self, seed: int):
        return self.run(300, 1e-4, seed, False)


class Faiss(Library):
    def __init__(self, config: dict):
        import faiss

        super().__init__(config)
        faiss.omp_set_num_threads(self.threads)
        self.version = f"FAISS {faiss.__version__}"

    def run(self, iterations: int, _tolerance: float, seed: int, given: bool, labels: bool = True):
        import faiss

        n, d = self.data.shape
        model = faiss.Kmeans(d, self.config["clusters"], niter=iterations, seed=seed + 1, max_points_per_centroid=n)
        model.train(self.data, init_centroids=self.centres if given else None)
        found = model.index.search(self.data, 1)[1][:, 0] if labels else None
        return found, model.centroids, model.obj[-1], iterations

    def fit(self, seed: int):
        return self.run(FAISS_ITERATIONS, 0.0, seed, False)


class OnGpu(Library):
    """Samples stay on the GPU; the check is of the inertia, because products are in half precision or TF32."""

    def __init__(self, config: dict):
        import kmeans_gpu
        import torch

        super().__init__(config)
        torch.set_float32_matmul_precision("high")
        flash = config["library"] == "flash-kmeans"
        if flash:
            kmeans_gpu.unpack_wheels()
        self.gpu, self.version = kmeans_gpu, f"PyTorch {torch.__version__}"
        self.x, self.start = (torch.from_numpy(a).to(config["device"]) for a in (self.data, self.centres))
        self.contender = (kmeans_gpu.Flash if flash else kmeans_gpu.Torch)(self.x, torch.float16 if flash else torch.float32)

    def check(self) -> dict[str, float]:
        return {"inertia": self.gpu.quality(self.x, self.contender.run(self.start, CHECKED_ITERATIONS))}

    def step(self, _number: int) -> float:
        return self.gpu.seconds_of(self.contender, self.start, self.config["iterations"])


LIBRARIES = {"scikit-learn": ScikitLearn, "faiss": Faiss, "pytorch": OnGpu, "flash-kmeans": OnGpu}

serve(lambda config: LIBRARIES[config["library"]](config))
