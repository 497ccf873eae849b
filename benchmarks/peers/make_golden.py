"""Writes a directory of golden values: `python make_golden.py DIR --seed 11 --batch 3 --lengths 112,40,73`.

With unequal lengths the text distillation case is left out, whose mixed padding would depend on the partner.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from golden_cases import Spec, compute
from golden_formula import uniform
from medcoss_torch import Size

CLASSIFICATION, SEPARATOR, MASK, FIRST_WORD = 101, 102, 103, 1000
NORMS = ["cls_token", "mask_token", "decoder_pos_embed_2D", "decoder_pred_2D.weight", "decoder_pred_2D.bias"]
LAYER_NORMS = ["gamma_1", "self_attn.in_proj_weight", "self_attn.out_proj.bias", "linear1.weight", "norm2.bias"]


def make_text(seed: int, lengths: list[int], width: int, vocabulary: int) -> tuple[torch.Tensor, ...]:
    """Ids, padding mask and labels [B,L] of sentences with every seventh word to be guessed."""
    shape = (len(lengths), width)
    draws = torch.from_numpy(uniform("text.ids", len(lengths) * width, seed)).view(shape)
    words = FIRST_WORD + (draws * (vocabulary - FIRST_WORD)).long()
    place = torch.arange(width).expand(shape)
    length = torch.tensor(lengths)[:, None]
    padding = (place < length).long()
    hidden = (place % 7 == 3) & (place < length - 1)
    ids = torch.where(hidden & (place % 2 == 1), MASK, words)
    ids[:, 0] = CLASSIFICATION
    ids.scatter_(1, length - 1, SEPARATOR)
    return ids * padding, padding, torch.where(hidden, words, -100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--lengths", default="112,40,73", help="real tokens of each text; their number is the batch")
    parser.add_argument("--width", type=int, default=112, help="positions of a text, padding included")
    options = parser.parse_args()
    lengths = [int(length) for length in options.lengths.split(",")]
    text = make_text(options.seed, lengths, options.width, 28996)
    norms = NORMS + [f"fused_encoder.layers.{layer}.{name}" for layer in (0, 7) for name in LAYER_NORMS]
    spec = Spec(options.seed, len(lengths), *text, norms)
    values, tensors = compute(spec, Size(text=options.width), clusters=(1500, 40, 32, 4))
    options.directory.mkdir(parents=True, exist_ok=True)
    (options.directory / "golden.json").write_text(json.dumps(values))
    stored = {name: value.contiguous() for name, value in tensors.items()}
    save_file(stored, options.directory / "tensors.safetensors")


if __name__ == "__main__":
    main()
