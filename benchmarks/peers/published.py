"""The worker of the published repository: its own model and engine, imported from a checkout that the user has.

The repository needs libraries of its time; `shims` puts small stand-ins for those in `sys.modules`, the attention of
the decoder's blocks fused as in newer releases. On a CPU its calls of CUDA do nothing. Mixed precision is bfloat16 on a
CPU and, as published, float16 with a scaled loss on a GPU.

Invariant: the repository's files stay as they are; its losses and gradients equal the plain peer's with the published
behaviour, or the check fails.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from torch import Tensor, nn

from golden_formula import fill, tensor
from medcoss_torch import Behaviour, DecoderBlock, MedCoSS, Size, drop_path, make_optimizer
from serve import serve
from step import CHECK_SEED, LEARNING_RATE, gradient_norm, text_inputs, visual_shape
from turns import seconds_of

MODALITIES = ("1D_text", "2D_xray", "3D_CT", "3D_MR", "2D_path")
CURRENT = {"text": "1D_text", "image2d": "2D_xray", "volume3d": "3D_CT"}
# Whatever the batch's modality is, replay steps belong to a stage of another one.
OTHER = "3D_MR"
LIMITS = {"loss": 1e-4, "gradientNorm": 1e-3}


class DropPath(nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return drop_path(x, self.rate, self.training)


def block(width: int, heads: int, _ratio: int, **_options) -> DecoderBlock:
    return DecoderBlock(width, heads)


def module(name: str, **members) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


def shims(device: torch.device, bf16: bool) -> None:
    """Stand-ins for what the repository imports and this environment lacks or has no longer."""
    module("torch._six", inf=float("inf"))
    module("timm")
    module("timm.models")
    module("timm.models.layers", DropPath=DropPath)
    module("timm.models.vision_transformer", Block=block)
    module("transformers")
    module("transformers.models")
    module("transformers.models.bert")
    module("transformers.models.bert.modeling_bert", BertPredictionHeadTransform=None)
    for unused in ("cv2", "SimpleITK"):
        module(unused)
    half = torch.bfloat16 if device.type == "cpu" else torch.float16
    torch.cuda.amp.autocast = lambda: torch.autocast(device.type, dtype=half, enabled=bf16)
    scaled = bf16 and device.type == "cuda"
    torch.cuda.amp.GradScaler = lambda: torch.amp.GradScaler(device.type, enabled=scaled)
    if device.type == "cpu":
        torch.cuda.synchronize = lambda: None
        Tensor.cuda = lambda self: self


class Published:
    def __init__(self, config: dict):
        torch.set_num_threads(config["threads"])
        torch.manual_seed(config["seed"])
        self.version, self.threads = f"PyTorch {torch.__version__}", torch.get_num_threads()
        self.config, self.kind, self.device = config, config["kind"], torch.device(config["device"])
        self.replay, self.bf16 = config["objective"] == "replay", config["precision"] == "bf16"
        shims(self.device, self.bf16)
        sys.path.insert(0, str(Path(config["reference"]).resolve()))
        self.student = self.network("Unimodel", "Unified_Model", CHECK_SEED)
        self.scaler = importlib.import_module("util.misc").NativeScalerWithGradNormCount()
        self.optimizer = make_optimizer(self.student, LEARNING_RATE)
        if self.replay:
            self.teacher = self.network("Unimodel_Teacher", "Teacher_Unified_Model", CHECK_SEED + 1)
            self.teacher.requires_grad_(False)
        self.inputs = self.batch("step", config["lengths"])

    def network(self, file: str, name: str, seed: int) -> nn.Module:
        size = Size()
        sizes = {"now_1D_input_size": (size.text, 1), "norm_pix_loss": True}
        if file == "Unimodel":
            sizes |= {"now_2D_input_size": (size.image, size.image), "now_3D_input_size": size.volume}
        model = getattr(importlib.import_module(f"model.{file}"), name)(**sizes)
        fill(model, seed)
        return model.to(self.device)

    def batch(self, name: str, lengths: list[int]) -> tuple[Tensor, ...]:
        if self.kind == "text":
            ids, padding, labels = text_inputs(name, lengths, Size().text, CHECK_SEED, self.device)
            return ids, labels, padding
        shape = (len(lengths), *visual_shape(self.kind, Size()))
        return (tensor(f"{name}.input", shape, CHECK_SEED).to(self.device),)

    def epoch(self, steps: int) -> list:
        """So many batches, as the repository's loaders hand them over."""
        if not self.replay:
            return [self.inputs if self.kind == "text" else self.inputs[0]] * steps
        which = torch.tensor([[MODALITIES.index(CURRENT[self.kind])]])
        return [(*(part[None] for part in self.inputs), which)] * steps

    def train(self, steps: int) -> None:
        settings = {"accum_iter": 1, "mask_ratio": 0.75, "mix_up": 1, "warmup_epochs": 0, "epochs": 300}
        rates = {"lr": LEARNING_RATE, "min_lr": 0.0, "output_dir": ""}
        current = OTHER if self.replay else CURRENT[self.kind]
        args = SimpleNamespace(**settings, **rates, task_modality=current)
        shared = (self.epoch(steps), self.optimizer, self.device, 0, self.scaler)
        if self.replay:
            engine = importlib.import_module("engine_pretrain_er")
            engine.jointly_train_one_epoch_with_teacher(self.student, self.teacher, None, *shared, args=args)
        else:
            importlib.import_module("engine_pretrain").train_one_epoch(self.student, *shared, args=args)

    def samples(self, inputs: tuple[Tensor, ...]) -> dict:
        if self.kind == "text":
            names = dict(zip(("data", "text_labels", "mask_attention"), inputs, strict=True))
            return {**names, "modality": "text", "task": CURRENT["text"]}
        modality = "2D image" if self.kind == "image2d" else "3D image"
        return {"data": inputs[0], "modality": modality, "task": CURRENT[self.kind]}

    def check_loss(self, inputs: tuple[Tensor, ...], noise: Tensor | None) -> Tensor:
        """In evaluation mode, with given masking noise; the replay loss of the batch as it is."""
        own = self.student.random_masking
        self.student.random_masking = lambda x, ratio: own(x, ratio, noise)
        try:
            if not self.replay:
                return self.student(self.samples(inputs), mask_ratio=0.75)[0][0]
            found, drawn = self.student(self.samples(inputs), mask_ratio=0.75, feature=True)
            with torch.no_grad():
                target = self.teacher(self.samples(inputs), mask_ratio=0.75, feature=True, noise=drawn)
            return (found - target).square().mean()
        finally:
            del self.student.random_masking

    def plain_loss(self, model: MedCoSS, inputs: tuple[Tensor, ...], noise: Tensor | None) -> Tensor:
        """The same by the plain peer."""
        if not self.replay:
            if self.kind == "text":
                ids, labels, padding = inputs
                return model.masked_text(ids, padding, labels)[0]
            return model.masked_visual(inputs[0], noise).loss
        teacher = MedCoSS(Size(), Behaviour(), decoder=False).eval()
        fill(teacher, CHECK_SEED + 1)
        teacher.to(self.device)
        encode = lambda m: (  # noqa: E731
            m.encode_text(inputs[0], inputs[2]) if self.kind == "text" else m.encode_visual(inputs[0], noise)[0]
        )
        with torch.no_grad():
            target = encode(teacher)
        return (encode(model) - target).square().mean()

    def check(self) -> dict[str, float]:
        """Fails unless loss and gradient norm in float32 are those of the plain peer with the published behaviour."""
        lengths = self.config["checkLengths"][:2]
        inputs, size = self.batch("check", lengths), Size()
        patches = size.image_patches if self.kind == "image2d" else size.volume_patches
        noise = None if self.kind == "text" else tensor("check.noise", (len(lengths), patches), CHECK_SEED)
        noise = noise if noise is None else noise.to(self.device)
        self.student.eval()
        if self.replay:
            self.teacher.eval()
        found = outcome(self.student, self.check_loss(inputs, noise))
        plain = MedCoSS(size, Behaviour()).eval()
        fill(plain, CHECK_SEED)
        wanted = outcome(plain.to(self.device), self.plain_loss(plain, inputs, noise))
        for name, limit in LIMITS.items():
            if not abs(found[name] - wanted[name]) <= limit * abs(wanted[name]):
                raise RuntimeError(f"{name} {found[name]} is not the plain peer's {wanted[name]}")
        self.student.train()
        if self.replay:
            # The engine leaves the teacher as it was made, which is in training mode.
            self.teacher.train()
        return found

    def step(self, _number: int) -> float:
        repeat = self.config["repeat"]
        with contextlib.redirect_stdout(None):
            return seconds_of(self.device, 1, lambda: self.train(repeat)) / repeat

    def note(self) -> str:
        precision = "float16 with a scaled loss" if self.device.type == "cuda" else "bfloat16"
        return f"mixed precision by autocast in {precision}" if self.bf16 else "float32"


def outcome(model: nn.Module, loss: Tensor) -> dict[str, float]:
    loss.backward()
    found = {"loss": loss.item(), "gradientNorm": gradient_norm(model)}
    model.zero_grad(set_to_none=True)
    return found


if __name__ == "__main__":
    serve(Published)
