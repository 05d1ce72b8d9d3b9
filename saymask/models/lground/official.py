"""Official checkpoints of LGround's networks: names, layouts, what may be left out, and the report of a load.

Source: docs/systems/lground.md §3.3, §7.24. Lightning puts `model.` before each name; kernels are [K³, in, out] with x
running fastest, those of volume 1 are [in, out], biases [1, out].
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from saymask.errors import CheckpointError
from saymask.models.importing import Report, fit, renamed
from saymask.nn.res16unet.network import Res16UNet
from saymask.nn.res16unet.plan import PLANES, REPEATS, Res16Plan, res16_plan
from saymask.sparse.importers import cube_root, from_minkowski, to_minkowski

UNUSED = r"criterion\.nll_loss\.weight$|embedding_criterion\."
"""Keys of the trainer's losses that may occur in a checkpoint and belong to no network."""
PROJECTION = "projection_layer."
"""Keys of the linear map of text anchors to the features' width (34CR_Proj)."""
_UNIT = re.compile(r"block\d\.\d+\.downsample\.0\.kernel|final\.kernel|offsets(_pre)?\.kernel")
"""Kernels of volume 1."""
_PREFIXES = re.compile(r"(?:module\.|model\.|encoder\.)*")
_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_BLOCK = (
    (r"conv([12])\.weight", r"conv\1.kernel"),
    (r"norm([12])\.(\w+)", r"norm\1.bn.\2"),
    (r"shortcut\.weight", r"downsample.0.kernel"),
    (r"shortcut_norm\.(\w+)", r"downsample.1.bn.\1"),
)
_OUTER = (
    (r"input_conv\.weight", r"conv0p1s1.kernel"),
    (rf"input_norm\.{_NORM}", r"bn0.bn.\1"),
    (r"classifier\.weight", r"final.kernel"),
    (r"classifier\.bias", r"final.bias"),
    (r"offset_hidden\.weight", r"offsets_pre.kernel"),
    (r"offset_hidden\.bias", r"offsets_pre.bias"),
    (rf"offset_norm\.{_NORM}", r"bntr_offset.bn.\1"),
    (r"offset_out\.weight", r"offsets.kernel"),
    (r"offset_out\.bias", r"offsets.bias"),
    (r"projection\.(weight|bias)", r"projection_layer.\1"),
)


def official_name(name: str) -> str:
    """Return the official key of one of `Res16UNet`'s state-dict names; KeyError for any other name."""
    if match := re.fullmatch(r"(encoder|decoder)\.(\d)\.(conv\.weight|norm\.\w+|blocks\.(\d+)\.(.*))", name):
        up, index = match[1] == "decoder", int(match[2])
        number = index + (4 if up else 1)
        if match[3] == "conv.weight":
            return f"convtr{number}p{2 ** (4 - index)}s2.kernel" if up else f"conv{number}p{2**index}s2.kernel"
        if match[4] is None:
            return f"{'bntr' if up else 'bn'}{number}.bn.{match[3].removeprefix('norm.')}"
        prefix, name, patterns = f"block{number + up}.{match[4]}.", match[5], _BLOCK
    else:
        prefix, patterns = "", _OUTER
    return prefix + renamed(name, patterns)


def official_names(net: Res16UNet) -> dict[str, str]:
    """Return our state-dict name → official key of every tensor of `net`."""
    return {name: official_name(name) for name in net.state_dict()}


def official_state(net: Res16UNet) -> dict[str, Tensor]:
    """Return the tensors of `net` under the official names and in the official layout, without a prefix."""
    return {official_name(name): _to_official(name, value) for name, value in net.state_dict().items()}


def plain_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a checkpoint's tensors without the prefixes `module.`, `model.` and `encoder.` of Lightning and DDP.

    Raises CheckpointError when two keys become one.
    """
    plain: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key[_PREFIXES.match(key).end() :]  # type: ignore[union-attr]
        if name in plain:
            raise CheckpointError(f"the checkpoint holds {name} twice, under different prefixes; expected one network")
        plain[name] = value
    return plain


def network_of(state: Mapping[str, Tensor], *, last_relu: bool | None = None) -> Res16UNet:
    """Return an untrained network of the shape that an official state dict (any prefix) says.

    last_relu: whether the features are activated, which no tensor says. None = as in the published variants: not for
    34D and networks with a projection, but always with an offset head; 34C is told from 34CR by nothing, so None means
    34C. Raises CheckpointError when the tensors are not those of a Res16UNet, or those of an older engine.
    """
    shapes = {key: tuple(value.shape) for key, value in plain_state(state).items()}
    flat = [key for key, shape in shapes.items() if _UNIT.fullmatch(key) and len(shape) == 3 and shape[0] == 1]
    if flat:
        raise CheckpointError(
            f"{flat[0]} has the shape {list(shapes[flat[0]])}, which MinkowskiEngine 0.5 does not write: expected "
            f"{list(shapes[flat[0]][1:])}. Kernels of older engines (0.4) are in another order and cannot be "
            "converted; train with 0.5 or with saymask"
        )
    try:
        volume, channels, stem = shapes["conv0p1s1.kernel"]
        planes = tuple(shapes[f"block{i}.0.conv2.kernel"][2] for i in range(1, 9))
        repeats = tuple(
            next(n for n in range(1, len(shapes) + 2) if f"block{i}.{n}.conv1.kernel" not in shapes)
            for i in range(1, 9)
        )
        plan = Res16Plan(planes, repeats, in_channels=channels, stem=stem, stem_size=cube_root(volume))
        classes = shapes["final.kernel"][1] if "final.kernel" in shapes else 0
        projection = shapes["projection_layer.weight"][1] if "projection_layer.weight" in shapes else 0
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"expected the tensors of a Res16UNet (conv0p1s1.kernel, block1.0.conv2.kernel, ...), got {len(shapes)} "
            f"others, which do not fit: {error}"
        ) from error
    instances = "offsets.kernel" in shapes
    if last_relu is None:
        last_relu = instances or not (projection or plan.features == 512)
    return Res16UNet(replace(plan, last_relu=last_relu), classes, offsets=instances, projection=projection)


def plan_name(plan: Res16Plan) -> str:
    """Return the name for `res16_plan` of the blocks and channels of a plan, such as "34D"; "" for one without.

    CR is C without the last ReLU; D is called so with and without.
    """
    for depth, repeats in REPEATS.items():
        names = [f"{depth}{planes}" for planes in PLANES if (PLANES[planes], repeats) == (plan.planes, plan.repeats)]
        if names:
            return next((name for name in names if res16_plan(name).last_relu == plan.last_relu), names[0])
    return ""


def load_official(
    net: Res16UNet,
    state: Mapping[str, Tensor],
    *,
    strict: bool = True,
    title: str = "the checkpoint does not fit this Res16UNet",
) -> Report:
    """Load an official state dict (any prefix) into `net`.

    Strictly, CheckpointError, which starts with `title`, lists every key that is missing, unexpected or of another
    shape, and nothing is loaded. Otherwise the tensors that fit by name and shape are loaded, as the official trainer
    does between its stages (docs/systems/lground.md §3.3, §7.24), and the report lists the rest; CheckpointError when
    none fits.
    """
    own = net.state_dict()
    loaded, report = fit(
        own,
        official_names(net),
        plain_state(state),
        unused=UNUSED,
        ours=from_official,
        theirs=official_shape,
    )
    if strict or not loaded:
        report.check(title)
    net.load_state_dict(own | loaded)
    return report


def official_shape(name: str, shape: Sequence[int]) -> list[int]:
    """Return the official shape of one of `Res16UNet`'s tensors."""
    return list(_to_official(name, torch.empty(tuple(shape), device="meta")).shape)


def from_official(name: str, value: Tensor) -> Tensor | None:
    """Return a tensor in this network's layout, or None for one that has no such layout."""
    if name.startswith("projection."):
        return value[..., 0] if value.ndim == 3 else value
    if name.endswith(("conv.weight", "conv1.weight", "conv2.weight")):
        return from_minkowski(value)
    if name.endswith(("classifier.weight", "shortcut.weight", "offset_hidden.weight", "offset_out.weight")):
        return value.T.contiguous() if value.ndim == 2 else None
    if name in ("classifier.bias", "offset_hidden.bias", "offset_out.bias"):
        return value[0] if value.ndim == 2 and len(value) == 1 else None
    return value


def _to_official(name: str, value: Tensor) -> Tensor:
    if name.startswith("projection."):
        return value[..., None] if value.ndim == 2 else value
    if name.endswith(("conv.weight", "conv1.weight", "conv2.weight")):
        return to_minkowski(value)
    if name.endswith(("classifier.weight", "shortcut.weight", "offset_hidden.weight", "offset_out.weight")):
        return value.T.contiguous()
    if name in ("classifier.bias", "offset_hidden.bias", "offset_out.bias"):
        return value[None]
    return value.clone() if value.dtype == torch.int64 else value
