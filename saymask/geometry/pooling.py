"""Reductions over groups of rows, in torch with gradients: superpoint pooling and sections."""

import torch
from torch import Tensor

from saymask.errors import InputError


def scatter_mean(values: Tensor, index: Tensor, n: int | None = None) -> Tensor:
    """Return [n, C], the mean of the rows of `values` [N, C] with equal `index` int64 [N]; empty rows are 0.

    `n` defaults to the largest index + 1 (docs/systems/less.md §A.5). The gradient of a row is 1 / count of its group.
    """
    n = _length(index, n)
    total = values.new_zeros(n, values.shape[1]).index_add(0, index, values)
    count = torch.bincount(index, minlength=n).clamp(min=1).to(values.dtype)
    return total / count[:, None]


def scatter_max(values: Tensor, index: Tensor, n: int | None = None, *, empty: float = 0.0) -> Tensor:
    """Return [n, C], the largest row of `values` [N, C] per channel and `index` int64 [N]; empty rows are `empty`.

    The gradient goes to one row per group and channel, the first of those that tie (docs/systems/less.md §A.5).
    """
    n = _length(index, n)
    rows, channels = values.shape
    spread = index[:, None].expand(rows, channels)
    with torch.no_grad():
        highest = values.new_full((n, channels), -torch.inf).scatter_reduce(0, spread, values, "amax")
        number = torch.arange(rows, device=values.device)[:, None].expand(rows, channels)
        candidate = torch.where(values == highest[index], number, rows)
        first = torch.full((n, channels), rows, device=values.device).scatter_reduce(0, spread, candidate, "amin")
    padded = torch.cat([values, values.new_full((1, channels), empty)])
    return padded.gather(0, first)


def section_mean(values: Tensor, offsets: Tensor) -> Tensor:
    """Return [P, C], the mean over rows offsets[p]..offsets[p+1] of `values` [N, C]; 0 for none.

    Source: docs/systems/less.md §B.3.
    """
    index, n = _sections(values, offsets)
    return scatter_mean(values, index, n)


def section_max(values: Tensor, offsets: Tensor) -> Tensor:
    """Return [P, C], the maximum over each section; an empty one is -infinity. Also the `roipool` of pointgroup_ops.

    Source: docs/systems/less.md §B.4.
    """
    index, n = _sections(values, offsets)
    return scatter_max(values, index, n, empty=-torch.inf)


def section_min(values: Tensor, offsets: Tensor) -> Tensor:
    """Return [P, C], the minimum over each section; an empty one is infinity."""
    return -section_max(-values, offsets)


def _length(index: Tensor, n: int | None) -> int:
    if n is None:
        return int(index.max()) + 1 if len(index) else 0
    return n


def _sections(values: Tensor, offsets: Tensor) -> tuple[Tensor, int]:
    sizes = offsets.long().diff()
    if int(offsets[0]) != 0 or int(offsets[-1]) != len(values) or bool((sizes < 0).any()):
        raise InputError(f"sections: expected offsets ascending from 0 to {len(values)}, got {offsets.tolist()[:8]}")
    return torch.repeat_interleave(torch.arange(len(sizes), device=values.device), sizes), len(sizes)
