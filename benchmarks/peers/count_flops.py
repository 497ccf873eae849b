"""Prints what PyTorch's FLOP counter finds in one step of the plain peer, and how many values that step trains.

Invariant: tensors are fakes that have shapes alone; attention as two products, as its mathematical form is.
"""

from __future__ import annotations

import json
import sys

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from medcoss_torch import Behaviour, MedCoSS, Size

BATCH = 2


def visual(model: MedCoSS, teacher: MedCoSS, kind: str, replay: bool):
    size = model.size
    shape = (3, size.image, size.image) if kind == "image2d" else (1, *size.volume)
    x = torch.empty(BATCH, *shape)
    noise = torch.empty(BATCH, size.image_patches if kind == "image2d" else size.volume_patches)
    if not replay:
        return model.masked_visual(x, noise).loss
    with torch.no_grad():
        target = teacher.encode_visual(x, noise)[0]
    return (model.encode_visual(x, noise)[0] - target).square().mean()


def text(model: MedCoSS, teacher: MedCoSS, replay: bool):
    ids = torch.zeros(BATCH, model.size.text, dtype=torch.long)
    padding = torch.ones_like(ids)
    if not replay:
        return model.masked_text(ids, padding, ids)[0]
    with torch.no_grad():
        target = teacher.encode_text(ids, padding)
    return (model.encode_text(ids, padding) - target).square().mean()


def count(kind: str, replay: bool) -> dict[str, int]:
    model = MedCoSS(Size(), Behaviour.corrected()).train()
    teacher = MedCoSS(Size(), Behaviour.corrected(), decoder=False).requires_grad_(False).eval()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        loss = text(model, teacher, replay) if kind == "text" else visual(model, teacher, kind, replay)
        loss.backward()
    trained = sum(p.numel() for p in model.parameters() if p.grad is not None)
    return {"flops": counter.get_total_flops(), "trained": trained}


def main() -> None:
    kinds = ("image2d", "volume3d", "text")
    with FakeTensorMode():
        counts = {kind: {"plain": count(kind, False), "replay": count(kind, True)} for kind in kinds}
    json.dump({"batch": BATCH, "counts": counts}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
