"""Gather-GEMM on AMX tiles: bfloat16 products, float32 sums; forward (with a fused epilogue) and weight gradient.

A step takes 32 pairs of a kernel offset: their rows are gathered into a panel that stays in the first-level cache, two
by two tiles of it and of the weight are multiplied, and the sums are added to the rows of the output block (forward) or
stay in the tiles over many steps (weight gradient). The tile instructions are reached as LLVM's intrinsics; a thread
configures its tiles at the start of each call and releases them at its end.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from saymask.sparse.backends.cpu.kernels import finish_rows
from saymask.sparse.backends.cpu.tiles import HAS_BF16, VECTOR_BYTES, cpu_features

TILE = 16
"""Rows of a tile; also its columns of float32."""
DEPTH = 32
"""bfloat16 values in a row of a tile: channels (forward) or pairs (weight gradient) that one product sums over."""
_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORDS = ir.VectorType(_I32, TILE)
_HALVES = ir.VectorType(ir.IntType(16), TILE)
CONFIGURATION = np.zeros(64, np.uint8)
"""Of all eight tiles, as the instruction reads it."""
CONFIGURATION[0] = 1  # palette
CONFIGURATION[16:32:2] = 64  # bytes in a row of each of the eight tiles
CONFIGURATION[48:56] = TILE  # their rows
_STEP = 4  # at most so many times 32 pairs are gathered before they are multiplied: what was just stored loads slowly
_PAIRS = 256  # the same for the weight gradient


@cache
def has_amx() -> bool:
    """Say whether AMX tiles of bfloat16 can be used: the CPU has them and the system lets this process use them."""
    features = cpu_features()
    wanted = HAS_BF16 and VECTOR_BYTES == 64 and features.get("amx-tile") and features.get("amx-bf16")
    return bool(wanted and torch.cpu._is_amx_tile_supported() and torch.cpu._init_amx())


def _padded(channels: int, unit: int) -> int:
    return -(-channels // unit) * unit


def pack_weight(weight: torch.Tensor) -> np.ndarray:
    """Return a weight [K, C_in, C_out] as tiles, uint16 [K, C_in / 32, C_out / 16, 16, 16, 2], padded with zeros."""
    volume, cin, cout = weight.shape
    tiles = np.zeros((volume, _padded(cin, DEPTH) // DEPTH, _padded(cout, TILE) // TILE, TILE, TILE, 2), np.uint16)
    _fill_tiles(weight.detach().to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16), tiles)
    return tiles


@njit(nogil=True, cache=True)
def _fill_tiles(bits, tiles):
    """Write bits [K, C_in, C_out], of any strides, to their places in `tiles`."""
    for k in range(bits.shape[0]):
        for i in range(bits.shape[1]):
            for o in range(bits.shape[2]):
                tiles[k, i // DEPTH, o // TILE, i % DEPTH // 2, o % TILE, i % 2] = bits[k, i, o]


def padded_bits(x: torch.Tensor, *, spare: int = 0) -> np.ndarray:
    """Return the bits of x [N, C] in bfloat16 with C padded to a multiple of 16, and `spare` rows of zeros more."""
    columns = _padded(x.shape[1], TILE)
    if x.dtype == torch.bfloat16 and columns == x.shape[1] and not spare:
        return x.detach().contiguous().view(torch.int16).numpy().view(np.uint16)
    result = torch.empty((len(x) + spare, columns), dtype=torch.bfloat16)
    result[: len(x), : x.shape[1]] = x.detach()
    result[: len(x), x.shape[1] :] = 0
    result[len(x) :] = 0
    return result.view(torch.int16).numpy().view(np.uint16)


def _declare(builder: Any, name: str, *kinds: Any) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), kinds), f"llvm.x86.{name}")


def _bytes(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _I8.as_pointer())


def _tile(number: int) -> Any:
    return ir.Constant(_I8, number)


def _at(builder: Any, address: Any, offset: int) -> Any:
    return builder.add(address, ir.Constant(_I64, offset))


def _load(builder: Any, address: Any, kind: Any) -> Any:
    load = builder.load(builder.inttoptr(address, kind.as_pointer()))
    load.align = 2
    return load


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer())).align = 2


def _row(builder: Any, rows: Any, index: Any) -> Any:
    """Load entry `index` of the int32 list at `rows` as int64."""
    return builder.sext(_load(builder, builder.add(rows, builder.mul(index, ir.Constant(_I64, 4))), _I32), _I64)


def _shuffle(builder: Any, left: Any, right: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_I32, len(order)), order))


@intrinsic
def _configure(typingctx, configuration):
    """Load the configuration of the tiles from 64 bytes at the address."""

    def codegen(context, builder, signature, arguments):
        builder.call(_declare(builder, "ldtilecfg", _I8.as_pointer()), [_bytes(builder, arguments[0])])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def _release(typingctx):
    """Give the tiles back."""

    def codegen(context, builder, signature, arguments):
        builder.call(_declare(builder, "tilerelease"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@cache
def _multiply(rows: int, columns: int, keep: bool) -> Any:
    """Return f(a, a_row, a_step, a_chunk, b, b_row, b_step, b_chunk, chunks, c, c_row): c (+)= Σ over chunks of a @ b.

    All arguments but `chunks` are addresses and distances in bytes: between the rows of a tile, between neighbouring
    tiles, between chunks. rows × columns tiles of sums (1 or 2 each) stay in registers; `keep` adds to c.
    """

    @intrinsic
    def multiply(typingctx, a, a_row, a_step, a_chunk, b, b_row, b_step, b_chunk, chunks, c, c_row):
        def codegen(context, builder, signature, arguments):
            a, a_row, a_step, a_chunk, b, b_row, b_step, b_chunk, chunks, c, c_row = arguments
            load = _declare(builder, "tileloadd64", _I8, _I8.as_pointer(), _I64)
            store = _declare(builder, "tilestored64", _I8, _I8.as_pointer(), _I64)
            zero = _declare(builder, "tilezero", _I8)
            product = _declare(builder, "tdpbf16ps", _I8, _I8, _I8)
            height = builder.mul(c_row, ir.Constant(_I64, TILE))
            sums = [
                (_tile(2 * i + j), _at(builder, c if not i else builder.add(c, height), 64 * j), i, j)
                for i in range(rows)
                for j in range(columns)
            ]
            for number, address, _, _ in sums:
                if keep:
                    builder.call(load, [number, _bytes(builder, address), c_row])
                else:
                    builder.call(zero, [number])
            with cgutils.for_range(builder, chunks) as loop:
                left = builder.add(a, builder.mul(loop.index, a_chunk))
                right = builder.add(b, builder.mul(loop.index, b_chunk))
                for i in range(rows):
                    address = left if not i else builder.add(left, a_step)
                    builder.call(load, [_tile(4 + i), _bytes(builder, address), a_row])
                for j in range(columns):
                    address = right if not j else builder.add(right, b_step)
                    builder.call(load, [_tile(6 + j), _bytes(builder, address), b_row])
                for number, _, i, j in sums:
                    builder.call(product, [number, _tile(4 + i), _tile(6 + j)])
            for number, address, _, _ in sums:
                builder.call(store, [number, _bytes(builder, address), c_row])
            return context.get_dummy_value()

        return types.void(*[types.int64] * 11), codegen

    return multiply


@intrinsic
def _gather(typingctx, panel, panel_row, x, x_row, rows, count, vectors):
    """panel[i] = x[rows[i]] for i < count: `vectors` times 16 bfloat16 values of each row."""

    def codegen(context, builder, signature, arguments):
        panel, panel_row, x, x_row, rows, count, vectors = arguments
        with cgutils.for_range(builder, count) as outer:
            source = builder.add(x, builder.mul(_row(builder, rows, outer.index), x_row))
            target = builder.add(panel, builder.mul(outer.index, panel_row))
            with cgutils.for_range(builder, vectors) as inner:
                at = builder.mul(inner.index, ir.Constant(_I64, 32))
                _store(builder, _load(builder, builder.add(source, at), _HALVES), builder.add(target, at))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), codegen


@intrinsic
def _scatter(typingctx, acc, acc_row, rows, sums, sums_row, count, vectors):
    """acc[rows[i]] += sums[i] for i < count: `vectors` times 16 float32 values of each row."""

    def codegen(context, builder, signature, arguments):
        acc, acc_row, rows, sums, sums_row, count, vectors = arguments
        kind = ir.VectorType(ir.FloatType(), TILE)
        with cgutils.for_range(builder, count) as outer:
            target = builder.add(acc, builder.mul(_row(builder, rows, outer.index), acc_row))
            source = builder.add(sums, builder.mul(outer.index, sums_row))
            with cgutils.for_range(builder, vectors) as inner:
                at = builder.mul(inner.index, ir.Constant(_I64, 64))
                place = builder.add(target, at)
                total = builder.fadd(_load(builder, place, kind), _load(builder, builder.add(source, at), kind))
                _store(builder, total, place)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), codegen


def _interleaved(builder: Any, x: Any, x_row: Any, rows: Any, index: Any, at: Any) -> Any:
    """Load 16 channels of rows[index] and rows[index + 1] as 16 words, one channel of both in each."""
    first = builder.add(builder.add(x, builder.mul(_row(builder, rows, index), x_row)), at)
    other = builder.add(x, builder.mul(_row(builder, rows, _at(builder, index, 1)), x_row))
    above, below = (_load(builder, address, _HALVES) for address in (first, builder.add(other, at)))
    order = [i // 2 + TILE * (i % 2) for i in range(2 * TILE)]
    return builder.bitcast(_shuffle(builder, above, below, order), _WORDS)


@intrinsic
def _gather_interleaved(typingctx, panel, x, x_row, rows, count, vectors):
    """Panel [count / 2, 16 · vectors, 2]: rows 2i and 2i + 1 of the list, channel beside channel; count is even."""

    def codegen(context, builder, signature, arguments):
        panel, x, x_row, rows, count, vectors = arguments
        panel_row = builder.mul(vectors, ir.Constant(_I64, 64))
        with cgutils.for_range(builder, builder.lshr(count, ir.Constant(_I64, 1))) as outer:
            index = builder.shl(outer.index, ir.Constant(_I64, 1))
            target = builder.add(panel, builder.mul(outer.index, panel_row))
            with cgutils.for_range(builder, vectors) as inner:
                at = builder.mul(inner.index, ir.Constant(_I64, 32))
                words = _interleaved(builder, x, x_row, rows, index, at)
                _store(builder, words, builder.add(target, builder.add(at, at)))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), codegen


@intrinsic
def _gather_transposed(typingctx, panel, x, x_row, rows, chunks, vectors):
    """Panel [chunks, vectors, 16, 32]: of each 32 rows of the list and 16 channels the transpose, channels first."""

    def codegen(context, builder, signature, arguments):
        panel, x, x_row, rows, chunks, vectors = arguments
        tile_bytes = ir.Constant(_I64, 64 * TILE)
        with cgutils.for_range(builder, chunks) as outer, cgutils.for_range(builder, vectors) as inner:
            at = builder.mul(inner.index, ir.Constant(_I64, 32))
            base = builder.mul(outer.index, ir.Constant(_I64, DEPTH))
            lines = [_interleaved(builder, x, x_row, rows, _at(builder, base, 2 * i), at) for i in range(TILE)]
            for step in (1, 2, 4, 8):  # transposes blocks of 2 x 2, 4 x 4, 8 x 8, 16 x 16 words
                low = [i + TILE - step if i & step else i for i in range(TILE)]
                high = [i + TILE if i & step else i + step for i in range(TILE)]
                for i in range(TILE):
                    if not i & step:
                        above, below = lines[i], lines[i + step]
                        lines[i] = _shuffle(builder, above, below, low)
                        lines[i + step] = _shuffle(builder, above, below, high)
            number = builder.add(builder.mul(outer.index, vectors), inner.index)
            target = builder.add(panel, builder.mul(number, tile_bytes))
            for i, line in enumerate(lines):
                _store(builder, line, _at(builder, target, 64 * i))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 6), codegen


_CONFIGURE: Any = _configure
_RELEASE: Any = _release
_GATHER: Any = _gather
_SCATTER: Any = _scatter
_INTERLEAVE: Any = _gather_interleaved
_TRANSPOSE: Any = _gather_transposed
_NEW11, _NEW12, _NEW21, _NEW22 = (_multiply(i, j, False) for i in (1, 2) for j in (1, 2))
_ADD11, _ADD12, _ADD21, _ADD22 = (_multiply(i, j, True) for i in (1, 2) for j in (1, 2))


@njit(nogil=True, cache=True)
def forward_amx(x, weight, configuration, channels, in_rows, out_rows, starts, first, last, rows, epilogue):
    """Convolve the blocks first..last of `rows` output rows each and write the targets of `epilogue`.

    x: bfloat16 bits [n_in, C_in padded to 16]; weight: `pack_weight`; channels: C_out; the rest as in
    `kernels.forward`.
    """
    n_out = epilogue[-1]
    chunks, tiles = weight.shape[1], weight.shape[2]
    width = tiles * 16
    acc = np.empty((rows + 2, width), np.float32)
    bits = acc.view(np.uint32)
    step = 32 * max(1, min(_STEP, 8 // chunks))
    panel = np.zeros((step, chunks * 32), np.uint16)
    sums = np.empty((step, 2 * 16), np.float32)
    x_at, x_row, vectors = x.ctypes.data, np.int64(x.strides[0]), np.int64(x.shape[1] // 16)
    panel_at, panel_row, sums_at = panel.ctypes.data, np.int64(panel.strides[0]), sums.ctypes.data
    acc_row, below, chunk = np.int64(width * 4), 16 * np.int64(panel.strides[0]), np.int64(tiles * 1024)
    in_at, out_at, tap_bytes = in_rows.ctypes.data, out_rows.ctypes.data, np.int64(weight.strides[0])
    _CONFIGURE(configuration.ctypes.data)
    for b in range(first, last):
        base = b * rows
        count = min(rows, n_out - base)
        acc[:count] = 0
        acc_at = acc.ctypes.data - base * acc_row
        for k in range(starts.shape[0]):
            end = starts[k, b + 1]
            tap = weight.ctypes.data + k * tap_bytes
            for p in range(starts[k, b], end, step):
                pairs = min(step, end - p)
                _GATHER(panel_at, panel_row, x_at, x_row, in_at + 4 * p, pairs, vectors)
                for t in range(0, tiles, 2):
                    w = tap + t * 1024
                    wide = min(2, tiles - t)
                    for i in range(0, pairs, 32):
                        a, c, high = panel_at + i * panel_row, sums_at + i * 128, pairs - i > 16
                        if high and wide == 2:
                            _NEW22(a, panel_row, below, 64, w, 64, 1024, chunk, chunks, c, 128)
                        elif wide == 2:
                            _NEW12(a, panel_row, below, 64, w, 64, 1024, chunk, chunks, c, 128)
                        elif high:
                            _NEW21(a, panel_row, below, 64, w, 64, 1024, chunk, chunks, c, 128)
                        else:
                            _NEW11(a, panel_row, below, 64, w, 64, 1024, chunk, chunks, c, 128)
                    _SCATTER(acc_at + t * 64, acc_row, out_at + 4 * p, sums_at, 128, pairs, wide)
        finish_rows(acc, bits, base, count, channels, epilogue)
    _RELEASE()
    # An array is freed after its last use, which its address is not: another thread would get its memory.
    panel[0, 0], sums[0, 0] = 0, 0


@njit(nogil=True, cache=True)
def weight_gradient_amx(x, grad, configuration, in_rows, out_rows, starts, first, last, dw):
    """Add Σ x[in]ᵀ grad[out] over the blocks first..last to dw, float32 [K, C_in, C_out].

    x [n_in + 1, C_in], grad [n_out + 1, C_out]: bfloat16 bits, padded to multiples of 16 channels, as dw is; their last
    row is zero and fills up the last pairs.
    """
    cin, cout = x.shape[1] // 16, grad.shape[1] // 16
    lists = np.empty((2, _PAIRS), np.int32)
    left = np.empty(_PAIRS * x.shape[1], np.uint16)
    right = np.empty(_PAIRS * grad.shape[1], np.uint16)
    x_at, x_row, g_at, g_row = x.ctypes.data, np.int64(x.strides[0]), grad.ctypes.data, np.int64(grad.strides[0])
    left_at, right_at, ins, outs = left.ctypes.data, right.ctypes.data, lists[0].ctypes.data, lists[1].ctypes.data
    dw_tap, dw_row = np.int64(dw.strides[0]), np.int64(dw.strides[1])
    a_chunk, b_row, b_chunk = np.int64(cin * 1024), np.int64(cout * 64), np.int64(cout * 1024)
    _CONFIGURE(configuration.ctypes.data)
    for b in range(first, last):
        for k in range(starts.shape[0]):
            end = starts[k, b + 1]
            for p in range(starts[k, b], end, _PAIRS):
                pairs = min(_PAIRS, end - p)
                chunks = (pairs + 31) // 32
                for i in range(pairs):
                    lists[0, i], lists[1, i] = in_rows[p + i], out_rows[p + i]
                for i in range(pairs, chunks * 32):
                    lists[0, i], lists[1, i] = x.shape[0] - 1, grad.shape[0] - 1
                _TRANSPOSE(left_at, x_at, x_row, ins, chunks, cin)
                _INTERLEAVE(right_at, g_at, g_row, outs, chunks * 32, cout)
                for c in range(0, cin, 2):
                    a, target = left_at + c * 1024, dw.ctypes.data + k * dw_tap + c * 16 * dw_row
                    for t in range(0, cout, 2):
                        g, d = right_at + t * 64, target + t * 64
                        if c + 1 < cin and t + 1 < cout:
                            _ADD22(a, 64, 1024, a_chunk, g, b_row, 64, b_chunk, chunks, d, dw_row)
                        elif t + 1 < cout:
                            _ADD12(a, 64, 1024, a_chunk, g, b_row, 64, b_chunk, chunks, d, dw_row)
                        elif c + 1 < cin:
                            _ADD21(a, 64, 1024, a_chunk, g, b_row, 64, b_chunk, chunks, d, dw_row)
                        else:
                            _ADD11(a, 64, 1024, a_chunk, g, b_row, 64, b_chunk, chunks, d, dw_row)
    _RELEASE()
    left[0], right[0] = 0, 0  # not freed before
