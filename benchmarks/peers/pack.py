"""The pack worker of nibabel and SimpleITK: the published preparation of CT and MRI, one process per core.

Invariant: a step reads every file and writes its records; starting processes is not timed.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from math import ceil
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk

from serve import serve

SIZE = (16, 192, 192)


def resample(volume: np.ndarray, size: tuple[int, ...], shift: list[float], spline: bool) -> np.ndarray:
    """`volume` [z,y,x] in voxels of 1; `shift` is where the first voxel lies."""
    scale = [n / m for n, m in zip(volume.shape, size)]
    image = sitk.GetImageFromArray(volume)
    kind = sitk.sitkBSpline if spline else sitk.sitkLinear
    args = (size[::-1], sitk.Transform(), kind, shift[::-1], scale[::-1], image.GetDirection(), 0.0, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(sitk.Resample(image, *args))


def tiles(depth: int, tile: int, stride: int) -> list[tuple[int, int]]:
    count = max(0, ceil((depth - tile) / stride)) + 1
    starts = [min(i * stride, max(0, depth - tile)) for i in range(count)]
    return [(start, min(depth, start + tile)) for start in starts]


def ct(volume: np.ndarray, spacing: tuple[float, ...]) -> list[np.ndarray]:
    clipped = np.clip(volume, -1024, 1024)
    depth, height, width = (n * round(float(edge), 4) for n, edge in zip(volume.shape, spacing))
    size = (round(depth), int(height), int(width))
    factors = [n / m for n, m in zip(volume.shape, size)]
    # Below this the neighbours' weights in the Gaussian of scikit-image's antialias are under 1e-5.
    assert max(factors) < 1.4, "the case has no antialias"
    found = resample(clipped, size, [(factor - 1) / 2 for factor in factors], spline=True)
    found = np.rint(np.clip(found, clipped.min(), clipped.max())).astype(np.int16)
    if size[1] > 320:
        (top, bottom), (left, right) = ((int(n * 0.1), int(n * 0.9)) for n in size[1:])
        found = found[:, top:bottom, left:right]
    zero = [0.0] * 3
    parts = [resample(found[start:end], SIZE, zero, spline=False) for start, end in tiles(size[0], 24, 12)]
    return [np.rint(part).astype(np.int16) for part in parts]


def mri(volume: np.ndarray, _spacing: tuple[float, ...]) -> list[np.ndarray]:
    found = resample(volume, (len(volume), *SIZE[1:]), [0.0] * 3, spline=False)
    found = found[int(0.1 * len(found)) : int(0.9 * len(found))]
    records = []
    for start, end in tiles(len(found), 16, 8):
        tile = np.clip(found[start:end], *np.percentile(found[start:end], [0.2, 99.8]))
        records.append((tile - tile.mean()) / tile.std())
    return records


def prepare(recipe: str, path: str, out: str) -> np.ndarray:
    """Writes and returns a file's records."""
    image = nibabel.load(path)
    spacing = tuple(image.header.get_zooms()[::-1])
    volume = np.ascontiguousarray(np.asarray(image.dataobj).T)
    records = np.stack({"ct": ct, "mri": mri}[recipe](volume, spacing))
    np.save(out, records)
    return records


def timed(*task: str) -> None:
    prepare(*task)


def checked(*task: str) -> tuple[int, float, float]:
    """Number of records, sum of their means and of their mean squares."""
    values = prepare(*task).astype(np.float64)
    return len(values), values.mean() * len(values), (values * values).mean() * len(values)


def one_thread() -> None:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


class Packing:
    def __init__(self, config: dict):
        self.recipe, self.threads = config["recipe"], config["threads"]
        self.files = sorted(str(path) for path in Path(config["folder"]).iterdir())
        self.pool = multiprocessing.get_context("spawn").Pool(self.threads, one_thread)
        self.version = f"nibabel {nibabel.__version__}, SimpleITK {sitk.Version().VersionString()}"

    def run(self, function, out: str) -> list:
        tasks = [(self.recipe, path, f"{out}/{i}.npy") for i, path in enumerate(self.files)]
        return self.pool.starmap(function, tasks, chunksize=1)

    def check(self) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as out:
            found = self.run(checked, out)
        count, means, squares = (sum(part) for part in zip(*found))
        deviation = (squares / count - (means / count) ** 2) ** 0.5
        return {"records": count, "mean": means / count + 10 * deviation, "deviation": deviation}

    def step(self, _number: int) -> float:
        out = tempfile.mkdtemp()
        start = time.perf_counter()
        self.run(timed, out)
        seconds = time.perf_counter() - start
        shutil.rmtree(out)
        return seconds

    def note(self) -> None:
        return None


if __name__ == "__main__":
    serve(Packing)
