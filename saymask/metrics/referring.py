"""Referring segmentation: IoU of one mask per sentence, over the points of the whole scan.

The mask of a sentence is the union of the objects that are predicted for it. In `3dgres` a sentence that means nothing
that is there scores 1 when nothing is predicted and 0 otherwise (docs/systems/bqnet.md §6.4).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from saymask.data.annotations import Annotation
from saymask.metrics.boxes import box_iou, box_of
from saymask.metrics.protocols import select_points
from saymask.metrics.records import Metric, Record, boxes_need_points, check_rows


@dataclass(frozen=True)
class MaskRecord(Record):
    """The outcome for one annotation; the numbers are expectations where the prediction is a distribution."""

    iou: float
    inter: float
    union: float
    acc25: float
    acc50: float
    sp_iou: float | None = None
    """IoU of superpoints, each counting once; None where nobody says."""


class ReferMetric(Metric[MaskRecord]):
    """Mean IoU, overall IoU, Acc@0.25 and Acc@0.5 over annotations, for all and for the groups of the protocol.

    >>> import numpy as np
    >>> from saymask.data.annotations import Annotation
    >>> metric = ReferMetric("scanrefer")
    >>> truth = np.array([True, True, False, False])
    >>> metric.update(np.array([1.0, -1.0, -1.0, -1.0]), truth, Annotation("s", (0,), 0, "a chair", "a chair"))
    >>> metric.compute()["overall"]["miou"], metric.compute()["overall"]["acc50"]
    (0.5, 1.0)
    """

    headline = "miou"

    def __init__(self, protocol: str = "less") -> None:
        super().__init__(protocol)
        if self.protocol.separate:
            raise ValueError(f"protocol {protocol} compares separate objects; use saymask.metrics.metric_for")

    def update(
        self,
        prediction: np.ndarray,
        target: np.ndarray,
        annotation: Annotation,
        *,
        points: np.ndarray | None = None,
        sp_iou: float | None = None,
    ) -> None:
        """Count one annotation; `sp_iou` is the IoU of superpoints (`SentenceTruth.superpoint_iou`).

        Rows of several objects are united; logits then become a mask by the protocol's rule, a bool mask is taken as
        it is (apart from the "no target" of small masks in `3dgres`).
        """
        rows, targets = check_rows(prediction, target, annotation)
        mask = select_points(unite(rows), self.protocol.name)
        truth = unite(targets)
        if self.protocol.wants_nothing(annotation):
            truth = np.zeros_like(truth)
        if not self.protocol.boxes:
            shared, both = float(np.count_nonzero(mask & truth)), float(np.count_nonzero(mask | truth))
            self.add_expected(annotation, [(1.0, shared, both)], sp_iou)
            return
        points = boxes_need_points(self.protocol.name, points, len(mask))
        boxes = box_of(points, mask), box_of(points, truth)
        if boxes[0] is None or boxes[1] is None:
            # A missing box meets nothing; what is there counts to the union.
            there = boxes[0] if boxes[1] is None else boxes[1]
            self.add(annotation, 0.0, 0.0 if there is None else float(np.prod(there[1] - there[0])))
            return
        self.add(annotation, *box_iou(boxes[0], boxes[1]))

    def add(self, annotation: Annotation, inter: float, union: float) -> None:
        """Count one annotation by its intersection and union (where nothing is wanted: 0 and what is predicted)."""
        self.add_expected(annotation, [(1.0, inter, union)])

    def add_expected(
        self, annotation: Annotation, outcomes: Iterable[tuple[float, float, float]], sp_iou: float | None = None
    ) -> None:
        """Count one annotation whose prediction is random: outcomes are (probability, intersection, union)."""
        nothing = self.protocol.wants_nothing(annotation)
        iou = inter = union = acc25 = acc50 = 0.0
        for p, i, u in outcomes:
            if nothing:
                value = 0.0 if u > 0 else 1.0
            else:
                value = i / (u + self.protocol.epsilon) if u > 0 else 0.0
            iou, inter, union = iou + p * value, inter + p * i, union + p * u
            acc25, acc50 = acc25 + p * self._hit(value, 0.25), acc50 + p * self._hit(value, 0.5)
        group = self.protocol.group(annotation)
        if nothing and sp_iou is not None:
            sp_iou = iou  # the same rule: all or nothing
        record = MaskRecord(group, annotation.compositional, iou, inter, union, acc25, acc50, sp_iou)
        self.records.setdefault(annotation.key, record)

    def _hit(self, iou: float, threshold: float) -> bool:
        return iou >= threshold if self.protocol.inclusive else iou > threshold

    def mean(self, rows: Sequence[MaskRecord]) -> dict[str, float]:
        """Return n, miou, oiou (sum of intersections over sum of unions), acc25, acc50.

        Where the superpoints of all rows are known also spmiou, spacc25 and spacc50, the same of superpoints
        (docs/systems/bqnet.md §6.4).
        """
        n = len(rows)
        if not n:
            return {"n": 0, "miou": 0.0, "oiou": 0.0, "acc25": 0.0, "acc50": 0.0}
        union = sum(r.union for r in rows)
        return {
            "n": n,
            "miou": sum(r.iou for r in rows) / n,
            "oiou": sum(r.inter for r in rows) / union if union > 0 else 0.0,
            "acc25": sum(r.acc25 for r in rows) / n,
            "acc50": sum(r.acc50 for r in rows) / n,
            **self._of_superpoints([r.sp_iou for r in rows if r.sp_iou is not None], n),
        }

    def _of_superpoints(self, values: Sequence[float], n: int) -> dict[str, float]:
        if len(values) < n:
            return {}
        hits = {name: sum(self._hit(v, t) for v in values) / n for name, t in (("spacc25", 0.25), ("spacc50", 0.5))}
        return {"spmiou": sum(values) / n, **hits}


def unite(rows: np.ndarray) -> np.ndarray:
    """Return the union [N] of the rows [M, N] of masks (any) or logits (highest; -inf without a row)."""
    if rows.dtype == bool:
        return np.logical_or.reduce(rows, axis=0)
    return rows.max(0) if len(rows) else np.full(rows.shape[1], -np.inf, np.float32)
