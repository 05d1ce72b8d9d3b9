"""Mask rule: a threshold on probabilities and, for one object, the best connected component of support rows."""

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from saymask.models.less.batch import Batch
from saymask.models.less.config import LessConfig
from saymask.nn.components import best_component, touching
from saymask.sparse import SitePyramid


def support_graph(batch: Batch, pyramid: SitePyramid) -> csr_array:
    """Return which support rows touch, a sparse matrix [R, R] over the rows of the batch without padding."""
    if batch.pool_site is None or batch.pool_row is None:
        rows = np.arange(len(batch.rows))
        return touching(pyramid, rows, rows, len(rows))
    return touching(pyramid, batch.pool_site.cpu().numpy(), batch.pool_row.cpu().numpy(), len(batch.rows))


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
    bits = (shifted > 0).cpu().numpy()
    other = bits & ~best_component(bits, (logits.sigmoid() * counts).cpu().numpy(), graph)
    dropped = torch.from_numpy(np.flatnonzero(other)).to(shifted.device)
    return shifted.index_copy(0, dropped, -shifted[dropped])
