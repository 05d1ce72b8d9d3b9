"""Pictures of what a model answered beside what is true, of an evaluation of sentences."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from saymask.data.annotations import Annotation
from saymask.data.scenes import target_mask
from saymask.evaluation.items import Items
from saymask.evaluation.request import SHEET
from saymask.masks import Masks
from saymask.metrics.predictions import Predicted
from saymask.metrics.records import Metric
from saymask.render.beside import Side, draw_beside
from saymask.render.picture import write_png
from saymask.render.sheet import write_sheet
from saymask.scan import Scan
from saymask.util.files import file_name


def write_pictures(
    folder: Path, items: Items, metric: Metric[Any], predicted: Iterable[Predicted], *, most: int, worst: bool
) -> list[Path]:
    """Write at most `most` pictures and a sheet of all into `folder`, and return the pictures' paths.

    The answers with the lowest IoU first where `worst`, else spread evenly over the sentences that were counted.
    """
    entries = {(entry.scene_id, entry.ann_id): entry for entry in predicted}
    annotations = [a for scene in items.annotations.values() for a in scene]
    shown = []
    for number, annotation in enumerate(chosen(annotations, metric, most=most, worst=worst)):
        entry = entries[annotation.key]
        title = f"{100 * _score(metric, annotation):.0f} %  {annotation.sentence}"
        path = folder / f"{number:03d}-{file_name(annotation.scene_id)}-{annotation.ann_id}.png"
        image = draw_beside(
            scan := items.scans.scan(annotation.scene_id),
            Side(_masks(scan, entry.rows(), annotation, entry.scores), "prediction"),
            Side(_masks(scan, target_mask(scan, annotation.object_ids)[None], annotation), "truth"),
            title=title,
        )
        write_png(image, path)
        shown.append((path, title))
    write_sheet(shown, folder / SHEET)
    return [path for path, _ in shown]


def chosen(annotations: Sequence[Annotation], metric: Metric[Any], *, most: int, worst: bool) -> list[Annotation]:
    """Return at most `most` of the annotations that a metric counted."""
    counted = sorted((a for a in annotations if a.key in metric.records), key=lambda a: a.key)
    if worst:
        return sorted(counted, key=lambda a: _score(metric, a))[:most]
    rows = np.unique(np.linspace(0, len(counted) - 1, min(most, len(counted))).astype(int))
    return [counted[row] for row in rows]


def _score(metric: Metric[Any], annotation: Annotation) -> float:
    """Return the IoU of an answer, or the F1 of protocols that compare several objects."""
    record = metric.records[annotation.key]
    return float(record.iou if hasattr(record, "iou") else record.f1_50)


def _masks(scan: Scan, rows: np.ndarray, annotation: Annotation, scores: Sequence[float] = ()) -> Masks:
    """Return rows bool [M, N] as masks of the sentence; those without a point are none."""
    there = rows.any(1)
    known = np.array(scores, np.float32) if len(scores) == len(rows) else np.ones(len(rows), np.float32)
    names = (annotation.sentence,) * int(there.sum())
    return Masks.from_points(scan, rows[there], scores=known[there], names=names)
