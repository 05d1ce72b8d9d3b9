"""The nearest occupied cells of each occupied cell, found along the sorted cells instead of in a tree."""

import numpy as np
from numba import njit

from saymask.geometry.extent import highest, lowest
from saymask.geometry.neighbours import knn
from saymask.geometry.voxelize import Voxels
from saymask.util.threads import split_work

_REACH = 3
"""Blocks looked at to each side: on a surface that is full of cells, 45 or so, more than the 17 nearest."""
_LARGEST = 8
"""Cells along the edge of the largest block."""
_AT_ONCE = 10_000
"""Cells of which a thread looks for the neighbours at a time, at least."""


def cell_knn(voxels: Voxels, sites: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (index int64 [V, k], distance float64 [V, k]) as `knn(sites, k)` does, equally near ones by their row.

    sites: float [V, 3], one position inside each cell of `voxels`. The cells of sparse clouds are looked for in larger
    blocks; where a cell's neighbours may lie beyond three of these, they are looked for in a tree.
    """
    exact = np.ascontiguousarray(sites, dtype=np.float64)
    # A mean in float32 may lie outside its cell by as much as its rounding.
    slack = 1e-6 * voxels.size + 4 * float(np.finfo(np.float32).eps) * float(np.abs(exact).max(initial=0.0))
    times = _block_edge(voxels.cells, k)
    blocks = voxels.cells.astype(np.int64) // times
    # One integer per block, ascending as the blocks do, with room beside the border for the blocks looked at.
    place = blocks - lowest(blocks) + _REACH
    _, wide, high = highest(place) + _REACH + 1
    keys = (place[:, 0] * wide + place[:, 1]) * high + place[:, 2]
    order = np.arange(len(keys)) if times == 1 else np.argsort(keys, kind="stable")
    ascending = np.append(keys[order], np.iinfo(np.int64).max)
    cells, ordered, size = blocks[order], exact[order], voxels.size * times
    inside = ordered - voxels.origin
    index, distance, done = np.empty((len(keys), k), np.int64), np.empty((len(keys), k)), np.empty(len(keys), bool)

    def look(first: int, last: int) -> None:
        found = index, distance, done
        _around(first, last, cells, ascending, (wide, high), ordered, inside, order, size, slack, found)

    split_work(len(keys), look, smallest=_AT_ONCE)
    if not done.all():
        index[~done], distance[~done] = knn(exact, k, exact[~done])
    return index, distance


def _block_edge(cells: np.ndarray, k: int) -> int:
    """Return how many cells wide a block is to be, so that most have their k nearest within `_REACH` blocks.

    On a surface these lie in a disc, which fills only a part of the square of blocks that is looked at.
    """
    place, edge = cells.astype(np.int64) - lowest(cells), 1
    while edge < _LARGEST:
        x, y, z = (place // (edge * (2 * _REACH + 1))).T
        counts = np.unique((x << 42) | (y << 21) | z, return_counts=True)[1]
        if (counts**2).sum() >= 1.75 * k * len(cells):  # the mean over cells of how many lie in such a square
            break
        edge *= 2
    return edge


@njit(cache=True, nogil=True)
def _around(first, last, cells, keys, extent, sites, inside, numbers, size, slack, out):
    """Look around the sorted cells first..last; write what is found at their `numbers`."""
    index, distance, done = out
    k = index.shape[1]
    rows, squares = np.empty(k, np.int64), np.empty(k)
    wide = 2 * _REACH + 1
    shifts = np.empty((wide * wide, 2), np.int64)
    lengths = np.empty(wide * wide, np.int64)
    for a in range(wide):
        for b in range(wide):
            shifts[a * wide + b] = a - _REACH, b - _REACH
            lengths[a * wide + b] = (a - _REACH) ** 2 + (b - _REACH) ** 2
    shifts = shifts[np.argsort(lengths, kind="mergesort")]  # near columns first, so that far ones need not be read
    # The cells ascend, so the column beside them ascends too: one mark per column moves forward and never back.
    marks = np.empty(wide * wide, np.int64)
    for s in range(wide * wide):
        lower = keys[first] + (shifts[s, 0] * extent[0] + shifts[s, 1]) * extent[1] - _REACH
        marks[s] = np.searchsorted(keys, lower)
    for i in range(first, last):
        found = 0
        worst = np.inf
        for s in range(wide * wide):
            cx, cy = cells[i, 0] + shifts[s, 0], cells[i, 1] + shifts[s, 1]
            gap_x = max(cx * size - inside[i, 0], inside[i, 0] - (cx + 1) * size, slack) - slack
            gap_y = max(cy * size - inside[i, 1], inside[i, 1] - (cy + 1) * size, slack) - slack
            if gap_x * gap_x + gap_y * gap_y > worst:
                continue
            lower = keys[i] + (shifts[s, 0] * extent[0] + shifts[s, 1]) * extent[1] - _REACH
            q = marks[s]
            while keys[q] < lower:
                q += 1
            marks[s] = q
            while keys[q] <= lower + 2 * _REACH:
                dx, dy, dz = sites[q, 0] - sites[i, 0], sites[q, 1] - sites[i, 1], sites[q, 2] - sites[i, 2]
                square = dx * dx + dy * dy + dz * dz
                if found < k or square < worst or (square == worst and numbers[q] < rows[k - 1]):
                    found = min(found + 1, k)
                    j = found - 1
                    number = numbers[q]
                    while j > 0 and (squares[j - 1] > square or (squares[j - 1] == square and rows[j - 1] > number)):
                        squares[j], rows[j] = squares[j - 1], rows[j - 1]
                        j -= 1
                    squares[j], rows[j] = square, number
                    if found == k:
                        worst = squares[k - 1]
                q += 1
        number = numbers[i]
        for j in range(k):
            index[number, j] = rows[j] if j < found else -1
            distance[number, j] = np.sqrt(squares[j]) if j < found else np.inf
        done[number] = found == k and distance[number, k - 1] < _REACH * size - slack
