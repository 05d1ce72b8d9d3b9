"""Site keys, coarser levels and kernel maps in numba: merges of sorted key lists, no hash table, no search."""

import numpy as np
from numba import njit

from saymask.sparse.keys import BIAS, FIELD_BITS, FIELD_MASK

_X, _Y = 2 * FIELD_BITS, FIELD_BITS
_BATCH = 3 * FIELD_BITS
_HALF = BIAS // 2


@njit(nogil=True, cache=True)
def pack(coords, keys):
    """Write the key of every row to keys; return (lowest x/y/z, highest, lowest batch, highest, sorted).

    `sorted`: 2 strictly increasing, 1 increasing with repeated keys, 0 neither.
    """
    low, high, first, last, state = BIAS, -BIAS, np.int64(1) << 40, np.int64(-1), 2
    before = np.int64(-1)
    for i in range(len(coords)):
        b, x, y, z = np.int64(coords[i, 0]), np.int64(coords[i, 1]), np.int64(coords[i, 2]), np.int64(coords[i, 3])
        low = min(low, x, y, z)
        high = max(high, x, y, z)
        first = min(first, b)
        last = max(last, b)
        key = (b << _BATCH) + ((x + BIAS) << _X) + ((y + BIAS) << _Y) + (z + BIAS)
        keys[i] = key
        if key <= before:
            state = 1 if key == before and state else 0
        before = key
    return low, high, first, last, state


@njit(nogil=True, cache=True)
def coarsen(keys, limit_x, limit_y, limit_z, parent, tap, coarse):
    """Fill parent, tap and the sorted coarse keys of sorted fine keys; return the number of coarse cells.

    Fine sites of equal (x mod 2, y mod 2) already come in the order of their coarse keys, so four lists are merged.
    A cell at or beyond a limit (in coarse cells; negative limit: none) is not created, its sites get parent -1.
    """
    n = len(keys)
    counts = np.zeros(4, np.int64)
    for i in range(n):
        counts[((keys[i] >> _X) & 1) * 2 + ((keys[i] >> _Y) & 1)] += 1
    heads = np.zeros(4, np.int64)
    for c in range(1, 4):
        heads[c] = heads[c - 1] + counts[c - 1]
    ends = heads + counts
    rows = np.empty(n, np.int32)
    halved = np.empty(n, np.int64)
    fill = heads.copy()
    for i in range(n):
        key = keys[i]
        x, y, z = (key >> _X) & FIELD_MASK, (key >> _Y) & FIELD_MASK, key & FIELD_MASK
        c = (x & 1) * 2 + (y & 1)
        tap[i] = c * 2 + (z & 1)
        x, y, z = (x >> 1) + _HALF, (y >> 1) + _HALF, (z >> 1) + _HALF
        at = fill[c]
        fill[c] += 1
        rows[at] = i
        halved[at] = (key >> _BATCH << _BATCH) | (x << _X) | (y << _Y) | z
    top = np.int64(0x7FFFFFFFFFFFFFFF)
    front = np.empty(4, np.int64)
    for c in range(4):
        front[c] = halved[heads[c]] if heads[c] < ends[c] else top
    found = 0
    while True:
        key = min(min(front[0], front[1]), min(front[2], front[3]))
        if key == top:
            break
        kept = True
        if limit_x >= 0:
            x, y, z = ((key >> _X) & FIELD_MASK) - BIAS, ((key >> _Y) & FIELD_MASK) - BIAS, (key & FIELD_MASK) - BIAS
            kept = x < limit_x and y < limit_y and z < limit_z
        for c in range(4):
            while front[c] == key:
                parent[rows[heads[c]]] = found if kept else -1
                heads[c] += 1
                front[c] = halved[heads[c]] if heads[c] < ends[c] else top
        if kept:
            coarse[found] = key
            found += 1
    return found


@njit(nogil=True, cache=True)
def merge_columns(in_keys, out_keys, column, first, step, size, in_rows, out_rows, counts):
    """Find the pairs in_keys[i] == out_keys[j] + column + first + t · step for t in 0..size - 1.

    Writes them to in_rows[t], out_rows[t] (int32 [size, capacity]) and their numbers to counts[t].
    """
    n = len(in_keys)
    counts[:] = 0
    low = 0
    for j in range(len(out_keys)):
        target = out_keys[j] + column + first
        while low < n and in_keys[low] < target:
            low += 1
        i = low
        for t in range(size):
            wanted = target + t * step
            while i < n and in_keys[i] < wanted:
                i += 1
            if i < n and in_keys[i] == wanted:
                at = counts[t]
                in_rows[t, at] = i
                out_rows[t, at] = j
                counts[t] = at + 1


@njit(nogil=True, cache=True)
def merge_three(keys, column, in_rows, out_rows, counts):
    """`merge_columns` of sites with themselves for the z offsets -1, 0, 1: only the next three keys matter."""
    n = len(keys)
    low = 0
    a = b = c = 0
    for j in range(n):
        target = keys[j] + column - 1
        while low < n and keys[low] < target:
            low += 1
        if low == n:
            break
        i = low
        key = keys[i]
        if key == target:
            in_rows[0, a] = i
            out_rows[0, a] = j
            a += 1
            i += 1
            key = keys[i] if i < n else target + 9
        if key == target + 1:
            in_rows[1, b] = i
            out_rows[1, b] = j
            b += 1
            i += 1
            key = keys[i] if i < n else target + 9
        if key == target + 2:
            in_rows[2, c] = i
            out_rows[2, c] = j
            c += 1
    counts[0], counts[1], counts[2] = a, b, c


@njit(nogil=True, cache=True)
def group_by_tap(parent, tap, counts, in_rows, out_rows):
    """Stable grouping of the kept fine rows by tap; counts [8] are the group sizes."""
    fill = np.zeros(8, np.int64)
    for t in range(1, 8):
        fill[t] = fill[t - 1] + counts[t - 1]
    for i in range(len(parent)):
        if parent[i] >= 0:
            at = fill[tap[i]]
            fill[tap[i]] += 1
            in_rows[at] = i
            out_rows[at] = parent[i]


@njit(nogil=True, cache=True)
def count_taps(parent, tap, counts):
    """Count the kept fine rows per tap into counts [8]."""
    for i in range(len(parent)):
        if parent[i] >= 0:
            counts[tap[i]] += 1


@njit(nogil=True, cache=True)
def block_starts(out_rows, starts, rows, result):
    """Fill result int64 [K, B + 1] with the first pair of each block of `rows` output rows, per offset."""
    blocks = result.shape[1] - 1
    for k in range(result.shape[0]):
        p, end = starts[k], starts[k + 1]
        for b in range(blocks):
            edge = b * rows
            while p < end and out_rows[p] < edge:
                p += 1
            result[k, b] = p
        result[k, blocks] = end
