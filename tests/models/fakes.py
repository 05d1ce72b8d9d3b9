"""A text encoder and scans that need no weights and no files."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from saymask.data.annotations import Annotation
from saymask.models.base import Model, Preset
from saymask.models.less import Less, LessConfig
from saymask.scan import Scan
from saymask.text import TextFeatures


class WordHash(nn.Module):
    """Gives every word a vector of its own; start and end tokens as real encoders have them."""

    name = "word-hash"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = self.sentence_dim = dim
        self.scale = nn.Parameter(torch.ones(dim))

    @property
    def fingerprint(self) -> str:
        return f"word-hash-{self.dim}"

    def forward(self, texts: Sequence[str]) -> TextFeatures:
        words = [["<s>", *text.split(), "</s>"] for text in texts]
        offsets = torch.zeros(len(words), max(map(len, words), default=0), 2, dtype=torch.int64)
        for i, text in enumerate(texts):
            for j, match in enumerate(re.finditer(r"\S+", text)):
                offsets[i, j + 1] = torch.tensor(match.span())
        longest = max(map(len, words), default=0)
        tokens = torch.zeros(len(words), longest, self.dim)
        mask = torch.zeros(len(words), longest, dtype=torch.bool)
        for i, row in enumerate(words):
            mask[i, : len(row)] = True
            for j, word in enumerate(row):
                seed = np.random.RandomState(zlib.crc32(word.encode()))
                tokens[i, j] = torch.from_numpy(seed.standard_normal(self.dim)).float()
        device = self.scale.device
        tokens, mask = tokens.to(device) * self.scale, mask.to(device)
        sentence = tokens.sum(1) / mask.sum(1, keepdim=True)
        return TextFeatures(tokens, mask, sentence, offsets.to(device))


def small_scan(seed: int = 0, n: int = 3000, *, superpoints: bool = True) -> Scan:
    """A floor and four coloured boxes; superpoint and instance ids, boxes are instances 0..3."""
    rng = np.random.RandomState(seed)
    size = rng.uniform(0.3, 0.8, (4, 3))
    corner = np.c_[rng.uniform(0, 2.2, (4, 2)), np.zeros(4)]
    part = rng.randint(0, 8, n)
    box = part // 2
    floor = rng.rand(n, 3) * [3, 3, 0.02]
    points = np.where(
        (part < 8)[:, None] & (rng.rand(n) < 0.6)[:, None], corner[box] + rng.rand(n, 3) * size[box], floor
    )
    instance = np.where(np.abs(points - floor).sum(1) > 0, box, -1).astype(np.int32)
    colors = rng.randint(0, 256, (5, 3))[instance].astype(np.uint8)
    cells = np.unique(np.c_[(points // 0.4).astype(int), instance], axis=0, return_inverse=True)[1].reshape(-1)
    return Scan(
        points=points.astype(np.float32),
        colors=colors,
        superpoints=cells.astype(np.int32) if superpoints else None,
        labels={"instance": instance},
        name=f"small{seed}",
    )


def annotation(sentence: str = "a box", *objects: int, scan: str = "small0", **more: Any) -> Annotation:
    """A sentence about instances of a `small_scan`."""
    return Annotation(scan, objects, 0, sentence, sentence, **more)


def shrunk(preset: Preset, **changes: Any) -> LessConfig:
    """The preset's configuration at a size that trains in a moment; everything else as it is."""
    small = {
        "widths": (8, 12, 16), "text_width": 12, "decoder_width": 16, "ffn_width": 24, "queries": 5,
        "voxel_size": 0.1, "sample_points": 1500,
    }  # fmt: skip
    return replace(preset.model, **(small | changes))


def tiny(preset: Preset, **changes: Any) -> Model:
    """The shrunk preset with random weights and the stand-in text encoder, in eval mode."""
    config = shrunk(preset, **changes)
    torch.manual_seed(0)
    return Less(config, text_encoder=WordHash(config.text_width)).eval()
