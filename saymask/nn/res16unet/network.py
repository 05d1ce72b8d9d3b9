"""Res16UNet, the sparse residual U-Net of MinkowskiEngine's model zoo as LGround uses it (specification of LGround §3).

Sites on five levels (strides 1, 2, 4, 8, 16), four 2³ stride-2 convolutions down, four transposed ones back onto the
finer sites that already exist, skips by concatenation (upsampled first). Blocks activate after the residual sum.

Which voxels share a coarse cell depends on the coordinates modulo 16: give the network the voxels' own coordinates
(true floor, negative ones included) and shift them by multiples of 16 only, else the result changes.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from saymask.errors import InputError
from saymask.nn.res16unet.fused import fused_dtype, fused_forward
from saymask.sparse.maps import KernelMap
from saymask.sparse.modules import SparseConv
from saymask.sparse.sites import Level, SitePyramid

LEVELS = 5
"""Levels of sites that the network needs: `build_sites(coords, LEVELS)`."""
BLOCK_MOMENTUM, OUTER_MOMENTUM = 0.1, 0.02
"""BatchNorm momenta: the official option 0.02 never reaches the norms inside the blocks (specification §3.1, 7.1)."""
REPEATS = {"14": (1,) * 8, "18": (2,) * 8, "34": (2, 3, 4, 6, 2, 2, 2, 2)}
"""Depth → blocks of each of the eight stages."""
PLANES = {
    "A": (32, 64, 128, 256, 256, 128, 64, 64),
    "B": (32, 64, 128, 256, 256, 128, 64, 32),
    "C": (32, 64, 128, 256, 256, 128, 96, 96),
    "CR": (32, 64, 128, 256, 256, 128, 96, 96),
    "D": (32, 64, 128, 256, 256, 256, 256, 512),
    "C100": (32, 64, 128, 256, 256, 128, 128, 100),
    "C200": (32, 64, 128, 256, 256, 128, 96, 200),
}
"""Name → channels of each of the eight stages, encoder first."""


@dataclass(frozen=True)
class Res16Plan:
    """The shape of a Res16UNet."""

    planes: tuple[int, ...] = PLANES["C"]
    """Channels of the eight stages; those of the last are the features'."""
    repeats: tuple[int, ...] = REPEATS["34"]
    """Blocks of the eight stages."""
    last_relu: bool = True
    """Whether the features are activated."""
    in_channels: int = 3
    stem: int = 32
    """Channels of the first convolution."""
    stem_size: int = 3
    """Its kernel size, odd."""

    def __post_init__(self) -> None:
        for name, values in (("planes", self.planes), ("repeats", self.repeats)):
            if len(values) != 8 or min(values) < 1:
                raise InputError(f"{name}: expected eight positive numbers, got {tuple(values)}")
        if self.in_channels < 1 or self.stem < 1 or self.stem_size < 1 or self.stem_size % 2 == 0:
            raise InputError(
                "expected positive channels and an odd kernel size of the first convolution, got "
                f"{self.in_channels}, {self.stem} and {self.stem_size}"
            )

    @property
    def features(self) -> int:
        """Channels of the features."""
        return self.planes[-1]


def res16_plan(name: str, *, instances: bool = False) -> Res16Plan:
    """Return a named plan: depth 14, 18 or 34 and one of `PLANES`, e.g. "34C", "34CR", "34D" or "14A".

    CR and D leave the features without the last ReLU; in the official copy for instance segmentation (`instances`) all
    have it. The published variants are 34A, B, C, CR, D, C100 and C200; other depths with these planes are cheaper and
    ours. Raises InputError for any other name. Source: specification §3.1.
    """
    match = re.fullmatch(r"(14|18|34)([A-D]R?\d*)", name)
    if match is None or match[2] not in PLANES:
        raise InputError(f"Res16UNet: expected one of 14, 18, 34 and one of {', '.join(PLANES)} (34D), got {name!r}")
    return Res16Plan(PLANES[match[2]], REPEATS[match[1]], last_relu=instances or match[2] not in ("CR", "D"))


@dataclass(frozen=True, eq=False)
class Res16Output:
    """What the network says about the V finest sites, in key order."""

    features: Tensor | None
    """float [V, P]; None where they were not asked for."""
    logits: Tensor | None = None
    """float [V, classes]; None without a classifier."""
    offsets: Tensor | None = None
    """float [V, 3]: the way to the object's centre in metres; None without the offset head."""


class BasicBlock(nn.Module):
    """y = relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x)); without `relu` the sum itself."""

    def __init__(self, in_channels: int, out_channels: int, *, relu: bool = True):
        super().__init__()
        self.relu = relu
        self.conv1 = SparseConv(in_channels, out_channels)
        self.norm1 = _norm(out_channels, BLOCK_MOMENTUM)
        self.conv2 = SparseConv(out_channels, out_channels)
        self.norm2 = _norm(out_channels, BLOCK_MOMENTUM)
        same = in_channels == out_channels
        self.shortcut = None if same else nn.Linear(in_channels, out_channels, bias=False)
        self.shortcut_norm = None if same else _norm(out_channels, OUTER_MOMENTUM)

    def forward(self, x: Tensor, subm: KernelMap) -> Tensor:
        """Return the block's output [V, C_out] of x [V, C_in]."""
        y = _relu(self.norm1(self.conv1(x, subm)))
        y = self.norm2(self.conv2(y, subm))
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x))
        y = y + x
        return _relu(y) if self.relu else y


class Stage(nn.Module):
    """A 2³ convolution to the next level, coarser or finer, and the residual blocks there."""

    def __init__(
        self, in_channels: int, width: int, skip: int, out_channels: int, repeats: int, *, up: bool, last_relu: bool
    ):
        super().__init__()
        self.conv = SparseConv(in_channels, width, 2)
        if up:  # MinkowskiEngine draws transposed kernels by their outputs (specification §3.1)
            bound = 1.0 / math.sqrt(8 * width)
            nn.init.uniform_(self.conv.weight, -bound, bound)
        self.norm = _norm(width, OUTER_MOMENTUM)
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
        x = _relu(self.norm(self.conv(x, kernel_map)))
        if skip is not None:
            x = torch.cat([x, skip], dim=1)
        for block in self.blocks:
            x = block(x, sites.kernel_map())
        return x


class Res16UNet(nn.Module):
    """Res16UNet over the sites of a `SitePyramid`: features of the finest sites, class logits, offsets to objects.

    classes: outputs of the classifier; 0 = none. offsets: with the head of the instance network. projection: width of
    text anchors that `project` maps to the features' width (variant 34CR_Proj, 512 there); 0 = none.
    """

    def __init__(
        self, plan: Res16Plan | None = None, classes: int = 200, *, offsets: bool = False, projection: int = 0
    ):
        super().__init__()
        self.plan = plan = plan or Res16Plan()
        if classes < 0 or projection < 0:
            raise InputError(f"expected classes and projection of at least 0, got {classes} and {projection}")
        planes, repeats = plan.planes, plan.repeats
        self.input_conv = SparseConv(plan.in_channels, plan.stem, plan.stem_size)
        self.input_norm = _norm(plan.stem, OUTER_MOMENTUM)
        skips = (plan.stem, *planes[:3])  # what each level keeps for the way up, finest first
        self.encoder = nn.ModuleList(
            Stage(skips[i], skips[i], 0, planes[i], repeats[i], up=False, last_relu=True) for i in range(4)
        )
        self.decoder = nn.ModuleList(
            Stage(
                planes[i - 1], planes[i], skips[7 - i], planes[i], repeats[i], up=True,
                last_relu=plan.last_relu or i < 7,
            )
            for i in range(4, 8)
        )  # fmt: skip
        width = plan.features
        self.classifier = nn.Linear(width, classes) if classes else None
        self.offset_hidden = nn.Linear(width, width) if offsets else None
        self.offset_norm = _norm(width, OUTER_MOMENTUM) if offsets else None
        self.offset_out = nn.Linear(width, 3) if offsets else None
        self.projection = nn.Linear(projection, width) if projection else None

    @property
    def encoder_stages(self) -> list[Stage]:
        """The four stages on the way down, finest first."""
        return cast(list[Stage], list(self.encoder))

    @property
    def decoder_stages(self) -> list[Stage]:
        """The four stages on the way up, coarsest first."""
        return cast(list[Stage], list(self.decoder))

    def representation_only(self) -> "Res16UNet":
        """Drop the classifier, as pre-training does: there are no logits then; returns self."""
        self.classifier = None
        return self

    def project(self, anchors: Tensor) -> Tensor:
        """Return text anchors [C, D] as [C, P], the width of the features; anchors of any leading shape do."""
        if self.projection is None:
            raise InputError("this network projects no anchors: build it with projection=512 (or the anchors' width)")
        if anchors.shape[-1] != self.projection.in_features:
            raise InputError(f"expected anchors of width {self.projection.in_features}, got {list(anchors.shape)}")
        return self.projection(anchors)

    def forward(self, feats: Tensor, pyramid: SitePyramid, *, features: bool = True) -> Res16Output:
        """Return features, logits and offsets (what the network has) for feats [V, C_in] in key order.

        `features=False` leaves the features out of the result, which saves memory where only logits are needed. On the
        CPU, in eval mode and without gradients, norms and activations run inside the convolutions: in bfloat16 under
        autocast where the CPU has it, else in float32. Raises InputError when features and sites do not fit.
        """
        self._check(feats, pyramid, features)
        dtype = fused_dtype(self, feats)
        logits = None
        if dtype is not None:
            keep = features or self.offset_out is not None
            found, logits = fused_forward(self, feats.contiguous(), pyramid, dtype, keep)
        else:
            found = self._layers(feats, pyramid)
            logits = None if self.classifier is None else self.classifier(found)
        offsets = None if found is None else self._offsets(found)
        return Res16Output(found if features else None, logits, offsets)

    def _layers(self, feats: Tensor, pyramid: SitePyramid) -> Tensor:
        """Run layer by layer: any device, with gradients."""
        sites = pyramid.levels
        x = _relu(self.input_norm(self.input_conv(feats, sites[0].kernel_map(self.plan.stem_size))))
        skips = []
        for index, stage in enumerate(self.encoder_stages):
            skips.append(x)
            x = stage(x, sites[index].down, sites[index + 1])
        for index, stage in zip((3, 2, 1, 0), self.decoder_stages):
            x = stage(x, sites[index].up, sites[index], skips.pop())
        return x

    def _offsets(self, features: Tensor) -> Tensor | None:
        if self.offset_hidden is None or self.offset_norm is None or self.offset_out is None:
            return None
        return self.offset_out(_relu(self.offset_norm(self.offset_hidden(features))))

    def _check(self, feats: Tensor, pyramid: SitePyramid, features: bool) -> None:
        if len(pyramid.levels) < LEVELS:
            raise InputError(
                f"Res16UNet has {LEVELS} levels, the sites {len(pyramid.levels)}: build_sites(coords, levels={LEVELS})"
            )
        if feats.ndim != 2 or feats.shape != (len(pyramid), self.plan.in_channels):
            raise InputError(f"expected features [{len(pyramid)}, {self.plan.in_channels}], got {list(feats.shape)}")
        if not features and self.classifier is None and self.offset_out is None:
            raise InputError("a network without classifier and offsets returns features only: ask for them")
        if self.training and len(pyramid.levels[LEVELS - 1]) < 2:
            raise InputError(
                f"training needs at least two sites on the coarsest level (16³ voxels each), got "
                f"{len(pyramid.levels[LEVELS - 1])} from {len(pyramid)} voxels: leave such scenes out"
            )


def res16unet(
    name: str, classes: int = 200, *, instances: bool = False, projection: int = 0, **changes: object
) -> Res16UNet:
    """Return a named network (`res16_plan`); `instances` adds the offset head and the last ReLU.

    "34CR_Proj" is 34CR with a projection of 512-wide anchors. `changes` replace fields of the plan, e.g. `planes`.
    """
    if name.endswith("_Proj"):
        name, projection = name.removesuffix("_Proj"), projection or 512
    plan = replace(res16_plan(name, instances=instances), **cast(dict, changes))
    return Res16UNet(plan, classes, offsets=instances, projection=projection)


def small_plan(planes: Sequence[int], repeats: int = 1, *, last_relu: bool = False, stem: int = 32) -> Res16Plan:
    """Return a plan with the same number of blocks on every stage, for small presets."""
    return Res16Plan(tuple(planes), (repeats,) * 8, last_relu=last_relu, stem=stem)


def _norm(channels: int, momentum: float) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(channels, eps=1e-5, momentum=momentum)


def _relu(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True)  # always on the output of a norm or of a sum, which nobody else needs
