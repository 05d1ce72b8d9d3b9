"""The same U-Net in spconv modules: the rival of the case `unet`, loaded with the same weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import spconv.pytorch as spconv
import torch
from spconv.core import ConvAlgo
from spconv.pytorch import ops
from torch import Tensor, nn

from saymask.nn.unet.network import SparseUNet
from saymask.sparse.importers import to_spconv2


def _norm(channels: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(channels, eps=1e-4, momentum=0.1)


class _Block(spconv.SparseModule):
    def __init__(self, cin: int, cout: int, key: str):
        super().__init__()
        self.i_branch = spconv.SparseSequential(
            nn.Identity() if cin == cout else spconv.SubMConv3d(cin, cout, 1, bias=False)
        )
        self.conv_branch = spconv.SparseSequential(
            _norm(cin), nn.ReLU(), spconv.SubMConv3d(cin, cout, 3, padding=1, bias=False, indice_key=key),
            _norm(cout), nn.ReLU(), spconv.SubMConv3d(cout, cout, 3, padding=1, bias=False, indice_key=key),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        y = self.conv_branch(x)
        return y.replace_feature(y.features + self.i_branch(x).features)


def _blocks(cin: int, cout: int, reps: int, key: str) -> spconv.SparseSequential:
    result = spconv.SparseSequential()
    for i in range(reps):
        result.add_module(f"block{i}", _Block(cin if i == 0 else cout, cout, key))
    return result


class _Level(nn.Module):
    def __init__(self, widths: Sequence[int], reps: int, number: int):
        super().__init__()
        c = widths[0]
        self.blocks = _blocks(c, c, reps, f"subm{number}")
        self.deepest = len(widths) == 1
        if not self.deepest:
            n, key = widths[1], f"spconv{number}"
            self.conv = spconv.SparseSequential(
                _norm(c), nn.ReLU(), spconv.SparseConv3d(c, n, 2, stride=2, bias=False, indice_key=key)
            )
            self.u = _Level(widths[1:], reps, number + 1)
            self.deconv = spconv.SparseSequential(
                _norm(n), nn.ReLU(), spconv.SparseInverseConv3d(n, c, 2, bias=False, indice_key=key)
            )
            self.blocks_tail = _blocks(2 * c, c, reps, f"subm{number}")

    def forward(self, x: Any) -> Any:
        skip = self.blocks(x)
        if self.deepest:
            return skip
        up = self.deconv(self.u(self.conv(skip)))
        return self.blocks_tail(skip.replace_feature(torch.cat([skip.features, up.features], dim=1)))


class SpconvUNet(nn.Module):
    """spconv's U-Net with the weights of `net`."""

    def __init__(self, net: SparseUNet):
        super().__init__()
        widths = net.widths
        self.input_conv = spconv.SparseSequential(
            spconv.SubMConv3d(net.in_channels, widths[0], 3, padding=1, bias=False, indice_key="subm1")
        )
        self.unet = _Level(widths, net.block_reps, 1)
        self.output_layer = spconv.SparseSequential(_norm(widths[0]), nn.ReLU())
        own = net.state_dict()
        state = {}
        for ours, theirs in net.official_keys().items():
            value = own[ours]
            if ours.endswith("shortcut.weight"):
                value = to_spconv2(value.T[None])
            elif value.ndim == 3:
                value = to_spconv2(value)
            state[theirs] = value
        self.load_state_dict(state)

    def forward(self, feats: Tensor, coords: Tensor, shape: Sequence[int]) -> Tensor:
        x = spconv.SparseConvTensor(feats, coords, list(shape), int(coords[-1, 0]) + 1)
        return self.output_layer(self.unet(self.input_conv(x))).features


def build_maps(coords: Tensor, shape: Sequence[int], levels: int) -> list[Any]:
    """Build spconv's pair tables of all levels, as one forward pass does."""
    kept, shape, batch = [], list(shape), int(coords[-1, 0]) + 1
    one, two, zero = [1] * 3, [2] * 3, [0] * 3
    for level in range(levels):
        kept.append(
            ops.get_indice_pairs(coords, batch, shape, ConvAlgo.Native, [3] * 3, one, one, one, zero, subm=True)
        )
        if level + 1 < levels:
            result = ops.get_indice_pairs(coords, batch, shape, ConvAlgo.Native, two, two, zero, one, zero, subm=False)
            kept.append(result)
            coords, shape = result[0], [s // 2 for s in shape]
    return kept


def even_shape(coords: np.ndarray, levels: int) -> list[int]:
    """Return a spatial shape that is a multiple of 2^levels, so that spconv drops no site."""
    step = 2**levels
    return [int(-(-(m + 1) // step) * step) for m in coords[:, 1:].max(0)]
