"""Training with few annotations: a share of the points of every object (docs/systems/lground.md §2.3).

A share of the scans instead is chosen by `saymask.data.samples.scans`.
"""

import hashlib
from pathlib import Path

import numpy as np
from cachetools import LRUCache

from saymask.data.samples.scans import check_share
from saymask.errors import InputError
from saymask.geometry.sampling import farthest_point_sampling
from saymask.io.pickles import read_pickle

FEWEST = 5
"""An object keeps at least this many points, or all it has."""
_memory: LRUCache[bytes, np.ndarray] = LRUCache(2048)
"""Packed masks by content, so that a scene's points are chosen once per process and not once per epoch."""


def kept_rows(points: np.ndarray, share: float, *, compat: bool = False) -> np.ndarray:
    """Return int64 rows, ascending: max(5, round(share · n)) of the n points of one object, by farthest point sampling.

    points: [n, 3] metres, axis-aligned. `compat` follows the published CUDA kernel, which never takes points within
    3 cm of the origin and can take a point twice, so that fewer are kept.
    """
    wanted = max(FEWEST, round(share * len(points)))
    if len(points) <= wanted:
        return np.arange(len(points))
    return np.unique(farthest_point_sampling(points, wanted, compat=compat))


def annotated_points(
    points: np.ndarray,  # float [N, 3] metres, axis-aligned
    instances: np.ndarray,  # int [N], -1 none
    labels: np.ndarray,  # int [N], -1 none
    share: float,
    *,
    compat: bool = False,
) -> np.ndarray:
    """Return bool [N]: the points that keep their label and instance when `share` of each object is annotated.

    Points with a label but no instance count as one object per label; points without either are not kept. Raises
    InputError for a share outside 0..1.
    """
    check_share(share, "annotated points")
    points, instances, labels = np.ascontiguousarray(points), np.asarray(instances), np.asarray(labels)
    if share == 1:
        return (instances >= 0) | (labels >= 0)
    digest = hashlib.blake2b(f"{share}:{compat}:{points.dtype}:{instances.dtype}:{labels.dtype}".encode())
    for values in (points, instances, labels):
        digest.update(np.ascontiguousarray(values).tobytes())
    key = digest.digest()
    if key not in _memory:
        _memory[key] = np.packbits(_annotated(points, instances, labels, share, compat))
    return np.unpackbits(_memory[key], count=len(points)).astype(bool)


def _annotated(points: np.ndarray, instances: np.ndarray, labels: np.ndarray, share: float, compat: bool) -> np.ndarray:
    group = np.where(instances >= 0, instances.astype(np.int64), -2 - labels.astype(np.int64))  # -1: neither
    order = np.argsort(group, kind="stable")
    kept = np.zeros(len(points), bool)
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if len(rows) and group[rows[0]] != -1:
            kept[rows[kept_rows(points[rows], share, compat=compat)]] = True
    return kept


def read_point_lists(path: str | Path) -> dict[str, np.ndarray]:
    """Return scene → int64 indices of its labelled points, from a torch file of the data-efficient benchmark.

    Raises InputError for a file of another kind. Nothing in the file is run.
    """
    content = read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: expected {{scene: point indices}}, got {type(content).__name__}")
    lists: dict[str, np.ndarray] = {}
    for scene, values in content.items():
        try:
            rows = np.asarray(values)
        except (ValueError, TypeError):
            rows = np.empty(0, object)
        if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu") or (rows < 0).any():
            raise InputError(f"{path}: expected a list of point indices of scene {scene!r}, got {values!r:.60}")
        lists[str(scene)] = rows.astype(np.int64)
    return lists


def listed_points(lists: dict[str, np.ndarray], scene: str, n: int) -> np.ndarray:
    """Return bool [n]: the labelled points of a scene of n points; none where the scene is not in the lists.

    Raises InputError for an index past the last point: the list was made for another version of the scene.
    """
    rows = lists.get(scene, np.zeros(0, np.int64))
    if len(rows) and rows.max() >= n:
        raise InputError(f"scene {scene}: labelled point {rows.max():,} of {n:,}; the list is of another preparation")
    kept = np.zeros(n, bool)
    kept[rows] = True
    return kept
