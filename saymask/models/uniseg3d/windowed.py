"""A large scan in windows (ours): each is asked on its own, and their answers become those of the whole scan.

Every superpoint is at home in one window, which alone says what it is and makes a query of it; others see it in their
margin. An object belongs to the window where most of its points are at home. One that reaches farther than a margin is
found in several windows: such masks agree where both windows look, and are joined.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from saymask.geometry.windows import Windows
from saymask.models.uniseg3d.config import FLOOR, UniSeg3DConfig
from saymask.models.uniseg3d.decoder import Words
from saymask.models.uniseg3d.encoded import Choose, EncodedScan, Semantics, WholeScan
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.models.uniseg3d.places import Places
from saymask.models.uniseg3d.postprocess import Found, prompt_answers

OUTSIDE = -30.0
"""Logit of a prompt's mask where its window does not look."""
SAME = 0.5
"""IoU, among what two windows both see, from which their masks show the same object."""


class WindowedScan(EncodedScan):
    """A scan encoded in several windows."""

    def __init__(self, scans: Sequence[WholeScan], windows: Windows, config: UniSeg3DConfig) -> None:
        """Keep the encoded windows, whose superpoints are `windows.seen`."""
        device = scans[0].counts.device
        super().__init__(windows.index, windows.home, _joined_places([s.places for s in scans], windows), device)
        self._scans, self._windows, self._config = tuple(scans), windows, config
        self._seen = tuple(torch.from_numpy(rows).to(device) for rows in windows.seen)
        self._own = tuple(rows[self.rooms[rows] == w] for w, rows in enumerate(self._seen))

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a copy or a pickle is made: without what was computed for prompts."""
        return WindowedScan, (self._scans, self._windows, self._config)

    @property
    def note(self) -> str:
        """Return how many windows there are and what of a sentence is read where."""
        said = f"the scan was read in {len(self._scans)} windows: "
        if self._config.reads:
            return said + "relations are read over the objects of all of them, corners and middles within each"
        return said + "each reads the sentence on its own"

    @property
    def floors(self) -> Tensor:
        """Return the number of each superpoint's floor, which may go on through several windows."""
        said = self.semantics()

        def make() -> Tensor:
            floor = said.semantic.argmax(1) == FLOOR
            return torch.from_numpy(self._windows.floors(floor.cpu().numpy())).to(floor.device)

        return self.kept("floors", make)

    def semantics(self) -> Semantics:
        """Return what each superpoint's own window says that it is."""
        return self.kept("semantics", self._semantics)

    def _semantics(self) -> Semantics:
        said = [scan.semantics() for scan in self._scans]
        back = torch.cat(self._own).argsort()
        semantic, directions = torch.cat([s.semantic for s in said]), torch.cat([s.directions for s in said])
        return Semantics(semantic=semantic[back], directions=directions[back])

    def found(self, choose: Choose) -> Found:
        """Return what `choose` finds in any window, each object once, best score first."""
        found = []
        for scan, own in zip(self._scans, self._own, strict=True):
            one = scan.found(choose)
            found.append(replace(one, queries=own[one.queries]))
        return merged(found, self._seen, self.rooms, self.counts)

    def sentences(self, texts: Tensor, words: Words) -> LayerOutputs:
        """Return the last stage of sentences: classes from the window with the highest score, and its mask.

        With `config.any_number` the mask has every window's own superpoints: several objects may be meant.
        """
        stages = [scan.sentences(texts, words) for scan in self._scans]
        scores = [prompt_answers(stage, scan.counts, self._config)[1] for stage, scan in zip(stages, self._scans)]
        best, every = torch.stack(scores).argmax(0), torch.arange(len(texts), device=self.counts.device)
        columns = (torch.stack(column)[best, every] for column in zip(*((s.classes, s.embeddings) for s in stages)))
        masks = [self._spread(stage.masks, seen) for stage, seen in zip(stages, self._seen)]
        if self._config.any_number:
            mask = masks[0]
            for one, own in zip(masks[1:], self._own[1:]):
                mask[:, own] = one[:, own]
        else:
            mask = torch.stack(masks)[best, every]
        classes, embeddings = columns
        return LayerOutputs(classes, mask, embeddings)

    def clicks(self, superpoints: Tensor) -> LayerOutputs:
        """Return the last stage of clicks, each asked in the window where its superpoint is at home."""
        stages, places = [], []
        windows = self.rooms[superpoints]
        for w in windows.unique().tolist():
            rows = (windows == w).nonzero()[:, 0]
            stage = self._scans[w].clicks(torch.searchsorted(self._seen[w], superpoints[rows]))
            stages.append(replace(stage, masks=self._spread(stage.masks, self._seen[w])))
            places.append(rows)
        return LayerOutputs.joined(stages).take(torch.cat(places).argsort())

    def _spread(self, masks: Tensor, seen: Tensor) -> Tensor:
        """Return the masks [Q, S] of a window's masks [Q, S_w]."""
        spread = masks.new_full((len(masks), len(self.counts)), OUTSIDE)
        spread[:, seen] = masks
        return spread


def _joined_places(places: Sequence[Places | None], windows: Windows) -> Places | None:
    """Return the places of all superpoints, from the scan's corner."""
    columns: list[list[np.ndarray]] = []
    for number, (one, rows) in enumerate(zip(places, windows.seen, strict=True)):
        if one is None:
            return None
        own, corner = windows.home[rows] == number, windows.corners[number]
        columns.append([one.low[own] + corner, one.high[own] + corner, one.colors[own], rows[own]])
    *values, rows = (np.concatenate(column) for column in zip(*columns, strict=True))
    back = rows.argsort()
    return Places(*(value[back] for value in values))


def merged(found: Sequence[Found], seen: Sequence[Tensor], home: Tensor, counts: Tensor) -> Found:
    """Return the objects of all windows over S superpoints, each once, best score first.

    found: what each window sees, masks over its superpoints `seen` int64 [S_w]; home int64 [S]: the window of each
    superpoint; counts int64 [S]. A mask is kept by the window where most of its points are at home. Of masks of two
    windows, of the same label if they have any, that are each other's best match with an IoU above `SAME` of the points
    that both windows see, the larger one gives score and direction; where a superpoint's own window is among theirs, it
    decides.
    """
    kept, sizes, numbers = [], [], []
    for number, (one, rows) in enumerate(zip(found, seen, strict=True)):
        at_home = _products(one.masks, F.one_hot(home[rows], len(found)) * counts[rows, None])
        mine = (at_home.argmax(1) == number) & (at_home.amax(1) > 0)
        kept.append(one.take(mine))
        sizes.append(at_home[mine].sum(1))
        numbers.append(torch.full((len(kept[-1]),), number, device=home.device))
    size, number = torch.cat(sizes), torch.cat(numbers)
    masks = torch.zeros(len(size), len(home), dtype=torch.bool, device=home.device)
    starts = np.cumsum([0, *(len(one) for one in kept)])
    for one, rows, start in zip(kept, seen, starts):
        masks[start : start + len(one), rows] = one.masks
    pairs = [
        pair + np.array([starts[a], starts[b]])
        for a in range(len(kept))
        for b in range(a)
        for pair in [_same(kept[a], kept[b], seen[a], seen[b], counts)]
    ]
    shown = np.concatenate([np.zeros((0, 2), np.int64), *pairs])
    links = coo_matrix((np.ones(len(shown)), shown.T), shape=(len(size), len(size)))
    groups = torch.from_numpy(connected_components(links, directed=False)[1].astype(np.int64)).to(home.device)
    alone = torch.ones_like(groups, dtype=torch.bool)
    for group in (groups.bincount() > 1).nonzero()[:, 0]:
        members = (groups == group).nonzero()[:, 0]
        first = members[size[members].argmax()]
        masks[first] = _joined(masks[members], number[members], home)
        alone[members] = members == first
    rows = alone.nonzero()[:, 0]
    columns = ([getattr(one, name) for one in kept] for name in ("scores", "queries", "labels", "directions"))
    together = Found(masks, *(_cat(column) for column in columns))
    rows = rows[together.scores[rows].argsort(descending=True, stable=True)]
    return together.take(rows)


def _cat(columns: Sequence[Tensor | None]) -> Any:
    return None if columns[0] is None else torch.cat([c for c in columns if c is not None])


def _products(masks: Tensor, weights: Tensor) -> Tensor:
    """Return float64 [K, L]: sums of weights [S, L] over masks bool [K, S]; exact for whole numbers."""
    return masks.double() @ weights.double()


def _same(a: Found, b: Found, seen_a: Tensor, seen_b: Tensor, counts: Tensor) -> np.ndarray:
    """Return the pairs int64 [P, 2] of rows of a and b that show the same object."""
    both, at_a, at_b = np.intersect1d(
        seen_a.cpu().numpy(), seen_b.cpu().numpy(), assume_unique=True, return_indices=True
    )
    if not len(both) or not len(a) or not len(b):
        return np.zeros((0, 2), np.int64)
    left, right = a.masks[:, torch.from_numpy(at_a)], b.masks[:, torch.from_numpy(at_b)]
    weight = counts[torch.from_numpy(both)]
    common = _products(left, (right * weight).T)
    area_a, area_b = (_products(m, weight[:, None]) for m in (left, right))
    overlap = common / (area_a + area_b.T - common).clamp(min=1)
    if a.labels is not None and b.labels is not None:
        overlap = overlap * (a.labels[:, None] == b.labels)
    best = overlap.argmax(1)
    mutual = (overlap.argmax(0)[best] == torch.arange(len(a), device=best.device)) & (overlap.amax(1) > SAME)
    return torch.stack([mutual.nonzero()[:, 0], best[mutual]], 1).cpu().numpy()


def _joined(masks: Tensor, windows: Tensor, home: Tensor) -> Tensor:
    """Return bool [S], one object from masks bool [M, S] that `windows` int64 [M] see of it."""
    own = windows[:, None] == home
    return torch.where(own.any(0), (masks & own).any(0), masks.any(0))
