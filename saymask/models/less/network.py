"""The three modules of LESS: words into voxels (PWCA), voxels into mask queries (QMP), the sentence over queries (QSA).

Source: "LESS: Label-Efficient and Single-Stage Referring 3D Segmentation", arXiv 2410.13294, section 3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.nn.attention import Attention
from saymask.nn.blocks import full_precision


def projection(wide: int, narrow: int, dropout: float) -> nn.Sequential:
    """Return the MLP that maps text features of width `wide` to `narrow` (words of each level, the sentence)."""
    return nn.Sequential(nn.Linear(wide, wide), nn.ReLU(), nn.Dropout(dropout), nn.Linear(wide, narrow))


class WordAttention(nn.Module):
    """Point-Word Cross-Modal Alignment of one level: every voxel attends to the words and adds what it found."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = Attention(width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Linear(width, width)
        for parameter in (self.attn.in_proj_weight, self.attn.out_proj.weight, self.mlp.weight):
            nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        x: Tensor,  # [V, C] voxels of all scenes, those of one scene in a row
        words: Tensor,  # [B, L, C] projected words
        mask: Tensor,  # bool [B, L], True = a real word
        counts: list[int],  # voxels of each scene; their sum is V
        *,
        zero_padding: bool = False,
    ) -> Tensor:  # [V, C]
        """Return `x` + tanh(tanh(W · LayerNorm(attention))); both tanh are part of the published weights.

        Padded words are left out, or with `zero_padding` take part as zero vectors as in the official code.
        """
        if zero_padding:
            words = words * mask[..., None].to(words.dtype)
        keys, offsets, values = self.attn.fold_keys(words)
        if not zero_padding:
            offsets = offsets.masked_fill(~mask, float("-inf"))
        parts = [
            self.attn.attend_folded(part, keys[b], offsets[b], values[b]) for b, part in enumerate(x.split(counts))
        ]
        attended = parts[0] if len(parts) == 1 else torch.cat(parts)
        return x + self.mlp(self.norm(attended)).tanh().tanh().to(x.dtype)


class QueryLayer(nn.Module):
    """One decoder layer: masked attention to the support, attention among the queries, a feed-forward network."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.cross = Attention(width, heads)
        nn.init.xavier_uniform_(self.cross.out_proj.weight)
        self.self_attn = Attention(width, heads)
        self.self_norm = nn.LayerNorm(width)
        self.ffn = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.ffn_norm = nn.LayerNorm(width)

    def after_cross(self, queries: Tensor, memory: Tensor, bias: Tensor, *, plain: bool = False) -> Tensor:
        """Return queries + cross-attention; the official code normalises this but throws the result away: no norm."""
        return self.cross(queries, memory, bias, form="torch" if plain else "auto") + queries

    def after_self(self, queries: Tensor, *, plain: bool = False) -> Tensor:
        """Return the queries after attending to each other."""
        return self.self_norm(self.self_attn(queries, queries, form="torch" if plain else "auto") + queries)

    def forward(
        self,
        queries: Tensor,  # [B, K, D]
        memory: Tensor,  # [B, S, D]
        bias: Tensor,  # [B, K, S] added to the attention scores
        *,
        plain: bool = False,
    ) -> Tensor:  # [B, K, D]
        """Return the updated queries; `plain` as in `QueryDecoder`."""
        queries = self.after_self(self.after_cross(queries, memory, bias, plain=plain), plain=plain)
        return self.ffn_norm(self.ffn(queries) + queries)


class QueryDecoder(nn.Module):
    """Query Mask Predictor: learned queries look at the support inside their own current masks.

    A support row may stand for several points: with `weights` = points per row every sum over rows is the sum over
    points, so that the result equals the one on points that share their row's features.

    `plain` computes in the published order; else the layers over all rows are folded into the few queries, which is
    the same up to rounding and several times cheaper.
    """

    plain = False

    def __init__(
        self, in_width: int, width: int = 256, queries: int = 20, hidden: int = 1024, heads: int = 1, layers: int = 1
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.input_proj = nn.Sequential(nn.Linear(in_width, width), nn.LayerNorm(width), nn.ReLU(inplace=True))
        self.mask_proj = nn.Sequential(nn.Linear(in_width, width), nn.ReLU(), nn.Linear(width, width))
        self.layers = nn.ModuleList(QueryLayer(width, heads, hidden) for _ in range(layers))
        self.out_norm = nn.LayerNorm(width)

    def forward(
        self,
        x: Tensor,  # [B, S, C] features of the support rows
        weights: Tensor,  # float [B, S] points of each row; 0 = padding
    ) -> tuple[Tensor, Tensor]:  # [B, K, D], [B, S, D]
        """Return the queries and the hidden mask features that `masks` takes."""
        memory, features = self.input_proj(x), self.mask_features(x)
        log_weights = weights.to(torch.promote_types(x.dtype, torch.float32)).log()[
            :, None
        ]  # [B, 1, S]; -inf keeps padding out
        queries = self.out_norm(self.queries).expand(len(x), -1, -1)
        for layer in self.layers:
            assert isinstance(layer, QueryLayer)
            forbidden = forbidden_rows(self.masks(queries.detach(), features.detach()), weights)
            bias = log_weights.masked_fill(forbidden, float("-inf"))
            queries = self.out_norm(layer(queries, memory, bias, plain=self.plain))
        return queries, features

    def mask_features(self, x: Tensor) -> Tensor:
        """Return the hidden layer of the mask features, [B, S, D]; the last linear layer is left to `masks`."""
        return F.relu_(self.mask_proj[0](x))

    def masks(self, queries: Tensor, features: Tensor) -> Tensor:
        """Return mask logits [B, K, S] = q·(W h + b), computed as (qᵀW)·h + q·b unless `plain`."""
        last = self.mask_proj[2]
        assert isinstance(last, nn.Linear)
        if self.plain:
            return queries @ last(features).transpose(1, 2)
        return (queries @ last.weight) @ features.transpose(1, 2) + (queries @ last.bias)[..., None]


def forbidden_rows(masks: Tensor, weights: Tensor) -> Tensor:
    """Return bool [B, K, S], True = not attended: outside the query's mask; a query whose mask is empty sees all."""
    forbidden = masks < 0
    empty = (forbidden | (weights <= 0)[:, None]).all(-1, keepdim=True)
    return forbidden & ~empty


def sentence_weights(queries: Tensor, sentence: Tensor) -> Tensor:
    """Return the Query-Sentence Alignment [B, K]: softmax over the queries of their product with a sentence [B, D]."""
    products = (queries @ sentence[..., None])[..., 0]
    return full_precision(products).softmax(-1)
