"""LESS's view of scans: voxel features, the support that masks live on, and batches of both."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from saymask.data.annotations import Sentence
from saymask.geometry.voxelize import unique_cells
from saymask.models.less.transform import LessItem
from saymask.nn.superpoints import Pooling, site_pooling
from saymask.text import TextFeatures
from saymask.text.clean import as_tokens
from saymask.util.words import check_sentence


@dataclass(frozen=True, eq=False)
class Sample:
    """One scan (all points, or the sampled and augmented ones of a training step) and its sentence."""

    cells: np.ndarray  # int32 [V, 3] unique voxels in lexicographic order
    features: np.ndarray  # float32 [V, 6] mean of x, y, z (metres) and colour over the voxel's points
    index: np.ndarray  # int64 [N] support row of each point
    counts: np.ndarray  # float32 [S] points of each support row
    positive: np.ndarray | None  # float32 [S] target points of each support row
    pooling: Pooling | None  # None: the support is the voxels
    sentence: str = ""


def caption(sentence: str) -> str:
    """Return what the text encoder reads for a sentence, in training, evaluation and use alike: ScanRefer's tokens.

    Any other sentence, such as what a user types, is brought to their form.
    """
    checked = check_sentence(sentence)
    return checked if Sentence.of(sentence).source == "scanrefer" else as_tokens(checked)


def make_sample(item: LessItem, superpoints: np.ndarray | None, sentence: str = "") -> Sample:
    """Return the sample of an item; its support are `superpoints` (int [m], of the item's points) or else voxels."""
    cells, site, _ = unique_cells(item.cells)
    n = len(cells)
    per_site = np.bincount(site, minlength=n)
    points = np.concatenate([item.coord_float, item.feature], axis=1)
    features = np.stack([np.bincount(site, weights=column, minlength=n) for column in points.T], axis=1)
    features = (features / per_site[:, None]).astype(np.float32)
    if superpoints is None:
        index, pooling = site, None
    else:
        index = np.unique(superpoints, return_inverse=True)[1].reshape(-1).astype(np.int64)
        pooling = site_pooling(index, site, n)
    counts = np.bincount(index).astype(np.float32)
    positive = None
    if item.target is not None:
        positive = np.bincount(index, weights=item.target, minlength=len(counts)).astype(np.float32)
    return Sample(cells.astype(np.int32), features, index, counts, positive, pooling, sentence)


@dataclass(frozen=True, eq=False)
class Batch:
    """Several samples; support rows are padded to the longest, sites are listed scan after scan."""

    coords: Tensor  # int32 [V, 4] (scan, x, y, z)
    features: Tensor  # float32 [V, 6]
    rows: Tensor  # int64 [R]: padded row (scan · S + row) of each support row
    counts: Tensor  # float32 [B, S] points of each row; 0 = padding
    positive: Tensor | None  # float32 [B, S] target points
    pool_site: Tensor | None  # int64 [P] over all sites
    pool_row: Tensor | None  # int64 [P] over all support rows R
    pool_weight: Tensor | None  # float32 [P]
    index: tuple[np.ndarray, ...]  # per scan int64 [N]: support row of each point
    sentences: tuple[str, ...]
    text: TextFeatures | None = None  # features of the sentences when the text encoder is frozen
    support_sizes: tuple[int, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> "Batch":
        """Return the batch with its tensors on `device`."""
        moved = {
            name: value.to(device, non_blocking=non_blocking)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved, text=None if self.text is None else self.text.to(device))


def collate(samples: list[Sample], text: TextFeatures | None = None) -> Batch:
    """Return the batch of `samples`; targets are kept only when every sample has one."""
    sites = np.cumsum([0] + [len(s.cells) for s in samples])
    sizes = tuple(len(s.counts) for s in samples)
    starts, longest = np.cumsum([0, *sizes]), max(sizes)
    rows = np.concatenate([np.arange(n) + b * longest for b, n in enumerate(sizes)])
    coords = np.concatenate([np.insert(s.cells, 0, b, axis=1) for b, s in enumerate(samples)])

    def padded(parts: list[np.ndarray]) -> Tensor:
        out = np.zeros(len(parts) * longest, np.float32)
        out[rows] = np.concatenate(parts)
        return torch.from_numpy(out.reshape(len(parts), longest))

    positive = [s.positive for s in samples if s.positive is not None]
    pools = [(b, s.pooling) for b, s in enumerate(samples) if s.pooling is not None]
    pooled = len(pools) == len(samples)
    return Batch(
        coords=torch.from_numpy(coords.astype(np.int32)),
        features=torch.from_numpy(np.concatenate([s.features for s in samples])),
        rows=torch.from_numpy(rows.astype(np.int64)),
        counts=padded([s.counts for s in samples]),
        positive=padded(positive) if len(positive) == len(samples) else None,
        pool_site=torch.from_numpy(np.concatenate([p.site + sites[b] for b, p in pools])) if pooled else None,
        pool_row=torch.from_numpy(np.concatenate([p.row + starts[b] for b, p in pools])) if pooled else None,
        pool_weight=torch.from_numpy(np.concatenate([p.weight for _, p in pools])) if pooled else None,
        index=tuple(s.index for s in samples),
        sentences=tuple(s.sentence for s in samples),
        text=text,
        support_sizes=sizes,
    )
