"""Blocks of the sparse 3D U-Net: the residual block and one level."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.modules import SparseConv
from saymask.sparse.sites import Level

AtLevel = Callable[[int, Tensor], Tensor]


def norm(channels: int) -> nn.BatchNorm1d:
    """Return the network's BatchNorm."""
    return nn.BatchNorm1d(channels, eps=1e-4, momentum=0.1)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0), in place."""
    return F.relu(x, inplace=True)  # always on a BatchNorm's output, which nobody else needs


class ResidualBlock(nn.Module):
    """y = conv2(relu(norm2(conv1(relu(norm1(x)))))) + shortcut(x); the shortcut takes the raw x."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.norm1 = norm(in_channels)
        self.conv1 = SparseConv(in_channels, out_channels)
        self.norm2 = norm(out_channels)
        self.conv2 = SparseConv(out_channels, out_channels)
        same = in_channels == out_channels
        self.shortcut = None if same else nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, subm: KernelMap) -> Tensor:
        """Return the block's output [V, C_out] of x [V, C_in]."""
        y = self.conv1(relu(self.norm1(x)), subm)
        y = self.conv2(relu(self.norm2(y)), subm)
        return y + (x if self.shortcut is None else self.shortcut(x))


class UNetLevel(nn.Module):
    """One level: blocks; unless coarsest also down, (the next level), up, concatenation and tail blocks."""

    def __init__(self, channels: int, coarser: int | None, block_reps: int):
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(channels, channels) for _ in range(block_reps))
        self.has_coarser = coarser is not None
        if coarser is not None:
            self.down_norm = norm(channels)
            self.down = SparseConv(channels, coarser, 2)
            self.up_norm = norm(coarser)
            self.up = SparseConv(coarser, channels, 2)
            self.tail = nn.ModuleList(
                ResidualBlock(channels * (2 if i == 0 else 1), channels) for i in range(block_reps)
            )

    @property
    def head_blocks(self) -> list[ResidualBlock]:
        """Residual blocks before the way down."""
        return cast(list[ResidualBlock], list(self.blocks))

    @property
    def tail_blocks(self) -> list[ResidualBlock]:
        """Residual blocks after the concatenation; none on the coarsest level."""
        return cast(list[ResidualBlock], list(self.tail)) if self.has_coarser else []

    def encode(self, x: Tensor, sites: Level) -> Tensor:
        """Return the skip features [V, C]."""
        for block in self.head_blocks:
            x = block(x, sites.kernel_map())
        return x

    def descend(self, x: Tensor, sites: Level) -> Tensor:
        """Return the features entering the next level [V_coarse, C_coarse]."""
        return self.down(relu(self.down_norm(x)), sites.down)

    def ascend(self, skip: Tensor, coarse: Tensor, sites: Level) -> Tensor:
        """Return this level's output [V, C] from the skip features and the next level's output."""
        x = torch.cat([skip, self.up(relu(self.up_norm(coarse)), sites.up)], dim=1)
        for block in self.tail_blocks:
            x = block(x, sites.kernel_map())
        return x
