"""Small parts that the query decoders share: linear stacks, feed-forward networks, precision, attention masks."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def full_precision(x: Tensor) -> Tensor:
    """Return `x` in at least float32: what autocast left in half precision, for norms, distances and exponentials."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def additive_mask(blocked: Tensor) -> Tensor:
    """Return -inf where bool `blocked` is True and 0 elsewhere, in the type of autocast's products (both are exact)."""
    device = blocked.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    # 1 - 1/1 and 1 - 1/0: filling takes twice as long, and the logarithm of 0 ten times.
    return 1 - (~blocked).to(dtype).reciprocal()


def mlp(*widths: int) -> nn.Sequential:
    """Return linear layers of these widths with ReLU between them."""
    layers: list[nn.Module] = []
    for wide, narrow in itertools.pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class FeedForward(nn.Module):
    """LayerNorm(x + W₂ GELU(W₁ x)), the exact GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., D]."""
        return self.norm(x + self.net(x))


def unit(x: Tensor) -> Tensor:
    """Return float32 `x` divided by its length along the last dimension (at least 1e-12)."""
    return F.normalize(full_precision(x), dim=-1, eps=1e-12)
