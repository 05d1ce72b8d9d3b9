"""Which support rows a mask holds: a threshold on their probabilities and, for one object, the best connected part."""

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from saymask.models.less.batch import Batch
from saymask.models.less.config import LessConfig
from saymask.sparse import SitePyramid


def support_graph(batch: Batch, pyramid: SitePyramid) -> csr_array:
    """Return which support rows touch, a sparse matrix [R, R] over the rows of the batch without padding.

    Two rows touch when they have points in the same voxel or in two voxels that share a face, an edge or a corner.
    """
    neighbours = pyramid.levels[0].neighbours.cpu().numpy()
    site_of = pyramid.inverse.cpu().numpy()  # input voxel -> sorted site
    sites, rows = len(neighbours), len(batch.rows)
    if batch.pool_site is None or batch.pool_row is None:
        pair_site, pair_row = site_of, np.arange(rows)
    else:
        pair_site, pair_row = site_of[batch.pool_site.cpu().numpy()], batch.pool_row.cpu().numpy()
    holds = csr_array((np.ones(len(pair_site), np.float32), (pair_site, pair_row)), shape=(sites, rows))
    site, offset = np.nonzero(neighbours >= 0)
    near = csr_array((np.ones(len(site), np.float32), (site, neighbours[site, offset])), shape=(sites, sites))
    return csr_array(holds.T @ (near @ holds))


def select_rows(logits: Tensor, counts: Tensor, graph: csr_array | None, config: LessConfig) -> Tensor:
    """Return logits [S] that are > 0 at the rows of the mask, from mask logits [S] and points per row [S].

    The bar is `config.threshold`, lowered to `config.relative_threshold` times the highest probability where that is
    less. With a graph [S, S] only the connected part with the largest sum of probability × points is kept; the rows
    of the other parts change their sign.
    """
    bar = torch.tensor(config.threshold, dtype=logits.dtype, device=logits.device)
    if config.relative_threshold > 0 and len(logits):
        bar = torch.minimum(bar, config.relative_threshold * logits.max().sigmoid())
    shifted = logits - torch.logit(bar, eps=1e-6)
    if graph is None:
        return shifted
    rows = torch.nonzero(shifted > 0).flatten()
    if not len(rows):
        return shifted
    at = rows.cpu().numpy()
    _, part = connected_components(graph[at][:, at], directed=False)
    weight = (logits[rows].sigmoid() * counts[rows]).cpu().numpy()
    other = part != np.bincount(part, weights=weight).argmax()
    dropped = rows[torch.from_numpy(other).to(rows.device)]
    return shifted.index_copy(0, dropped, -shifted[dropped])
