"""Reachability: whether one can walk through the room, on a grid of the floor blocked by what stands on it."""

from math import cos, sin
from typing import Any

import numpy as np
from scipy.ndimage import label

from saymask.rooms.layout import Layout

CELL = 0.1  # metres
BODY = 0.2  # half the width of a person, metres
SHARE = 0.55  # of the free floor that has to be reached


def reachable(layout: Layout) -> bool:
    """Return whether one can walk from every door to every other one and to most of the free floor."""
    nx, ny = max(1, int(layout.width / CELL)), max(1, int(layout.depth / CELL))
    xx, yy = np.meshgrid((np.arange(nx) + 0.5) * CELL, (np.arange(ny) + 0.5) * CELL, indexing="ij")
    free = np.ones((nx, ny), dtype=bool)
    solid = [p.box for p in layout.placed if p.z < 1.2 and p.model.category != "mat" and p.model.size[2] > 0.1]
    for box in solid + layout.notches:
        c, s = cos(box.yaw), sin(box.yaw)
        u = np.abs(c * (xx - box.x) + s * (yy - box.y))
        v = np.abs(-s * (xx - box.x) + c * (yy - box.y))
        free &= ~((u < box.hx + BODY) & (v < box.hy + BODY))
    found: Any = label(free)
    regions = np.asarray(found[0])
    before_doors = set()
    for door in layout.doors:
        x, y = layout.walls[door.wall or 0].at(door.u, 0.55)
        i, j = min(nx - 1, max(0, int(x / CELL))), min(ny - 1, max(0, int(y / CELL)))
        near = regions[max(0, i - 2) : i + 3, max(0, j - 2) : j + 3]
        if not near.any():
            return False
        before_doors.add(int(np.bincount(near[near > 0]).argmax()))
    if len(before_doors) != 1:
        return False
    return int((regions == before_doors.pop()).sum()) >= SHARE * int(free.sum())
