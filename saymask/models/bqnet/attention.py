"""The building blocks of BQNet's decoder: attention with residuals, feed-forward networks, distance weights.

Source: specification of BQNet §3.3-§3.6 (released code).
"""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.nn.attention import Attention


def full_precision(x: Tensor) -> Tensor:
    """Return `x` in at least float32: what autocast left in half precision, for norms, distances and exponentials."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def forbidding(blocked: Tensor) -> Tensor:
    """Return -inf where bool `blocked` is True and 0 elsewhere, in the type of autocast's products (both are exact)."""
    device = blocked.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    return (~blocked).to(dtype).log()  # several times faster than filling


def mlp(*widths: int) -> nn.Sequential:
    """Return linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for wide, narrow in itertools.pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class CrossAttention(nn.Module):
    """query + attention(query → memory); the published layer has a norm whose result is thrown away: none here."""

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


class FeedForward(nn.Module):
    """LayerNorm(x + W₂ GELU(W₁ x)), the exact GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., D]."""
        return self.norm(x + self.net(x))


def distance_weights(positions: Tensor, decay: float) -> Tensor:
    """Return what multiplies the attention scores between queries at `positions` float [U, Q, 3]: float [U, Q, Q].

    exp(-decay · d) with d the squared distances, brought to 0..1 in each row (§3.4, step 10). Scores of far queries go
    towards 0; the positions get gradients.
    """
    positions = full_precision(positions)
    squared = (positions[:, :, None] - positions[:, None]).square().sum(-1)
    low, high = squared.amin(-1, keepdim=True), squared.amax(-1, keepdim=True)
    return torch.exp(-decay * (squared - low) / (high - low + 1e-6))


def unit(x: Tensor) -> Tensor:
    """Return float32 `x` divided by its length along the last dimension (at least 1e-12)."""
    return F.normalize(full_precision(x), dim=-1, eps=1e-12)
