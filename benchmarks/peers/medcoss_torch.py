"""The MedCoSS pre-training network in plain PyTorch: the benchmark's peer and an independent oracle for golden values.

Written from the behavioural description of the model, with PyTorch's own building blocks: eager modules, fused
attention, autocast. Invariant: parameters carry the published names, shapes and order, so a state dict goes both ways.

Shape letters: B batch, L tokens, W width, V values of a patch, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 16


@dataclass(frozen=True)
class Size:
    """Dimensions of one network; the defaults are the published base model."""

    encoder_width: int = 768
    encoder_layers: int = 12
    encoder_heads: int = 12
    decoder_width: int = 512
    decoder_layers: int = 8
    decoder_heads: int = 16
    vocabulary: int = 49411
    image: int = 224
    volume: tuple[int, int, int] = (16, 192, 192)
    text: int = 112

    @property
    def image_patches(self) -> int:
        return (self.image // PATCH) ** 2

    @property
    def volume_patches(self) -> int:
        depth, height, width = self.volume
        return (depth // PATCH) * (height // PATCH) * (width // PATCH)


@dataclass(frozen=True)
class Behaviour:
    """What differs between the published and the corrected preset inside a plain step."""

    causal_text: bool = True
    tiled_text_mask: bool = True
    text_position: bool = True
    random_temporal: bool = True
    sincos_positions: bool = False
    mask_ratio: float = 0.75
    drop_path: float = 0.1

    @staticmethod
    def corrected() -> Behaviour:
        return Behaviour(False, False, False, False, True)


def drop_path(x: Tensor, rate: float, training: bool) -> Tensor:
    """Drops whole samples of a residual branch and scales the survivors up."""
    if not training or rate == 0:
        return x
    keep = 1 - rate
    shape = (x.shape[0],) + (1,) * (x.dim() - 1)
    return x * x.new_empty(shape).bernoulli_(keep).div_(keep)


def attend(qkv: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Multi-head attention of packed projections [B,L,3W]; `mask` is added to the scaled scores."""
    batch, length, packed = qkv.shape
    q, k, v = qkv.view(batch, length, 3, heads, packed // 3 // heads).permute(2, 0, 3, 1, 4)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.transpose(1, 2).reshape(batch, length, packed // 3)


class SelfAttention(nn.Module):
    """Holds the parameters of `nn.MultiheadAttention` under its names."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        return self.out_proj(attend(qkv, self.heads, mask))


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, drop: float):
        super().__init__()
        self.drop = drop
        self.gamma_1 = nn.Parameter(torch.full((width,), 1e-3))
        self.gamma_2 = nn.Parameter(torch.full((width,), 1e-3))
        self.self_attn = SelfAttention(width, heads)
        self.linear1 = nn.Linear(width, 4 * width)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        attended = self.self_attn(self.norm1(x), mask)
        x = x + self.gamma_1 * drop_path(attended, self.drop, self.training)
        hidden = self.linear2(F.gelu(self.linear1(self.norm2(x))))
        return x + self.gamma_2 * drop_path(hidden, self.drop, self.training)


class Encoder(nn.Module):
    def __init__(self, size: Size, drop: float):
        super().__init__()
        make = lambda: EncoderLayer(size.encoder_width, size.encoder_heads, drop)  # noqa: E731
        self.layers = nn.ModuleList(make() for _ in range(size.encoder_layers))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, mask)
        return x


class PositionTable(nn.Module):
    def __init__(self, rows: int, width: int):
        super().__init__()
        self.position_embeddings = nn.Embedding(rows, width)


class TextEmbedding(nn.Module):
    def __init__(self, size: Size):
        super().__init__()
        self.embeddings = nn.Embedding(size.vocabulary, size.encoder_width)
        self.embeddings_norm = nn.LayerNorm(size.encoder_width)
        self.embeddings_pos = PositionTable(512, size.encoder_width)
        self.embeddings_token_type = nn.Embedding(2, size.encoder_width)

    def forward(self, ids: Tensor) -> Tensor:
        position = self.embeddings_pos.position_embeddings.weight[: ids.shape[1]]
        return self.embeddings_norm(self.embeddings(ids) + position + self.embeddings_token_type.weight[0])


class SpaceTimeTable(nn.Module):
    def __init__(self, rows: int, width: int):
        super().__init__()
        self.spatial_pos_embed = nn.Embedding(rows, width)
        self.temporal_pos_embed = nn.Embedding(8, width)

    def forward(self, tokens: int, frame: int) -> Tensor:
        return self.spatial_pos_embed.weight[:tokens] + self.temporal_pos_embed.weight[frame]


class VisualEmbedding(nn.Module):
    def __init__(self, size: Size, random_temporal: bool):
        super().__init__()
        width = size.encoder_width
        self.random_temporal = random_temporal
        self.embeddings_norm = nn.LayerNorm(width)
        self.embeddings_pos = PositionTable(1600, width)
        self.embeddings_type = nn.Embedding(1, width)
        self.embeddings_st_pos_2D = SpaceTimeTable(32**2, width)
        self.embeddings_st_pos_3D = SpaceTimeTable(16**3, width)
        self.embeddings = nn.Conv2d(3, width, PATCH, PATCH)
        self.embeddings_3D = nn.Conv3d(1, width, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """[B,3,H,W] or [B,1,D,H,W] to [B,L,W]."""
        flat = x.dim() == 4
        conv = self.embeddings if flat else self.embeddings_3D
        table = self.embeddings_st_pos_2D if flat else self.embeddings_st_pos_3D
        tokens = conv(x).flatten(2).transpose(1, 2)
        moving = self.training and self.random_temporal
        frame = int(torch.randint(8, ())) if moving else 0
        return self.embeddings_norm(tokens + table(tokens.shape[1], frame))


class DecoderAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(attend(self.qkv(x), self.heads, None))


class Mlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class DecoderBlock(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = DecoderAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class HeadTransform(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(F.gelu(self.dense(x)))


class LanguageHead(nn.Module):
    def __init__(self, size: Size):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size.vocabulary))
        self.transform = HeadTransform(size.encoder_width)
        self.decoder = nn.Linear(size.encoder_width, size.vocabulary, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.transform(x), self.decoder.weight, self.bias)


def text_mask(padding: Tensor, heads: int, behaviour: Behaviour) -> Tensor:
    """Additive mask from `padding` [B,L] (1 = real token), broadcastable to [B,H,L,L]."""
    batch, length = padding.shape
    allowed = padding.float()[:, None, :].expand(batch, length, length)
    if behaviour.causal_text:
        allowed = allowed.tril()
    mask = (1 - allowed) * -10000.0
    if not behaviour.tiled_text_mask:
        return mask[:, None]
    slots = torch.arange(batch * heads, device=padding.device) % batch
    return mask[slots].view(batch, heads, length, length)


def random_keep(x: Tensor, ratio: float, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keeps the tokens of smallest noise, in that order: kept [B,K,W], mask [B,L] (1 = removed), restore [B,L]."""
    batch, length, width = x.shape
    kept = int(length * (1 - ratio))
    order = noise.argsort(dim=1)
    restore = order.argsort(dim=1)
    tokens = x.gather(1, order[:, :kept, None].expand(-1, -1, width))
    mask = (restore >= kept).to(x.dtype)
    return tokens, mask, restore


def patches_of(x: Tensor) -> Tensor:
    """[B,3,H,W] or [B,1,D,H,W] to [B,L,V], the pixel's channel fastest inside a patch."""
    p = PATCH
    if x.dim() == 4:
        batch, channels, height, width = x.shape
        cells = x.reshape(batch, channels, height // p, p, width // p, p)
        return cells.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, p * p * channels)
    batch, _, depth, height, width = x.shape
    cells = x.reshape(batch, depth // p, p, height // p, p, width // p, p)
    return cells.permute(0, 1, 3, 5, 2, 4, 6).reshape(batch, -1, p**3)


def sincos_table(width: int, grid: tuple[int, int]) -> Tensor:
    """Fixed sin-cos positions [1,1+rows*columns,width] of a grid, a zero row for the class token in front."""
    frequencies = 1.0 / 10000 ** (torch.arange(width // 4, dtype=torch.float64) / (width / 4.0))
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij")
    waves = [axis.reshape(-1, 1) * frequencies for axis in (columns, rows)]
    table = torch.cat([part for wave in waves for part in (wave.sin(), wave.cos())], dim=1)
    return torch.cat([torch.zeros(1, width), table.float()])[None]


@dataclass
class MaskedOutput:
    """What a masked-image step computes on its way to the loss."""

    loss: Tensor
    encoded: Tensor
    mask: Tensor
    predicted: Tensor = field(repr=False)


class MedCoSS(nn.Module):
    """One encoder for text, images and volumes, a decoder for masked patches and a head for masked words."""

    def __init__(self, size: Size = Size(), behaviour: Behaviour = Behaviour(), decoder: bool = True):
        super().__init__()
        self.size = size
        self.behaviour = behaviour
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.encoder_width))
        if decoder:
            self.mask_token = nn.Parameter(torch.zeros(1, 1, size.decoder_width))
            self.decoder_pos_embed_2D = self._positions(size.image_patches)
            self.decoder_pos_embed_3D = self._positions(size.volume_patches)
        self.fused_encoder = Encoder(size, behaviour.drop_path)
        self.token_embed = TextEmbedding(size)
        self.video_embed = VisualEmbedding(size, behaviour.random_temporal)
        if decoder:
            self._add_heads(size)
        self._initialise()

    def _positions(self, patches: int) -> nn.Parameter:
        return nn.Parameter(torch.zeros(1, 1 + patches, self.size.decoder_width))

    def _add_heads(self, size: Size) -> None:
        width = size.decoder_width
        self.decoder_embed = nn.Linear(size.encoder_width, width)
        self.decoder_pos_embed_1D = nn.Embedding(2, size.encoder_width)
        make = lambda: DecoderBlock(width, size.decoder_heads)  # noqa: E731
        self.decoder_blocks = nn.ModuleList(make() for _ in range(size.decoder_layers))
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_pred_2D = nn.Linear(width, PATCH * PATCH * 3)
        self.decoder_pred_3D = nn.Linear(width, PATCH**3)
        self.mlm_head = LanguageHead(size)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.cls_token, std=0.02)
        if not hasattr(self, "mask_token"):
            return
        nn.init.normal_(self.mask_token, std=0.02)
        nn.init.normal_(self.decoder_pos_embed_1D.weight, std=0.02)
        if self.behaviour.sincos_positions:
            self._fix_positions()

    def _fix_positions(self) -> None:
        side = self.size.image // PATCH
        depth, height, width = (edge // PATCH for edge in self.size.volume)
        grids = {"decoder_pos_embed_2D": (side, side), "decoder_pos_embed_3D": (depth * height, width)}
        for name, grid in grids.items():
            table = getattr(self, name)
            table.data.copy_(sincos_table(self.size.decoder_width, grid))
            table.requires_grad_(False)

    def encode_visual(self, x: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Encoder output with the class token in front; all tokens where `noise` is None."""
        tokens, mask, restore = self.video_embed(x), None, None
        if noise is not None:
            tokens, mask, restore = random_keep(tokens, self.behaviour.mask_ratio, noise)
        cls = self.cls_token.expand(x.shape[0], -1, -1).to(tokens.dtype)
        return self.fused_encoder(torch.cat([cls, tokens], dim=1)), mask, restore

    def encode_text(self, ids: Tensor, padding: Tensor) -> Tensor:
        """[B,L] ids and mask (1 = real token) to [B,L,W]."""
        mask = text_mask(padding, self.size.encoder_heads, self.behaviour)
        tokens = self.token_embed(ids)
        if torch.is_autocast_enabled(ids.device.type):
            mask = mask.to(torch.get_autocast_dtype(ids.device.type))
        return self.fused_encoder(tokens, mask)

    def decode(self, encoded: Tensor, restore: Tensor, flat: bool) -> Tensor:
        """Predictions [B,L,V] of every patch."""
        y = self.decoder_embed(encoded)
        missing = restore.shape[1] + 1 - y.shape[1]
        filler = self.mask_token.expand(y.shape[0], missing, -1).to(y.dtype)
        tokens = torch.cat([y[:, 1:], filler], dim=1)
        tokens = tokens.gather(1, restore[:, :, None].expand(-1, -1, y.shape[2]))
        positions = self.decoder_pos_embed_2D if flat else self.decoder_pos_embed_3D
        y = torch.cat([y[:, :1], tokens], dim=1) + positions
        for block in self.decoder_blocks:
            y = block(y)
        head = self.decoder_pred_2D if flat else self.decoder_pred_3D
        return head(self.decoder_norm(y))[:, 1:]

    def masked_visual(self, x: Tensor, noise: Tensor) -> MaskedOutput:
        """Mean squared error of normalised masked patches."""
        encoded, mask, restore = self.encode_visual(x, noise)
        predicted = self.decode(encoded, restore, flat=x.dim() == 4)
        target = patches_of(x)
        variance, mean = torch.var_mean(target, dim=-1, keepdim=True)
        target = (target - mean) / (variance + 1e-6).sqrt()
        error = (predicted - target).square().mean(dim=-1)
        return MaskedOutput((error * mask).sum() / mask.sum(), encoded, mask, predicted)

    def masked_text(self, ids: Tensor, padding: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the labelled positions, and the encoder output."""
        encoded = self.encode_text(ids, padding)
        x = encoded + self.decoder_pos_embed_1D.weight[0] if self.behaviour.text_position else encoded
        logits = self.mlm_head(x)
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten().long(), ignore_index=-100), encoded


def make_optimizer(
    model: nn.Module, lr: float, decay: float = 0.05, betas=(0.9, 0.95), eps: float = 1e-8, fused: bool = False
):
    """AdamW with its two groups: no decay for vectors and biases."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    plain = [p for name, p in named if p.dim() == 1 or name.endswith(".bias")]
    decayed = [p for name, p in named if not (p.dim() == 1 or name.endswith(".bias"))]
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": decayed, "weight_decay": decay}]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps, fused=fused)
