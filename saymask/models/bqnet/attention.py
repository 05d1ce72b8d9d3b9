"""Building blocks of BQNet's decoder alone: attention with residuals, distance weights.

Source: docs/systems/bqnet.md §3.3, §3.4, §3.5, §3.6 (released code).
"""

import torch
from torch import Tensor, nn

from saymask.nn.attention import Attention
from saymask.nn.blocks import full_precision


class CrossAttention(nn.Module):
    """query + attention(query → memory); the published layer discards the result of its norm: none here."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        nn.init.xavier_uniform_(self.attn.out_proj.weight)

    def forward(
        self, query: Tensor, memory: Tensor, bias: Tensor | None = None, *, looks: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return [U, Q, D] and, with `looks`, the attention weights [U, H, Q, K].

        For query [U, Q, D], memory [U, K, D] (either may be the same for all: [1, ...]) and a float bias as `Attention`
        takes it.
        """
        if looks:
            out, weights = self.attn.with_weights(query, memory, bias)
            return query + out, weights
        return self.attn(query, memory, bias, residual=True), None


class SelfAttention(nn.Module):
    """LayerNorm(x + attention(x → x))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, bias: Tensor | None = None, multiplier: Tensor | None = None) -> Tensor:
        """Return [U, Q, D]; scores are multiplied by `multiplier` [U, Q, Q], then `bias` [U, Q or 1, Q] is added."""
        if multiplier is None:
            out = self.attn(x, x, bias)
        else:
            out = self.attn.with_weights(x, x, bias, multiplier)[0]
        return self.norm(x + out)


class GatedSelfAttention(SelfAttention):
    """LayerNorm(x + P(a)·σ(G(a))) with a = attention(x → x): context of the seeds."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.value, self.gate = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return [B, F, D]."""
        out = self.attn(x, x)
        return self.norm(x + self.value(out) * self.gate(out).sigmoid())


def distance_weights(positions: Tensor, decay: float) -> Tensor:
    """Return what multiplies the attention scores between queries at `positions` float [U, Q, 3]: float [U, Q, Q].

    exp(-decay · d) with d the squared distances, brought to 0..1 in each row (docs/systems/bqnet.md §3.4, step 10).
    Scores of far queries go towards 0; the positions get gradients.
    """
    positions = full_precision(positions)
    squared = (positions[:, :, None] - positions[:, None]).square().sum(-1)
    low, high = squared.amin(-1, keepdim=True), squared.amax(-1, keepdim=True)
    return torch.exp(-decay * (squared - low) / (high - low + 1e-6))
