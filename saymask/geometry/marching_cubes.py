"""Marching cubes: the triangles in a cell of a grid whose corners lie inside or outside of a surface.

The table is derived, not listed: on each face of a cell the runs of inside corners are cut off by directed segments;
every crossed edge of the cell ends one segment and starts another, so the segments close to polygons, which are cut
into fans. On ambiguous faces inside corners are kept apart, for both cells that share the face alike.
Source: Lorensen and Cline, Marching cubes, SIGGRAPH 1987.
"""

from functools import cache

import numpy as np

EDGES = tuple((a, a | 1 << axis) for axis in range(3) for a in range(8) if not a >> axis & 1)
"""The 12 edges of a cell as pairs of corners; bit 0, 1, 2 of a corner is its place along x, y, z."""
# Corners of the six faces, counterclockwise seen from outside.
_FACES = ((0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6))
MOST = 15
"""Entries of a case: at most five triangles."""


@cache
def cases() -> np.ndarray:
    """Return the triangles of each case as edge numbers, int8 [256, 15], -1 after the last.

    Bit i of a case is set when corner i is inside. Triangles are counterclockwise seen from outside the surface.
    """
    number = {frozenset(edge): i for i, edge in enumerate(EDGES)}
    out = np.full((256, MOST), -1, np.int8)
    for case in range(256):
        after: dict[int, int] = {}
        for face in _FACES:
            ring = [(corner, face[(k + 1) % 4]) for k, corner in enumerate(face)]
            crossed = [(case >> a & 1, number[frozenset((a, b))]) for a, b in ring if case >> a & 1 != case >> b & 1]
            for k, (leaves, edge) in enumerate(crossed):
                if leaves:  # a run of inside corners ends here; it began at the crossing before
                    after[crossed[k - 1][1]] = edge
        corners = list[int]()
        while after:
            first, edge = after.popitem()
            polygon = [first]
            while edge != first:
                polygon.append(edge)
                edge = after.pop(edge)
            for k in range(1, len(polygon) - 1):
                corners += [polygon[0], polygon[k], polygon[k + 1]]
        out[case, : len(corners)] = corners
    return out
