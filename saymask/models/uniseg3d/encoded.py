"""Encoded scans, and the outputs of their superpoint queries: four tasks read from one decoder pass."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from saymask.answers import Objects
from saymask.errors import InputError
from saymask.labels.tables import scannet20
from saymask.models.uniseg3d.config import THINGS
from saymask.models.uniseg3d.decoder import Decoder, Memory, Words
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.models.uniseg3d.places import Places
from saymask.models.uniseg3d.postprocess import Found, OwnParts, mask_scores
from saymask.nn.blocks import full_precision

Kept = TypeVar("Kept")
Choose = Callable[[LayerOutputs, Tensor, OwnParts | None], Found]
BENCHMARK = "scannet20"
"""What a user calls the model's own classes."""
LARGEST_PASS = 2**26
"""Queries times superpoints of a decoder pass: up to 8,192 superpoints are queries together, as published."""
PROMPTS_AT_ONCE = 64
"""So many prompts are decoded together; more would only take memory."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Semantics:
    """What the S superpoints of a scan are."""

    semantic: Tensor  # float32 [S, 21] logits of all superpoints, "none" last
    directions: Tensor  # float32 [S, W] of length 1: the semantics of each superpoint in the space of the texts


@dataclass(frozen=True, eq=False, kw_only=True)
class SuperpointOutputs(Semantics):
    """The last stage of the superpoint queries; `semantic` and `directions` are those of the queries, [Q, …]."""

    stage: LayerOutputs
    """Of the K queries that can become objects: all of them, unless the scan took several passes."""


class EncodedScan(ABC):
    """One scan before the prompts; several threads may ask it."""

    def __init__(self, index: np.ndarray, rooms: np.ndarray, places: Places | None, device: torch.device) -> None:
        """Keep what the prompts need; `index` int64 [N]: superpoint of each point, `rooms` int64 [S]: their windows.

        `places`: only sentences that are read need them.
        """
        self.index, self.places = index, places
        self.counts = torch.from_numpy(np.bincount(index, minlength=len(rooms))).to(device)
        """int64 [S]: points of each superpoint."""
        self.rooms = torch.from_numpy(rooms).to(device)
        """int64 [S]: window of each superpoint, from 0; a window is about a room."""
        self._keeping = threading.Lock()
        self._kept: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.index)

    @property
    def note(self) -> str:
        """Return a remark for the user on sentences about this scan."""
        return ""

    def kept(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what `make` returned when this was first called with `key`: what many prompts need.

        `make` must not call this in turn.
        """
        with self._keeping:
            if key not in self._kept:
                self._kept[key] = make()
            return self._kept[key]

    @property
    def floors(self) -> Tensor:
        """Return int64 [S]: windows whose floors are one have the same number."""
        return self.rooms

    @abstractmethod
    def semantics(self) -> Semantics:
        """Return what each superpoint is; InputError when the answers are not finite."""

    @abstractmethod
    def found(self, choose: Choose) -> Found:
        """Return what `choose` finds, given the superpoint queries' last stage, the points of each superpoint, and how
        masks are cut to their own parts."""

    @abstractmethod
    def sentences(self, texts: Tensor, words: Words) -> LayerOutputs:
        """Return the last stage of sentences: features float [T, Dt] and their words."""

    @abstractmethod
    def clicks(self, superpoints: Tensor) -> LayerOutputs:
        """Return the last stage of clicks on superpoints int64 [P]."""


class WholeScan(EncodedScan):
    """A scan whose superpoints all see each other."""

    def __init__(
        self,
        memory: Memory,
        index: np.ndarray,
        decoder: Decoder,
        class_embeddings: Tensor,
        places: Places | None,
        queries: Tensor | None = None,
        graph: csr_array | None = None,
    ) -> None:
        """Keep what the prompts need; `queries` int64 [Q], sorted: the superpoints that become queries, None = all.

        `graph` [S, S]: superpoints that lie near each other; without it an object may lie in several places.
        """
        super().__init__(index, np.zeros(len(memory), np.int64), places, memory.features.device)
        self.memory = memory
        self._decoder, self._class_embeddings, self._queries, self._graph = decoder, class_embeddings, queries, graph
        self._lock = threading.Lock()
        self._superpoint_outputs: SuperpointOutputs | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a copy or a pickle is made: without what was computed for prompts."""
        given = (
            self.memory,
            self.index,
            self._decoder,
            self._class_embeddings,
            self.places,
            self._queries,
            self._graph,
        )
        return WholeScan, given

    @torch.no_grad()
    def superpoint_outputs(self) -> SuperpointOutputs:
        """Return what the superpoint queries say, computed when it is first asked for.

        Raises InputError when the answers are not finite.
        """
        with self._lock:
            if self._superpoint_outputs is None:
                self._superpoint_outputs = ask_superpoints(
                    self._decoder, self.memory, self._class_embeddings, queries=self._queries
                )
            return self._superpoint_outputs

    def semantics(self) -> Semantics:
        """Return what each superpoint query says that it is."""
        return self.superpoint_outputs()

    def found(self, choose: Choose) -> Found:
        """Return what `choose` finds."""
        stage = self.superpoint_outputs().stage
        if self._graph is None:
            return choose(stage, self.counts, None)
        assert stage.superpoints is not None
        return choose(stage, self.counts, OwnParts(stage.superpoints, self.counts, self._graph))

    def sentences(self, texts: Tensor, words: Words) -> LayerOutputs:
        """Return the last stage of sentences."""
        return self._decoder.prompts(self.memory, None, texts, self._class_embeddings, words=words).texts[-1]

    def clicks(self, superpoints: Tensor) -> LayerOutputs:
        """Return the last stage of clicks."""
        stages = [
            self._decoder.prompts(self.memory, part, None, self._class_embeddings).clicks[-1]
            for part in superpoints.split(PROMPTS_AT_ONCE)
        ]
        return LayerOutputs.joined(stages)


def ask_superpoints(
    decoder: Decoder,
    memory: Memory,
    class_embeddings: Tensor,
    *,
    queries: Tensor | None = None,  # int64 [Q]; None = every superpoint
    largest: int = LARGEST_PASS,
) -> SuperpointOutputs:
    """Let superpoints of a scan be queries; of more than `largest` pairs of query and superpoint in several passes.

    A pass takes every n-th superpoint, so that its queries lie all over the scan, as the random share does that is
    trained with. After several passes the masks of those queries are kept that could be among the best
    `config.top_masks` of a task. Raises InputError when the answers are not finite.

    Source: docs/systems/uniseg3d.md §3.2.
    """
    asked = torch.arange(len(memory), device=memory.features.device) if queries is None else queries
    size = len(asked)
    passes = -(-size * len(memory) // largest)
    passes = min(passes, size)
    every = torch.arange(size, device=asked.device)
    best: list[LayerOutputs] = []
    semantic = torch.empty(0)
    directions = torch.empty(0)
    for start in range(passes):
        rows = every[start::passes]
        outputs = decoder.objects(memory, asked[rows], class_embeddings)
        stage = replace(outputs.objects[-1], superpoints=asked[rows])
        facing = outputs.directions
        assert facing is not None
        if start == 0:
            semantic = outputs.semantic.new_empty(size, outputs.semantic.shape[1])
            directions = facing.new_empty(size, facing.shape[1])
        semantic[rows], directions[rows] = outputs.semantic, facing
        # Joined and thinned out after every pass: all masks of all passes would not fit into memory.
        if passes > 1:
            best = [best_queries(LayerOutputs.joined([*best, stage]), decoder.config.top_masks)]
        else:
            best = [stage]
    if not bool(semantic.isfinite().all()):
        raise InputError("expected finite answers, got NaN or infinity; is the model trained?")
    return SuperpointOutputs(stage=best[0], semantic=semantic, directions=directions)


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
