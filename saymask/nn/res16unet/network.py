"""Res16UNet, the sparse residual U-Net of MinkowskiEngine's model zoo as LGround uses it (docs/systems/lground.md §3).

Sites on five levels (strides 1, 2, 4, 8, 16), four 2³ stride-2 convolutions down, four transposed ones back onto the
finer sites that already exist, skips by concatenation (upsampled first). Blocks activate after the residual sum.

Which voxels share a coarse cell depends on the coordinates modulo 16: give the network the voxels' own coordinates
(true floor, negative ones included) and shift them by multiples of 16 only, else the result changes.
"""

from dataclasses import dataclass, replace
from typing import cast

from torch import Tensor, nn

from saymask.errors import InputError
from saymask.nn.res16unet.blocks import OUTER_MOMENTUM, LevelBlocks, norm, relu
from saymask.nn.res16unet.fused import fused_dtype, fused_forward
from saymask.nn.res16unet.plan import Res16Plan, res16_plan
from saymask.sparse.modules import SparseConv
from saymask.sparse.sites import SitePyramid

LEVELS = 5
"""Levels of sites that the network needs: `build_sites(coords, LEVELS)`."""


@dataclass(frozen=True, eq=False)
class Res16Output:
    """Outputs of the network for the V finest sites, in key order."""

    features: Tensor | None
    """float [V, P]; None where they were not asked for."""
    logits: Tensor | None = None
    """float [V, classes]; None without a classifier."""
    offsets: Tensor | None = None
    """float [V, 3]: the way to the object's centre in metres; None without the offset head."""


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
        self.input_norm = norm(plan.stem, OUTER_MOMENTUM)
        skips = (plan.stem, *planes[:3])  # what each level keeps for the way up, finest first
        self.encoder = nn.ModuleList(
            LevelBlocks(skips[i], skips[i], 0, planes[i], repeats[i], up=False, last_relu=True) for i in range(4)
        )
        self.decoder = nn.ModuleList(
            LevelBlocks(
                planes[i - 1], planes[i], skips[7 - i], planes[i], repeats[i], up=True,
                last_relu=plan.last_relu or i < 7,
            )
            for i in range(4, 8)
        )  # fmt: skip
        width = plan.features
        self.classifier = nn.Linear(width, classes) if classes else None
        self.offset_hidden = nn.Linear(width, width) if offsets else None
        self.offset_norm = norm(width, OUTER_MOMENTUM) if offsets else None
        self.offset_out = nn.Linear(width, 3) if offsets else None
        self.projection = nn.Linear(projection, width) if projection else None

    @property
    def encoder_stages(self) -> list[LevelBlocks]:
        """The four stages on the way down, finest first."""
        return cast(list[LevelBlocks], list(self.encoder))

    @property
    def decoder_stages(self) -> list[LevelBlocks]:
        """The four stages on the way up, coarsest first."""
        return cast(list[LevelBlocks], list(self.decoder))

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
        x = relu(self.input_norm(self.input_conv(feats, sites[0].kernel_map(self.plan.stem_size))))
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
        return self.offset_out(relu(self.offset_norm(self.offset_hidden(features))))

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
