"""Truth over superpoints: what the labels of a scan's points say about the patches that they lie in.

Source: docs/systems/uniseg3d.md §2.6.
"""

from dataclasses import dataclass

import numpy as np

from saymask.errors import InputError
from saymask.geometry.votes import majority, one_hot
from saymask.labels.tables import packaged_label_table
from saymask.scan import Scan

THINGS = 18
"""Instance classes of ScanNet20: class k is semantic class k + 2 (docs/systems/uniseg3d.md §2.4)."""
STUFF = 2
"""Wall and floor."""
NO_CLASS = THINGS + STUFF
"""Semantic class of a superpoint that has none of the 20."""


@dataclass(frozen=True, eq=False)
class SuperpointTruth:
    """What the labels of N points say about S superpoints (docs/systems/uniseg3d.md §2.6)."""

    masks: np.ndarray  # bool [I + J, S]: instances by ascending objectId, then other objects likewise, pseudo masks
    labels: np.ndarray  # int64 [I]: thing class 0..17
    objects: np.ndarray  # int64 [I + K]: objectId of instances and of other objects
    semantic: np.ndarray  # int64 [S]: class 0..19, NO_CLASS
    instance: np.ndarray  # int64 [N]: row of `masks` of each point, -1 = none


def superpoint_truth(
    semantic: np.ndarray,  # int [N] class 0..19, -1 = none
    instance: np.ndarray,  # int [N] objectId, -1 = none
    index: np.ndarray,  # int64 [N] superpoint 0..S-1
    size: int,  # S
    novel: np.ndarray | None = None,  # bool [J, S]
    *,
    others: bool = False,
) -> SuperpointTruth:
    """Return the truth over superpoints; a superpoint belongs to what more than half of its points belong to.

    Only things have instances, but with `others` annotated objects of no class are rows after them. An instance without
    a superpoint keeps its row, of False. Its class is that of its first point (docs/systems/uniseg3d.md §Q20).

    Source: docs/systems/uniseg3d.md §2.6.
    """
    objects, first, row = _dense(np.where(semantic >= STUFF, instance, -1))
    things = len(objects)
    if others:
        more, _, other = _dense(np.where(semantic < 0, instance, -1))
        objects, row = np.concatenate([objects, more]), np.where(other >= 0, other + things, row)
    masks = one_hot(majority(row, index, size), len(objects))
    if novel is not None:
        masks = np.concatenate([masks, novel])
    classes = majority(semantic, index, size)
    return SuperpointTruth(
        masks=masks,
        labels=semantic[first[:things]].astype(np.int64) - STUFF,
        objects=objects,
        semantic=np.where(classes < 0, NO_CLASS, classes),
        instance=row,
    )


def _dense(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (ids int64 [I], first point of each, row of each point or -1) of ids int [N], below 0 = none."""
    objects, first, row = np.unique(ids.astype(np.int64), return_index=True, return_inverse=True)
    row = row.reshape(-1).astype(np.int64)
    if len(objects) and objects[0] < 0:  # the points without an id come first
        return objects[1:], first[1:], row - 1
    return objects, first, row


def labels_of(scan: Scan) -> tuple[np.ndarray, np.ndarray]:
    """Return (class int [N] 0..19 or -1, objectId int [N] or -1) of a scan; InputError when it has no such labels."""
    labels = scan.labels
    if "instance" not in labels or not ({"semantic20", "nyu40"} & set(labels)):
        raise InputError(
            f"scan {scan.name}: expected labels semantic20 (or nyu40) and instance, got {', '.join(labels) or 'none'}; "
            "prepare it with its label and aggregation files"
        )
    semantic = labels["semantic20"] if "semantic20" in labels else packaged_label_table().semantic20(labels["nyu40"])
    return semantic, labels["instance"]
