"""Task `find` by the posed frames of the scans: the model's unnamed masks, named by what CLIP sees in the frames.

Source: docs/systems/uniseg3d.md §6.7. Under the protocol `uniseg3d` every step is the published one: all 198 names
compete, points that no frame shows count, and the best 600 pairs of mask and name are the answer. Plain protocols ask
what `scene.find(names, frames=...)` answers for the names that occur in the scan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from saymask.errors import InputError
from saymask.evaluation.request import Request
from saymask.evaluation.tasks.find import TOP_PAIRS, NamesMetric
from saymask.evaluation.tasks.task import NOTHING, Aside, Task
from saymask.io.frames import find_frames, open_frames
from saymask.masks import Masks
from saymask.metrics.find import FindMetric, names_in
from saymask.metrics.open_vocabulary import OpenVocabularyMetric
from saymask.models.base import Model
from saymask.scan import Scan
from saymask.scene.open_vocabulary.encoder import ClipPair, load_pair
from saymask.scene.open_vocabulary.features import PointFeatures, point_features
from saymask.scene.open_vocabulary.image_masks import MaskFolder
from saymask.scene.open_vocabulary.naming import name_masks
from saymask.scene.open_vocabulary.views import find_by_views
from saymask.scene.to_masks import object_masks
from saymask.text.weights import find_weights
from saymask.util.words import some


@dataclass(frozen=True)
class FrameNaming:
    """The frames that name masks, and with what; CLIP is loaded when the first scan comes."""

    frames: Path
    encoder: str
    image_masks: Path | None
    every: int
    device: str

    @cached_property
    def pair(self) -> ClipPair:
        """CLIP's two halves."""
        return load_pair(self.encoder, self.device)

    @torch.inference_mode()
    def measure(self, model: Model, encoded: Any, scan: Scan, metric: NamesMetric, aside: Aside = NOTHING) -> int:
        """Count in `metric` which masks the frames give which names; return 0: no answer of CLIP is no number.

        Raises InputError for a model without unnamed masks and for frames that cannot be used.
        """
        masks = object_masks(model.proposals(encoded), scan)
        benchmark = metric.protocol
        if isinstance(metric, OpenVocabularyMetric):
            true = benchmark.true_instances(scan.labels)
            things = benchmark.things
            if not len(masks):
                none = np.zeros(0, np.int64)
                metric.update(masks.support, none, none.astype(float), true, scan.name, index=masks.index)
                return 0
            named = name_masks(
                masks, self._features(scan, masks), [c.name for c in things], self.pair, most=TOP_PAIRS,
                count_unseen=True,
            )  # fmt: skip
            labels = np.array([c.id for c in things], np.int64)[_numbers(named)]
            metric.update(named.support, labels, named.scores, true, scan.name, index=named.index)
            return 0
        assert isinstance(metric, FindMetric)
        truth = benchmark.indices(benchmark.true_classes(scan.labels))
        asked = names_in(truth)
        if len(asked):
            names = [benchmark.classes[i].name for i in asked]
            found = find_by_views(masks, self._features(scan, masks), names, self.pair)
            metric.update(found.support, asked[_numbers(found)], truth, scan.name, index=found.index)
        return 0

    def _features(self, scan: Scan, masks: Masks) -> PointFeatures:
        regions = masks if self.image_masks is None else MaskFolder(self.image_masks / scan.name)
        path = find_frames(scan.name, self.frames)
        assert path is not None  # `check_frames`
        with open_frames(path, every=self.every) as frames:
            return point_features(scan, frames, regions, self.pair)


def check_frames(request: Request, scenes: Sequence[str]) -> None:
    """Raise InputError where a scan has no frames or no folder of masks in them, or CLIP is not to be had."""
    if request.frames is None:
        return
    find_weights(request.image_encoder, flag="--image-encoder")
    masks = request.image_masks
    lacking = {
        f"{request.frames}: expected frames (<scan>.sens, or <scan>/ with color/, depth/ and pose/)": [
            scene for scene in scenes if find_frames(scene, request.frames) is None
        ],
        f"{masks}: expected a folder of masks by the scan's name": [
            scene for scene in scenes if masks is not None and not (masks / scene).is_dir()
        ],
    }
    for expected, names in lacking.items():
        if names:
            raise InputError(f"{expected} for each of {len(scenes)} scans, got none for {len(names)}: {some(names)}")


def _numbers(masks: Masks) -> np.ndarray:
    """Return the number from 0 of each mask's name among those asked for."""
    return np.asarray(masks.labels, np.int64) - 1


def by_frames(task: Task, request: Request) -> Task:
    """Return the task `find` with masks that are named by the frames of the request."""
    assert request.frames is not None
    naming = FrameNaming(request.frames, request.image_encoder, request.image_masks, request.every, request.device)
    return replace(task, measure=naming.measure)
