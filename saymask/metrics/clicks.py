"""Clicks on true objects: the benchmark's, deep inside, and those at a distance from the centre.

Source: docs/systems/uniseg3d.md §2.7b.
"""

import hashlib
import math

import numpy as np

from saymask.errors import InputError
from saymask.geometry.sampling import members_of
from saymask.geometry.voxelize import unique_cells

AGILE_CELL = 0.05
"""Metres: one point per cell of this edge stands for the others in the benchmark."""
RANDOM = math.inf
"""Distance that stands for any point of the object, drawn at random."""
DISTANCES = tuple(r / 10 for r in range(1, 11))
"""Relative distances from the centre for which the paper reports results, beside `RANDOM`."""


def agile_clicks(points: np.ndarray, instance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (point, instance) int64 [P] of the benchmark's clicks: of each instance the point deepest inside.

    points: float32 [N, 3], metres, as scanned; instance: int64 [N] dense ids, -1 = none. Of the points of each 5 cm
    cell the first one stands for them; an instance of which none does has no click. The click is the one farthest from
    its nearest neighbour outside the instance; of equals, and where there is no outside, the first.
    """
    from scipy.spatial import KDTree

    points = points.astype(np.float32)
    chosen = np.sort(unique_cells(np.floor(points / np.float32(AGILE_CELL)).astype(np.int64))[2])
    places, owner = points[chosen].astype(np.float64), instance[chosen]
    ids = np.unique(owner[owner >= 0])
    clicks = np.zeros(len(ids), np.int64)
    for row, i in enumerate(ids):
        inside = owner == i
        depth = np.zeros(int(inside.sum()))
        if not inside.all():
            depth, _ = KDTree(places[~inside], balanced_tree=False, compact_nodes=False).query(places[inside])
        clicks[row] = chosen[inside][np.asarray(depth).argmax()]
    return clicks, ids.astype(np.int64)


def relative_clicks(points: np.ndarray, instance: np.ndarray, r: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (point, instance) int64 [I] of clicks at the relative distance `r` in 0..1 from each instance's centre.

    The centre is the mean of the instance's points; 1 is the distance of the point farthest from it. Of points equally
    close to `r`, the first. The paper does not say how it draws them (docs/systems/uniseg3d.md §2.7b); this is the
    suggested rule. points: float [N, 3]; instance: int64 [N] dense ids, -1 = none. Raises InputError for another `r`.
    """
    if not 0 <= r <= 1:
        raise InputError(f"click distance: expected a share of the object's radius, 0 to 1, got {r}")
    members = members_of(instance)
    clicks = np.zeros(len(members), np.int64)
    for i, own in enumerate(members):
        places = points[own].astype(np.float64)
        away = np.sqrt(((places - places.mean(axis=0)) ** 2).sum(axis=1))
        clicks[i] = own[np.abs(away - r * away.max()).argmin()]
    return clicks, np.arange(len(members))


def random_clicks(instance: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (point, instance) int64 [I] of a click on any point of each instance, the same ones for a scan's `name`.

    instance: int64 [N] dense ids, -1 = none.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    rng, members = np.random.default_rng(list(digest)), members_of(instance)
    return np.array([rng.choice(own) for own in members], np.int64), np.arange(len(members))
