"""Encoded scan, and the outputs of its superpoint queries: four tasks read from one decoder pass."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from saymask.answers import Objects
from saymask.errors import InputError
from saymask.labels.tables import scannet20
from saymask.models.uniseg3d.config import THINGS
from saymask.models.uniseg3d.decoder import Decoder, Memory
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.models.uniseg3d.places import Places
from saymask.models.uniseg3d.postprocess import mask_scores
from saymask.nn.blocks import full_precision

Kept = TypeVar("Kept")
BENCHMARK = "scannet20"
"""What a user calls the model's own classes."""
LARGEST_PASS = 2**26
"""Queries times superpoints of a decoder pass: up to 8,192 superpoints are queries together, as published."""


@dataclass(frozen=True, eq=False)
class SuperpointOutputs:
    """The last stage of the superpoint queries of one scan with S superpoints."""

    stage: LayerOutputs
    """Of the K queries that can become objects: all of them, unless the scan took several passes."""
    semantic: Tensor  # float32 [S, 21] logits of all superpoints, "none" last
    directions: Tensor  # float32 [S, W] of length 1: the semantics of each superpoint in the space of the texts


class EncodedScan:
    """One scan before the prompts; several threads may ask it."""

    def __init__(
        self, memory: Memory, index: np.ndarray, decoder: Decoder, class_embeddings: Tensor, places: Places | None
    ) -> None:
        """Keep what the prompts need; `index` int64 [N] is the superpoint of each point.

        `places`: only sentences that are read need them.
        """
        self.memory, self.index, self.places = memory, index, places
        counts = np.bincount(index, minlength=len(memory))
        self.counts = torch.from_numpy(counts).to(memory.features.device)
        """int64 [S]: points of each superpoint."""
        self._decoder, self._class_embeddings = decoder, class_embeddings
        self._lock, self._keeping = threading.Lock(), threading.Lock()
        self._superpoint_outputs: SuperpointOutputs | None = None
        self._kept: dict[Hashable, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a copy or a pickle is made: without what was computed for prompts."""
        return EncodedScan, (self.memory, self.index, self._decoder, self._class_embeddings, self.places)

    def __len__(self) -> int:
        return len(self.index)

    def kept(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what `make` returned when this was first called with `key`: what many prompts need.

        `make` must not call this in turn.
        """
        with self._keeping:
            if key not in self._kept:
                self._kept[key] = make()
            return self._kept[key]

    @torch.no_grad()
    def superpoint_outputs(self) -> SuperpointOutputs:
        """Return what the superpoint queries say, computed when it is first asked for.

        Raises InputError when the answers are not finite.
        """
        with self._lock:
            if self._superpoint_outputs is None:
                self._superpoint_outputs = ask_superpoints(self._decoder, self.memory, self._class_embeddings)
            return self._superpoint_outputs


def ask_superpoints(
    decoder: Decoder, memory: Memory, class_embeddings: Tensor, *, largest: int = LARGEST_PASS
) -> SuperpointOutputs:
    """Let every superpoint of a scan be a query; of more than `largest` pairs in several passes.

    A pass takes every n-th superpoint, so that its queries lie all over the scan, as the random share does that is
    trained with. After several passes the masks of those queries are kept that could be among the best
    `config.top_masks` of a task. Raises InputError when the answers are not finite.

    Source: docs/systems/uniseg3d.md §3.2.
    """
    size = len(memory)
    passes = -(-size * size // largest)
    passes = min(passes, size)
    every = torch.arange(size, device=memory.features.device)
    best: list[LayerOutputs] = []
    semantic = torch.empty(0)
    directions = torch.empty(0)
    for start in range(passes):
        queries = every[start::passes]
        outputs = decoder.objects(memory, queries, class_embeddings)
        stage = outputs.objects[-1]
        facing = outputs.directions
        assert facing is not None
        if start == 0:
            semantic = outputs.semantic.new_empty(size, outputs.semantic.shape[1])
            directions = facing.new_empty(size, facing.shape[1])
        semantic[queries], directions[queries] = outputs.semantic, facing
        # Joined and thinned out after every pass: all masks of all passes would not fit into memory.
        if passes > 1:
            best = [best_queries(LayerOutputs.joined([*best, stage]), decoder.config.top_masks)]
        else:
            best = [stage]
    if not bool(semantic.isfinite().all()):
        raise InputError("expected finite answers, got NaN or infinity; is the model trained?")
    return SuperpointOutputs(best[0], semantic, directions)


def best_queries(stage: LayerOutputs, count: int) -> LayerOutputs:
    """Return the queries that are among the best `count` by class, by class and predicted IoU, or by mask and IoU."""
    assert stage.iou is not None
    likely = full_precision(stage.classes).softmax(1)[:, :THINGS].amax(1)
    overlap = full_precision(stage.iou)
    scores = torch.stack([likely, likely * overlap, mask_scores(stage.masks) * overlap])
    rows = scores.topk(min(count, scores.shape[1]), dim=1).indices.unique()
    return stage.take(rows)


def own_classes() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return names and ids of the model's 20 classes."""
    table = scannet20()
    return tuple(c.name for c in table), tuple(c.id for c in table)


def class_objects(scan: EncodedScan, masks: Tensor, scores: Tensor, classes: Tensor) -> Objects:
    """Return masks bool [K, S] with scores [K] and classes int64 [K] 0..19 as an answer."""
    names, ids = own_classes()
    score = scores.clamp(0, 1).float().cpu().numpy()
    return Objects(masks.cpu().numpy(), score, classes.cpu().numpy(), scan.index, names, ids)
