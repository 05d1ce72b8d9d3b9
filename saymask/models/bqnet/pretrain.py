"""Pre-training of the backbone on superpoint labels, the start that BQNet takes from SPFormer's weights.

Source: docs/systems/bqnet.md §5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.data.annotations import Annotation
from saymask.data.samples.degrade import Degradation
from saymask.errors import InputError
from saymask.models.base import Model
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.transform import centred, unit_colors, view
from saymask.nn.superpoints import (
    SuperpointBatch,
    SuperpointScan,
    SuperpointUNet,
    collate_scans,
    superpoint_scan,
    to_device,
)
from saymask.scan import Scan

NONE = -1
"""Class of a superpoint that has no label."""


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of the pre-training of the backbone."""

    model: BQNetConfig = field(default_factory=BQNetConfig)
    """The model whose backbone and augmentation are used."""
    labels: str = "semantic200"
    """Label column of the prepared scans."""
    classes: int = 200
    offset_weight: float = 1.0
    """Weight of the offsets' loss (metres)."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A scan and the truth of its superpoints."""

    scan: SuperpointScan
    classes: np.ndarray  # int64 [S], NONE = no label
    offsets: np.ndarray  # float32 [S, 3] from the superpoint to the centre of its instance, metres; NaN without one


@dataclass(frozen=True, eq=False)
class Batch:
    """Several samples; truth is listed scan after scan."""

    scans: SuperpointBatch
    classes: Tensor  # int64 [ΣS]
    offsets: Tensor  # float32 [ΣS, 3]

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on `device`."""
        return type(self)(**to_device(self, device))


class BackbonePretraining(Model):
    """The superpoint U-Net with a linear classifier and a regression of instance centres.

    Both are what 3D instance segmentation networks learn first (SPFormer's backbone, HAIS); the heads are thrown away.
    """

    system = "bqnet-backbone"

    def __init__(self, config: PretrainConfig | None = None) -> None:
        super().__init__()
        config = PretrainConfig() if config is None else config
        self.config = config
        self.backbone = SuperpointUNet(config.model.widths, config.model.block_reps)
        width = config.model.widths[0]
        self.classifier = nn.Linear(width, config.classes)
        self.offset = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3))

    @property
    def degrade(self) -> Degradation:
        """Switches of the degraded view: those of the model."""
        return self.config.model.degrade

    def prepare(
        self, scan: Scan, annotations: Sequence[Annotation] = (), *, rng: np.random.RandomState | None = None
    ) -> Sample:
        """Return the voxels, superpoints and their truth; sentences are not used."""
        config = self.config
        if scan.superpoints is None or config.labels not in scan.labels or "instance" not in scan.labels:
            raise InputError(f"scan {scan.name}: expected superpoints and labels {config.labels} and instance")
        seen = view(
            centred(scan.points),
            unit_colors(scan.colors),
            rng,
            augment=config.model.augment,
            voxel_size=config.model.voxel_size,
            most_points=config.model.most_points,
        )
        chosen = slice(None) if seen.chosen is None else seen.chosen
        labels, instance = scan.labels[config.labels][chosen], scan.labels["instance"][chosen]
        features = np.concatenate([seen.colors, seen.positions], axis=1)
        made = superpoint_scan(seen.cells, features, seen.positions, scan.superpoints[chosen])
        classes = commonest(labels, made.index, len(made.positions))
        own = commonest(instance, made.index, len(made.positions))
        centers = np.full((max(int(instance.max(initial=-1)), 0) + 1, 3), np.nan, np.float32)
        for number in np.unique(instance[instance >= 0]):
            points = seen.positions[instance == number]
            centers[number] = (points.min(0) + points.max(0)) / 2
        offsets = np.where((own >= 0)[:, None], centers[np.maximum(own, 0)], np.nan) - made.positions
        return Sample(made, classes, offsets.astype(np.float32))

    def collate(self, samples: list[Sample]) -> Batch:
        """Return the batch of `samples`."""
        return Batch(
            collate_scans([s.scan for s in samples]),
            torch.from_numpy(np.concatenate([s.classes for s in samples])),
            torch.from_numpy(np.concatenate([s.offsets for s in samples])),
        )

    def encode_batch(self, batch: Batch) -> Tensor:
        """Return the features float [ΣS, C] of the superpoints."""
        return self.backbone(batch.scans)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return `semantic` (cross-entropy over superpoints) and `offset` (mean absolute error inside things)."""
        features = self.encode_batch(batch).float()
        error = (self.offset(features).float() - batch.offsets).abs().sum(1)
        inside = ~batch.offsets.isnan().any(1)
        # A batch without a label or a thing adds nothing, instead of the mean of nothing.
        zero = features.sum() * 0
        labelled = bool((batch.classes != NONE).any())
        logits = self.classifier(features).float()
        return {
            "semantic": F.cross_entropy(logits, batch.classes, ignore_index=NONE) if labelled else zero,
            "offset": self.config.offset_weight * (error[inside].mean() if bool(inside.any()) else zero),
        }


def commonest(labels: np.ndarray, index: np.ndarray, n: int) -> np.ndarray:
    """Return int64 [n], the commonest of the `labels` int [N] (-1 = none) of the points of each row `index` [N].

    "None" can win as well, and less than half can be enough: the votes of UniSeg3D are others (`geometry.votes`).
    """
    width = int(labels.max(initial=-1)) + 2
    counts = np.bincount(index * width + labels.astype(np.int64) + 1, minlength=n * width).reshape(n, width)
    return counts.argmax(1) - 1
