"""The way from each voxel to the centre of its object: targets and losses (docs/systems/lground.md §4.5)."""

import torch
from torch import Tensor

from saymask.errors import InputError
from saymask.nn.blocks import full_precision

_EPS_COUNT, _EPS_NORM = 1e-6, 1e-8


def instance_centers(coords: Tensor, instances: Tensor) -> Tensor:
    """Return float32 [N, 3]: the mean coordinate of each voxel's object, in voxels.

    coords: int [N, 4] (batch, x, y, z); instances: int [N], counted anew in each scene of the batch, -1 none. Voxels
    without an object get their own coordinates, so that their offset is 0.
    """
    if coords.ndim != 2 or coords.shape[1] != 4 or instances.shape != coords.shape[:1]:
        raise InputError(
            f"expected coords [N, 4] and instances [N], got {list(coords.shape)} and {list(instances.shape)}"
        )
    centers = coords[:, 1:].double()
    valid = instances >= 0
    pairs = torch.stack([coords[valid, 0].long(), instances[valid].long()], dim=1)
    found, rows = torch.unique(pairs, dim=0, return_inverse=True)
    sums = centers.new_zeros(len(found), 3).index_add_(0, rows, centers[valid])
    counts = torch.bincount(rows, minlength=len(found))[:, None]
    centers[valid] = (sums / counts)[rows]
    return centers.float()


def offset_targets(coords: Tensor, centers: Tensor, voxel_size: float) -> Tensor:
    """Return float32 [N, 3] = (centre - voxel) · voxel_size, in metres of the (augmented) frame of the voxels.

    coords: int [N, 4] (batch, x, y, z); centers: float [N, 3] in voxels.
    """
    if not voxel_size > 0:
        raise InputError(f"voxel size: expected metres above 0, got {voxel_size}")
    return (centers - coords[:, 1:].to(centers.dtype)) * voxel_size


def offset_losses(
    offsets: Tensor,  # float [N, 3], as predicted
    targets: Tensor,  # float [N, 3]
    instances: Tensor,  # int [N], -1 none
) -> tuple[Tensor, Tensor]:
    """Return (distance, direction): mean L1 distance and mean negative cosine over the voxels that have an object.

    Both are 0, with a gradient of 0, when no voxel has one. Raises InputError when shapes do not fit together.
    """
    if offsets.ndim != 2 or offsets.shape[1] != 3 or targets.shape != offsets.shape:
        raise InputError(f"expected offsets and targets [N, 3], got {list(offsets.shape)} and {list(targets.shape)}")
    if instances.shape != offsets.shape[:1]:
        raise InputError(f"expected instances [{len(offsets)}], got {list(instances.shape)}")
    valid = instances >= 0
    offsets = full_precision(offsets)
    found, wanted = offsets[valid], targets[valid].to(offsets.dtype)
    count = valid.sum() + _EPS_COUNT
    distance = (found - wanted).abs().sum() / count
    return distance, -(_unit(wanted) * _unit(found)).sum() / count


def _unit(vectors: Tensor) -> Tensor:
    return vectors / (vectors.norm(dim=1, keepdim=True) + _EPS_NORM)
