"""Rectangles of another colour on bare wall, which generated rooms do not have: panels, fresh paint, niches.

In generated rooms an upright rectangle of its own colour in a wall is a door, a window or a picture; in rooms of other
people it often is a part of the wall. `with_panels` paints such parts; they stay wall.
"""

from dataclasses import replace

import numpy as np

from saymask.labels.tables import scannet20
from saymask.scan import Scan

DEPTH = 0.15
"""Metres before and behind a panel's middle that still are the same wall."""
AROUND = 0.6
"""Metres around a panel's middle that tell along which axis the wall runs."""
JOINT = 0.025
"""Width of the joint around a panel, metres."""


def with_panels(scan: Scan, axes: np.ndarray, count: int, rng: np.random.RandomState) -> Scan:
    """Return the scan (metres, z up) with `count` rectangles of its walls painted, each with superpoints of its own.

    axes: float [2, 2], directions of the room's walls. A scan without walls or without the label `semantic20` is
    returned as it is; labels and points stay.
    """
    if "semantic20" not in scan.labels:
        return scan
    wall = np.flatnonzero(scan.labels["semantic20"] == [c.name for c in scannet20()].index("wall"))
    if not len(wall):
        return scan
    flat = scan.points[wall, :2].astype(np.float64) @ axes.T
    height = scan.points[wall, 2] - np.percentile(scan.points[:, 2], 1)
    colors = scan.colors[wall].astype(np.float64)
    painted = np.zeros(len(wall), np.int64)
    for number in range(1, count + 1):
        middle = flat[rng.randint(len(wall))]
        near = flat[(np.abs(flat - middle) < AROUND).all(axis=1)]
        along = int(np.ptp(near, axis=0).argmax())
        bottom = 0.0 if rng.rand() < 0.6 else rng.uniform(0.1, 1.2)
        size = np.array([rng.uniform(0.4, 4.0), rng.uniform(0.6, 2.6 - bottom)])
        x = np.abs(flat[:, along] - middle[along]) - size[0] / 2
        z = np.abs(height - bottom - size[1] / 2) - size[1] / 2
        before = np.abs(flat[:, 1 - along] - middle[1 - along]) < DEPTH
        inside = before & (x < 0) & (z < 0)
        if not inside.any():
            continue
        paint = rng.uniform(40, 235, 3) if rng.rand() < 0.3 else colors[inside].mean(axis=0) + rng.normal(0, 25)
        # What the light does on the wall stays, in part.
        colors[inside] = paint + rng.uniform(0.3, 1.0) * (colors[inside] - colors[inside].mean(axis=0))
        if rng.rand() < 0.5:
            colors[inside & (np.maximum(x, z) > -JOINT)] *= rng.uniform(0.5, 1.2)
        painted[inside] = number
    new = scan.colors.copy()
    new[wall] = np.clip(np.round(colors), 0, 255).astype(scan.colors.dtype)
    return replace(scan, colors=new, superpoints=_apart(scan.superpoints, wall, painted), image_features=None)


def _apart(superpoints: np.ndarray | None, rows: np.ndarray, painted: np.ndarray) -> np.ndarray | None:
    """Return the superpoints [N] in which points `rows` of different panels [n] (0 = none) have different ones."""
    if superpoints is None:
        return None
    apart = painted > 0
    keys = superpoints[rows[apart]].astype(np.int64) * (int(painted.max(initial=0)) + 1) + painted[apart]
    new = superpoints.copy()
    new[rows[apart]] = superpoints.max() + 1 + np.unique(keys, return_inverse=True)[1].reshape(-1)
    return new
