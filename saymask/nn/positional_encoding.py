"""Positional encoding of superpoints, added to their features."""

import math

import torch
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    """An encoding of positions for several uses. Ours: neither published network has one.

    Sines and cosines of the coordinates, then a linear layer for each use that starts at zero: a decoder with trained
    weights starts as it was.
    """

    WAVELENGTHS = (16.0, 8.0, 4.0, 2.0, 1.0, 0.5)  # metres

    def __init__(self, width: int, *uses: str) -> None:
        super().__init__()
        self.uses = uses
        for use in uses:
            layer = nn.Linear(6 * len(self.WAVELENGTHS), width)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
            self.add_module(use, layer)

    def forward(self, positions: Tensor) -> tuple[Tensor, ...]:
        """Return what is added for each use, [..., D], for positions [..., 3] in metres."""
        angles = torch.cat([positions * (2 * math.pi / length) for length in self.WAVELENGTHS], dim=-1)
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return tuple(self.get_submodule(use)(waves) for use in self.uses)
