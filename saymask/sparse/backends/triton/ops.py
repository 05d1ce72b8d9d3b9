"""The Triton backend: masked implicit GEMM in float32, tf32, float16 and bfloat16; float64 goes to the reference.

float32 is multiplied in tf32 where torch's switch for products on CUDA says so (`torch.set_float32_matmul_precision`).
"""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from saymask.sparse.backends import reference
from saymask.sparse.backends.epilogue import Epilogue
from saymask.sparse.backends.precision import cuda_precision
from saymask.sparse.backends.triton import kernels
from saymask.sparse.backends.triton.plan import plan_of
from saymask.sparse.backends.triton.sites import build_map, coarsen, map_from_parents, sort_sites
from saymask.sparse.backends.triton.tuning import INTERPRETED, Problem, Tiles, tiles_for
from saymask.sparse.kernel_map import KernelMap

__all__ = [
    "build_map",
    "coarsen",
    "conv",
    "input_gradient",
    "map_from_parents",
    "pack_weight",
    "pool_mean",
    "run",
    "sort_sites",
    "weight_gradient",
]

_KERNELS: Any = kernels  # whose types are those of the compiled code
_TYPES = (torch.float32, torch.float16, torch.bfloat16)
_PROGRAMS = 1024
"""Programs that fill a GPU: the weight gradient splits its rows until it has about so many."""


def pack_weight(weight: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a weight [K, C_in, C_out] as `run` reads it."""
    return weight.detach().to(dtype).contiguous()


def run(x: Tensor, packed: Tensor, cout: int, kernel_map: KernelMap, epilogue: Epilogue) -> None:
    """Convolve x [n_in, C_in] by `packed` [K, C_in, C_out] of the same type and write the targets of `epilogue`."""
    if not kernel_map.n_out or not cout:
        return
    x = _rows(x)
    problem = Problem("forward", x.shape[1], cout, kernel_map.volume, kernel_map.n_out, str(x.dtype), _precision(x))
    tiles = tiles_for(problem, lambda: partial(_convolve, x, packed, cout, kernel_map, _scratch(epilogue)))
    _convolve(x, packed, cout, kernel_map, epilogue, tiles)


def conv(x: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return y [n_out, C_out] with y[out] += x[in] @ weight[k]; same values as `reference.conv`."""
    if not _served(x, weight):
        return reference.conv(x, weight, kernel_map)
    y = torch.empty((kernel_map.n_out, weight.shape[2]), dtype=x.dtype, device=x.device)
    run(x, weight, weight.shape[2], kernel_map, Epilogue(raw=y))
    return y


def input_gradient(grad: Tensor, weight: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return d(loss)/d(x) [n_in, C_in]; same values as `reference.input_gradient`."""
    if kernel_map.symmetric:  # mirrored offsets: the same map and plan, the weight turned round
        return conv(grad, weight.flip(0).transpose(1, 2), kernel_map)
    return conv(grad, weight.transpose(1, 2), kernel_map.transposed)


def weight_gradient(x: Tensor, grad: Tensor, kernel_map: KernelMap) -> Tensor:
    """Return d(loss)/d(weight) [K, C_in, C_out]; same values as `reference.weight_gradient`."""
    if not _served(x, grad):
        return reference.weight_gradient(x, grad, kernel_map)
    cin, cout, volume = x.shape[1], grad.shape[1], kernel_map.volume
    if not kernel_map.n_out:
        return x.new_zeros((volume, cin, cout))
    x, grad = _rows(x), _rows(grad)
    problem = Problem("weight", cin, cout, volume, kernel_map.n_out, str(x.dtype), _precision(x))
    tiles = tiles_for(problem, lambda: partial(_weight_gradient, x, grad, kernel_map))
    return _weight_gradient(x, grad, kernel_map, tiles).to(x.dtype)


def pool_mean(values: Tensor, index: Tensor, n: int, weight: Tensor | None) -> Tensor:
    """Return the means [n, C] of `ops.pool_mean`, summed in float32 in the order of rows, whatever runs first."""
    return _PoolMean.apply(values, index.long(), n, weight)


class _PoolMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, n: int, weight: Tensor | None) -> Tensor:
        # The device checks, so that nobody waits.
        torch._assert_async(  # pyright: ignore[reportPrivateImportUsage]
            ((index >= -1) & (index < n)).all(), f"pool_mean: an index is not within -1..{n - 1}"
        )
        rows, order = torch.sort(index, stable=True)
        starts = torch.searchsorted(rows, torch.arange(n + 1, device=rows.device))
        c = values.shape[1]
        means = torch.empty((n, c), dtype=values.dtype, device=values.device)
        mass = torch.empty(n, dtype=torch.float32, device=values.device)
        if n and c:
            channels = max(16, min(64, _power(c)))
            with torch.cuda.device_of(values):
                _KERNELS.segment_means[(n, -(-c // channels))](
                    values.contiguous(), None if weight is None else weight.contiguous(), order, starts, means, mass, c,
                    BLOCK=32, CHANNELS=channels,
                )  # fmt: skip
        ctx.save_for_backward(values, index, weight, means, mass)
        return means

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, None, Tensor | None]:
        return _pool_gradients(ctx, *grads)


@torch.autograd.function.once_differentiable
def _pool_gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, Tensor | None]:
    values, index, weight, means, mass = ctx.saved_tensors
    kept = index >= 0
    rows = index.clamp(min=0)
    share = (grad.float() / mass[:, None])[rows] * kept[:, None]
    grad_values = grad_weight = None
    if ctx.needs_input_grad[0]:
        grad_values = (share if weight is None else share * weight[:, None]).to(values.dtype)
    if weight is not None and ctx.needs_input_grad[3]:
        grad_weight = (share * (values.float() - means.float()[rows])).sum(1).to(weight.dtype)
    return grad_values, None, None, grad_weight


def _convolve(x: Tensor, packed: Tensor, cout: int, kernel_map: KernelMap, epilogue: Epilogue, tiles: Tiles) -> None:
    plan, e = plan_of(kernel_map, tiles.rows), epilogue
    act = (None,) * 3 if e.act is None else (e.act, e.act_scale, e.act_shift)
    extra = (None,) * 3 if e.extra is None else (e.extra, e.extra_scale, e.extra_shift)
    with torch.cuda.device_of(x):
        _KERNELS.convolve[(len(plan.offsets), -(-cout // tiles.outs))](
            x, packed, plan.table, plan.order, plan.offsets, plan.offset_counts,
            e.residual, e.raw, *act, *extra,
            kernel_map.n_out, x.shape[1], cout, x.stride(0), *packed.stride(),
            *(0 if t is None else t.stride(0) for t in (e.residual, e.raw, e.act, e.extra)),
            VOLUME=kernel_map.volume, ROWS=tiles.rows, OUT=tiles.outs, IN=tiles.ins,
            PRECISION=_precision(x), WIDEN=INTERPRETED, num_warps=tiles.warps, num_stages=tiles.stages,
        )  # fmt: skip


def _weight_gradient(x: Tensor, grad: Tensor, kernel_map: KernelMap, tiles: Tiles) -> Tensor:
    plan = plan_of(kernel_map, tiles.rows)
    cin, cout, volume = x.shape[1], grad.shape[1], kernel_map.volume
    blocks = -(-cin // tiles.ins), -(-cout // tiles.outs)
    most = plan.tiles.shape[1]
    splits = _power(max(1, min(most, _PROGRAMS // (volume * blocks[0] * blocks[1]))))
    parts = torch.empty((splits, volume, cin, cout), dtype=torch.float32, device=x.device)
    with torch.cuda.device_of(x):
        _KERNELS.weight_gradient[(volume * splits, *blocks)](
            x, grad, plan.table, plan.order, plan.tiles, plan.tile_counts, parts,
            kernel_map.n_out, cin, cout, most, x.stride(0), grad.stride(0),
            VOLUME=volume, SPLITS=splits, ROWS=tiles.rows, IN=tiles.ins, OUT=tiles.outs,
            PRECISION=_precision(x), WIDEN=INTERPRETED, num_warps=tiles.warps, num_stages=tiles.stages,
        )  # fmt: skip
    return parts.sum(0)


def _served(x: Tensor, other: Tensor) -> bool:
    return x.dtype in _TYPES and bool(x.shape[1]) and bool(other.shape[-1])


def _precision(x: Tensor) -> str:
    return cuda_precision() if x.dtype == torch.float32 else "ieee"


def _rows(x: Tensor) -> Tensor:
    """Return x with channels side by side; rows may lie apart."""
    return x if x.stride(1) == 1 else x.contiguous()


def _scratch(epilogue: Epilogue) -> Epilogue:
    """Return an epilogue that writes elsewhere, for measuring."""
    targets = {"raw": epilogue.raw, "act": epilogue.act, "extra": epilogue.extra}
    return replace(epilogue, **{name: None if t is None else t.clone() for name, t in targets.items()})


def _power(n: int) -> int:
    """Return the smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()
