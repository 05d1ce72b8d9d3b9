"""Inference of `SparseUNet` on the CPU and in Triton: BatchNorm, ReLU and residuals fused into the convolutions.

A convolution's block of rows is still at hand when it is normalised, activated and stored for its consumer, so no
separate pass over memory is left. Activations are float32, or a half type between float32 sums and residuals.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from saymask.errors import InputError
from saymask.nn.unet.blocks import AtLevel, ResidualBlock, UNetLevel
from saymask.sparse.backends.epilogue import Epilogue
from saymask.sparse.backends.select import backend_for
from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.modules import SparseConv
from saymask.sparse.sites import Level, SitePyramid


class Layers(Protocol):
    """The layers of a `SparseUNet`, as they are run here."""

    input_conv: SparseConv
    output_norm: nn.BatchNorm1d

    @property
    def level_modules(self) -> list[UNetLevel]:
        """The levels, finest first."""
        ...


Affine = tuple[Tensor, Tensor]  # scale [C], shift [C]


def fused_forward(
    net: Layers,
    feats: Tensor,  # float32 [V, C_in]
    pyramid: SitePyramid,
    at_level: AtLevel | None,
    return_levels: bool,
    dtype: torch.dtype,
) -> tuple[Tensor, list[Tensor]]:
    """Return what `SparseUNet.forward` returns in eval mode: (output [V, C], outputs of all levels if asked else []).

    `dtype` is the type of the activations, float32 or what the backend takes; the input convolution always works in
    float32.
    """
    run = _Run(net, pyramid, at_level, return_levels, dtype)
    # Sums and residuals stay float32; `at_level` runs as the caller asked.
    with torch.autocast(feats.device.type, enabled=False):
        return run.output(feats), run.outputs[::-1]


class _Run:
    """One forward pass; `outputs` collects the levels' outputs, coarsest first."""

    def __init__(self, net: Layers, pyramid: SitePyramid, at_level: AtLevel | None, keep: bool, dtype: torch.dtype):
        self.net, self.levels, self.sites = net, net.level_modules, pyramid.levels
        self.at_level, self.keep, self.dtype = at_level, keep, dtype
        self.device = pyramid.device
        kind = self.device.type
        self.autocast, self.caller_dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
        self.outputs: list[Tensor] = []

    def output(self, feats: Tensor) -> Tensor:
        """Run everything: down the levels keeping what the way up needs, and up again."""
        levels, sites = self.levels, self.sites
        norms = [level.head_blocks[0].norm1 for level in levels]
        raw, act = self.enter(0, self.net.input_conv, feats, sites[0].kernel_map(), norms[0])
        kept: list[tuple[Tensor, Tensor]] = []
        for index, level in enumerate(levels[:-1]):
            residual, both, act = self.descend(level, sites[index], raw, act)
            kept.append((residual, both))
            del raw, residual, both  # what no list holds gives its memory to the next level
            raw, act = self.enter(index + 1, level.down, act, sites[index].down, norms[index + 1])
        consumers = [(self.net.output_norm, torch.float32), *((m.up_norm, self.dtype) for m in levels[:-1])]
        act = self.blocks(levels[-1].head_blocks, raw, act, sites[len(levels) - 1], *consumers[-1], hidden=None)
        del raw
        for index in range(len(levels) - 2, -1, -1):
            act = self.ascend(levels[index], sites[index], act, *kept.pop(), *consumers[index])
        return act

    def enter(
        self, index: int, conv: SparseConv, x: Tensor, kernel_map: KernelMap, norm: nn.BatchNorm1d
    ) -> tuple[Tensor, Tensor]:
        """Convolve into level `index`; return its raw and activated features, the caller's `at_level` in between."""
        raw = torch.empty((kernel_map.n_out, conv.weight.shape[2]), device=self.device)
        if self.at_level is None:
            act = torch.empty_like(raw, dtype=self.dtype)
            _conv(conv, x, kernel_map, raw=raw, act=act, act_affine=_affine(norm))
            return raw, act
        _conv(conv, x, kernel_map, raw=raw)
        with torch.autocast(self.device.type, self.caller_dtype, enabled=self.autocast):
            given = self.at_level(index, raw)
        if given.shape != raw.shape:
            raise InputError(f"at_level {index}: expected features {list(raw.shape)}, got {list(given.shape)}")
        raw = torch.empty_like(raw).copy_(given)  # a copy: the caller may keep what it saw or gave
        scale, shift = _affine(norm)
        return raw, torch.addcmul(shift, raw, scale).relu_().to(self.dtype)

    def descend(self, level: UNetLevel, sites: Level, raw: Tensor, act: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the encoder half of a level; overwrites raw and act.

        Returns the skip's share of the tail's shortcut [V, C], the tail's activated input [V, 2C] with its left half
        (the skip's) filled, and the activated input of the way down [V, C].
        """
        channels = raw.shape[1]
        both = raw.new_empty((len(raw), 2 * channels), dtype=self.dtype)
        hidden = torch.empty_like(act)
        blocks, tail = level.head_blocks, level.tail_blocks[0]
        scale, shift = _affine(tail.norm1)
        for i, block in enumerate(blocks):
            _conv(block.conv1, act, sites.kernel_map(), act=hidden, act_affine=_affine(block.norm2))
            if i + 1 < len(blocks):
                affine = _affine(blocks[i + 1].norm1)
                _conv(block.conv2, hidden, sites.kernel_map(), residual=raw, raw=raw, act=act, act_affine=affine)
                continue
            _conv(
                block.conv2, hidden, sites.kernel_map(), residual=raw, raw=raw, act=act,
                act_affine=_affine(level.down_norm),
                extra=both[:, :channels], extra_affine=(scale[:channels], shift[:channels]),
            )  # fmt: skip
        del hidden
        return raw @ _shortcut(tail)[:channels], both, act

    def ascend(
        self, level: UNetLevel, sites: Level, coarse: Tensor, residual: Tensor, both: Tensor, norm: nn.BatchNorm1d,
        dtype: torch.dtype,
    ) -> Tensor:  # fmt: skip
        """Run the decoder half of a level on the next level's activated output; returns relu(norm(output))."""
        channels = residual.shape[1]
        blocks = level.tail_blocks
        scale, shift = _affine(blocks[0].norm1)
        up = torch.empty_like(residual)
        _conv(
            level.up, coarse, sites.up, raw=up, act=both[:, channels:],
            act_affine=(scale[channels:], shift[channels:]),
        )  # fmt: skip
        residual.addmm_(up, _shortcut(blocks[0])[channels:])
        hidden = up if up.dtype == self.dtype else torch.empty_like(up, dtype=self.dtype)
        del up
        _conv(blocks[0].conv1, both, sites.kernel_map(), act=hidden, act_affine=_affine(blocks[0].norm2))
        act = torch.empty_like(hidden)
        return self.blocks(blocks, residual, act, sites, norm, dtype, hidden=hidden)

    def blocks(
        self, blocks: list[ResidualBlock], raw: Tensor, act: Tensor, sites: Level, norm: nn.BatchNorm1d,
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


def _shortcut(block: ResidualBlock) -> Tensor:
    """Return the 1³ weight [2C, C] of the first tail block."""
    assert block.shortcut is not None
    return block.shortcut.weight.T


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
    act_scale, act_shift = act_affine or (None, None)
    extra_scale, extra_shift = extra_affine or (None, None)
    epilogue = Epilogue(raw, residual, act, act_scale, act_shift, extra, extra_scale, extra_shift)
    backend_for(x).run(x, module.packed(x.dtype), module.weight.shape[2], kernel_map, epilogue)
