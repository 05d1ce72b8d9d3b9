"""Gather-GEMM over blocks of output rows: forward (with a fused epilogue) and weight gradient, float32 and bfloat16.

Every function works on a range of blocks and releases the GIL, so that a thread pool can share the blocks. A block's
sums stay in the cache over all kernel offsets; no two blocks write the same row.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from saymask.sparse.backends.cpu.tiles import (
    HAS_BF16,
    LANES,
    MAX_TILE_ROWS,
    TILE_ROWS,
    VECTOR_BYTES,
    activate_vectors,
    add_vectors,
    forward_tile,
    gradient_tile,
    round_vectors,
)

_F1, _F2, _F3, _F4 = (forward_tile(n, False) for n in (1, 2, 3, 4))
# Without the instruction bfloat16 goes to the reference: the branch only has to compile.
_B1, _B2, _B3, _B4 = (forward_tile(n, HAS_BF16) for n in (1, 2, 3, 4))
_M1, _M2, _M3, _M4 = (TILE_ROWS[n] for n in (1, 2, 3, 4))
_ADD: Any = add_vectors
_ROUND: Any = round_vectors
_ACTIVATE, _ACTIVATE16 = activate_vectors(False), activate_vectors(True)
_PAIR_CHUNK = 128  # pairs per pass of the weight gradient: their rows stay in the first-level cache


def column_tiles(channels: int) -> np.ndarray:
    """Return int64 [T, 2]: (first vector, number of vectors) of the column tiles that cover `channels`."""
    vectors = -(-channels // LANES)
    count = -(-vectors // 4)
    edges = [vectors * i // count for i in range(count + 1)]
    return np.array([(a, b - a) for a, b in pairwise(edges)], dtype=np.int64)


def _multiply(x, n, at, stride, i, w, steps, acc, accs, o):
    """Multiply a tile of n vectors of columns, in compiled code: `tiles.forward_tile` of the type of x."""
    raise RuntimeError("called by compiled code only")


@overload(_multiply, inline="always")
def _multiply_in(x, n, at, stride, i, w, steps, acc, accs, o):
    # Chosen when it is compiled: tiles of the other type would only make that longer.
    one, two, three, four = (_B1, _B2, _B3, _B4) if x.dtype == types.uint16 else (_F1, _F2, _F3, _F4)

    def multiply(x, n, at, stride, i, w, steps, acc, accs, o):
        if n == 4:
            four(at, stride, i, w, steps, acc, accs, o)
        elif n == 3:
            three(at, stride, i, w, steps, acc, accs, o)
        elif n == 2:
            two(at, stride, i, w, steps, acc, accs, o)
        else:
            one(at, stride, i, w, steps, acc, accs, o)

    return multiply


@njit(nogil=True, cache=True, inline="always")
def _tile_rows(n):
    if n == 4:
        return _M4
    if n == 3:
        return _M3
    if n == 2:
        return _M2
    return _M1


@njit(nogil=True, cache=True, inline="always")
def _round_bf16(bits):
    """Return the bfloat16 (uint16) nearest to a float32 given by its bits, ties to even."""
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


@njit(nogil=True, cache=True, inline="always")
def _activate(acc, r, spare, channels, scale, shift, full, row, at, target, bits, target16):
    """target[row, at:] = relu(acc[r] · scale + shift): whole vectors, then the channels left over."""
    sums, factor, term = acc.ctypes.data + r * acc.strides[0], scale.ctypes.data, shift.ctypes.data
    if target.shape[0]:
        _ACTIVATE(target.ctypes.data + row * target.strides[0] + at * 4, sums, factor, term, full)
    else:
        _ACTIVATE16(target16.ctypes.data + row * target16.strides[0] + at * 2, sums, factor, term, full)
    for c in range(full * LANES, channels):
        value = acc[r, c] * scale[c] + shift[c]
        if value < np.float32(0):
            value = np.float32(0)
        if target.shape[0]:
            target[row, at + c] = value
        else:
            acc[spare, c] = value
            target16[row, at + c] = _round_bf16(bits[spare, c])


@njit(nogil=True, cache=True)
def finish_rows(acc, bits, first, count, channels, epilogue):
    """Write a block's sums: raw = sum (+ residual); act and extra = relu(raw · scale + shift), float32 or bfloat16.

    `epilogue` is made by `cpu.Epilogue.arrays`; targets without rows are skipped. `bits` is the uint32 view of acc,
    whose last row is used for rounding.
    """
    (residual, raw, raw16, raw_at, act, act16, act_at, act_scale, act_shift, extra, extra16, extra_at, extra_scale,
     extra_shift, _) = epilogue  # fmt: skip
    spare = acc.shape[0] - 1
    full = channels // LANES
    for r in range(count):
        row = first + r
        sums = acc.ctypes.data + r * acc.strides[0]
        if residual.shape[0]:
            _ADD(sums, sums, residual.ctypes.data + row * residual.strides[0], full)
            for c in range(full * LANES, channels):
                acc[r, c] += residual[row, c]
        if raw.shape[0]:
            _ADD(raw.ctypes.data + row * raw.strides[0] + raw_at * 4, sums, 0, full)
            for c in range(full * LANES, channels):
                raw[row, raw_at + c] = acc[r, c]
        if raw16.shape[0]:
            _ROUND(raw16.ctypes.data + row * raw16.strides[0] + raw_at * 2, sums, full)
            for c in range(full * LANES, channels):
                raw16[row, raw_at + c] = _round_bf16(bits[r, c])
        if act.shape[0] or act16.shape[0]:
            _activate(acc, r, spare, channels, act_scale, act_shift, full, row, act_at, act, bits, act16)
        if extra.shape[0] or extra16.shape[0]:
            _activate(acc, r, spare, channels, extra_scale, extra_shift, full, row, extra_at, extra, bits, extra16)


@njit(nogil=True, cache=True)
def forward(x, weight, tiles, channels, in_rows, out_rows, starts, first, last, rows, epilogue):
    """Convolve the blocks first..last of `rows` output rows each and write the targets of `epilogue`.

    x: float32, or bfloat16 bits (uint16) with an even number of channels; weight as packed for it; tiles:
    `column_tiles`; channels: C_out; starts: `sites.block_starts`.
    """
    n_out = epilogue[-1]
    width = (tiles[-1, 0] + tiles[-1, 1]) * LANES
    acc = np.empty((rows + 2, width), np.float32)
    bits = acc.view(np.uint32)
    lists = np.empty((2, MAX_TILE_ROWS), np.int32)
    steps = np.int64(x.shape[1] // 2 if x.itemsize == 2 else x.shape[1])
    x_at, x_stride = x.ctypes.data, np.int64(x.strides[0])
    w_at, acc_stride = weight.ctypes.data, np.int64(width * 4)
    in_at, out_at = in_rows.ctypes.data, out_rows.ctypes.data
    spare_in, spare_out = lists[0].ctypes.data, lists[1].ctypes.data
    for b in range(first, last):
        base = b * rows
        count = min(rows, n_out - base)
        acc[:count] = 0
        acc_at = acc.ctypes.data - base * acc_stride
        for k in range(starts.shape[0]):
            begin, end = starts[k, b], starts[k, b + 1]
            if begin == end:
                continue
            for t in range(len(tiles)):
                v, n = tiles[t, 0], tiles[t, 1]
                m = _tile_rows(n)
                panel = w_at + (k * width + v * LANES) * steps * 4
                column = acc_at + v * VECTOR_BYTES
                for p in range(begin, end, m):
                    i, o = in_at + p * 4, out_at + p * 4
                    if p + m > end:  # the rest: unused tile rows read any row and add to the spare one
                        for r in range(m):
                            inside = p + r < end
                            lists[0, r] = in_rows[p + r] if inside else in_rows[p]
                            lists[1, r] = out_rows[p + r] if inside else base + rows
                        i, o = spare_in, spare_out
                    _multiply(x, n, x_at, x_stride, i, panel, steps, column, acc_stride, o)
        finish_rows(acc, bits, base, count, channels, epilogue)


_G = {(m, n): gradient_tile(m, n) for n in (1, 2, 3, 4) for m in {TILE_ROWS[n], 4, 2, 1}}
_G4A, _G4B, _G4C, _G4D = (_G[m, 4] for m in (_M4, 4, 2, 1))
_G3A, _G3B, _G3C, _G3D = (_G[m, 3] for m in (_M3, 4, 2, 1))
_G2A, _G2B, _G2C, _G2D = (_G[m, 2] for m in (_M2, 4, 2, 1))
_G1A, _G1B, _G1C, _G1D = (_G[m, 1] for m in (_M1, 4, 2, 1))


@njit(nogil=True, cache=True, inline="always")
def _gradient(n, m, x, xs, i, g, gs, o, pairs, dw, dws):
    if n == 4:
        if m == _M4:
            _G4A(x, xs, i, g, gs, o, pairs, dw, dws)
        elif m == 4:
            _G4B(x, xs, i, g, gs, o, pairs, dw, dws)
        elif m == 2:
            _G4C(x, xs, i, g, gs, o, pairs, dw, dws)
        else:
            _G4D(x, xs, i, g, gs, o, pairs, dw, dws)
    elif n == 3:
        if m == _M3:
            _G3A(x, xs, i, g, gs, o, pairs, dw, dws)
        elif m == 4:
            _G3B(x, xs, i, g, gs, o, pairs, dw, dws)
        elif m == 2:
            _G3C(x, xs, i, g, gs, o, pairs, dw, dws)
        else:
            _G3D(x, xs, i, g, gs, o, pairs, dw, dws)
    elif n == 2:
        if m == _M2:
            _G2A(x, xs, i, g, gs, o, pairs, dw, dws)
        elif m == 4:
            _G2B(x, xs, i, g, gs, o, pairs, dw, dws)
        elif m == 2:
            _G2C(x, xs, i, g, gs, o, pairs, dw, dws)
        else:
            _G2D(x, xs, i, g, gs, o, pairs, dw, dws)
    else:
        if m == _M1:
            _G1A(x, xs, i, g, gs, o, pairs, dw, dws)
        elif m == 4:
            _G1B(x, xs, i, g, gs, o, pairs, dw, dws)
        elif m == 2:
            _G1C(x, xs, i, g, gs, o, pairs, dw, dws)
        else:
            _G1D(x, xs, i, g, gs, o, pairs, dw, dws)


@njit(nogil=True, cache=True)
def weight_gradient_blocks(x, grad, tiles, in_rows, out_rows, starts, first, last, dw):
    """Add Σ x[in]ᵀ grad[out] over the blocks first..last to dw [K, C_in, width]; grad [n_out, width] is padded."""
    cin = x.shape[1]
    x_at, xs = x.ctypes.data, np.int64(x.strides[0])
    g_at, gs = grad.ctypes.data, np.int64(grad.strides[0])
    d_at, ds, dk = dw.ctypes.data, np.int64(dw.strides[1]), np.int64(dw.strides[0])
    in_at, out_at = in_rows.ctypes.data, out_rows.ctypes.data
    for b in range(first, last):
        for k in range(starts.shape[0]):
            end = starts[k, b + 1]
            for p in range(starts[k, b], end, _PAIR_CHUNK):
                pairs = min(_PAIR_CHUNK, end - p)
                for t in range(len(tiles)):
                    shift = tiles[t, 0] * VECTOR_BYTES
                    n = tiles[t, 1]
                    i, o, g, d = in_at + p * 4, out_at + p * 4, g_at + shift, d_at + k * dk + shift
                    c, most = 0, _tile_rows(n)
                    while c < cin:
                        left = cin - c
                        m = most if left >= most else 4 if left >= 4 else 2 if left >= 2 else 1
                        _gradient(n, m, x_at + c * 4, xs, i, g, gs, o, pairs, d + c * ds, ds)
                        c += m
