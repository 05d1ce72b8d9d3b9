"""Records between UniSeg3D's decoder, its losses and its post-processing; everything is per scene."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.models.uniseg3d.config import THINGS
from saymask.nn.blocks import full_precision


@dataclass(frozen=True, eq=False)
class LayerOutputs:
    """The head's outputs for a kind of queries after a layer (stage 0: before the first)."""

    classes: Tensor  # float [Q, 19] logits of the thing classes, "no object" last
    masks: Tensor  # float [Q, S] logits
    embeddings: Tensor  # float [Q, D]
    iou: Tensor | None = None  # float [Q] predicted IoU (no sigmoid); superpoint queries only
    directions: Tensor | None = None  # float [Q, W] of length 1: what a query shows, in the space of the texts
    superpoints: Tensor | None = None  # int64 [Q]: superpoint of each superpoint query; in prediction only

    def something(self) -> Tensor:
        """Return the probability [Q] that each query shows any class."""
        return 1 - full_precision(self.classes).softmax(1)[:, THINGS]

    def take(self, rows: Tensor) -> "LayerOutputs":
        """Return the queries `rows`, int64 [q]."""
        there = {name: value[rows] for name, value in vars(self).items() if value is not None}
        return LayerOutputs(**there)

    @staticmethod
    def joined(stages: "Sequence[LayerOutputs]") -> "LayerOutputs":
        """Return the queries of all `stages`, one after the other; what the first one lacks is left out."""
        there = [name for name, value in vars(stages[0]).items() if value is not None]
        return LayerOutputs(**{name: torch.cat([getattr(s, name) for s in stages]) for name in there})


@dataclass(frozen=True, eq=False)
class Outputs:
    """All stages of one scene, for its three kinds of queries."""

    objects: tuple[LayerOutputs, ...]
    """Superpoint queries, stages 0..layers."""
    clicks: tuple[LayerOutputs, ...]
    texts: tuple[LayerOutputs, ...]
    semantic: Tensor  # float [Q, 21] of the superpoint queries, last stage; "none" last
    directions: Tensor | None = None  # float [Q, W] of length 1: the same in the space of the texts


@dataclass(frozen=True, eq=False)
class Truth:
    """Truth of one scene with S superpoints."""

    masks: Tensor  # bool [I + J, S] instances, then novel objects
    labels: Tensor  # int64 [I] thing classes 0..17
    semantic: Tensor  # int64 [S] 0..19, 20 = none
    queries: Tensor  # int64 [Q]: superpoint of each superpoint query
    click_objects: Tensor  # int64 [P]: row of `masks` of each click; -1 = on wall or floor, which is no thing
    text_objects: Tensor  # int64 [T]: row of `masks` of each sentence; -1 = none of them, or not one
    text_masks: Tensor  # bool [T, S]
    text_labels: Tensor  # int64 [T] thing classes, "no object" where a sentence means nothing; -1 = none of them
    names: Tensor | None = None  # int64 [I + J] rows of the vocabulary, -1 = none
    superpoint_names: Tensor | None = None  # int64 [S] rows of the vocabulary, -1 = none

    @property
    def instances(self) -> int:
        """Number of annotated instances."""
        return len(self.labels)

    @property
    def click_labels(self) -> Tensor:
        """Thing class of each click, int64 [P]; -1 = none of them, "no object" where it is on wall or floor."""
        labels = F.pad(self.labels, (0, len(self.masks) - len(self.labels)), value=-1)
        return F.pad(labels, (0, 1), value=THINGS)[self.click_objects]  # row -1 is the last

    @property
    def click_masks(self) -> Tensor:
        """Mask of each click, bool [P, S]; empty where it is on wall or floor."""
        return F.pad(self.masks, (0, 0, 0, 1))[self.click_objects]  # row -1 is the last
