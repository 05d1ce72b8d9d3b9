"""UniSeg3D's view of a scan with its prompts, and batches of scans.

Source: docs/systems/uniseg3d.md §2.5, §2.7, §2.10, §3.2.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from saymask.data.annotations import Annotation, Sentence
from saymask.data.scenes import NOVEL
from saymask.data.superpoint_truth import SuperpointTruth, labels_of, superpoint_truth
from saymask.errors import InputError
from saymask.geometry.superpoints import superpoints_of
from saymask.geometry.votes import majority
from saymask.geometry.windows import Windows, divide
from saymask.models.uniseg3d.clicks import clicks_anywhere, training_clicks
from saymask.models.uniseg3d.config import THINGS, UniSeg3DConfig
from saymask.models.uniseg3d.extensions import mentions, vocabulary_rows
from saymask.models.uniseg3d.outputs import Truth
from saymask.models.uniseg3d.transform import (
    coord_cells,
    draw_similarity,
    elastic_coords,
    near_origin,
    novel_masks,
    point_cells,
    point_features,
    unit_colors,
)
from saymask.nn.superpoints import SuperpointBatch, SuperpointScan, collate_scans, superpoint_scan, to_device
from saymask.scan import Scan
from saymask.util.words import check_sentence

WINDOW_SUPERPOINTS = 4096
"""Superpoints at home in a window, since its time grows with their square; rooms have a thousand or two."""
NAMES = "semantic200"
"""Label of a scan's points that names them: index of ScanNet200's class, -1 = none."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One scan and its prompts."""

    scans: tuple[SuperpointScan, ...]  # the scan, or its windows
    queries: np.ndarray  # int64 [Q] superpoint of each superpoint query
    clicks: np.ndarray  # int64 [P] superpoint of each click
    texts: tuple[str, ...] = ()  # T
    truth: Truth | None = None
    windows: Windows | None = None  # None = the whole scan is one

    @property
    def scan(self) -> SuperpointScan:
        """The whole scan; only of a sample without windows."""
        (scan,) = self.scans
        return scan


@dataclass(frozen=True, eq=False)
class Batch:
    """B scans with their prompts; what is not in `scans` is listed per scan."""

    scans: SuperpointBatch  # the scans one after the other, of one with windows all of these
    queries: tuple[Tensor, ...]  # per scan int64 [Q]
    clicks: tuple[Tensor, ...]  # per scan int64 [P]
    texts: tuple[tuple[str, ...], ...]  # per scan T sentences
    windows: tuple[Windows | None, ...]  # per scan
    truth: tuple[Truth, ...] | None = None  # None = some sample has no truth

    def __len__(self) -> int:
        return len(self.queries)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Self:
        """Return the batch with its tensors on `device`."""
        truth = self.truth
        return replace(
            self,
            scans=self.scans.to(device, non_blocking),
            queries=tuple(q.to(device, non_blocking=non_blocking) for q in self.queries),
            clicks=tuple(c.to(device, non_blocking=non_blocking) for c in self.clicks),
            truth=None if truth is None else tuple(replace(t, **to_device(t, device, non_blocking)) for t in truth),
        )


def caption(sentence: str) -> str:
    """Return what the text encoder reads for a sentence, in training, evaluation and use alike: as it was written.

    Source: docs/systems/uniseg3d.md §2.3.
    """
    return check_sentence(Sentence.of(sentence).written)


def make_sample(
    scan: Scan,
    annotations: Sequence[Annotation] = (),
    config: UniSeg3DConfig | None = None,
    rng: np.random.RandomState | None = None,
    *,
    novel: np.ndarray | None = None,
) -> Sample:
    """Return voxels, superpoints, queries and prompts of a scan.

    Without `rng` the test view: every superpoint is a query, every annotation a text, in their order; no click, no
    truth; a scan larger than `config.window` is divided into windows. With `rng` the training view, which needs class
    and instance labels: augmented points, a share of the superpoints as queries, a click on each thing (with
    `config.clicks_anywhere` a second one at random, and some on wall and floor), a sentence for each thing that has one
    (`sentence_each`), and the truth about all of them; with `config.others` on and about objects that are no things as
    well. Sentences about other objects, and without `config.any_number` about none or several, are left out, and so are
    those with a word of `config.held_out`.

    novel: pseudo masks of objects that are not annotated (training only), bool [J, S] over superpoint ids, taken as
    they are, or bool [J, N] over points, put through `novel_masks`; None = those of the scan: `scan.novel_masks`, else
    its label `novel`.
    Raises InputError for annotations of another scan, missing labels or a misshapen `novel`.
    """
    config = UniSeg3DConfig() if config is None else config
    for annotation in annotations:
        if annotation.scene_id != scan.name:
            raise InputError(
                f"expected annotations of scan {scan.name!r}, got one of {annotation.scene_id!r}; "
                "give each scan its own sentences"
            )
    points, superpoints = near_origin(scan.points), superpoints_of(scan)
    if rng is None:
        texts, none = tuple(caption(a.asked) for a in annotations), np.zeros(0, np.int64)
        windows = divide(points, superpoints, config.window, WINDOW_SUPERPOINTS) if config.window else None
        if windows is not None:
            views = tuple(_test_view(points[r], scan.colors[r], windows.index[r], config) for r in windows.points)
            return Sample(views, np.arange(len(windows.home)), none, texts, windows=windows)
        view = _test_view(points, scan.colors, superpoints, config)
        return Sample((view,), np.arange(len(view.positions)), none, texts)
    semantic, instance = labels_of(scan)
    positions = draw_similarity(rng, config.augment).apply(points)
    index = np.unique(superpoints, return_inverse=True)[1].reshape(-1).astype(np.int64)
    size = int(index.max()) + 1
    novel = _novel(scan, novel, semantic, superpoints, index, size)
    truth = superpoint_truth(semantic, instance, index, size, novel, others=config.others)
    # The published order: the clicks are drawn before the elastic distortion.
    places, clicked = training_clicks(positions, truth.instance, rng)
    clicks = index[places]
    if config.augment == "official":
        cells = coord_cells(elastic_coords(positions, rng, voxel_size=config.voxel_size))
    else:
        cells = point_cells(positions, config.voxel_size)
    known = {int(i) for i in truth.objects}
    about = [a for a in annotations if (len(a.object_ids) == 1 or config.any_number) and known.issuperset(a.object_ids)]
    about = [a for a in about if not mentions(a.description, config.held_out)]
    chosen = sentence_each(about, random.Random(int.from_bytes(rng.bytes(8), "little")))
    queries = query_rows(size, config, rng)
    if config.clicks_anywhere:
        more, of = clicks_anywhere(truth, rng)
        clicks, clicked = np.concatenate([clicks, more]), np.concatenate([clicked, of])
    return Sample(
        scans=(_superpoints(cells, positions, scan.colors, superpoints),),
        queries=queries,
        clicks=clicks,
        texts=tuple(caption(a.asked) for a in chosen),
        truth=_truth(truth, queries, clicked, [a.object_ids for a in chosen], _names(scan, truth, index, config)),
    )


def _test_view(
    points: np.ndarray, colors: np.ndarray, superpoints: np.ndarray, config: UniSeg3DConfig
) -> SuperpointScan:
    return _superpoints(point_cells(points, config.voxel_size), points, colors, superpoints)


def _superpoints(
    cells: np.ndarray, positions: np.ndarray, colors: np.ndarray, superpoints: np.ndarray
) -> SuperpointScan:
    return superpoint_scan(cells, point_features(positions, unit_colors(colors)), positions, superpoints)


def sentence_each(annotations: Sequence[Annotation], rng: random.Random) -> list[Annotation]:
    """Return one annotation of each object or set of objects, shuffled, and all annotations about nothing.

    The draws are the published ones: a sample of all objects, in the order in which they first occur, then the number
    of a sentence for each.

    Source: docs/systems/uniseg3d.md §2.7a.
    """
    groups: dict[tuple[int | str, ...], list[Annotation]] = {}
    for annotation in annotations:
        meant = tuple(sorted(annotation.object_ids)) or (annotation.description,)
        groups.setdefault(meant, []).append(annotation)
    shuffled = rng.sample(list(groups), len(groups))
    return [groups[i][rng.sample(range(len(groups[i])), 1)[0]] for i in shuffled]


def query_rows(superpoints: int, config: UniSeg3DConfig, rng: np.random.RandomState) -> np.ndarray:
    """Return int64 [Q], the superpoints that are queries in a training step: a random share of them, shuffled.

    The share is drawn from U(query_share, 1); at least one superpoint, at most `config.most_queries`.

    Source: docs/systems/uniseg3d.md §3.2.
    """
    share = config.query_share + (1 - config.query_share) * rng.rand()
    count = min(max(1, int(share * superpoints)), config.most_queries)
    return rng.permutation(superpoints)[:count].astype(np.int64)


def _novel(
    scan: Scan, novel: np.ndarray | None, semantic: np.ndarray, superpoints: np.ndarray, index: np.ndarray, size: int
) -> np.ndarray | None:
    """Return the pseudo masks over the `size` superpoints that have points, or None without any."""
    novel = scan.novel_masks if novel is None else novel
    if novel is None and NOVEL in scan.labels:
        numbers = scan.labels[NOVEL]
        novel = numbers == np.unique(numbers[numbers >= 0])[:, None]
    if novel is None:
        return None
    ids = int(superpoints.max()) + 1
    if novel.ndim != 2 or novel.dtype != np.bool_ or novel.shape[1] not in (len(scan), ids):
        raise InputError(
            f"scan {scan.name}: expected pseudo masks bool [J, {ids} superpoints] or [J, {len(scan)} points], got "
            f"{novel.dtype} {list(novel.shape)}; were they made for other superpoints?"
        )
    if novel.shape[1] == ids:
        return novel[:, np.unique(superpoints)]
    return novel_masks(novel, semantic, index, size)


def _names(
    scan: Scan, truth: SuperpointTruth, index: np.ndarray, config: UniSeg3DConfig
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the rows of the vocabulary of each mask int64 [I + J] and superpoint int64 [S]; None = not learned."""
    if not config.vocabulary_weight:
        return None
    if NAMES not in scan.labels:
        raise InputError(
            f"scan {scan.name}: expected labels {NAMES}, got {', '.join(scan.labels) or 'none'}; prepare it with its "
            "label files, or train with vocabulary_weight 0"
        )
    row = np.append(vocabulary_rows(config.held_out), -1)  # label -1 is the last entry
    labels = row[scan.labels[NAMES].astype(np.int64)]
    named = np.full(len(truth.masks), -1, np.int64)
    there = truth.instance >= 0
    rows, first = np.unique(truth.instance[there], return_index=True)
    named[rows] = labels[there][first]
    return named, majority(labels, index, truth.masks.shape[1])


def _truth(
    truth: SuperpointTruth,
    queries: np.ndarray,
    clicked: np.ndarray,
    objects: Sequence[tuple[int, ...]],
    names: tuple[np.ndarray, np.ndarray] | None,
) -> Truth:
    """Return what the losses compare with; `objects` are the objectIds that each sentence means."""
    row = {int(i): k for k, i in enumerate(truth.objects)}
    masks, labels = torch.from_numpy(truth.masks), torch.from_numpy(truth.labels)
    text_masks, text_labels, text_objects = masks.new_zeros(len(objects), masks.shape[1]), [], []
    for text, meant in enumerate(objects):
        rows = [row[i] for i in meant]
        text_masks[text] = masks[rows].any(0)
        classes = {int(labels[i]) if i < len(labels) else -1 for i in rows}
        text_labels.append(classes.pop() if len(classes) == 1 else -1 if classes else THINGS)
        text_objects.append(rows[0] if len(rows) == 1 else -1)
    return Truth(
        masks=masks,
        labels=labels,
        semantic=torch.from_numpy(truth.semantic),
        queries=torch.from_numpy(queries),
        click_objects=torch.from_numpy(clicked),
        text_objects=torch.tensor(text_objects, dtype=torch.int64),
        text_masks=text_masks,
        text_labels=torch.tensor(text_labels, dtype=torch.int64),
        names=None if names is None else torch.from_numpy(names[0]),
        superpoint_names=None if names is None else torch.from_numpy(names[1]),
    )


def collate(samples: Sequence[Sample]) -> Batch:
    """Return the batch of `samples`; the truth is kept only when every sample has it. InputError for no samples."""
    if not samples:
        raise InputError("batch: expected at least one sample, got none")
    truth = tuple(s.truth for s in samples if s.truth is not None)
    return Batch(
        scans=collate_scans([scan for s in samples for scan in s.scans]),
        queries=tuple(torch.from_numpy(s.queries) for s in samples),
        clicks=tuple(torch.from_numpy(s.clicks) for s in samples),
        texts=tuple(s.texts for s in samples),
        windows=tuple(s.windows for s in samples),
        truth=truth if len(truth) == len(samples) else None,
    )
