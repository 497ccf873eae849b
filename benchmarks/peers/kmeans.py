"""The k-means worker of scikit-learn and FAISS. Invariant: nothing but one call of the library is timed."""

from __future__ import annotations

import time
import warnings

import numpy as np

from serve import serve

CHECKED_ITERATIONS = 5
CHECK_EVERY, CLEAR = 59, 1e-5
FAISS_ITERATIONS = 25


def squared_distances(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Float64 squared distances [N,K]."""
    return np.stack([((x.astype(np.float64) - c.astype(np.float64)) ** 2).sum(1) for c in centres], axis=1)


class Library:
    """What both have in common; `run` returns labels, centres, inertia and iterations."""

    def __init__(self, config: dict):
        self.config, self.threads = config, config["threads"]
        n, d, k = config["samples"], config["dimensions"], config["clusters"]
        self.data = np.fromfile(config["path"], dtype=np.float32).reshape(n, d)
        self.centres = self.data[np.arange(k) * n // k].copy()
        self.found = ""

    def check(self) -> dict[str, float]:
        labels, centres, _, _ = self.run(1, 0.0, 0, True)
        distances = squared_distances(self.data[::CHECK_EVERY], centres)
        own = np.take_along_axis(distances, labels[::CHECK_EVERY, None].astype(np.int64), axis=1)[:, 0]
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


serve(lambda config: {"scikit-learn": ScikitLearn, "faiss": Faiss}[config["library"]](config))
