"""Panoptic segmentation: every point has a class and an instance, which must agree with a true segment.

A segment is the points of one instance that have one class; all points of a stuff class (wall, floor) of a scene are
one segment. A predicted and a true segment of a class match when their IoU exceeds 0.5, so each matches at most one. SQ
is the mean IoU of the matches, RQ = TP / (TP + FP/2 + FN/2), PQ = SQ · RQ, per class over all scenes. Points whose true
class is none of the benchmark's are left out; points of a thing without an instance are no true segment, but count for
the size of what is predicted there (docs/systems/uniseg3d.md §6.6).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.geometry.votes import numbered
from saymask.metrics.benchmark import NO_CLASS, SceneMetric, by_name, members

MATCH = 0.5
"""The IoU that a match must exceed."""
_TINY = 1e-15
"""Least denominator of a quality, as published."""


@dataclass(frozen=True)
class PanopticProtocol:
    """Benchmark of the classes, and the classes that a mean runs over."""

    name: str
    benchmark: str
    absent_are_zero: bool
    """Absent classes count 0 in the means; otherwise they are left out of them."""


PROTOCOLS: dict[str, PanopticProtocol] = {
    p.name: p
    for p in (
        PanopticProtocol("uniseg3d", "scannet", absent_are_zero=True),
        PanopticProtocol("scannet", "scannet", absent_are_zero=False),
        PanopticProtocol("scannet200", "scannet200", absent_are_zero=False),
    )
}


@dataclass(frozen=True)
class PanopticRecord:
    """Outcome of a scene; every array is [C], by class index."""

    tp: np.ndarray  # int32: pairs of segments
    fp: np.ndarray  # int32: predicted segments without a match
    fn: np.ndarray  # int32: true segments without a match
    iou: np.ndarray  # float64: sum over the pairs
    right: np.ndarray  # int64: points whose class is right
    predicted: np.ndarray  # int64: points by predicted class
    true: np.ndarray  # int64: points by true class


class PanopticMetric(SceneMetric[PanopticRecord]):
    """PQ, SQ and RQ of each class and their means over all classes, things, stuff (and head, common and tail).

    A class is present when a segment of it is true or predicted. The protocol says what a class that is not present
    counts; both means of PQ are reported.

    >>> import numpy as np
    >>> metric = PanopticMetric("scannet")
    >>> true = np.array([1, 1, 5, 5, 5, 5]), np.array([0, 0, 1, 1, 2, 2])  # wall and two chairs
    >>> metric.update(np.array([1, 1, 5, 5, 5, 1]), np.array([0, 0, 1, 1, 2, 0]), *true, "scene0000_00")
    >>> metric.compute()["pq"]
    {'wall': 0.6666666666666666, 'chair': 0.5}
    >>> metric.compute()["overall"]["pq"], round(metric.compute()["overall"]["pq_all"], 3)
    (0.5833333333333333, 0.058)
    """

    headline = "pq"

    def __init__(self, protocol: str = "scannet") -> None:
        """`protocol`: `uniseg3d` (20 classes, absent ones count 0), `scannet` or `scannet200` (present ones only)."""
        if protocol not in PROTOCOLS:
            raise InputError(f"panoptic protocol: expected one of {', '.join(PROTOCOLS)}, got {protocol!r}")
        self.rule = PROTOCOLS[protocol]
        super().__init__(self.rule.benchmark)

    def update(
        self,
        classes: np.ndarray,  # int [N] predicted class ids, or indices with `indices`; anything else is none
        instances: np.ndarray,  # int [N] predicted instances, negative = none; of stuff it does not matter
        true_classes: np.ndarray,  # int [N]
        true_instances: np.ndarray,  # int [N]
        scene_id: str,
        *,
        indices: bool = False,
    ) -> None:
        """Count a scene; classes are the benchmark's ids or, with `indices`, indices 0..C-1 (-1 none).

        An instance number may occur with several classes: each class has a segment of it. Raises InputError when the
        four are not whole numbers over the same points.
        """
        maps = [np.asarray(m) for m in (classes, instances, true_classes, true_instances)]
        names = ("predicted classes", "predicted instances", "true classes", "true instances")
        for name, values in zip(names, maps, strict=True):
            if values.shape != maps[2].shape or values.ndim != 1 or values.dtype.kind not in "iu":
                raise InputError(
                    f"{scene_id}: expected {name} as one whole number for each of {maps[2].size:,} points, "
                    f"got {values.dtype} {list(values.shape)}"
                )
        count = len(self.protocol.classes)
        if indices:
            for values in (maps[0], maps[2]):
                self.protocol.of_indices(values)
        else:
            maps[0], maps[2] = self.protocol.indices(maps[0]), self.protocol.indices(maps[2])
        found, found_instances, true, true_numbers = (m[maps[2] != NO_CLASS].astype(np.int64) for m in maps)
        stuff = np.array([c.stuff for c in self.protocol.classes] + [False])  # the last entry is of -1
        ours, our_classes = _segments(found, np.where(stuff[found], 0, found_instances))
        theirs, their_classes = _segments(true, np.where(stuff[true], 0, true_numbers))
        # Row and column 0 take the points of no segment.
        width = len(their_classes) + 1
        shared = np.bincount((ours + 1) * width + theirs + 1, minlength=(len(our_classes) + 1) * width)
        shared = shared.reshape(-1, width)
        # What a segment shares with other classes counts to its size: the sums run over everything.
        sizes, true_sizes = shared.sum(1)[1:], shared.sum(0)[1:]
        inter = np.where(our_classes[:, None] == their_classes, shared[1:, 1:], 0)
        iou = inter / (sizes[:, None] + true_sizes - inter)
        rows, columns = np.nonzero(iou > MATCH)
        matched = our_classes[rows]
        tp = np.bincount(matched, minlength=count).astype(np.int32)
        record = PanopticRecord(
            tp,
            np.bincount(our_classes, minlength=count).astype(np.int32) - tp,
            np.bincount(their_classes, minlength=count).astype(np.int32) - tp,
            np.bincount(matched, weights=iou[rows, columns], minlength=count),
            np.bincount(true[found == true], minlength=count),
            np.bincount(found[found != NO_CLASS], minlength=count),
            np.bincount(true, minlength=count),
        )
        self.records.setdefault(scene_id, record)

    def _total(self, name: str) -> np.ndarray:
        values = np.zeros(len(self.protocol.classes))
        for row in self.rows():
            values += getattr(row, name)
        return values

    def qualities(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return PQ, SQ and RQ of each class by index, float64 [C]; NaN where a class is not present."""
        tp, fp, fn = self._total("tp"), self._total("fp"), self._total("fn")
        there = tp + fp + fn > 0
        sq = self._total("iou") / np.maximum(tp, _TINY)
        rq = tp / np.maximum(tp + fp / 2 + fn / 2, _TINY)
        return tuple(np.where(there, q, np.nan) for q in (sq * rq, sq, rq))  # type: ignore[return-value]

    def iou(self) -> np.ndarray:
        """Return the IoU of each class over the points of all scenes, float64 [C]; NaN where no point has the class."""
        right, union = self._total("right"), self._total("predicted") + self._total("true") - self._total("right")
        return np.divide(right, union, out=np.full(len(union), np.nan), where=union > 0)

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall", "things", "stuff"[, "head", "common", "tail"], "pq", "sq", "rq"}.

        A group holds n (its classes that are present), the means pq, sq and rq by the rule of the protocol, and both
        means of PQ: pq_present (over the classes present) and pq_all (over all, absent ones 0). `overall` also holds
        miou (of the classes of the points) and pq_dagger (IoU instead of PQ for stuff), by the same rule. `pq`, `sq`
        and `rq` hold the classes present by name. Numbers are shares 0..1.
        """
        pq, sq, rq = self.qualities()
        iou, classes = self.iou(), self.protocol.classes
        stuff = np.array([c.stuff for c in classes])
        chosen = {"overall": np.ones(len(classes), bool), "things": ~stuff, "stuff": stuff}
        chosen |= {group: members(classes, group) for group in self.protocol.groups}
        result: dict[str, Any] = {"protocol": self.rule.name}
        for group, rows in chosen.items():
            result[group] = {
                "n": int(np.count_nonzero(~np.isnan(pq[rows]))),
                **{k: self._mean(v[rows]) for k, v in (("pq", pq), ("sq", sq), ("rq", rq))},
                "pq_present": _mean(pq[rows], absent_are_zero=False),
                "pq_all": _mean(pq[rows], absent_are_zero=True),
            }
        result["overall"] |= {"miou": self._mean(iou), "pq_dagger": self._mean(np.where(stuff, iou, pq))}
        return result | {k: by_name(classes, v) for k, v in (("pq", pq), ("sq", sq), ("rq", rq))}

    def _mean(self, values: np.ndarray) -> float:
        return _mean(values, absent_are_zero=self.rule.absent_are_zero)


def _segments(classes: np.ndarray, instances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the segment of each point, int64 [N] (-1 none), and the class of each segment, int64 [G]."""
    of = np.full(len(classes), -1, np.int64)
    inside = np.flatnonzero((classes != NO_CLASS) & (instances >= 0))
    if not len(inside):
        return of, np.zeros(0, np.int64)
    # Numbered first, so that class and instance fit into one number whatever the instances are called.
    known, numbers = numbered(instances[inside])
    pairs, of[inside] = numbered(classes[inside] * len(known) + numbers)
    return of, pairs // len(known)


def _mean(values: np.ndarray, *, absent_are_zero: bool) -> float:
    if not absent_are_zero:
        values = values[~np.isnan(values)]
    return float(np.nan_to_num(values).mean()) if len(values) else 0.0
