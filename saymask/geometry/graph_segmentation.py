"""Graph segmentation after Felzenszwalb and Huttenlocher (Efficient Graph-Based Image Segmentation, IJCV 2004)."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def sort_weights(weights):  # float32 [E] -> int32 [E]
    """Return the stable ascending order of float32 `weights` (NaN last): a radix sort of the bits, three passes."""
    n = weights.shape[0]
    bits = weights.view(np.uint32)
    keys = np.empty(n, np.uint32)
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
        keys[i] = b
        counts[0, b & np.uint32(2047)] += 1
        counts[1, (b >> np.uint32(11)) & np.uint32(2047)] += 1
        counts[2, b >> np.uint32(22)] += 1
    order = np.empty(n, np.int32)
    for i in range(n):
        order[i] = i
    other = np.empty(n, np.int32)
    for p in range(3):
        total = 0
        for d in range(2048):
            count = counts[p, d]
            counts[p, d] = total
            total += count
        shift = np.uint32(11 * p)
        for i in range(n):
            e = order[i]
            d = (keys[e] >> shift) & np.uint32(2047)
            other[counts[p, d]] = e
            counts[p, d] += 1
        order, other = other, order
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
    return segment_sorted(ends, weights, sort_weights(weights), sizes, k_threshold, min_size)


@njit(cache=True, nogil=True)
def segment_sorted(ends, weights, order, sizes, k_threshold, min_size):
    """Return what `segment_graph` does, given the `order` of the weights: sorted once for several thresholds."""
    n = sizes.shape[0]
    parent = np.arange(n).astype(np.int32)
    rank = np.zeros(n, np.int32)
    size = sizes.copy()
    k = np.float32(k_threshold)
    threshold = np.full(n, k, np.float32)
    for i in range(order.shape[0]):
        e = order[i]
        w = weights[e]
        a = find_root(parent, ends[e, 0])
        b = find_root(parent, ends[e, 1])
        if a != b and w <= threshold[a] and w <= threshold[b]:
            root = _join(parent, rank, size, a, b)
            threshold[root] = w + k / np.float32(size[root])
    for i in range(order.shape[0]):
        e = order[i]
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
