"""The MedCoSS network as a good PyTorch user would train it: only what the loss needs, nothing that stops a compiler.

The same parameters under the same names as the plain network; fused attention with a boolean mask of the padding,
channels-last images, the decoder's prediction and the language head at masked positions only, fixed shapes, every random
number an argument. Invariant: losses and gradients equal the plain network's.

Shape letters: B batch, L tokens, W width, V values of a patch, K kept patches, M masked patches, E encoder layers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from medcoss_torch import MedCoSS, patches_of, text_mask


class Draws(NamedTuple):
    """What one network draws for a step: `paths` [E,2,B,1,1] scales each branch of each sample, `frame` is [1]."""

    paths: Tensor
    frame: Tensor

    @staticmethod
    def make(model: MedCoSS, samples: int, training: bool, device: torch.device) -> Draws:
        """Random ones in training, else such that nothing is dropped."""
        shape, keep = (model.size.encoder_layers, 2, samples, 1, 1), 1 - model.behaviour.drop_path
        if not training:
            return Draws(torch.ones(shape, device=device), torch.zeros(1, dtype=torch.long, device=device))
        frames = 8 if model.behaviour.random_temporal else 1
        return Draws((torch.rand(shape, device=device) < keep) / keep, torch.randint(frames, (1,), device=device))


def rows_of(x: Tensor, which: Tensor) -> Tensor:
    """Rows `which` [B,M] of `x` [B,L,W]."""
    return x.gather(1, which[:, :, None].expand(-1, -1, x.shape[2]))


def positions_of(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Indices into the flattened batch of the words to be predicted, and these words; what a collator prepares."""
    flat = labels.flatten().long()
    positions = (flat != -100).nonzero()[:, 0]
    return positions, flat[positions]


class Tuned(MedCoSS):
    def prepare(self) -> Tuned:
        self.video_embed.embeddings.to(memory_format=torch.channels_last)
        return self

    def encode(self, x: Tensor, mask: Tensor | None, paths: Tensor) -> Tensor:
        for layer, scale in zip(self.fused_encoder.layers, paths.unbind(), strict=True):
            attended = layer.self_attn(layer.norm1(x), mask)
            x = torch.addcmul(x, attended, layer.gamma_1 * scale[0])
            hidden = layer.linear2(F.gelu(layer.linear1(layer.norm2(x))))
            x = torch.addcmul(x, hidden, layer.gamma_2 * scale[1])
        return x

    def embed(self, x: Tensor, frame: Tensor) -> Tensor:
        """[B,L,W] of images or volumes."""
        flat, parts = x.dim() == 4, self.video_embed
        conv = parts.embeddings if flat else parts.embeddings_3D
        table = parts.embeddings_st_pos_2D if flat else parts.embeddings_st_pos_3D
        tokens = conv(x).flatten(2).transpose(1, 2)
        positions = table.spatial_pos_embed.weight[: tokens.shape[1]] + table.temporal_pos_embed(frame)
        return parts.embeddings_norm(tokens + positions)

    def encode_kept(self, x: Tensor, kept: Tensor, draws: Draws) -> Tensor:
        """[B,1+K,W] of the patches `kept` [B,K], the class token in front."""
        tokens = rows_of(self.embed(x, draws.frame), kept)
        cls = self.cls_token.expand(x.shape[0], -1, -1).to(tokens.dtype)
        return self.encode(torch.cat([cls, tokens], dim=1), None, draws.paths)

    def split(self, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Kept [B,K] and masked [B,M] patches, and the place of each patch in their order [B,L]."""
        order = noise.argsort(dim=1)
        kept = int(noise.shape[1] * (1 - self.behaviour.mask_ratio))
        return order[:, :kept], order[:, kept:], order.argsort(dim=1)

    def decode_masked(self, encoded: Tensor, masked: Tensor, restore: Tensor, flat: bool) -> Tensor:
        """Predictions [B,M,V]."""
        y = self.decoder_embed(encoded)
        filler = self.mask_token.expand(y.shape[0], masked.shape[1], -1).to(y.dtype)
        tokens = rows_of(torch.cat([y[:, 1:], filler], dim=1), restore)
        positions = self.decoder_pos_embed_2D if flat else self.decoder_pos_embed_3D
        y = torch.cat([y[:, :1], tokens], dim=1) + positions
        for block in self.decoder_blocks:
            y = block(y)
        head = self.decoder_pred_2D if flat else self.decoder_pred_3D
        return head(self.decoder_norm(rows_of(y[:, 1:], masked)))

    def visual_loss(self, x: Tensor, noise: Tensor, draws: Draws) -> Tensor:
        """Mean squared error of normalised masked patches."""
        kept, masked, restore = self.split(noise)
        encoded = self.encode_kept(x, kept, draws)
        predicted = self.decode_masked(encoded, masked, restore, flat=x.dim() == 4)
        target = rows_of(patches_of(x), masked)
        variance, mean = torch.var_mean(target, dim=-1, keepdim=True)
        return (predicted.float() - (target - mean) * (variance + 1e-6).rsqrt()).square().mean()

    def encode_words(self, ids: Tensor, padding: Tensor, draws: Draws) -> Tensor:
        """[B,L,W] of ids and mask (1 = real token)."""
        behaviour = self.behaviour
        if behaviour.causal_text or behaviour.tiled_text_mask:
            mask = text_mask(padding, self.size.encoder_heads, behaviour) > -1
        else:
            mask = padding.bool()[:, None, None, :]
        return self.encode(self.token_embed(ids), mask, draws.paths)

    def text_loss(self, ids: Tensor, padding: Tensor, positions: Tensor, words: Tensor, draws: Draws) -> Tensor:
        """Cross-entropy of `words` at `positions` of the flattened batch."""
        encoded = self.encode_words(ids, padding, draws).flatten(0, 1)[positions]
        x = encoded + self.decoder_pos_embed_1D.weight[0] if self.behaviour.text_position else encoded
        return F.cross_entropy(self.mlm_head(x).float(), words)


class Pair(NamedTuple):
    """A student, its frozen teacher, and what each draws."""

    student: Tuned
    teacher: Tuned
    draws: tuple[Draws, Draws]


def visual_distillation(pair: Pair, x: Tensor, partner: Tensor, weight: Tensor, noise: Tensor) -> Tensor:
    """Mean squared distance on mixed samples."""
    mixed = torch.lerp(x[partner], x, weight.view(-1, *[1] * (x.dim() - 1)))
    kept = pair.student.split(noise)[0]
    with torch.no_grad():
        target = pair.teacher.encode_kept(mixed, kept, pair.draws[1]).float()
    return F.mse_loss(pair.student.encode_kept(mixed, kept, pair.draws[0]).float(), target)


def text_distillation(pair: Pair, ids: Tensor, padding: Tensor, partner: Tensor, keep: Tensor) -> Tensor:
    """The same of texts whose words are those of either sample; the corrected behaviour leaves padding out."""
    corrected = not pair.student.behaviour.tiled_text_mask
    if corrected:
        keep = keep | ~(padding.bool() & padding[partner].bool())
    ids, padding = torch.where(keep, ids, ids[partner]), torch.where(keep, padding, padding[partner])
    with torch.no_grad():
        target = pair.teacher.encode_words(ids, padding, pair.draws[1]).float()
    square = (pair.student.encode_words(ids, padding, pair.draws[0]).float() - target).square()
    if not corrected:
        return square.mean()
    real = padding[:, :, None].float()
    return (square * real).sum() / (real.sum() * square.shape[2])
