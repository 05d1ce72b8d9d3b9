"""Clicks of training: near the centres of objects as published (docs/systems/uniseg3d.md §2.7b), and anywhere (ours).

Those of the evaluation are in `saymask.metrics.clicks`.
"""

import numpy as np

from saymask.data.superpoint_truth import STUFF, SuperpointTruth
from saymask.geometry.sampling import members_of

MOST_DRAWN = 500
"""Points of an object whose mean is taken for its centre in training."""
SURFACE_CLICKS = 8
"""Clicks on wall and floor in a training step with clicks anywhere."""


def training_clicks(
    points: np.ndarray, instance: np.ndarray, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Return (point, instance) int64 [I] of one click near the centre of each instance, instances shuffled.

    points: float32 [N, 3]; instance: int64 [N] dense ids 0..I-1, -1 = none. The click is the drawn point that is
    nearest to the mean of the at most 500 drawn points (first minimum).
    """
    points = points.astype(np.float32)
    members = members_of(instance)
    shuffled = np.arange(len(members))
    rng.shuffle(shuffled)
    clicks = np.zeros(len(members), np.int64)
    for row, i in enumerate(shuffled):
        n = len(members[i])
        # The published share of the points, which can round down to 499 of them.
        count = n if n <= MOST_DRAWN else int(n * (MOST_DRAWN / n))
        drawn = members[i][rng.choice(n, count, replace=False)]
        away = points[drawn] - points[drawn].mean(axis=0)
        clicks[row] = drawn[np.sqrt((away**2).sum(axis=1)).argmin()]
    return clicks, shuffled.astype(np.int64)


def clicks_anywhere(truth: SuperpointTruth, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Return (superpoint, mask) int64 [P] of a click on any superpoint of each mask, and of some on wall and floor.

    Small superpoints are clicked on as often as large ones, for people click everywhere. Clicks on wall and floor mean
    no mask, -1; masks without a superpoint get no click.
    """
    free = (truth.semantic < STUFF) & ~truth.masks.any(axis=0)
    surface = rng.permutation(np.flatnonzero(free))[:SURFACE_CLICKS]
    rows = np.flatnonzero(truth.masks.any(axis=1))
    clicks = np.array([rng.choice(np.flatnonzero(truth.masks[row])) for row in rows], np.int64)
    return np.concatenate([clicks, surface]), np.concatenate([rows, np.full(len(surface), -1)])
