"""Graph segmentation after Felzenszwalb and Huttenlocher (Efficient Graph-Based Image Segmentation, IJCV 2004)."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def sort_weights(weights):  # float32 [E] -> int32 [E]
    """Return the stable ascending order of float32 `weights` (NaN last): a radix sort of the bits, three passes."""
    n = weights.shape[0]
    bits = weights.view(np.uint32)
    # The key above, its edge below: read in a row, where keys alone would be looked up all over the memory.
    pairs, other = np.empty(n, np.uint64), np.empty(n, np.uint64)
    counts = np.zeros((3, 2048), np.int64)
    for i in range(n):
        b = bits[i]
        # Flip so that unsigned order is numeric order: all bits of negatives, the sign bit of the others.
        if weights[i] != weights[i]:
            b = np.uint32(0xFFFFFFFF)
        elif b >> np.uint32(31):
            b = ~b
        else:
            b = b | np.uint32(0x80000000)
        pairs[i] = np.uint64(b) << np.uint64(32) | np.uint64(i)
        counts[0, b & np.uint32(2047)] += 1
        counts[1, (b >> np.uint32(11)) & np.uint32(2047)] += 1
        counts[2, b >> np.uint32(22)] += 1
    for p in range(3):
        total = 0
        for d in range(2048):
            count = counts[p, d]
            counts[p, d] = total
            total += count
        shift = np.uint64(32 + 11 * p)
        for i in range(n):
            d = (pairs[i] >> shift) & np.uint64(2047)
            other[counts[p, d]] = pairs[i]
            counts[p, d] += 1
        pairs, other = other, pairs
    order = np.empty(n, np.int32)
    for i in range(n):
        order[i] = np.int32(pairs[i] & np.uint64(0xFFFFFFFF))
    return order


@njit(cache=True, nogil=True)
def find_root(parent, v):
    """Return the root of `v`, halving the path on the way."""
    while parent[v] != v:
        parent[v] = parent[parent[v]]
        v = parent[v]
    return v


@njit(cache=True, nogil=True)
def _join(parent, rank, size, a, b):
    """Join two roots by rank, the second one winning a tie; return the new root."""
    if rank[a] > rank[b]:
        parent[b] = a
        size[a] += size[b]
        return a
    parent[a] = b
    size[b] += size[a]
    if rank[a] == rank[b]:
        rank[b] += 1
    return b


@njit(cache=True, nogil=True)
def segment_graph(ends, weights, sizes, k_threshold, min_size):
    """Segment a graph: join along ascending weights while both sides allow it, then absorb the small segments.

    ends: int32 [E, 2]; weights: float32 [E]; sizes: int64 [V] what a vertex counts for (1, or the points it stands
    for). A component allows weights up to w + k_threshold / size, w the weight that last joined it. In a second pass
    over the same order, components below `min_size` are joined to a neighbour. Returns the root of each vertex,
    int32 [V].
    """
    ends, weights = sorted_edges(ends, weights)
    return segment_sorted(ends, weights, sizes, k_threshold, min_size)


@njit(cache=True, nogil=True)
def sorted_edges(ends, weights):
    """Return the edges int32 [E, 2] and their weights float32 [E] by ascending weight, equal ones in their order."""
    order = sort_weights(weights)
    to, by = np.empty_like(ends), np.empty_like(weights)
    for i in range(order.shape[0]):
        to[i, 0], to[i, 1], by[i] = ends[order[i], 0], ends[order[i], 1], weights[order[i]]
    return to, by


@njit(cache=True, nogil=True)
def segment_sorted(ends, weights, sizes, k_threshold, min_size):
    """Return what `segment_graph` does of `sorted_edges`: sorted once for several thresholds."""
    n = sizes.shape[0]
    parent = np.arange(n).astype(np.int32)
    rank = np.zeros(n, np.int32)
    size = sizes.copy()
    k = np.float32(k_threshold)
    threshold = np.full(n, k, np.float32)
    left = np.empty(weights.shape[0], np.int32)  # what the first pass does not join, the second looks at again
    count = 0
    for e in range(weights.shape[0]):
        w = weights[e]
        a = find_root(parent, ends[e, 0])
        b = find_root(parent, ends[e, 1])
        if a == b:
            continue
        if w <= threshold[a] and w <= threshold[b]:
            root = _join(parent, rank, size, a, b)
            threshold[root] = w + k / np.float32(size[root])
        else:
            left[count] = e
            count += 1
    for e in left[:count]:
        a = find_root(parent, ends[e, 0])
        b = find_root(parent, ends[e, 1])
        if a != b and (size[a] < min_size or size[b] < min_size):
            _join(parent, rank, size, a, b)
    for v in range(n):
        parent[v] = find_root(parent, v)
    return parent


@njit(cache=True, nogil=True)
def compact_roots(roots):
    """Return int32 [V] ids 0..S-1 of `roots` [V], numbered by ascending root."""
    n = roots.shape[0]
    number = np.full(n, -1, np.int32)
    for v in range(n):
        number[roots[v]] = 0
    count = 0
    for r in range(n):
        if number[r] == 0:
            number[r] = count
            count += 1
    out = np.empty(n, np.int32)
    for v in range(n):
        out[v] = number[roots[v]]
    return out


@njit(cache=True, nogil=True)
def edge_weight(points, normals, a, b):
    """Return 1 - n_a.n_b, squared where the surface bends outwards from a to b (float32)."""
    dx, dy, dz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    dot = normals[a, 0] * normals[b, 0] + normals[a, 1] * normals[b, 1] + normals[a, 2] * normals[b, 2]
    w = np.float32(1) - dot
    if length > np.float32(0):
        rise = (normals[b, 0] * dx + normals[b, 1] * dy + normals[b, 2] * dz) / length
        if rise > np.float32(0):
            w = w * w
    return w
