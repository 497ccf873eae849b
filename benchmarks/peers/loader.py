"""The peer of the loader case: PyTorch's DataLoader over files, with PIL and torchvision, nibabel or SimpleITK.

Invariant: the batches are those of the published augmentations; nothing is done that training does not need.
"""

from __future__ import annotations

import time
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import Compose, InterpolationMode, RandomHorizontalFlip, RandomResizedCrop, ToTensor

from serve import serve

CHECKED = 16
SIZE = 224
VERY_MANY = 1 << 40
SCALE = 1 / 1024


class Pictures(Dataset):
    def __init__(self, files: list[Path]) -> None:
        self.files = files
        crop = RandomResizedCrop(SIZE, scale=(0.2, 1.0), interpolation=InterpolationMode.BICUBIC)
        self.augment = Compose([crop, RandomHorizontalFlip(), ToTensor()])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.augment(Image.open(self.files[index]))


class Tiles(Dataset):
    def __init__(self, files: list[Path], reader: str) -> None:
        self.files = files
        self.read = read_nibabel if reader == "nibabel" else read_simpleitk

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        voxels = self.read(self.files[index])
        if np.random.rand() < 0.5:
            axes = [axis for axis in range(3) if np.random.rand() < 0.5]
            voxels = np.flip(voxels, axes)
        return torch.from_numpy(voxels.astype(np.float32) * np.float32(SCALE))[None]


def read_nibabel(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj).T


def read_simpleitk(path: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def moments(values: list[np.ndarray]) -> dict[str, float]:
    every = np.concatenate([value.astype(np.float64).ravel() for value in values])
    return {"mean": float(every.mean()), "square": float((every**2).mean())}


def checked_crop(path: Path, i: int, whole: bool) -> np.ndarray:
    image = Image.open(path)
    if not whole:
        top, left, height, width = i, 2 * i, 150 + i, 140 + 3 * i
        image = image.crop((left, top, left + width, top + height))
    resized = np.asarray(image.resize((SIZE, SIZE), Image.BICUBIC)) / 255
    return resized[:, ::-1] if not whole and i % 2 else resized


class Loading:
    def __init__(self, configuration: dict) -> None:
        torch.manual_seed(0)
        self.task = configuration["task"]
        self.batches = configuration["batches"]
        self.threads = configuration["workers"]
        self.version = f"torchvision {torchvision.__version__}, nibabel {nibabel.__version__}, "
        self.version += f"SimpleITK {SimpleITK.__version__}, DataLoader of torch {torch.__version__}"
        self.files = sorted(path for path in Path(configuration["files"]).iterdir())
        self.reader = configuration.get("reader", "nibabel")
        volumes = self.task == "volumes"
        dataset = Tiles(self.files, self.reader) if volumes else Pictures(self.files)
        sampler = RandomSampler(dataset, replacement=True, num_samples=VERY_MANY)
        options = {"batch_size": configuration["batch"], "num_workers": configuration["workers"]}
        self.epoch = DataLoader(dataset, shuffle=True, **options)
        self.endless = iter(DataLoader(dataset, sampler=sampler, **options))
        # Batches that the workers make while another contender is timed.
        self.ready = self.endless._prefetch_factor * configuration["workers"]

    def check(self) -> dict[str, float]:
        files = self.files[:CHECKED]
        if self.task == "volumes":
            read = read_nibabel if self.reader == "nibabel" else read_simpleitk
            return moments([read(path) * SCALE for path in files])
        whole = self.task == "pack"
        return moments([checked_crop(path, i, whole) for i, path in enumerate(files)])

    def step(self, _number: int) -> float:
        if self.task == "pack":
            start = time.perf_counter()
            for _ in self.epoch:
                pass
            return time.perf_counter() - start
        for _ in range(self.ready):
            next(self.endless)
        start = time.perf_counter()
        for _ in range(self.batches):
            next(self.endless)
        return time.perf_counter() - start

    def note(self) -> None:
        return None


serve(Loading)
