"""Instance segmentation: average precision of scored masks, as the ScanNet benchmarks count it.

The rules are those of docs/systems/lground.md §6.4: IoU must exceed a threshold (0.5 to 0.9 in steps of 0.05, and
0.25), masks and true instances below a minimum size do not count, what lies mostly on void or on too small instances is
no error, and of several masks on one instance the one of highest score is right and the others are wrong.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from saymask.errors import InputError
from saymask.metrics.benchmark import SceneMetric, by_name, mean_defined, members
from saymask.metrics.overlap import TrueInstances, count_overlaps, read_true_instances

# As the benchmark computes them, rounding included: 0.6000000000000001 is what an IoU must exceed.
THRESHOLDS = np.append(np.arange(0.5, 0.95, 0.05), 0.25)
STRICT = slice(0, len(THRESHOLDS) - 1)
"""The thresholds that AP is the mean of."""
AP50, AP25 = 0, len(THRESHOLDS) - 1
_F1_EPSILON = 1e-4
"""Added to the denominator of F1, as published (docs/systems/uniseg3d.md §6.6)."""


@dataclass(frozen=True)
class InstanceRecord:
    """Outcome of the masks of a scene; the C classes are those evaluated as instances, the T thresholds all ten."""

    cells: np.ndarray  # int32 [K]: class * T + threshold of each mask that counts
    scores: np.ndarray  # float64 [K]
    right: np.ndarray  # bool [K]: a true instance was found (else: a false positive)
    missed: np.ndarray  # int32 [C, T]: true instances that no mask found
    there: np.ndarray  # bool [C]: the scene has a true instance of the class (that is not too small)


@dataclass(frozen=True)
class Curves:
    """Summary of precision over recall: float64 [C, T] by class and threshold, NaN without a true instance."""

    ap: np.ndarray
    precision: np.ndarray
    """Precision where F1 is highest (of equals, at the lowest score)."""
    recall: np.ndarray
    """Recall where F1 is highest."""
    max_recall: np.ndarray
    """Recall of all masks together."""


class InstanceMetric(SceneMetric[InstanceRecord]):
    """AP, AP50 and AP25 of each class and their means over all classes, head, common and tail.

    A class without a true instance is undefined and left out of the means; one that is there but never predicted has
    AP 0.

    >>> import numpy as np
    >>> truth = np.repeat([2001, 2002, 0], 200)  # two chairs
    >>> masks = np.stack([truth == 2001, truth == 0])
    >>> metric = InstanceMetric("scannet200")
    >>> metric.update(masks, np.array([2, 2]), np.array([0.9, 0.8]), truth, "scene0000_00")
    >>> metric.compute()["ap50"]
    {'chair': 0.5}
    """

    headline = "ap"

    def __init__(self, protocol: str = "scannet200", *, min_region: int = 100) -> None:
        """`min_region`: fewest points of a mask and a true instance (benchmark: 100; published training code: 10)."""
        super().__init__(protocol)
        self.min_region = min_region
        self._ids = np.array([c.id for c in self.protocol.things], np.int64)

    def update(
        self,
        masks: np.ndarray,  # bool [M, N] over the points, M may be 0; or [M, S] over the rows of `index`
        labels: np.ndarray,  # int [M] class ids; masks of other classes are dropped
        scores: np.ndarray,  # float [M], any finite numbers; only their order counts
        truth: np.ndarray,  # int [N]: class id * 1000 + instance of each point, anything else is void
        scene_id: str,
        *,
        index: np.ndarray | None = None,  # int [N]: row of each point in the masks, -1 none
    ) -> None:
        """Count a scene. Raises InputError when sizes do not fit or a score is not finite."""
        found = read_true_instances(truth, self._ids)
        try:
            counts = count_overlaps(masks, found, index)
        except InputError as error:
            raise InputError(f"{scene_id}: {error}") from None
        self.update_counts(counts, labels, scores, found, scene_id)

    def update_counts(
        self, counts: np.ndarray, labels: np.ndarray, scores: np.ndarray, truth: TrueInstances, scene_id: str
    ) -> None:
        """Count a scene by the points that masks share with void and true instances (int64 [M, 1 + G])."""
        labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
        for what, values in (("labels", labels), ("scores", scores)):
            if values.shape != (len(counts),):
                raise InputError(f"{scene_id}: expected {len(counts)} {what} for as many masks, got {values.shape}")
        if labels.size and labels.dtype.kind not in "iu":
            raise InputError(f"{scene_id}: expected class ids as whole numbers, got {labels.dtype}")
        if not np.isfinite(scores).all():
            raise InputError(f"{scene_id}: expected finite scores, got {scores[~np.isfinite(scores)][0]}")
        sizes = counts.sum(1)
        keep = (sizes >= max(self.min_region, 1)) & np.isin(labels, self._ids)
        true_classes = np.searchsorted(self._ids, truth.classes)
        large = truth.sizes >= self.min_region
        cells, kept_scores, right, missed = _match(
            counts[keep],
            sizes[keep],
            np.searchsorted(self._ids, labels[keep].astype(np.int64)),
            scores[keep],
            true_classes,
            truth.sizes,
            large,
            THRESHOLDS,
            len(self._ids),
        )
        there = np.zeros(len(self._ids), bool)
        there[true_classes[large]] = True
        self.records.setdefault(scene_id, InstanceRecord(cells, kept_scores, right, missed, there))

    def average_precision(self) -> np.ndarray:
        """Return float64 [C, T]: AP of the instance classes in the order of their ids at each of `THRESHOLDS`.

        NaN where there is no true instance of the class.
        """
        return self.curves().ap

    def curves(self) -> Curves:
        """Return AP, and precision and recall at the best F1, of the instance classes in the order of their ids."""
        rows, shape = self.rows(), (len(self._ids), len(THRESHOLDS))
        out = np.full((4, *shape), np.nan)
        if not rows:
            return Curves(*out)
        there = np.repeat(np.any([r.there for r in rows], axis=0), len(THRESHOLDS))
        flat = out.reshape(4, -1)
        flat[:, there] = 0.0
        missed = np.sum([r.missed for r in rows], axis=0, dtype=np.int64).ravel()
        cells = np.concatenate([r.cells for r in rows])
        scores = np.concatenate([r.scores for r in rows])
        right = np.concatenate([r.right for r in rows])
        order = np.lexsort((scores, cells))
        used, start = np.unique(cells[order], return_index=True)
        bounds = np.append(start, len(order))
        precision, recall, width, ends = _curves(scores[order], right[order], bounds, missed[used])
        begin = 0
        for cell, end in zip(used, ends, strict=True):
            if there[cell]:  # masks of a class that is nowhere there leave it undefined
                p, r = precision[begin:end], recall[begin:end]
                best = np.argmax(2 * p * r / (p + r + _F1_EPSILON))
                flat[:, cell] = np.dot(p, width[begin:end]), p[best], r[best], r[0]
            begin = end
        return Curves(*out)

    def best_f1(self) -> dict[str, Any]:
        """Return {"protocol", "overall": {precision50, recall50}, "precision50", "recall50"}: where F1 is highest.

        At the threshold 0.5; F1 = 2PR / (P + R + 0.0001) (docs/systems/uniseg3d.md §6.6). `overall` is the mean over
        the classes with a true instance, the others hold these classes by name. Numbers are shares 0..1.
        """
        curves = self.curves()
        values = {"precision50": curves.precision[:, AP50], "recall50": curves.recall[:, AP50]}
        return {
            "protocol": self.protocol.name,
            "overall": {name: mean_defined(v) for name, v in values.items()},
            **{name: by_name(self.protocol.things, v) for name, v in values.items()},
        }

    def compute(self) -> dict[str, Any]:
        """Return {"protocol", "min_region", "overall", "head", "common", "tail", "ap", "ap50", "ap25"}.

        Head, common and tail are there for scannet200 only. A group holds n (its classes with a true instance) and the
        means ap (over thresholds 0.5 to 0.9), ap50 and ap25; `ap`, `ap50`, `ap25` hold the classes by name. Numbers
        are shares 0..1.
        """
        values = self.average_precision()
        things = self.protocol.things
        result: dict[str, Any] = {"protocol": self.protocol.name, "min_region": self.min_region}
        for group in ("overall", *self.protocol.groups):
            chosen = values[members(things, group)]
            result[group] = {
                "n": int(np.count_nonzero(~np.isnan(chosen[:, 0]))),
                # In the benchmark's order of summation, which decides the last digit: by threshold, then class.
                "ap": mean_defined(np.ascontiguousarray(chosen[:, STRICT].T)),
                "ap50": mean_defined(chosen[:, AP50]),
                "ap25": mean_defined(chosen[:, AP25]),
            }
        result["ap"] = by_name(things, values[:, STRICT].mean(1))
        result["ap50"] = by_name(things, values[:, AP50])
        result["ap25"] = by_name(things, values[:, AP25])
        return result


@njit(cache=True, nogil=True)
def _match(counts, sizes, labels, scores, true_labels, true_sizes, large, thresholds, classes):
    """Return (cells, scores, right, missed) of a scene: the fields of `InstanceRecord`.

    counts: int64 [P, 1 + G] of masks that are large enough; labels and true_labels: class numbers; large: bool [G].
    """
    masks, instances, steps = sizes.size, true_sizes.size, thresholds.size
    iou = np.zeros((masks, instances))
    pairs = 0
    for p in range(masks):
        for g in range(instances):
            if labels[p] == true_labels[g] and counts[p, g + 1] > 0:
                iou[p, g] = counts[p, g + 1] / (sizes[p] + true_sizes[g] - counts[p, g + 1])
                pairs += 1
    most = steps * (pairs + masks)
    out_cells, out_scores = np.empty(most, np.int32), np.empty(most, np.float64)
    out_right = np.zeros(most, np.bool_)
    missed = np.zeros((classes, steps), np.int32)
    n = 0
    for t in range(steps):
        visited = np.zeros(masks, np.bool_)
        for g in range(instances):
            if not large[g]:
                continue
            found, cell = -1, true_labels[g] * steps + t
            for p in range(masks):
                if visited[p] or iou[p, g] <= thresholds[t]:
                    continue
                out_cells[n], out_scores[n] = cell, scores[p]
                if found < 0:
                    # Only the first mask is used up: a later one may still find another instance (at 0.25).
                    found, visited[p] = n, True
                    out_right[n] = True
                elif scores[p] > out_scores[found]:
                    out_scores[n], out_scores[found] = out_scores[found], scores[p]
                n += 1
            if found < 0:
                missed[true_labels[g], t] += 1
        for p in range(masks):
            hit, ignored = False, counts[p, 0]
            for g in range(instances):
                if labels[p] == true_labels[g]:
                    hit = hit or iou[p, g] > thresholds[t]
                    if not large[g]:
                        ignored += counts[p, g + 1]
            if not hit and ignored / sizes[p] <= thresholds[t]:
                out_cells[n], out_scores[n] = labels[p] * steps + t, scores[p]
                n += 1
    return out_cells[:n].copy(), out_scores[:n].copy(), out_right[:n].copy(), missed


@njit(cache=True, nogil=True)
def _curves(scores, right, bounds, missed):
    """Return precision, recall and width of recall at each distinct score of each list, and where the lists end.

    scores, right: [K], list i (ascending scores) being bounds[i]:bounds[i + 1]; missed: int [lists].
    """
    lists = bounds.size - 1
    precision, recall = np.empty(scores.size + lists), np.empty(scores.size + lists)
    width = np.empty(scores.size + lists)
    ends = np.empty(lists, np.int64)
    n = 0
    for i in range(lists):
        first, last, begin = bounds[i], bounds[i + 1], n
        total = 0
        for j in range(first, last):
            total += right[j]
        below = 0
        for j in range(first, last):
            if j == first or scores[j] != scores[j - 1]:
                tp = total - below
                fp = last - j - tp
                precision[n] = tp / (tp + fp)
                recall[n] = tp / (tp + below + missed[i]) if tp else 0.0
                n += 1
            below += right[j]
        precision[n], recall[n] = 1.0, 0.0
        n += 1
        for k in range(begin, n):
            before = recall[k - 1] if k > begin else recall[k]
            after = recall[k + 1] if k + 1 < n else 0.0
            width[k] = 0.5 * before - 0.5 * after
        ends[i] = n
    return precision[:n], recall[:n], width[:n], ends
