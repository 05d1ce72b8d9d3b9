"""Scans as superpoints: voxel features, the pooling from voxels to superpoints, batches, and the U-Net over them.

The backbone of SPFormer, which BQNet (docs/systems/bqnet.md §3.1) and UniSeg3D start from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from saymask.geometry.voxelize import unique_cells
from saymask.nn.blocks import full_precision
from saymask.nn.unet.network import SparseUNet
from saymask.sparse import SitePyramid, build_sites, pool_mean


@dataclass(frozen=True, eq=False)
class Pooling:
    """Pooling of site features to superpoints: each pair is `weight` points of a site inside a superpoint."""

    site: np.ndarray  # int64 [P]
    row: np.ndarray  # int64 [P], sorted
    weight: np.ndarray  # float32 [P]


def site_pooling(row: np.ndarray, site: np.ndarray, sites: int) -> Pooling:
    """Return the pooling of `sites` voxels for points of superpoint `row` int64 [N] and voxel `site` int64 [N]."""
    pairs, weight = np.unique(row * sites + site, return_counts=True)
    return Pooling(pairs % sites, pairs // sites, weight.astype(np.float32))


@dataclass(frozen=True, eq=False)
class SuperpointScan:
    """One scan as the U-Net sees it."""

    cells: np.ndarray  # int32 [V, 3] unique voxels in lexicographic order
    features: np.ndarray  # float32 [V, 6] mean of the points' features
    pooling: Pooling
    positions: np.ndarray  # float32 [S, 3] mean of the points' positions, metres
    index: np.ndarray  # int64 [N] superpoint of each point, 0..S-1


def superpoint_scan(
    cells: np.ndarray,  # int [N, 3] voxel of each point
    features: np.ndarray,  # float [N, C] of each point
    positions: np.ndarray,  # float [N, 3], metres
    superpoints: np.ndarray,  # int [N], any ids
) -> SuperpointScan:
    """Return the voxels and superpoints of N points; superpoint rows are in the order of their ids."""
    unique, site, _ = unique_cells(cells)
    v = len(unique)
    index = np.unique(superpoints, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return SuperpointScan(
        unique.astype(np.int32), _mean(features, site, v), site_pooling(index, site, v), _mean(positions, index), index
    )


def _mean(values: np.ndarray, index: np.ndarray, n: int = 0) -> np.ndarray:
    count = np.bincount(index, minlength=n)
    total = np.stack([np.bincount(index, weights=column, minlength=n) for column in values.T], axis=1)
    return (total / count[:, None]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class SuperpointBatch:
    """B scans; sites and superpoints are listed scan after scan, `positions` and `padding` padded to the longest."""

    coords: Tensor  # int32 [V, 4] (scan, x, y, z)
    features: Tensor  # float32 [V, 6]
    pool_site: Tensor  # int64 [P] over all sites
    pool_row: Tensor  # int64 [P] over all superpoints
    pool_weight: Tensor  # float32 [P]
    rows: Tensor  # int64 [ΣS]: padded row (scan · S + row) of each superpoint
    positions: Tensor  # float32 [B, S, 3]
    padding: Tensor  # bool [B, S], True = not a superpoint
    sizes: tuple[int, ...]  # superpoints of each scan
    index: tuple[np.ndarray, ...]  # per scan int64 [N]: superpoint of each point

    def __len__(self) -> int:
        return len(self.sizes)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Self:
        """Return the batch with its tensors on `device`."""
        return replace(self, **to_device(self, device, non_blocking))

    def parts(self, most: int) -> "Iterator[SuperpointBatch]":
        """Yield the batch in parts of consecutive scans, with at most `most` sites if these are several scans."""
        sites = np.bincount(self.coords[:, 0].cpu().numpy(), minlength=len(self))
        first = 0
        while first < len(self):
            last = first + max(1, int(np.searchsorted(np.cumsum(sites[first:]), most, "right")))
            yield self if last - first == len(self) else self._part(first, last, sites)
            first = last

    def _part(self, first: int, last: int, sites: np.ndarray) -> "SuperpointBatch":
        site, row = int(sites[:first].sum()), sum(self.sizes[:first])
        voxels = slice(site, site + int(sites[first:last].sum()))
        rows = slice(row, row + sum(self.sizes[first:last]))
        pairs = slice(*torch.searchsorted(self.pool_row, self.pool_row.new_tensor([rows.start, rows.stop])).tolist())
        coords = self.coords[voxels].clone()
        coords[:, 0] -= first
        return SuperpointBatch(
            coords=coords,
            features=self.features[voxels],
            pool_site=self.pool_site[pairs] - site,
            pool_row=self.pool_row[pairs] - row,
            pool_weight=self.pool_weight[pairs],
            rows=self.rows[rows] - first * self.positions.shape[1],
            positions=self.positions[first:last],
            padding=self.padding[first:last],
            sizes=self.sizes[first:last],
            index=self.index[first:last],
        )

    def pad(self, values: Tensor) -> Tensor:
        """Return [B, S, ...] from the values [ΣS, ...] of all superpoints; padding is 0."""
        b, s = self.padding.shape
        padded = values.new_zeros(b * s, *values.shape[1:]).index_copy(0, self.rows, values)
        return padded.unflatten(0, (b, s))


def to_device(record: Any, device: torch.device | str, non_blocking: bool = True) -> dict[str, Any]:
    """Return the tensors of a dataclass record, and its records with a method `to`, moved to `device`."""
    values = {}
    for name, value in vars(record).items():
        if isinstance(value, Tensor):
            values[name] = value.to(device, non_blocking=non_blocking)
        elif hasattr(value, "to"):
            values[name] = value.to(device)
    return values


def collate_scans(scans: Sequence[SuperpointScan]) -> SuperpointBatch:
    """Return the batch of `scans`."""
    sites = np.cumsum([0] + [len(s.cells) for s in scans])
    sizes = tuple(len(s.positions) for s in scans)
    starts, longest = np.cumsum([0, *sizes]), max(sizes)
    rows = np.concatenate([np.arange(n) + b * longest for b, n in enumerate(sizes)])
    positions = np.zeros((len(scans) * longest, 3), np.float32)
    positions[rows] = np.concatenate([s.positions for s in scans])
    padding = np.ones(len(scans) * longest, bool)
    padding[rows] = False
    coords = np.concatenate([np.insert(s.cells, 0, b, axis=1) for b, s in enumerate(scans)])
    return SuperpointBatch(
        coords=torch.from_numpy(coords.astype(np.int32)),
        features=torch.from_numpy(np.concatenate([s.features for s in scans])),
        pool_site=torch.from_numpy(np.concatenate([s.pooling.site + sites[b] for b, s in enumerate(scans)])),
        pool_row=torch.from_numpy(np.concatenate([s.pooling.row + starts[b] for b, s in enumerate(scans)])),
        pool_weight=torch.from_numpy(np.concatenate([s.pooling.weight for s in scans])),
        rows=torch.from_numpy(rows.astype(np.int64)),
        positions=torch.from_numpy(positions.reshape(len(scans), longest, 3)),
        padding=torch.from_numpy(padding.reshape(len(scans), longest)),
        sizes=sizes,
        index=tuple(s.index for s in scans),
    )


class SuperpointUNet(nn.Module):
    """Sparse U-Net over voxels, then the mean over each superpoint's points."""

    def __init__(self, widths: Sequence[int] = (32, 64, 96, 128, 160), block_reps: int = 2, in_channels: int = 6):
        super().__init__()
        self.unet = SparseUNet(in_channels, widths, block_reps)
        self.levels = len(widths)

    def sites(self, batch: SuperpointBatch, spatial_shape: Sequence[int] | None = None) -> SitePyramid:
        """Return the sites and kernel maps of a batch."""
        return build_sites(batch.coords, levels=self.levels, spatial_shape=spatial_shape)

    def forward(self, batch: SuperpointBatch, pyramid: SitePyramid | None = None) -> Tensor:
        """Return features float [ΣS, widths[0]] of all superpoints of the batch; `pyramid` are its sites, if made."""
        pyramid = self.sites(batch) if pyramid is None else pyramid
        out = self.unet(batch.features[pyramid.order], pyramid)
        # Sums over many points need the digits of float32.
        rows = full_precision(out)[pyramid.inverse]
        return pool_mean(rows[batch.pool_site], batch.pool_row, len(batch.rows), batch.pool_weight)
