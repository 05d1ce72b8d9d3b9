"""Semantic segmentation: IoU of each class from one confusion matrix over all points of all scenes.

Points whose true class is none of the benchmark's are skipped. A prediction outside the benchmark's classes is a miss
of the true class and a false positive of none (docs/systems/lground.md §6.3).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.metrics.benchmark import SceneMetric, by_name, mean_defined, members


@dataclass(frozen=True)
class SemanticRecord:
    """The confusion matrix of a scene, without its zeros."""

    cells: np.ndarray  # int32 [K]: true class * (C + 1) + predicted class, the last column is "none of them"
    counts: np.ndarray  # int64 [K]: points


class SemanticMetric(SceneMetric[SemanticRecord]):
    """Class IoU and its means over all classes, head, common and tail.

    A class is defined when a point has it or is predicted to have it. Two means are in use and both are reported:
    `miou_present` over the defined classes (the benchmark's), `miou_all` over all classes where an undefined one counts
    0 (that of the published training code: 11 of the 200 classes never occur in the validation scenes).

    >>> import numpy as np
    >>> metric = SemanticMetric("scannet200")
    >>> metric.update(np.array([2, 2, 3, 0]), np.array([2, 2, 2, 3]), "scene0000_00")  # chair, chair, floor, none
    >>> metric.compute()["iou"]
    {'chair': 0.6666666666666666, 'floor': 0.0}
    >>> metric.compute()["overall"]["miou_present"]
    0.3333333333333333
    """

    headline = "miou_present"

    def __init__(self, protocol: str = "scannet200") -> None:
        super().__init__(protocol)

    def update(self, prediction: np.ndarray, truth: np.ndarray, scene_id: str, *, indices: bool = False) -> None:
        """Count a scene: class ids int [N] of its points, or class indices with `indices` (-1 none in both).

        Raises InputError when the two are not over the same points.
        """
        prediction, truth = np.asarray(prediction), np.asarray(truth)
        if truth.ndim != 1 or prediction.shape != truth.shape:
            raise InputError(
                f"{scene_id}: expected one predicted class for each of {len(truth):,} points, "
                f"got {list(prediction.shape)}"
            )
        for what, values in (("predicted", prediction), ("true", truth)):
            if values.dtype.kind not in "iu":
                raise InputError(f"{scene_id}: expected {what} classes as whole numbers, got {values.dtype}")
        count = len(self.protocol.classes)
        if indices:
            for values in (prediction, truth):
                self.protocol.of_indices(values)
            true, predicted = truth.astype(np.int64), prediction.astype(np.int64)
        else:
            true, predicted = self.protocol.indices(truth), self.protocol.indices(prediction)
        # Row and column 0 of this matrix are "none of the classes", so that -1 needs no branch.
        cells = (true + 1) * (count + 1) + (predicted + 1)
        matrix = np.bincount(cells, minlength=(count + 1) ** 2).reshape(count + 1, count + 1)[1:]
        matrix = np.roll(matrix, -1, axis=1).ravel()
        filled = np.flatnonzero(matrix)
        self.records.setdefault(scene_id, SemanticRecord(filled.astype(np.int32), matrix[filled].astype(np.int64)))

    def confusion(self) -> np.ndarray:
        """Return int64 [C, C + 1]: points by true and predicted class; the last column is "none of the classes"."""
        count = len(self.protocol.classes)
        matrix = np.zeros(count * (count + 1), np.int64)
        for row in self.rows():
            matrix[row.cells] += row.counts
        return matrix.reshape(count, count + 1)

    def iou(self) -> np.ndarray:
        """Return the IoU of each class by index, float64 [C]; NaN where it is undefined."""
        return class_iou(self.confusion())

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "overall", "head", "common", "tail" (scannet200 only), "iou", "precision", "recall"}.

        A group holds n (its defined classes), miou_present, miou_all, and the means of the classes' precision and
        recall; `overall` also points (that were counted) and acc (the share of them that is right). `iou`, `precision`
        and `recall` hold the defined classes by name: precision of those that are predicted, recall of those that are
        there. Shares are 0..1.
        """
        matrix = self.confusion()
        iou, right = class_iou(matrix), np.diagonal(matrix)
        precision, recall = (_share(right, sums) for sums in (matrix[:, : len(matrix)].sum(0), matrix.sum(1)))
        result: dict[str, Any] = {"protocol": self.protocol.name}
        for group in ("overall", *self.protocol.groups):
            values = iou[members(self.protocol.classes, group)]
            result[group] = {
                "n": int(np.count_nonzero(~np.isnan(values))),
                "miou_present": mean_defined(values),
                "miou_all": float(np.nan_to_num(values).mean()),
                "precision": mean_defined(precision[members(self.protocol.classes, group)]),
                "recall": mean_defined(recall[members(self.protocol.classes, group)]),
            }
        points = int(matrix.sum())
        result["overall"] |= {"points": points, "acc": int(right.sum()) / points if points else 0.0}
        for name, each in (("iou", iou), ("precision", precision), ("recall", recall)):
            result[name] = by_name(self.protocol.classes, each)
        return result


def class_iou(confusion: np.ndarray) -> np.ndarray:
    """Return TP / (TP + FN + FP) of each class, float64 [C], from counts [C, C + 1]; NaN where the sum is 0."""
    right = np.diagonal(confusion)
    return _share(right, confusion.sum(1) + confusion[:, : len(confusion)].sum(0) - right)


def _share(counts: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return counts / sums, float64 [C], NaN where the sum is 0."""
    return np.divide(counts, sums, out=np.full(len(counts), np.nan), where=sums > 0)
