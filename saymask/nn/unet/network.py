"""The sparse 3D U-Net of the SPFormer / SSTNet family (docs/systems/less.md §A.1).

Pre-activation residual blocks, 2³ stride-2 convolutions down, their exact inverses up, skips by concatenation; no
convolution has a bias; BatchNorm eps 1e-4, momentum 0.1 over all sites of the batch.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from saymask.errors import InputError
from saymask.nn.unet.blocks import AtLevel, UNetLevel, norm, relu
from saymask.nn.unet.fused import fused_forward
from saymask.sparse.backends.select import backend_name, inference_dtype
from saymask.sparse.importers import from_spconv1, from_spconv2
from saymask.sparse.modules import SparseConv
from saymask.sparse.sites import SitePyramid


class SparseUNet(nn.Module):
    """Sparse U-Net over the sites of a `SitePyramid`; returns features of the finest sites in key order."""

    def __init__(self, in_channels: int = 6, widths: Sequence[int] = (32, 64, 96, 128, 160), block_reps: int = 2):
        super().__init__()
        if not widths or block_reps < 1:
            raise InputError(f"expected at least one width and one block, got {tuple(widths)} and {block_reps}")
        self.in_channels, self.widths, self.block_reps = in_channels, tuple(widths), block_reps
        self.input_conv = SparseConv(in_channels, widths[0])
        coarser = [*widths[1:], None]
        self.levels = nn.ModuleList(UNetLevel(c, n, block_reps) for c, n in zip(widths, coarser))
        self.output_norm = norm(widths[0])

    @property
    def level_modules(self) -> list[UNetLevel]:
        """The levels, finest first."""
        return cast(list[UNetLevel], list(self.levels))

    def forward(
        self,
        feats: Tensor,  # [V, C_in] in key order: raw[pyramid.order]
        pyramid: SitePyramid,
        at_level: AtLevel | None = None,
        return_levels: bool = False,
    ) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Return [V, widths[0]] after the output BatchNorm and ReLU (and all levels' outputs, finest first, if asked).

        `at_level(l, x)` is called with the features entering level l (0 = finest, after the input or the strided
        convolution) and its result replaces them.
        """
        if len(pyramid.levels) < len(self.levels):
            raise InputError(
                f"the U-Net has {len(self.levels)} levels, the sites {len(pyramid.levels)}: "
                f"build_sites(coords, levels={len(self.levels)})"
            )
        if feats.ndim != 2 or feats.shape != (len(pyramid), self.in_channels):
            raise InputError(f"expected features [{len(pyramid)}, {self.in_channels}], got {list(feats.shape)}")
        dtype = self._fused_dtype(feats)
        if dtype is not None:
            out, outputs = fused_forward(self, feats.contiguous(), pyramid, at_level, return_levels, dtype)
            return (out, outputs) if return_levels else out
        sites, levels = pyramid.levels, self.level_modules
        x = self.input_conv(feats, sites[0].kernel_map())
        skips = []
        for index, level in enumerate(levels):
            if at_level is not None:
                x = at_level(index, x)
            x = level.encode(x, sites[index])
            skips.append(x)
            if level.has_coarser:
                x = level.descend(x, sites[index])
        outputs = [x]
        for index in range(len(levels) - 2, -1, -1):
            x = levels[index].ascend(skips.pop(index), x, sites[index])
            outputs.append(x)
        out = relu(self.output_norm(x))
        return (out, outputs[::-1]) if return_levels else out

    def _fused_dtype(self, feats: Tensor) -> torch.dtype | None:
        """Return the activation type of the fused path, or None where the layers have to be run one by one."""
        if self.training or torch.is_grad_enabled() or feats.dtype != torch.float32:
            return None
        if self.input_conv.weight.dtype != torch.float32 or backend_name(feats) == "torch":
            return None
        if any(m._forward_hooks or m._forward_pre_hooks for child in self.children() for m in child.modules()):
            return None  # somebody wants to see the layers
        if any(isinstance(m, nn.SyncBatchNorm) for m in self.modules()):
            return None
        return inference_dtype(feats.device.type)

    def official_keys(self) -> dict[str, str]:
        """Return our state-dict name → the official one (spconv-based U-Nets of SPFormer, LESS, UniSeg3D, BQNet)."""
        keys = {"input_conv.weight": "input_conv.0.weight"}
        prefix = "unet"
        for index, level in enumerate(self.level_modules):
            ours = f"levels.{index}"
            for i in range(self.block_reps):
                keys |= _block_keys(f"{ours}.blocks.{i}", f"{prefix}.blocks.block{i}", False)
            if level.has_coarser:
                keys |= _norm_keys(f"{ours}.down_norm", f"{prefix}.conv.0")
                keys[f"{ours}.down.weight"] = f"{prefix}.conv.2.weight"
                keys |= _norm_keys(f"{ours}.up_norm", f"{prefix}.deconv.0")
                keys[f"{ours}.up.weight"] = f"{prefix}.deconv.2.weight"
                for i in range(self.block_reps):
                    keys |= _block_keys(f"{ours}.tail.{i}", f"{prefix}.blocks_tail.block{i}", i == 0)
            prefix += ".u"
        return keys | _norm_keys("output_norm", "output_layer.0")

    def load_official(self, state_dict: dict[str, Tensor], layout: str = "spconv2") -> list[str]:
        """Load the official names from `state_dict` (others are ignored) and return the official names that were used.

        layout: `spconv2` ([out, k, k, k, in], 1x1x1 memory read as [in, out]) or `spconv1` ([k, k, k, in, out]).
        Raises InputError naming what is missing or has another shape.
        """
        if layout not in ("spconv2", "spconv1"):
            raise InputError(f"unknown weight layout {layout!r}: expected spconv2 or spconv1")
        convert = from_spconv2 if layout == "spconv2" else from_spconv1
        mapping = self.official_keys()
        missing = [name for name in mapping.values() if name not in state_dict]
        if missing:
            raise InputError(
                f"the checkpoint misses {len(missing)} of {len(mapping)} backbone tensors, first: {missing[:3]}"
            )
        state = {}
        for ours, theirs in mapping.items():
            value = state_dict[theirs]
            if value.ndim == 5:
                value = convert(value)
                if ours.endswith("shortcut.weight"):
                    value = value[0].T.contiguous()
            state[ours] = value
        own = self.state_dict()
        wrong = [mapping[k] for k, v in state.items() if v.shape != own[k].shape]
        if wrong:
            first = wrong[0]
            raise InputError(
                f"{len(wrong)} backbone tensors have another shape, first: {first} {list(state_dict[first].shape)}"
            )
        self.load_state_dict(state)
        return list(mapping.values())


def _norm_keys(ours: str, theirs: str) -> dict[str, str]:
    leaves = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {f"{ours}.{leaf}": f"{theirs}.{leaf}" for leaf in leaves}


def _block_keys(ours: str, theirs: str, shortcut: bool) -> dict[str, str]:
    keys = {f"{ours}.shortcut.weight": f"{theirs}.i_branch.0.weight"} if shortcut else {}
    for i, at in ((1, 0), (2, 3)):
        keys |= _norm_keys(f"{ours}.norm{i}", f"{theirs}.conv_branch.{at}")
        keys[f"{ours}.conv{i}.weight"] = f"{theirs}.conv_branch.{at + 2}.weight"
    return keys
