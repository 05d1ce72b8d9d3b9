"""Places and colours of a scan's superpoints, which sentences are read over, and which lie near each other (ours)."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from saymask.nn.components import near
from saymask.nn.superpoints import SuperpointBatch


class Places(NamedTuple):
    """S superpoints."""

    low: np.ndarray  # float32 [S, 3] metres, from the scan's own corner
    high: np.ndarray  # float32 [S, 3]
    colors: np.ndarray  # float32 [S, 3] mean colour, 0..255


def places_of(batch: SuperpointBatch, voxel_size: float) -> list[Places]:
    """Return the places of each scan of a batch, to the accuracy of its voxels."""
    site, row, weight = (t.cpu().numpy() for t in (batch.pool_site, batch.pool_row, batch.pool_weight))
    cells, features = batch.coords[:, 1:].cpu().numpy()[site], batch.features[:, :3].float().cpu().numpy()[site]
    size = len(batch.rows)
    starts = np.searchsorted(row, np.arange(size))  # the pairs are sorted by superpoint, and each has some
    low = np.minimum.reduceat(cells, starts) * np.float32(voxel_size)
    high = (np.maximum.reduceat(cells, starts) + 1) * np.float32(voxel_size)
    colors = np.add.reduceat(features * weight[:, None], starts) / np.add.reduceat(weight, starts)[:, None]
    ends = np.cumsum(batch.sizes)[:-1]
    columns = (np.split(values, ends) for values in (low, high, (colors + 1) * np.float32(127.5)))
    return [Places(*values) for values in zip(*columns, strict=True)]


def graphs_of(batch: SuperpointBatch, cells: int) -> list[csr_array]:
    """Return, for each scan of a batch, which superpoints [S, S] lie near each other: in blocks of `cells`³ voxels that
    touch."""
    voxels, site, row = (t.cpu().numpy() for t in (batch.coords, batch.pool_site, batch.pool_row))
    graph = near(voxels, site, row, len(batch.rows), cells)
    ends = np.cumsum(batch.sizes)
    return [graph[end - size : end, end - size : end] for end, size in zip(ends, batch.sizes, strict=True)]
