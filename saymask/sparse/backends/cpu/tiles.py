"""Register tiles of the CPU kernels, written as LLVM vector code through numba: the inner loops of gather-GEMM.

A tile keeps M × N vectors of sums in registers. Rows are addressed through index lists: gathering needs no copy.
The vector length follows the host (AVX-512, AVX2, NEON, SSE); nothing but numba's own compiler is needed.
"""

from functools import cache
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic


@cache
def cpu_features() -> dict[str, bool]:
    """Return the CPU features that numba compiles for: those of this CPU, or of $NUMBA_CPU_FEATURES."""
    named, cpu = vars(config)["CPU_FEATURES"], vars(config)["CPU_NAME"]
    if named is None and cpu in (None, "host"):
        return dict(llvmlite.binding.get_host_cpu_features())
    return {word[1:]: word[0] == "+" for word in (named or "").split(",") if word}


_FEATURES = cpu_features()
_WIDE = bool(_FEATURES.get("avx512f"))
HAS_BF16 = bool(_FEATURES.get("avx512bf16"))
VECTOR_BYTES = 64 if _WIDE else 32 if _FEATURES.get("avx2") else 16
LANES = VECTOR_BYTES // 4  # float32 values per vector
# Sums held in registers: 24 of 32 vector registers (AVX-512, NEON), 12 of 16 (AVX2, SSE); the rest feeds them.
_BUDGET = 24 if _WIDE or VECTOR_BYTES == 16 else 12
TILE_ROWS = {n: min(_BUDGET // n, 16) for n in (1, 2, 3, 4)}  # rows M of a tile that is N vectors wide
MAX_TILE_ROWS = max(TILE_ROWS.values())


class _BFloat(ir.Type):
    """LLVM's bfloat, which llvmlite does not name."""

    def __str__(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_VEC = ir.VectorType(_F32, LANES)


def _pointer(builder: Any, address: Any, element: Any) -> Any:
    return builder.inttoptr(address, element.as_pointer())


def _load_vector(builder: Any, address: Any) -> Any:
    load = builder.load(_pointer(builder, address, _VEC))
    load.align = 4
    return load


def _store_vector(builder: Any, value: Any, address: Any) -> None:
    store = builder.store(value, _pointer(builder, address, _VEC))
    store.align = 4


def _splat(builder: Any, scalar: Any, vector: Any) -> Any:
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    mask = ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, undefined, mask)


def _index(builder: Any, address: Any, position: int) -> Any:
    """Load entry `position` of an int32 index list as int64."""
    at = builder.add(address, ir.Constant(_I64, 4 * position))
    return builder.sext(builder.load(_pointer(builder, at, _I32)), _I64)


def _const(value: int) -> Any:
    return ir.Constant(_I64, value)


def _multiply_add(builder: Any, module: Any, bf16: bool) -> Any:
    """Return f(a, b, sum) → sum + a·b on vectors; with bf16 a and b hold pairs and both products are added."""
    if not bf16:
        kind = ir.FunctionType(_VEC, [_VEC, _VEC, _VEC])
        function = cgutils.get_or_insert_function(module, kind, f"llvm.fmuladd.v{LANES}f32")
        return lambda a, b, total: builder.call(function, [a, b, total])
    pairs = ir.VectorType(_BFloat(), 2 * LANES)
    kind = ir.FunctionType(_VEC, [_VEC, pairs, pairs])
    function = cgutils.get_or_insert_function(module, kind, "llvm.x86.avx512bf16.dpbf16ps.512")
    return lambda a, b, total: builder.call(function, [total, builder.bitcast(a, pairs), builder.bitcast(b, pairs)])


@cache
def forward_tile(n: int, bf16: bool) -> Any:
    """Return tile(x, x_stride, in_rows, w, steps, acc, acc_stride, out_rows): acc[out_rows[m]] += x[in_rows[m]] @ w.

    All arguments are addresses or byte counts (int64). M = TILE_ROWS[n] rows, n vectors of output channels; w is
    [steps, n · LANES] contiguous, one step being one input channel (bf16: a pair of them, 4 bytes either way).
    """
    rows = TILE_ROWS[n]

    @intrinsic
    def tile(typingctx, x, x_stride, in_rows, w, steps, acc, acc_stride, out_rows):
        signature = types.void(*[types.int64] * 8)

        def codegen(context, builder, signature, arguments):
            x, x_stride, in_rows, w, steps, acc, acc_stride, out_rows = arguments
            add = _multiply_add(builder, builder.module, bf16)
            sources = [builder.add(x, builder.mul(_index(builder, in_rows, m), x_stride)) for m in range(rows)]
            targets = [builder.add(acc, builder.mul(_index(builder, out_rows, m), acc_stride)) for m in range(rows)]
            sums = []
            for target in targets:
                for v in range(n):
                    slot = cgutils.alloca_once(builder, _VEC)
                    builder.store(_load_vector(builder, builder.add(target, _const(v * VECTOR_BYTES))), slot)
                    sums.append(slot)
            scalar = _I32 if bf16 else _F32
            wide = ir.VectorType(scalar, LANES)
            with cgutils.for_range(builder, steps) as loop:
                at = builder.mul(loop.index, _const(4))
                panel = builder.add(w, builder.mul(loop.index, _const(n * VECTOR_BYTES)))
                columns = [_load_vector(builder, builder.add(panel, _const(v * VECTOR_BYTES))) for v in range(n)]
                for m in range(rows):
                    value = builder.load(_pointer(builder, builder.add(sources[m], at), scalar))
                    spread = _splat(builder, value, wide)
                    for v in range(n):
                        slot = sums[m * n + v]
                        builder.store(add(spread, columns[v], builder.load(slot)), slot)
            for m, target in enumerate(targets):
                for v in range(n):
                    value = builder.load(sums[m * n + v])
                    _store_vector(builder, value, builder.add(target, _const(v * VECTOR_BYTES)))
            return context.get_dummy_value()

        return signature, codegen

    return tile


@cache
def gradient_tile(m: int, n: int) -> Any:
    """Return tile(x, x_stride, in_rows, g, g_stride, out_rows, pairs, dw, dw_stride): dw += Σ_p x[in_p]ᵀ g[out_p].

    m input channels from address x on, n vectors of output channels from address g on; dw rows are dw_stride apart.
    """

    @intrinsic
    def tile(typingctx, x, x_stride, in_rows, g, g_stride, out_rows, pairs, dw, dw_stride):
        signature = types.void(*[types.int64] * 9)

        def codegen(context, builder, signature, arguments):
            x, x_stride, in_rows, g, g_stride, out_rows, pairs, dw, dw_stride = arguments
            add = _multiply_add(builder, builder.module, False)
            targets = [builder.add(dw, builder.mul(dw_stride, _const(i))) for i in range(m)]
            sums = []
            for target in targets:
                for v in range(n):
                    slot = cgutils.alloca_once(builder, _VEC)
                    builder.store(_load_vector(builder, builder.add(target, _const(v * VECTOR_BYTES))), slot)
                    sums.append(slot)
            with cgutils.for_range(builder, pairs) as loop:
                at = builder.mul(loop.index, _const(4))
                source = builder.mul(_index(builder, builder.add(in_rows, at), 0), x_stride)
                source = builder.add(x, source)
                row = builder.mul(_index(builder, builder.add(out_rows, at), 0), g_stride)
                row = builder.add(g, row)
                columns = [_load_vector(builder, builder.add(row, _const(v * VECTOR_BYTES))) for v in range(n)]
                for i in range(m):
                    value = builder.load(_pointer(builder, builder.add(source, _const(4 * i)), _F32))
                    spread = _splat(builder, value, _VEC)
                    for v in range(n):
                        slot = sums[i * n + v]
                        builder.store(add(spread, columns[v], builder.load(slot)), slot)
            for i, target in enumerate(targets):
                for v in range(n):
                    value = builder.load(sums[i * n + v])
                    _store_vector(builder, value, builder.add(target, _const(v * VECTOR_BYTES)))
            return context.get_dummy_value()

        return signature, codegen

    return tile


_B16 = ir.VectorType(_BFloat(), LANES)
_BITS16 = ir.VectorType(ir.IntType(16), LANES)


@intrinsic
def add_vectors(typingctx, target, source, other, vectors):
    """target[:] = source[:] + other[:] on float32 vectors at the given addresses (`other` 0: a plain copy)."""

    def codegen(context, builder, signature, arguments):
        target, source, other, vectors = arguments
        has_other = builder.icmp_unsigned("!=", other, _const(0))
        with builder.if_else(has_other) as (with_other, without):
            with with_other, cgutils.for_range(builder, vectors) as loop:
                at = builder.mul(loop.index, _const(VECTOR_BYTES))
                left, right = (_load_vector(builder, builder.add(a, at)) for a in (source, other))
                _store_vector(builder, builder.fadd(left, right), builder.add(target, at))
            with without, cgutils.for_range(builder, vectors) as loop:
                at = builder.mul(loop.index, _const(VECTOR_BYTES))
                _store_vector(builder, _load_vector(builder, builder.add(source, at)), builder.add(target, at))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), codegen


def _store_bf16(builder: Any, value: Any, address: Any) -> None:
    if HAS_BF16:
        rounded = builder.bitcast(builder.fptrunc(value, _B16), _BITS16)
    else:  # to nearest even by integer arithmetic: without the instruction, fptrunc would call a missing library
        wide = ir.VectorType(_I32, LANES)
        bits = builder.bitcast(value, wide)
        half, low, one = (ir.Constant(wide, [number] * LANES) for number in (16, 0x7FFF, 1))
        odd = builder.and_(builder.lshr(bits, half), one)
        rounded = builder.trunc(builder.lshr(builder.add(builder.add(bits, low), odd), half), _BITS16)
    store = builder.store(rounded, _pointer(builder, address, _BITS16))
    store.align = 2


@intrinsic
def round_vectors(typingctx, target, source, vectors):
    """target[:] = source[:], float32 rounded to bfloat16."""

    def codegen(context, builder, signature, arguments):
        target, source, vectors = arguments
        with cgutils.for_range(builder, vectors) as loop:
            value = _load_vector(builder, builder.add(source, builder.mul(loop.index, _const(VECTOR_BYTES))))
            half = builder.mul(loop.index, _const(VECTOR_BYTES // 2))
            _store_bf16(builder, value, builder.add(target, half))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), codegen


@cache
def activate_vectors(bf16: bool) -> Any:
    """Return f(target, source, scale, shift, vectors): target = relu(source · scale + shift), float32 or bfloat16."""

    @intrinsic
    def activate(typingctx, target, source, scale, shift, vectors):
        def codegen(context, builder, signature, arguments):
            target, source, scale, shift, vectors = arguments
            add = _multiply_add(builder, builder.module, False)
            zero = ir.Constant(_VEC, [0.0] * LANES)
            with cgutils.for_range(builder, vectors) as loop:
                at = builder.mul(loop.index, _const(VECTOR_BYTES))
                value, factor, term = (_load_vector(builder, builder.add(a, at)) for a in (source, scale, shift))
                value = add(value, factor, term)
                value = builder.select(builder.fcmp_ordered("<", value, zero), zero, value)  # NaN stays NaN
                if bf16:
                    half = builder.mul(loop.index, _const(VECTOR_BYTES // 2))
                    _store_bf16(builder, value, builder.add(target, half))
                else:
                    _store_vector(builder, value, builder.add(target, at))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 5), codegen

    return activate
