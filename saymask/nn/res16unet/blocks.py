"""Blocks of Res16UNet: the residual block and one stage."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.modules import SparseConv
from saymask.sparse.sites import Level

BLOCK_MOMENTUM, OUTER_MOMENTUM = 0.1, 0.02
"""BatchNorm momenta: the official option 0.02 never reaches the norms inside the blocks.

Source: docs/systems/lground.md §3.1, §7.1.
"""


def norm(channels: int, momentum: float) -> nn.BatchNorm1d:
    """Return the network's BatchNorm."""
    return nn.BatchNorm1d(channels, eps=1e-5, momentum=momentum)


def relu(x: Tensor) -> Tensor:
    """Return max(x, 0), in place."""
    return F.relu(x, inplace=True)  # always on the output of a norm or of a sum, which nobody else needs


class BasicBlock(nn.Module):
    """y = relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x)); without `relu` the sum itself."""

    def __init__(self, in_channels: int, out_channels: int, *, relu: bool = True):
        super().__init__()
        self.relu = relu
        self.conv1 = SparseConv(in_channels, out_channels)
        self.norm1 = norm(out_channels, BLOCK_MOMENTUM)
        self.conv2 = SparseConv(out_channels, out_channels)
        self.norm2 = norm(out_channels, BLOCK_MOMENTUM)
        same = in_channels == out_channels
        self.shortcut = None if same else nn.Linear(in_channels, out_channels, bias=False)
        self.shortcut_norm = None if same else norm(out_channels, OUTER_MOMENTUM)

    def forward(self, x: Tensor, subm: KernelMap) -> Tensor:
        """Return the block's output [V, C_out] of x [V, C_in]."""
        y = relu(self.norm1(self.conv1(x, subm)))
        y = self.norm2(self.conv2(y, subm))
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x))
        y = y + x
        return relu(y) if self.relu else y


class LevelBlocks(nn.Module):
    """A 2³ convolution to the next level, coarser or finer, and the residual blocks there."""

    def __init__(
        self, in_channels: int, width: int, skip: int, out_channels: int, repeats: int, *, up: bool, last_relu: bool
    ):
        super().__init__()
        self.conv = SparseConv(in_channels, width, 2)
        if up:  # MinkowskiEngine draws transposed kernels by their outputs (docs/systems/lground.md §3.1)
            bound = 1.0 / math.sqrt(8 * width)
            nn.init.uniform_(self.conv.weight, -bound, bound)
        self.norm = norm(width, OUTER_MOMENTUM)
        self.blocks = nn.ModuleList(
            BasicBlock(width + skip if i == 0 else out_channels, out_channels, relu=last_relu or i + 1 < repeats)
            for i in range(repeats)
        )

    @property
    def block_modules(self) -> list[BasicBlock]:
        """The residual blocks, first to last."""
        return cast(list[BasicBlock], list(self.blocks))

    def forward(self, x: Tensor, kernel_map: KernelMap, sites: Level, skip: Tensor | None = None) -> Tensor:
        """Return [V, C] at `sites`, which `kernel_map` leads to; `skip` is appended to the convolved features."""
        x = relu(self.norm(self.conv(x, kernel_map)))
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        for block in self.blocks:
            x = block(x, sites.kernel_map())
        return x
