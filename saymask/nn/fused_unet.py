"""Inference of `SparseUNet` on the CPU: BatchNorm, ReLU and residuals fused into the convolutions.

A convolution's block of rows is still in the cache when it is normalised, activated and stored for its consumer, so no
separate pass over memory is left. Activations are float32, or bfloat16 between float32 sums and residuals.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from saymask.errors import InputError
from saymask.sparse.maps import KernelMap
from saymask.sparse.modules import SparseConv
from saymask.sparse.sites import Level, SitePyramid

if TYPE_CHECKING:
    from saymask.nn.sparse_unet import AtLevel, ResidualBlock, SparseUNet, UNetLevel

Affine = tuple[Tensor, Tensor]  # scale [C], shift [C]


def fused_forward(
    net: "SparseUNet",
    feats: Tensor,  # float32 [V, C_in]
    pyramid: SitePyramid,
    at_level: "AtLevel | None",
    return_levels: bool,
    dtype: torch.dtype,
) -> tuple[Tensor, list[Tensor]]:
    """Return what `SparseUNet.forward` returns in eval mode: (output [V, C], outputs of all levels if asked else []).

    `dtype` (float32 or bfloat16) is the type of the activations; the input convolution always works in float32.
    """
    run = _Run(net, pyramid, at_level, return_levels, dtype)
    return run.output(feats), run.outputs[::-1]


class _Run:
    """One forward pass; `outputs` collects the levels' outputs, coarsest first."""

    def __init__(
        self, net: "SparseUNet", pyramid: SitePyramid, at_level: "AtLevel | None", keep: bool, dtype: torch.dtype
    ):
        self.net, self.levels, self.sites = net, net.level_modules, pyramid.levels
        self.at_level, self.keep, self.dtype = at_level, keep, dtype
        self.outputs: list[Tensor] = []

    def output(self, feats: Tensor) -> Tensor:
        """Run everything."""
        entry = self.levels[0].head_blocks[0].norm1
        raw, act = self.enter(0, self.net.input_conv, feats, self.sites[0].kernel_map(), entry)
        return self.level(0, raw, act, self.net.output_norm, torch.float32)

    def enter(
        self, index: int, conv: SparseConv, x: Tensor, kernel_map: KernelMap, norm: nn.BatchNorm1d
    ) -> tuple[Tensor, Tensor]:
        """Convolve into level `index`; return its raw and activated features, the caller's `at_level` in between."""
        raw = _empty(kernel_map.n_out, conv.weight.shape[2])
        if self.at_level is None:
            act = torch.empty_like(raw, dtype=self.dtype)
            _conv(conv, x, kernel_map, raw=raw, act=act, act_affine=_affine(norm))
            return raw, act
        _conv(conv, x, kernel_map, raw=raw)
        given = self.at_level(index, raw)
        if given.shape != raw.shape:
            raise InputError(f"at_level {index}: expected features {list(raw.shape)}, got {list(given.shape)}")
        raw = torch.empty_like(raw).copy_(given)  # a copy: the caller may keep what it saw or gave
        scale, shift = _affine(norm)
        return raw, torch.addcmul(shift, raw, scale).relu_().to(self.dtype)

    def level(self, index: int, raw: Tensor, act: Tensor, norm: nn.BatchNorm1d, dtype: torch.dtype) -> Tensor:
        """Run level `index` and all below; return relu(norm(level output)) in `dtype` for whoever consumes it."""
        level, sites = self.levels[index], self.sites[index]
        if not level.has_coarser:
            return self.blocks(level.head_blocks, raw, act, sites, norm, dtype, hidden=None)
        count, channels = raw.shape
        both, both_act = _empty(count, 2 * channels), _empty(count, 2 * channels, self.dtype)
        tail_blocks = level.tail_blocks
        tail = _affine(tail_blocks[0].norm1)
        hidden = self.encode(level, raw, act, sites, both, both_act, (tail[0][:channels], tail[1][:channels]))
        entry = self.levels[index + 1].head_blocks[0].norm1
        coarse = self.enter(index + 1, level.down, act, sites.down, entry)
        coarse_act = self.level(index + 1, *coarse, level.up_norm, self.dtype)
        _conv(
            level.up, coarse_act, sites.up, raw=both[:, channels:], act=both_act[:, channels:],
            act_affine=(tail[0][channels:], tail[1][channels:]),
        )  # fmt: skip
        shortcut = tail_blocks[0].shortcut
        assert shortcut is not None  # 2C → C
        with torch.autocast("cpu", enabled=False):  # what is added to the sums stays float32
            torch.mm(both, shortcut.weight.T, out=raw)
        del both
        _conv(tail_blocks[0].conv1, both_act, sites.kernel_map(), act=hidden, act_affine=_affine(tail_blocks[0].norm2))
        del both_act
        return self.blocks(tail_blocks, raw, act, sites, norm, dtype, hidden=hidden)

    def encode(
        self, level: "UNetLevel", raw: Tensor, act: Tensor, sites: Level, both: Tensor, both_act: Tensor, tail: Affine
    ) -> Tensor:  # fmt: skip
        """Run the encoder half; the skip goes to the left of `both`, its activations to both_act and (for down) to act.

        Overwrites raw and act, which are free afterwards, and returns a third buffer of that size.
        """
        channels = raw.shape[1]
        hidden = torch.empty_like(act)
        blocks = level.head_blocks
        for i, block in enumerate(blocks):
            _conv(block.conv1, act, sites.kernel_map(), act=hidden, act_affine=_affine(block.norm2))
            if i + 1 < len(blocks):
                affine = _affine(blocks[i + 1].norm1)
                _conv(block.conv2, hidden, sites.kernel_map(), residual=raw, raw=raw, act=act, act_affine=affine)
                continue
            _conv(
                block.conv2, hidden, sites.kernel_map(), residual=raw, raw=both[:, :channels], act=act,
                act_affine=_affine(level.down_norm), extra=both_act[:, :channels], extra_affine=tail,
            )  # fmt: skip
        return hidden

    def blocks(
        self, blocks: "list[ResidualBlock]", raw: Tensor, act: Tensor, sites: Level, norm: nn.BatchNorm1d,
        dtype: torch.dtype, *, hidden: Tensor | None,
    ) -> Tensor:  # fmt: skip
        """Run residual blocks to the end of a level, raw being what the first of them adds; overwrites raw and act.

        `hidden`: the first block's first half, where that is already done.
        """
        for i, block in enumerate(blocks):
            if i or hidden is None:
                hidden = torch.empty_like(act) if hidden is None else hidden
                _conv(block.conv1, act, sites.kernel_map(), act=hidden, act_affine=_affine(block.norm2))
            last = i + 1 == len(blocks)
            if last and dtype != act.dtype:
                act = torch.empty_like(raw, dtype=dtype)
            affine = _affine(norm if last else blocks[i + 1].norm1)
            out = raw if self.keep or not last else None  # in place: a row's residual is read before it is written
            _conv(block.conv2, hidden, sites.kernel_map(), residual=raw, raw=out, act=act, act_affine=affine)
        if self.keep:
            self.outputs.append(raw)
        return act


def _empty(rows: int, channels: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty((rows, channels), dtype=dtype)


def _affine(norm: nn.BatchNorm1d) -> Affine:
    """Return an evaluating BatchNorm as (scale, shift)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _conv(
    module: SparseConv,
    x: Tensor,
    kernel_map: KernelMap,
    *,
    raw: Tensor | None = None,
    residual: Tensor | None = None,
    act: Tensor | None = None,
    act_affine: Affine | None = None,
    extra: Tensor | None = None,
    extra_affine: Affine | None = None,
) -> None:
    from saymask.sparse import cpu

    packed = module.packed(bf16=x.dtype == torch.bfloat16)
    act_scale, act_shift = act_affine or (None, None)
    extra_scale, extra_shift = extra_affine or (None, None)
    ending = cpu.Ending(raw, residual, act, act_scale, act_shift, extra, extra_scale, extra_shift)
    cpu.run(x, packed, module.weight.shape[2], kernel_map, ending)
