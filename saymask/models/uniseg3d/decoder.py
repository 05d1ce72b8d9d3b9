"""The decoder of UniSeg3D: superpoints, clicks and sentences become queries, queries become masks over superpoints.

Source: docs/systems/uniseg3d.md §3.2, §3.3, §3.4 (released code).
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.errors import InputError
from saymask.models.uniseg3d.config import CLASSES, UniSeg3DConfig
from saymask.models.uniseg3d.heads import Heads, blocked_by, inside
from saymask.models.uniseg3d.outputs import LayerOutputs, Outputs
from saymask.nn.attention import Attention
from saymask.nn.blocks import FeedForward, additive_mask, full_precision, mlp
from saymask.nn.folded_attention import autocast_precision
from saymask.nn.positional_encoding import PositionalEncoding

TEXT, CLICK, OBJECT = range(3)
"""Rows of `Decoder.kinds`."""
Stages = Literal["all", "last"]
BELOW_FLOOR = 0.05
"""Share of the superpoints that may lie below the floor: reflections and stray points."""


@dataclass(frozen=True, eq=False)
class Words:
    """The words of T sentences, for decoders with `config.words`."""

    tokens: Tensor  # float [T, L, Dt] token features of the text encoder
    mask: Tensor  # bool [T, L], True = a token

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, rows: slice) -> "Words":
        return Words(self.tokens[rows], self.mask[rows])


@dataclass(frozen=True, eq=False)
class Memory:
    """A scene as its queries see it; computed once, whatever is asked afterwards."""

    features: Tensor  # float [S, C] of the backbone; superpoint and click queries start as rows of it
    scan: Tensor  # float [1, S, D], keys and values of the cross-attention
    masks: Tensor  # float [S, D], what the masks are read from
    starts: Tensor | None = None  # float [S, D], where superpoints and clicks start from, beside their features

    def __len__(self) -> int:
        return len(self.features)


class Attended(nn.Module):
    """LayerNorm(x + attention(x → memory))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.norm = nn.LayerNorm(width)


class CrossAttention(Attended):
    """Queries look at superpoints, sentences at their own words."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        nn.init.xavier_uniform_(self.attn.out_proj.weight)

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
        """Return [B, Q, D] for queries [B, Q, D], memory [B, S, D] and what is added to the scores, [B, Q, S]."""
        return self.norm(self.attn(x, memory, bias, residual=True))


class SelfAttention(Attended):
    """The first queries look at each other, each of the others at itself alone."""

    def forward(self, x: Tensor, together: int) -> Tensor:
        """Return [1, Q, D] for queries [1, Q, D], the first `together` of which see each other.

        Of a query that sees nothing but itself the softmax is 1: its value is all that counts.
        """
        among, alone = x[:, :together], x[:, together:]
        parts = [self.attn(among, among)] if together else []
        if alone.shape[1]:
            start = 2 * self.attn.width
            values = F.linear(alone, self.attn.in_proj_weight[start:], self.attn.in_proj_bias[start:])
            parts.append(self.attn.out_proj(values))
        return self.norm(x + torch.cat(parts, dim=1))


class DecoderLayer(nn.Module):
    """Cross-attention, self-attention, feed-forward network; each with its norm after the sum."""

    def __init__(self, config: UniSeg3DConfig) -> None:
        super().__init__()
        self.words = CrossAttention(config.width, config.heads) if config.words else None
        self.cross = CrossAttention(config.width, config.heads)
        self.among = SelfAttention(config.width, config.heads)
        self.ffn = FeedForward(config.width, config.ffn_width)

    def forward(
        self, x: Tensor, memory: Tensor, bias: Tensor, together: int, words: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Return the updated queries [1, Q, D], the last T of which read `words`: [T, L, D], bias [T, 1, L]."""
        if self.words is not None and words is not None and len(words[0]):
            rest, said = x[:, : -len(words[0])], x[0, -len(words[0]) :, None]
            x = torch.cat([rest, self.words(said, *words).transpose(0, 1)], dim=1)
        return self.ffn(self.among(self.cross(x, memory, bias), together))


class Decoder(nn.Module):
    """Queries of one scene → masks, classes, IoU, semantics.

    Superpoint queries never see prompts and prompts never see each other (docs/systems/uniseg3d.md §3.2). So `forward`
    (all of them, for training) gives the numbers of `objects` (once per scene) and of `prompts` (any number, whenever
    one comes).
    """

    def __init__(self, config: UniSeg3DConfig, channels: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.channels = channels = config.widths[0] if channels is None else channels
        width, text_width = config.width, config.text_width
        self.kinds = nn.Embedding(3, channels)
        self.sentence = nn.Sequential(nn.Linear(text_width, text_width), nn.GELU(), nn.Linear(text_width, channels))
        self.scan_input = nn.Sequential(nn.Linear(channels, width), nn.LayerNorm(width), nn.ReLU())
        self.mask_features = mlp(channels, width, width)
        self.query_input = mlp(channels, width, width)
        self.places = PositionalEncoding(width, "scan", "mask", "query") if config.position_encoding else None
        self.word_input = nn.Sequential(nn.Linear(text_width, width), nn.LayerNorm(width)) if config.words else None
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))
        self.heads = Heads(config)
        # Used by the contrastive loss alone; it is here since it is trained and stored with these weights.
        self.contrast_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def memory(self, features: Tensor, positions: Tensor | None = None) -> Memory:
        """Return what all queries of a scene look at, for superpoint features [S, C].

        positions: float [S, 3], metres, which decoders with `config.position_encoding` need. Raises InputError for a
        scene without superpoints, features of another width, and positions that are missing.
        """
        if features.ndim != 2 or features.shape[1] != self.channels or not len(features):
            raise InputError(
                f"decoder: expected superpoint features [S, {self.channels}] of one scene with S > 0, "
                f"got {list(features.shape)}"
            )
        scan, masks, starts = self.scan_input(features), self.mask_features(features), None
        if self.places is not None:
            if positions is None or positions.shape != (len(features), 3):
                got = "none" if positions is None else f"{list(positions.shape)}"
                raise InputError(f"decoder: expected positions [{len(features)}, 3] of the superpoints, got {got}")
            positions = full_precision(positions)
            # A scan may lie anywhere in its frame: from its middle, and from its floor upwards, below which sensors see
            # a little that is not there.
            origin = torch.cat([positions[:, :2].mean(0), positions[:, 2:].quantile(BELOW_FLOOR, dim=0)])
            place, mask_place, starts = self.places(positions - origin)
            scan, masks = scan + place, masks + mask_place
        return Memory(features, autocast_precision(scan)[None], masks, starts)

    def forward(
        self,
        features: Tensor,  # float [S, C] superpoint features of the backbone, one scene
        objects: Tensor,  # int64 [Q] superpoints that are queries
        clicks: Tensor,  # int64 [P] superpoint of each click
        texts: Tensor,  # float [T, Dt] sentence features of the text encoder
        class_embeddings: Tensor,  # float [20, K, Dt] K texts per class, rows of length 1
        *,
        positions: Tensor | None = None,  # float [S, 3], metres
        words: Words | None = None,  # of the T texts
        stages: Stages = "all",
    ) -> Outputs:
        """Return the answers to superpoint queries and prompts, of all stages or of the last one.

        Raises InputError for arrays that do not fit each other.
        """
        memory = self.memory(features, positions)
        return self._answers(memory, objects, clicks, texts, class_embeddings, stages, words)

    def objects(self, memory: Memory, queries: Tensor, class_embeddings: Tensor, *, stages: Stages = "last") -> Outputs:
        """Return the answers to superpoint queries int64 [Q] alone; those to clicks and texts have no rows."""
        return self._answers(memory, queries, None, None, class_embeddings, stages)

    def prompts(
        self,
        memory: Memory,
        clicks: Tensor | None,  # int64 [P]
        texts: Tensor | None,  # float [T, Dt]
        class_embeddings: Tensor,
        *,
        words: Words | None = None,  # of the T texts
        stages: Stages = "last",
    ) -> Outputs:
        """Return the answers to prompts alone; those to superpoint queries, `semantic` included, have no rows."""
        return self._answers(memory, None, clicks, texts, class_embeddings, stages, words)

    def starts(self, memory: Memory, objects: Tensor, clicks: Tensor, texts: Tensor) -> Tensor:
        """Return what the queries start from, [Q + P + T, C]: superpoint or sentence features and their kind's row."""
        kind = self.kinds.weight
        rows = [memory.features[objects] + kind[OBJECT], memory.features[clicks] + kind[CLICK]]
        # The encoder may run in another precision than this decoder.
        rows.append(self.sentence(texts.to(self.kinds.weight.dtype)) + kind[TEXT])
        return torch.cat(rows)

    def _answers(
        self,
        memory: Memory,
        objects: Tensor | None,
        clicks: Tensor | None,
        texts: Tensor | None,
        prototypes: Tensor,
        stages: Stages,
        words: Words | None = None,
    ) -> Outputs:
        nothing = memory.features.new_zeros(0, dtype=torch.int64)
        objects, clicks = (nothing if x is None else x for x in (objects, clicks))
        texts = memory.features.new_zeros(0, self.config.text_width) if texts is None else texts
        self._check(objects, clicks, texts, prototypes)
        sizes = [len(objects), len(clicks), len(texts)]
        together = sizes[0]

        read = self._read(words, len(texts))
        x = self.query_input(self.starts(memory, objects, clicks, texts))[None]
        if memory.starts is not None:
            placed = memory.starts[torch.cat([objects, clicks])]
            x = x + F.pad(placed, (0, 0, 0, len(texts))).to(x.dtype)
        found: list[tuple[LayerOutputs, ...]] = []
        for index in range(len(self.layers) + 1):
            last = index == len(self.layers)
            normed = self.heads.norm(x[0])
            masks = self.heads.masks(normed, memory.masks)
            if last or stages == "all":
                pooled = inside(masks, memory.masks)
                stage = self.heads.stage(normed, masks, pooled, prototypes)
                found.append(self._split(stage, normed, sizes))
                if last:
                    semantic, directions = self.heads.semantics(normed[:together], pooled[:together], prototypes)
                    superpoints, clicked, described = zip(*found)
                    return Outputs(superpoints, clicked, described, semantic, directions)
            if x.shape[1]:
                blocked = blocked_by(masks)
                if self.config.texts_see_all:
                    blocked[sum(sizes[:2]) :] = False
                x = self.layers[index](x, memory.scan, additive_mask(blocked)[None], together, read)
        raise AssertionError("the last stage returns")

    def _read(self, words: Words | None, texts: int) -> tuple[Tensor, Tensor] | None:
        """Return the words [T, L, D] as the layers read them and what forbids padding [T, 1, L]; None without."""
        if self.word_input is None:
            return None
        if words is None:
            if texts:
                raise InputError(f"decoder: expected the words of {texts} texts, got none")
            return None
        if len(words) != texts:
            raise InputError(f"decoder: expected the words of {texts} texts, got those of {len(words)}")
        tokens = self.word_input(words.tokens.to(self.kinds.weight.dtype))
        return tokens, additive_mask(~words.mask)[:, None]

    def _split(self, stage: LayerOutputs, normed: Tensor, sizes: list[int]) -> tuple[LayerOutputs, ...]:
        """Return the stage of superpoint queries, of clicks and of texts."""
        assert stage.directions is not None
        values = (stage.classes, stage.masks, stage.embeddings, stage.directions)
        parts = zip(*(value.split(sizes) for value in values))
        objects, clicks, texts = (LayerOutputs(*part[:3], directions=part[3]) for part in parts)
        return replace(objects, iou=self.heads.overlap(normed[: sizes[0]])), clicks, texts

    def _check(self, objects: Tensor, clicks: Tensor, texts: Tensor, prototypes: Tensor) -> None:
        wide = self.config.text_width
        for name, value, expected, dims in (
            ("objects", objects, "int64 [Q]", 1),
            ("clicks", clicks, "int64 [P]", 1),
            ("texts", texts, f"float [T, {wide}]", 2),
            ("class_embeddings", prototypes, f"float [{CLASSES}, K, {wide}] with K > 0", 3),
        ):
            fits = value.ndim == dims and value.is_floating_point() == (dims > 1)
            fits = fits and (dims == 1 or value.shape[-1] == wide)
            if dims == 3:
                fits = fits and value.shape[0] == CLASSES and value.shape[1] > 0
            if not fits:
                raise InputError(f"decoder: expected {name} {expected}, got {value.dtype} {list(value.shape)}")
