"""F1 of axis-aligned boxes of separate objects: the benchmark rule of Multi3DRefer (docs/systems/bqnet.md §6.4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saymask.data.annotations import Annotation
from saymask.metrics.protocols import select_points
from saymask.metrics.records import Metric, Record, boxes_need_points, check_rows

THICKNESS = 1e-6
"""Least extent of a box, metres: the points of a plane would otherwise have no volume to overlap with."""


def box_of(points: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """Return the smallest and largest corner of the masked points, float64 [2, 3] metres; None when there is none."""
    chosen = points[mask]
    if not len(chosen):
        return None
    return np.stack([chosen.min(axis=0), chosen.max(axis=0)]).astype(np.float64)


def box_iou(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Return (intersection, union) volumes of two boxes [2, 3] (smallest and largest corner, metres)."""
    inter = float(np.prod(np.clip(np.minimum(a[1], b[1]) - np.maximum(a[0], b[0]), 0, None)))
    return inter, float(np.prod(a[1] - a[0]) + np.prod(b[1] - b[0])) - inter


def box_f1(predicted: Sequence[np.ndarray | None], true: Sequence[np.ndarray | None], threshold: float) -> float:
    """Return 2 TP / (n_predicted + n_true); 1 when both are empty.

    Boxes are matched one to one so that the sum of their IoU is highest; where several matchings reach it, the one
    with the most pairs of IoU >= `threshold` is taken. Those pairs are the true positives. A box that is None (an
    object without points) counts, and meets nothing.
    """
    if not predicted and not true:
        return 1.0
    if not predicted or not true:
        return 0.0
    from scipy.optimize import linear_sum_assignment

    iou = np.array([[_iou(a, b) for b in true] for a in predicted])
    hits = iou >= threshold
    rows, columns = linear_sum_assignment(iou + 1e-9 * hits, maximize=True)
    return 2.0 * int(hits[rows, columns].sum()) / (len(predicted) + len(true))


def _iou(a: np.ndarray | None, b: np.ndarray | None) -> float:
    if a is None or b is None:
        return 0.0
    inter, union = box_iou(_thick(a), _thick(b))
    return inter / union


def _thick(box: np.ndarray) -> np.ndarray:
    pad = np.clip(THICKNESS - (box[1] - box[0]), 0, None) / 2
    return np.stack([box[0] - pad, box[1] + pad])


@dataclass(frozen=True)
class BoxRecord(Record):
    """F1 of one annotation."""

    f1_25: float
    f1_50: float


class BoxF1Metric(Metric[BoxRecord]):
    """Mean F1@0.25 and F1@0.5 of the boxes of separate objects, for all annotations and for the five groups.

    >>> import numpy as np
    >>> from saymask.data.annotations import Annotation
    >>> points = np.array([[0, 0, 0], [1, 1, 1], [5, 5, 0], [6, 6, 1.0]])
    >>> chairs = np.array([[True, True, False, False], [False, False, True, True]])
    >>> metric = BoxF1Metric()
    >>> two = Annotation("s", (0, 1), 0, "the chairs", "the chairs", eval_type="mt")
    >>> metric.update(chairs[:1], chairs, two, points=points)
    >>> round(metric.compute()["mt"]["f1_50"], 3)
    0.667
    """

    headline = "f1_50"

    def __init__(self, protocol: str = "multi3drefer-f1") -> None:
        super().__init__(protocol)
        if not self.protocol.separate:
            raise ValueError(f"protocol {protocol} compares the union of the objects; use saymask.metrics.metric_for")

    def update(
        self,
        prediction: np.ndarray,
        target: np.ndarray,
        annotation: Annotation,
        *,
        points: np.ndarray | None = None,
        sp_iou: float | None = None,
    ) -> None:
        """Count one annotation: one row per predicted and per true object; a predicted row without points is none."""
        rows, targets = check_rows(prediction, target, annotation)
        points = boxes_need_points(self.protocol.name, points, rows.shape[1])
        boxes = [box_of(points, select_points(row, self.protocol.name)) for row in rows]
        predicted = [box for box in boxes if box is not None]
        true = [] if self.protocol.wants_nothing(annotation) else [box_of(points, row) for row in targets]
        self.add(annotation, box_f1(predicted, true, 0.25), box_f1(predicted, true, 0.5))

    def add(self, annotation: Annotation, f1_25: float, f1_50: float) -> None:
        """Count one annotation by its F1."""
        record = BoxRecord(self.protocol.group(annotation), annotation.compositional, f1_25, f1_50)
        self.records.setdefault(annotation.key, record)

    def mean(self, rows: Sequence[BoxRecord]) -> dict[str, float]:
        """Return n, f1_25 and f1_50."""
        n = len(rows)
        return {
            "n": n,
            "f1_25": sum(r.f1_25 for r in rows) / n if n else 0.0,
            "f1_50": sum(r.f1_50 for r in rows) / n if n else 0.0,
        }
