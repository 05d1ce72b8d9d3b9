"""Loops of the readers, compiled by numba."""

import numba
import numpy as np


@numba.njit(cache=True)
def walk_rows(data, at, n, sizes, counts, big):  # type: ignore[no-untyped-def]
    """Find the start and length of every property in `n` rows of varying size.

    data uint8 [bytes]; sizes int64 [P] bytes of an item; counts int64 [P] bytes of a list's length, 0 for numbers.
    Returns starts int64 [n, P], lengths int64 [n, P] (1 for numbers), and the end, or -(row + 1) where data ran out.
    """
    starts = np.empty((n, len(sizes)), np.int64)
    lengths = np.empty((n, len(sizes)), np.int64)
    for row in range(n):
        for p in range(len(sizes)):
            length = 1
            if counts[p]:
                if at + counts[p] > len(data):
                    return starts, lengths, -(row + 1)
                length = 0
                for b in range(counts[p]):
                    byte = np.int64(data[at + b])
                    length |= byte << (8 * (counts[p] - 1 - b if big else b))
                at += counts[p]
            starts[row, p] = at
            lengths[row, p] = length
            if length > (len(data) - at) // sizes[p]:
                return starts, lengths, -(row + 1)
            at += length * sizes[p]
    return starts, lengths, at


@numba.njit(cache=True)
def lzf_decompress(data, size):  # type: ignore[no-untyped-def]
    """Undo LZF compression (M. Lehmann's LibLZF format): uint8 [c] -> uint8 [size] and how many bytes came out.

    A count below `size` means that the input is damaged.
    """
    out = np.zeros(size, np.uint8)
    i = 0
    o = 0
    n = len(data)
    while i < n:
        control = np.int64(data[i])
        i += 1
        if control < 32:  # a run of literals
            length = control + 1
            if i + length > n or o + length > size:
                return out, o
            for k in range(length):
                out[o + k] = data[i + k]
            i += length
            o += length
            continue
        length = control >> 5
        if length == 7:
            if i >= n:
                return out, o
            length += np.int64(data[i])
            i += 1
        length += 2
        if i >= n:
            return out, o
        back = o - ((control & 31) << 8) - np.int64(data[i]) - 1
        i += 1
        if back < 0 or o + length > size:
            return out, o
        for k in range(length):  # byte by byte: source and destination may overlap
            out[o + k] = out[back + k]
        o += length
    return out, o


@numba.njit(cache=True)
def first_rows(points, most):  # type: ignore[no-untyped-def]
    """Group equal rows of float32 [n, 3] by hashing, as long as there are no more than `most` groups.

    Returns the first row of every group int64 [k], in order, and the group of every row int64 [n]; k = most + 1 means
    that there are more. -0 equals 0.
    """
    n = len(points)
    bits = 1
    while (1 << bits) < 2 * min(n, most + 1):
        bits += 1
    mask = np.uint64((1 << bits) - 1)
    table = np.full(1 << bits, -1, np.int32)
    first = np.empty(min(n, most + 1), np.int64)
    group = np.empty(n, np.int64)
    raw = (points + np.float32(0.0)).view(np.uint32)
    k = 0
    for i in range(n):
        h = np.uint64(raw[i, 0]) * np.uint64(0x9E3779B185EBCA87)
        h ^= h >> np.uint64(29)
        h = (h + np.uint64(raw[i, 1])) * np.uint64(0xC2B2AE3D27D4EB4F)
        h ^= h >> np.uint64(31)
        h = (h + np.uint64(raw[i, 2])) * np.uint64(0x165667B19E3779F9)
        h ^= h >> np.uint64(32)
        slot = h & mask
        while True:
            g = table[slot]
            if g < 0:
                table[slot] = k
                first[k] = i
                group[i] = k
                k += 1
                break
            j = first[g]
            if raw[j, 0] == raw[i, 0] and raw[j, 1] == raw[i, 1] and raw[j, 2] == raw[i, 2]:
                group[i] = g
                break
            slot = (slot + np.uint64(1)) & mask
        if k > most:
            break
    return first[:k].copy(), group


@numba.njit(cache=True)
def first_in_cells(points, size, most, sampled):  # type: ignore[no-untyped-def]
    """Group points float32 [n, 3] by cells of `size` metres by hashing, as long as there are no more than `most`.

    Returns the first row of every cell int64 [k], in order, and the cell of every row int64 [n]; k = most + 1 means
    that there are more. With `sampled` only one in 16 cells, chosen by its hash, is looked at and no
    cells of rows are returned. Cells are counted from the smallest coordinates, at most 2**21 along an axis.
    """
    n = len(points)
    low = np.empty(3, np.int64)
    for a in range(3):
        low[a] = np.int64(np.floor(points[:, a].min() / size))
    bits = 1
    while (1 << bits) < 2 * min(n, most + 1):
        bits += 1
    mask = np.uint64((1 << bits) - 1)
    table = np.full(1 << bits, -1, np.int32)
    first = np.empty(min(n, most + 1), np.int64)
    keys = np.empty(min(n, most + 1), np.uint64)
    group = np.empty(0 if sampled else n, np.int64)
    k = 0
    for i in range(n):
        key = np.uint64(0)
        for a in range(3):
            key = (key << np.uint64(21)) | np.uint64(np.int64(np.floor(points[i, a] / size)) - low[a])
        h = key * np.uint64(0x9E3779B185EBCA87)
        if sampled and h >> np.uint64(60) != 0:
            continue
        slot = (h ^ (h >> np.uint64(32))) & mask
        while True:
            g = table[slot]
            if g < 0:
                table[slot] = k
                first[k] = i
                keys[k] = key
                if not sampled:
                    group[i] = k
                k += 1
                break
            if keys[g] == key:
                if not sampled:
                    group[i] = g
                break
            slot = (slot + np.uint64(1)) & mask
        if k > most:
            break
    return first[:k].copy(), group


@numba.njit(cache=True)
def face_normals(points, faces):  # type: ignore[no-untyped-def]
    """Return float64 [F, 3], the cross product of two sides of triangles int [F, 3] over points float64 [V, 3]."""
    out = np.empty((len(faces), 3), np.float64)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        out[f, 0], out[f, 1], out[f, 2] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    return out
