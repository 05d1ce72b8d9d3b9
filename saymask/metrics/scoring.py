"""Scoring of stored predictions: everything of an evaluation that needs no model."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import Annotation, read_entries
from saymask.data.samples.sentences import ReferDataset, annotation_path, by_scene, load_split, sources_of
from saymask.data.scenes import aligned_points, target_mask
from saymask.errors import InputError
from saymask.geometry.superpoints import superpoints_of
from saymask.geometry.votes import vote
from saymask.metrics import Metric, Protocol, get_protocol, metric_for
from saymask.metrics.benchmark import get_benchmark
from saymask.metrics.predictions import Predicted, by_annotation, read_predictions
from saymask.metrics.referring import unite
from saymask.scan import Scan


def score_file(
    path: str | Path,
    items: ReferDataset,
    protocol: str,
    *,
    allow_missing: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[Metric[Any], str, int, dict[tuple[str, int], Predicted]]:
    """Return the metric of predictions in `path`, the name of what made them, how many are not there, and all by key.

    Annotations without a prediction are taken out of `items`: with `allow_missing`, else it is an InputError.
    `advance` is told how many annotations each scene had.
    """
    stored = read_predictions(path)
    listed = load_split(items.data, items.split, source=items.source)
    found = by_annotation(stored, listed, file_numbers(items.data, items.split, items.source))
    wanted = len(items)
    items.annotations = [a for a in items.annotations if a.key in found]
    missing = wanted - len(items)
    if not len(items) or (missing and not allow_missing):
        raise InputError(
            f"{path}: expected a prediction for each of the {wanted:,} annotations, {missing:,} have none; "
            "predict all of them, or leave them out with allow_missing (--allow-missing)"
        )
    metric = metric_for(protocol)
    for scene, rows in by_scene(items).items():
        scored = [items.annotations[row] for row in rows]
        metric.merge(score(found, items.scan(scene), scored, protocol).state())
        advance(len(rows))
    return metric, str(stored.header.get("model", stored.path.name)), missing, found


def file_numbers(data: Path, split: str, source: str) -> list[int | None]:
    """Return the `ann_id` that the annotation file gives each annotation of the split; None for what is no number."""
    texts = [
        str(entry.get("ann_id"))
        for name in sources_of(source)
        for entry in read_entries(annotation_path(data, name, split))
    ]
    return [int(text) if text.isdecimal() else None for text in texts]


def score(
    found: Mapping[tuple[str, int], Predicted], scan: Scan, annotations: Iterable[Annotation], protocol: str
) -> Metric[Any]:
    """Return the metric of stored predictions (annotation key → prediction) for annotations of one scan.

    Raises InputError for a prediction that is not over the scan's points.
    """
    truth, metric = SentenceTruth(scan, get_protocol(protocol)), metric_for(protocol)
    for annotation in filter(truth.counts, annotations):
        entry = found[annotation.key]
        if entry.length != len(scan):
            raise InputError(
                f"prediction {entry.scene_id}/{entry.ann_id}: expected masks over the {len(scan):,} points "
                f"of the scan, got length {entry.length:,}; predict on every vertex of the mesh, in its order"
            )
        rows = entry.rows()
        sp_iou = truth.superpoint_iou(unite(rows), annotation)
        metric.update(rows, truth.rows(annotation), annotation, points=truth.points, sp_iou=sp_iou)
    return metric


class SentenceTruth:
    """Truth that a protocol compares the sentences about a scan with."""

    def __init__(self, scan: Scan, rule: Protocol) -> None:
        """Raises InputError for a scan without the labels that the protocol needs: instance, and classes if `voted`."""
        self.scan, self.rule = scan, rule
        self._masks: dict[tuple[int, ...], np.ndarray] = {}
        self.points = aligned_points(scan) if rule.boxes else None
        if rule.voted:
            benchmark = get_benchmark("uniseg3d")
            is_thing = np.isin(benchmark.true_classes(scan.labels), [c.id for c in benchmark.things])
            self._things = set(scan.labels["instance"][is_thing].tolist())
            self._superpoints = superpoints_of(scan)

    def counts(self, annotation: Annotation) -> bool:
        """Return whether the protocol counts a sentence: `voted` those about things only.

        Source: docs/systems/uniseg3d.md §2.3.
        """
        return not self.rule.voted or set(annotation.object_ids) <= self._things

    def superpoint_iou(self, mask: np.ndarray, annotation: Annotation) -> float | None:
        """Return the IoU of the superpoints that lie by more than half in a mask bool [N] and in the true one.

        None where the scan has no superpoints, or the protocol compares something else than the points of objects. The
        mask is the protocol's, so that stored answers give the same; the published script of 3D-GRES overlooks at
        superpoints that a small mask is no answer (docs/systems/bqnet.md §6.4).
        """
        if self.scan.superpoints is None or not self.rule.masks or self.rule.separate:
            return None
        index = np.asarray(self.scan.superpoints, np.int64)
        masks = np.stack([mask, self._mask(annotation.object_ids)])
        ours, true = vote(masks, index, int(index.max(initial=-1)) + 1)
        union = np.count_nonzero(ours | true)
        return float(np.count_nonzero(ours & true)) / (union + self.rule.epsilon) if union else 0.0

    def rows(self, annotation: Annotation) -> np.ndarray:
        """Return the points of all objects, bool [1, N], or of each object, [K, N]."""
        if self.rule.separate:
            rows = [self._mask((i,)) for i in annotation.object_ids]
            return np.stack(rows) if rows else np.zeros((0, len(self.scan)), bool)
        return self._mask(annotation.object_ids)[None]

    def _mask(self, objects: tuple[int, ...]) -> np.ndarray:
        """Return the points of objects as the rule counts them, bool [N]; several sentences are about the same ones."""
        if objects not in self._masks:
            mask = target_mask(self.scan, objects)
            if self.rule.voted:
                index = self._superpoints
                mask = vote(mask[None], index, int(index.max(initial=-1)) + 1)[0, index]
            self._masks[objects] = mask
        return self._masks[objects]
