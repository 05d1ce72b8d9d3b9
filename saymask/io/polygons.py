"""Polygons and strips to triangles."""

import numpy as np


def triangulate(counts: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Split polygons (lengths [n] and their corners in a row) into fans of triangles, int64 [F, 3]."""
    if len(counts) and (counts == 3).all():
        return corners.reshape(-1, 3)
    starts = np.cumsum(counts) - counts
    fans = np.maximum(counts - 2, 0)
    first = np.repeat(starts, fans)
    inside = np.arange(len(first)) - np.repeat(np.cumsum(fans) - fans, fans)
    return np.stack([corners[first], corners[first + inside + 1], corners[first + inside + 2]], 1)


def split_strips(counts: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Split triangle strips (-1 ends a strip) into triangles of one winding, int64 [F, 3]."""
    out: list[np.ndarray] = []
    for strip in np.split(corners, np.cumsum(counts)[:-1]):
        for part in np.split(strip, np.flatnonzero(strip < 0)):
            part = part[part >= 0]
            if len(part) >= 3:
                t = np.stack([part[:-2], part[1:-1], part[2:]], 1)
                t[1::2] = t[1::2, [1, 0, 2]]
                out.append(t)
    return np.concatenate(out) if out else np.zeros((0, 3), np.int64)
