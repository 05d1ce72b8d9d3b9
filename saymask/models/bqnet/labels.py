"""Truth over superpoints from labels over points (docs/systems/bqnet.md §2.5).

Everything is read off one histogram, points of each instance in each superpoint, so that a sentence more costs nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from saymask.labels.tables import packaged_label_table, scannet20
from saymask.models.bqnet.outputs import NO_INSTANCE

_NEVER_NAMED = (1, 2, 24, 39)
"""nyu40 ids whose class no sentence names: wall and floor are left out, `otherfurniture` has no name of its own, and
the refrigerator is lost among the others because the label table spells it `refridgerator`
(docs/systems/bqnet.md §2.5)."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Points of each instance in each superpoint, counted; only pairs that occur."""

    row: np.ndarray  # int64 [P]: superpoint, ascending
    instance: np.ndarray  # int64 [P]: instance id, -1 = un-annotated
    points: np.ndarray  # int64 [P]
    sizes: np.ndarray  # int64 [S]: points of each superpoint


def histogram(instance: np.ndarray, index: np.ndarray) -> Histogram:
    """Count the points of each `instance` int [N] in each superpoint `index` int64 [N] of 0..S-1, all occupied."""
    if len(index) == 0:
        nothing = np.zeros(0, np.int64)
        return Histogram(nothing, nothing, nothing, nothing)
    low = int(instance.min())
    width = int(instance.max()) - low + 1
    keys = index * width + (instance.astype(np.int64) - low)
    pairs, points = np.unique(keys, return_counts=True)
    return Histogram(pairs // width, pairs % width + low, points, np.bincount(index))


def sp_ins_label(counts: Histogram) -> np.ndarray:
    """Return int64 [S]: the instance with more than half of a superpoint's points (-1 is one too), else NO_INSTANCE."""
    label = np.full(len(counts.sizes), NO_INSTANCE, np.int64)
    most = 2 * counts.points > counts.sizes[counts.row]
    label[counts.row[most]] = counts.instance[most]
    return label


def gt_pmask(instance: np.ndarray, objects: Collection[int]) -> np.ndarray:
    """Return bool [N]: the points whose `instance` int [N] is one of `objects`."""
    return np.isin(instance, np.asarray(tuple(objects), dtype=np.int64))


def gt_spmask(counts: Histogram, objects: Collection[int]) -> np.ndarray:
    """Return bool [S]: superpoints with more than half of their points on the objects together."""
    return 2 * _points_of(counts, objects) > counts.sizes


def sp_ref_mask(counts: Histogram, objects: Collection[int], named: Collection[int]) -> np.ndarray:
    """Return float32 [S], the mean over a superpoint's points of 1 on `objects`, 0.5 on other `named` instances."""
    weight = _points_of(counts, objects) + 0.5 * _points_of(counts, set(named) - set(objects))
    return (weight / np.maximum(counts.sizes, 1)).astype(np.float32)


def _points_of(counts: Histogram, objects: Collection[int]) -> np.ndarray:
    inside = gt_pmask(counts.instance, objects)
    return np.bincount(counts.row[inside], weights=counts.points[inside], minlength=len(counts.sizes))


def instance_names(instance: np.ndarray, labels: Mapping[str, np.ndarray]) -> dict[int, str]:
    """Return instance id → class name, for the instances whose class a single word of a sentence can name.

    The class is that of the instance's first point, by the scan's label `semantic20` (or `nyu40` where that is not
    there). Instances of other classes have no entry; nor has any instance of a scan without class labels.

    Source: docs/systems/bqnet.md §2.5.
    """
    labels_of_points = labels.get("semantic20", labels.get("nyu40"))
    if labels_of_points is None or len(instance) == 0:
        return {}
    low = int(instance.min())
    first = np.full(int(instance.max()) - low + 1, -1, np.int64)
    first[instance[::-1] - low] = np.arange(len(instance))[::-1]  # of several points, the last that is written stays
    present = np.flatnonzero(first >= 0)
    kinds = labels_of_points[first[present]]
    if "semantic20" not in labels:
        kinds = packaged_label_table().semantic20(kinds)
    names = {c.index: c.name for c in scannet20() if c.nyu40id not in _NEVER_NAMED}
    return {i + low: names[k] for i, k in zip(present.tolist(), kinds.tolist()) if i + low >= 0 and k in names}


def named_in(text: str, names: dict[int, str]) -> set[int]:
    """Return the instances whose class name is a white-space word of `text`."""
    words = set(text.split())
    return {instance for instance, name in names.items() if name in words}


def without_reserved(instance: np.ndarray) -> tuple[np.ndarray, dict[int, int]]:
    """Return instance ids [N] none of which is NO_INSTANCE, and old id → new id of what was changed.

    The published labels cannot tell an instance of that id from a superpoint that has none.
    """
    taken = instance == NO_INSTANCE
    if not taken.any():
        return instance, {}
    new = int(instance.max()) + 1
    return np.where(taken, new, instance), {NO_INSTANCE: new}
