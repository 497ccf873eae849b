"""End to end in PyTorch: a DataLoader over the shards of a store, augmentation, the best-practice step.

Invariant: the records are those of the store, augmented as training needs them; the clock runs over data and steps.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler, default_collate

from serve import serve
from tuned import Training
from tuned_torch import positions_of

CHECKED, WARMUP = 16, 2
SIZE, SCALE, QUOTA = 224, 1 / 1024, 0.15
MASK, FIRST_WORD, WORDS, VERY_MANY = 103, 1000, 27996, 1 << 40
NUMBERS = {"U8": np.uint8, "I16": np.int16, "I32": np.int32}


def mapped(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file without reading them."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    place = lambda entry: 8 + size + entry["data_offsets"][0]  # noqa: E731
    return {
        name: np.memmap(path, NUMBERS[entry["dtype"]], "r", place(entry), tuple(entry["shape"]))
        for name, entry in header.items()
    }


class Records(Dataset):
    def __init__(self, store: Path, modality: str, kind: str) -> None:
        self.kind, self.shards = kind, [mapped(path) for path in sorted((store / modality).glob("*.safetensors"))]
        self.name = "tokens" if kind == "text" else "records"
        counts = [len(shard[self.name]) for shard in self.shards]
        self.places = [(shard, row) for shard, count in enumerate(counts) for row in range(count)]

    def __len__(self) -> int:
        return len(self.places)

    def stored(self, index: int) -> np.ndarray:
        shard, row = self.places[index]
        return self.shards[shard][self.name][row]

    def __getitem__(self, index: int):
        record = torch.from_numpy(np.array(self.stored(index)))
        if self.kind == "image2d":
            return cropped(record)
        if self.kind == "volume3d":
            return mirrored(record)[None].float() * SCALE
        shard, row = self.places[index]
        return corrupted(record.long(), int(self.shards[shard]["lengths"][row]))


def cropped(pixels: Tensor) -> Tensor:
    """A random resized crop (area 0.2 to 1, bicubic, antialias) of [H,W,C] as [3,S,S] in [0,1], mirrored half the time."""
    height, width = pixels.shape[:2]
    area = height * width * (0.2 + 0.8 * torch.rand(()).item())
    ratio = (3 / 4) * (16 / 9) ** torch.rand(()).item()
    h, w = min(height, round((area / ratio) ** 0.5)), min(width, round((area * ratio) ** 0.5))
    top, left = int(torch.randint(height - h + 1, ())), int(torch.randint(width - w + 1, ()))
    part = pixels[top : top + h, left : left + w].permute(2, 0, 1)[None].float()
    resized = F.interpolate(part, size=(SIZE, SIZE), mode="bicubic", antialias=True)[0].clamp(0, 255) / 255
    return (resized.flip(2) if torch.rand(()) < 0.5 else resized).expand(3, -1, -1)


def mirrored(voxels: Tensor) -> Tensor:
    """Half of the volumes, along each axis half of the time."""
    if torch.rand(()) < 0.5:
        return voxels
    return voxels.flip([axis for axis in range(3) if torch.rand(()) < 0.5])


def corrupted(ids: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ids with 15 % of the real words masked, exchanged or left (80, 10, 10 %), their padding mask, and labels."""
    chosen = torch.randperm(length)[: max(1, round(QUOTA * length))]
    labels, draw = torch.full_like(ids, -100), torch.rand(len(chosen))
    labels[chosen] = ids[chosen]
    other = torch.where(draw < 0.9, FIRST_WORD + torch.randint(WORDS, chosen.shape), ids[chosen])
    ids[chosen] = torch.where(draw < 0.8, torch.full_like(other, MASK), other)
    return ids, (torch.arange(len(ids)) < length).long(), labels


def collate(items: list):
    """Batches as the step takes them, with the places of the words to be predicted."""
    if isinstance(items[0], Tensor):
        return (torch.stack(items),)
    ids, padding, labels = default_collate(items)
    return ids, padding, *positions_of(labels)


class Stage:
    def __init__(self, config: dict):
        lengths = [112] * config["batch"]
        step = {"lengths": lengths, "checkLengths": lengths[:2], "repeat": 1, "seed": 0}
        self.config = config
        self.training = Training({**config, **step, "preset": "corrected", "objective": "plain"})
        self.version, self.threads = self.training.version, self.training.threads
        self.records = Records(Path(config["store"]), config["modality"], config["kind"])
        sampler = RandomSampler(self.records, replacement=True, num_samples=VERY_MANY)
        gpu = self.training.device.type == "cuda"
        options = {"num_workers": 12 if gpu else 1, "pin_memory": gpu, "collate_fn": collate}
        self.batches = iter(DataLoader(self.records, config["batch"], sampler=sampler, **options))

    def check(self) -> dict[str, float]:
        values = np.stack([self.records.stored(i) for i in range(CHECKED)]).astype(np.float64)
        return {"mean": float(values.mean()), "square": float((values**2).mean())}

    def train(self) -> None:
        training = self.training
        batch = [part.to(training.device, non_blocking=True) for part in next(self.batches)]
        if batch[0].dim() == 4:
            batch[0] = batch[0].contiguous(memory_format=torch.channels_last)
        training.inputs = tuple(batch)
        training.train()

    def step(self, _number: int) -> float:
        gpu = self.training.device.type == "cuda"
        for _ in range(WARMUP):
            self.train()
        if gpu:
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(self.config["steps"]):
            self.train()
        if gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def note(self) -> str | None:
        return self.training.note()


if __name__ == "__main__":
    serve(Stage)
