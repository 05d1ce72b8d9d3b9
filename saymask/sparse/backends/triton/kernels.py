"""Triton kernels: neighbour search, implicit GEMM with epilogue, its weight gradient, means of segments.

`WIDEN` multiplies in float32 whatever the type, which gives the same sums: Triton's interpreter cannot multiply
bfloat16.
"""

# pyright: reportOperatorIssue=false
import triton
import triton.language as tl


@triton.jit
def neighbours(
    in_keys, out_keys, table, n_in, n_out, first, along_x, along_y, along_z,
    SIDE: tl.constexpr, RUN: tl.constexpr, HALVINGS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write table [SIDE³, n_out]: the row of in_keys that holds out_keys[j] + first + x · along_x + …, or -1.

    One search serves RUN offsets along z: 1, or SIDE where along_z is 1. 2 ** HALVINGS > n_in.
    """
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = rows < n_out
    keys = tl.load(out_keys + rows, mask=inside, other=0)
    target = table + rows
    for search in range(SIDE * SIDE * SIDE // RUN):
        k = search * RUN
        wanted = keys + first + k // (SIDE * SIDE) * along_x + k // SIDE % SIDE * along_y + k % SIDE * along_z
        at = tl.zeros((BLOCK,), tl.int32)  # number of keys below the wanted one
        for turn in range(HALVINGS):
            probe = at + (1 << (HALVINGS - 1 - turn))
            there = probe <= n_in
            key = tl.load(in_keys + probe - 1, mask=there, other=0)
            at = tl.where(there & (key < wanted), probe, at)
        for t in range(RUN):
            key = tl.load(in_keys + at, mask=at < n_in, other=-1)
            found = key == wanted + t
            tl.store(target, tl.where(found, at, -1), mask=inside)
            target += n_out
            at += found.to(tl.int32)


@triton.jit
def convolve(
    x, weight, table, order, offsets, counts,
    residual, raw, act, act_scale, act_shift, extra, extra_scale, extra_shift,
    n_out, c_in, c_out, x_row, weight_tap, weight_in, weight_out, residual_row, raw_row, act_row, extra_row,
    VOLUME: tl.constexpr, ROWS: tl.constexpr, OUT: tl.constexpr, IN: tl.constexpr,
    PRECISION: tl.constexpr, WIDEN: tl.constexpr,
):  # fmt: skip
    """Sum x[table[k]] @ weight[k] over the offsets of a tile of ROWS output rows and finish OUT of its channels.

    table: int32 [K, n_out] and order: int32 [n_out], both sorted as `Plan` says; offsets: int32 [tiles, K], of which
    the first counts[tile] occur in the tile. Targets and residual that are None are left out.
    """
    tile = tl.program_id(0)
    places = tile * ROWS + tl.arange(0, ROWS)
    inside = places < n_out
    columns = tl.program_id(1) * OUT + tl.arange(0, OUT)
    wanted = columns < c_out
    channels = tl.arange(0, IN)
    chunks = tl.cdiv(c_in, IN)
    total = tl.zeros((ROWS, OUT), tl.float32)
    for step in range(tl.load(counts + tile) * chunks):  # one loop, so that loads run ahead of products
        k = tl.load(offsets + tile * VOLUME + step // chunks).to(tl.int64)
        rows = tl.load(table + k * n_out + places, mask=inside, other=-1).to(tl.int64)
        depth = step % chunks * IN + channels
        within = depth < c_in
        left = tl.load(x + rows[:, None] * x_row + depth[None, :], mask=(rows >= 0)[:, None] & within[None, :], other=0)
        taps = weight + k * weight_tap + depth[:, None] * weight_in + columns[None, :] * weight_out
        right = tl.load(taps, mask=within[:, None] & wanted[None, :], other=0)
        if WIDEN:
            left, right = left.to(tl.float32), right.to(tl.float32)
        total = tl.dot(left, right, total, input_precision=PRECISION)
    rows = tl.load(order + places, mask=inside, other=0).to(tl.int64)[:, None]
    here = inside[:, None] & wanted[None, :]
    columns = columns[None, :]
    if residual is not None:
        total += tl.load(residual + rows * residual_row + columns, mask=here, other=0).to(tl.float32)
    if raw is not None:
        tl.store(raw + rows * raw_row + columns, total, mask=here)
    if act is not None:
        scale = tl.load(act_scale + columns, mask=wanted[None, :], other=0)
        shift = tl.load(act_shift + columns, mask=wanted[None, :], other=0)
        tl.store(act + rows * act_row + columns, tl.maximum(total * scale + shift, 0.0), mask=here)
    if extra is not None:
        scale = tl.load(extra_scale + columns, mask=wanted[None, :], other=0)
        shift = tl.load(extra_shift + columns, mask=wanted[None, :], other=0)
        tl.store(extra + rows * extra_row + columns, tl.maximum(total * scale + shift, 0.0), mask=here)


@triton.jit
def weight_gradient(
    x, grad, table, order, tiles, counts, parts,
    n_out, c_in, c_out, most, x_row, grad_row,
    VOLUME: tl.constexpr, SPLITS: tl.constexpr, ROWS: tl.constexpr, IN: tl.constexpr, OUT: tl.constexpr,
    PRECISION: tl.constexpr, WIDEN: tl.constexpr,
):  # fmt: skip
    """Write parts [SPLITS, K, C_in, C_out]: a split's share of Σ x[table[k]]ᵀ @ grad.

    tiles: int32 [K, most], of which the first counts[k] hold pairs of offset k; they go round among the splits.
    """
    k = tl.program_id(0) // SPLITS
    split = tl.program_id(0) % SPLITS
    depth = tl.program_id(1) * IN + tl.arange(0, IN)
    columns = tl.program_id(2) * OUT + tl.arange(0, OUT)
    total = tl.zeros((IN, OUT), tl.float32)
    for number in range(split, tl.load(counts + k), SPLITS):
        places = tl.load(tiles + k * most + number) * ROWS + tl.arange(0, ROWS)
        inside = places < n_out
        rows = tl.load(table + k.to(tl.int64) * n_out + places, mask=inside, other=-1).to(tl.int64)
        there = (rows >= 0)[:, None]
        left = tl.load(x + rows[:, None] * x_row + depth[None, :], mask=there & (depth < c_in)[None, :], other=0)
        outs = tl.load(order + places, mask=inside, other=0).to(tl.int64)
        right = tl.load(
            grad + outs[:, None] * grad_row + columns[None, :], mask=there & (columns < c_out)[None, :], other=0
        )
        if WIDEN:
            left, right = left.to(tl.float32), right.to(tl.float32)
        total = tl.dot(tl.trans(left), right, total, input_precision=PRECISION)
    target = parts + (split * VOLUME + k).to(tl.int64) * c_in * c_out + depth[:, None] * c_out + columns[None, :]
    tl.store(target, total, mask=(depth < c_in)[:, None] & (columns < c_out)[None, :])


@triton.jit
def segment_means(values, weight, order, starts, means, mass, c, BLOCK: tl.constexpr, CHANNELS: tl.constexpr):
    """Write the mean [C] and mass of segment s, the rows order[starts[s]:starts[s + 1]] of values [N, C]."""
    segment = tl.program_id(0).to(tl.int64)
    first, last = tl.load(starts + segment), tl.load(starts + segment + 1)
    columns = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    wanted = columns < c
    total = tl.zeros((CHANNELS,), tl.float32)
    weights = 0.0
    for start in range(first, last, BLOCK):
        places = start + tl.arange(0, BLOCK)
        inside = places < last
        rows = tl.load(order + places, mask=inside, other=0)
        part = tl.load(values + rows[:, None] * c + columns[None, :], mask=inside[:, None] & wanted[None, :], other=0)
        share = inside.to(tl.float32)
        if weight is not None:
            share = tl.load(weight + rows, mask=inside, other=0).to(tl.float32)
        total += tl.sum(part.to(tl.float32) * share[:, None], axis=0)
        weights += tl.sum(share, axis=0)
    weights = tl.where(weights > 0, weights, 1.0)
    tl.store(means + segment * c + columns, total / weights, mask=wanted)
    tl.store(mass + segment, weights)
