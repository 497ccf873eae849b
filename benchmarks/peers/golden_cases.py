"""Recomputes every golden case with the PyTorch peer, in the form of golden.json and tensors.safetensors.

Invariant: float32, evaluation mode, published behaviour; everything follows from a `Spec`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from golden_formula import fill, tensor, uniform
from medcoss_torch import MedCoSS, Size, make_optimizer

VISUAL = ("image2d", "volume3d")
ADAMW = {"lr": 0.001, "betas": [0.9, 0.95], "eps": 1e-08, "weight_decay": 0.05}


@dataclass(frozen=True)
class Spec:
    """What a directory of golden values is made for; text tensors are [B,L] int64."""

    seed: int
    batch: int
    ids: Tensor
    padding: Tensor
    labels: Tensor
    norms: list[str]

    @property
    def lengths(self) -> list[int]:
        return self.padding.sum(dim=1).tolist()


def visual_input(kind: str, spec: Spec, size: Size) -> tuple[Tensor, Tensor]:
    """Input and masking noise."""
    shape = (3, size.image, size.image) if kind == "image2d" else (1, *size.volume)
    patches = size.image_patches if kind == "image2d" else size.volume_patches
    x = tensor(f"input.{kind}", (spec.batch, *shape), spec.seed)
    return x, tensor(f"noise.{kind}", (spec.batch, patches), spec.seed)


def gradients(model: MedCoSS) -> dict:
    """Norm and four samples of every gradient; clears them."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        flat = parameter.grad.flatten()
        at = [0, flat.numel() // 3, flat.numel() // 2, flat.numel() - 1]
        found[name] = {"l2": flat.double().norm().item(), "at": at, "val": flat[at].tolist()}
    model.zero_grad(set_to_none=True)
    return found


def plain_visual(model: MedCoSS, kind: str, spec: Spec) -> tuple[dict, dict]:
    x, noise = visual_input(kind, spec, model.size)
    out = model.masked_visual(x, noise)
    out.loss.backward()
    with torch.no_grad():
        pooled = model.encode_visual(x, None)[0].mean(dim=1)
    tensors = {"encoded": out.encoded, "mask": out.mask, "pred0_rows": out.predicted[0, :4], "pooled": pooled}
    summary = {
        "loss": out.loss.item(),
        "feature_mean": out.encoded.mean().item(),
        "feature_std": out.encoded.std().item(),
        "grads": gradients(model),
    }
    return summary, {f"{kind}.{name}": value.detach() for name, value in tensors.items()}


def plain_text(model: MedCoSS, spec: Spec) -> tuple[dict, dict]:
    loss, encoded = model.masked_text(spec.ids, spec.padding, spec.labels)
    loss.backward()
    tensors = {"text.encoded": encoded.detach(), "text.pooled": encoded.detach().mean(dim=1)}
    return {"loss": loss.item(), "grads": gradients(model)}, tensors


def distilled(student: MedCoSS, teacher: MedCoSS, encode) -> dict:
    """Mean squared difference of the two encoders' outputs; `encode` maps a network to its output."""
    with torch.no_grad():
        target = encode(teacher)
    loss = (encode(student) - target).square().mean()
    loss.backward()
    return {"loss": loss.item(), "grads": gradients(student)}


def distil_visual(student: MedCoSS, teacher: MedCoSS, kind: str, spec: Spec) -> dict:
    x, noise = visual_input(kind, spec, student.size)
    weight = tensor(f"lambda.{kind}", (spec.batch,) + (1,) * (x.dim() - 1), spec.seed)
    mixed = x * weight + x.flip(0) * (1 - weight)
    return distilled(student, teacher, lambda model: model.encode_visual(mixed, noise)[0])


def distil_text(student: MedCoSS, teacher: MedCoSS, spec: Spec) -> dict:
    keep = tensor("binary.text", tuple(spec.ids.shape), spec.seed) < 0.4
    ids = torch.where(keep, spec.ids, spec.ids.flip(0))
    padding = torch.where(keep, spec.padding, spec.padding.flip(0))
    return distilled(student, teacher, lambda model: model.encode_text(ids, padding))


def adamw(model: MedCoSS, spec: Spec) -> dict:
    """Three steps; changes the model."""
    x, noise = visual_input("image2d", spec, model.size)
    optimizer = make_optimizer(model, ADAMW["lr"], ADAMW["weight_decay"], ADAMW["betas"], ADAMW["eps"])
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = model.masked_visual(x, noise).loss
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    parameters = dict(model.named_parameters())
    after = {name: parameters[name].detach().double().norm().item() for name in spec.norms}
    return {**ADAMW, "losses": losses, "after": after}


def nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of the nearest centre of each sample."""
    scores = (centres**2).sum(1)[None] - 2 * x @ centres.T
    return scores.argmin(axis=1)


def updated_centres(x: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Means of the clusters; an empty one takes the sample farthest from its own centre, as scikit-learn does."""
    k = len(centres)
    sums = np.zeros_like(centres)
    np.add.at(sums, labels, x)
    counts = np.bincount(labels, minlength=k).astype(float)
    empty = np.flatnonzero(counts == 0)
    distance = ((x - centres[labels]) ** 2).sum(axis=1)
    for cluster, sample in zip(empty, np.argsort(-distance, kind="stable")):
        sums[labels[sample]] -= x[sample]
        counts[labels[sample]] -= 1
        sums[cluster], counts[cluster] = x[sample], 1
    return sums / counts[:, None]


def lloyd(x: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Labels, centres and iterations."""
    tolerance = 1e-4 * x.var(axis=0).mean()
    old = np.full(len(x), -1)
    for iteration in range(1, 301):
        labels = nearest(x, centres)
        moved = updated_centres(x, labels, centres)
        shift, centres = ((moved - centres) ** 2).sum(), moved
        if np.array_equal(labels, old):
            return labels, centres, iteration
        if shift <= tolerance:
            break
        old = labels
    return nearest(x, centres), centres, iteration


def kmeans(spec: Spec, n: int, k: int, d: int, per_centre: int) -> tuple[dict, dict]:
    x = uniform("kmeans.x", n * d, spec.seed).reshape(n, d)
    blob = uniform("kmeans.blob", 30 * d, spec.seed).reshape(30, d)
    which = uniform("kmeans.which", n, spec.seed)
    x = (x + 3 * blob[np.floor(30 * which).astype(int)]).astype(np.float32).astype(np.float64)
    start = x[np.trunc(np.linspace(0, n - 1, k)).astype(int)]
    labels, centres, iterations = lloyd(x, start)
    distance = ((x - centres[labels]) ** 2).sum(axis=1)
    order = np.argsort(distance, kind="stable")
    selected = [order[labels[order] == c][:per_centre].tolist() for c in range(k)]
    summary = {"N": n, "k": k, "d": d, "per_centre": per_centre, "inertia": float(distance.sum())}
    tensors = {
        "kmeans.labels": torch.from_numpy(labels.astype(np.int32)),
        "kmeans.centres": torch.from_numpy(centres.astype(np.float32)),
    }
    return {**summary, "n_iter": iterations, "selected": selected}, tensors


def compute(spec: Spec, size: Size = Size(), clusters: tuple[int, int, int, int] = (3000, 30, 64, 5)) -> tuple[dict, dict]:
    """All cases: the content of golden.json and the tensors beside it."""
    student, teacher = MedCoSS(size).eval(), MedCoSS(size, decoder=False).eval()
    fill(student, spec.seed)
    fill(teacher, spec.seed + 1000)
    values = {"seed": spec.seed, "batch": spec.batch, "norm_pix_loss": True, "text_lengths": spec.lengths}
    tensors = {"text.input_ids": spec.ids, "text.attention_mask": spec.padding, "text.labels": spec.labels}
    for kind in VISUAL:
        values[kind], more = plain_visual(student, kind, spec)
        tensors |= more
    values["text"], more = plain_text(student, spec)
    tensors |= more
    for kind in VISUAL:
        values[f"distill_{kind}"] = distil_visual(student, teacher, kind, spec)
    if len(set(spec.lengths)) == 1:
        values["distill_text"] = distil_text(student, teacher, spec)
    values["adamw"] = adamw(student, spec)
    values["kmeans"], more = kmeans(spec, *clusters)
    return values, tensors | more
