"""Sparse convolutions and pooling with autograd; one interface over all backends."""

from typing import Any

import torch
from torch import Tensor

from saymask.errors import InputError
from saymask.sparse.backends.select import backend_for, backend_name
from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.sites import Level


class _SparseConv(torch.autograd.Function):
    """y[out] += x[in] @ weight[k]; both gradients are again one pass over the pairs of the map."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, kernel_map: KernelMap, backend: str) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.kernel_map, ctx.backend = kernel_map, backend
        return backend_for(x, backend).conv(x, weight, kernel_map)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        return _conv_gradients(ctx, *grads)


@torch.autograd.function.once_differentiable
def _conv_gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
    x, weight = ctx.saved_tensors
    module = backend_for(x, ctx.backend)
    grad = grad.contiguous()
    grad_x = grad_weight = None
    if ctx.needs_input_grad[0]:
        grad_x = module.input_gradient(grad, weight, ctx.kernel_map)
    if ctx.needs_input_grad[1]:
        grad_weight = module.weight_gradient(x, grad, ctx.kernel_map)
    return grad_x, grad_weight, None, None


def sparse_conv(
    x: Tensor,  # [n_in, C_in]
    weight: Tensor,  # [K, C_in, C_out]
    kernel_map: KernelMap,
    bias: Tensor | None = None,  # [C_out]
    *,
    backend: str = "auto",
) -> Tensor:
    """Return y [n_out, C_out]: y[j] = bias + Σ over pairs (i, j) of offset k of x[i] @ weight[k].

    Serves every kind of convolution; the map decides which (`Level.kernel_map`, `.down`, `.up`, `build_map`).
    Raises InputError when shapes or dtypes do not fit together.
    """
    if weight.ndim != 3 or weight.shape[0] != kernel_map.volume:
        raise InputError(f"expected a weight [{kernel_map.volume}, C_in, C_out], got {list(weight.shape)}")
    if x.ndim != 2 or x.shape != (kernel_map.n_in, weight.shape[1]):
        raise InputError(f"expected features [{kernel_map.n_in}, {weight.shape[1]}], got {list(x.shape)}")
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight = x.to(dtype), weight.to(dtype)
    if x.dtype != weight.dtype:
        raise InputError(f"features are {x.dtype} but the weight is {weight.dtype}: convert one of them")
    y = _SparseConv.apply(x.contiguous(), weight, kernel_map, backend)
    return y if bias is None else y + bias.reshape(-1)


def subm_conv(
    x: Tensor, weight: Tensor, sites: Level | KernelMap, bias: Tensor | None = None, *, backend: str = "auto"
) -> Tensor:
    """Submanifold convolution (odd kernel): out[p] = Σ_o weight[o] · x[p + o] over sites; weight [K, in, out]."""
    if isinstance(sites, Level):
        sites = sites.kernel_map(round(weight.shape[0] ** (1 / 3)))
    return sparse_conv(x, weight, sites, bias, backend=backend)


def strided_conv(
    x: Tensor, weight: Tensor, sites: Level, bias: Tensor | None = None, *, backend: str = "auto"
) -> Tensor:
    """2³ convolution with stride 2 from a level to the next: out[q] = Σ over its fine p of weight[p mod 2] · x[p]."""
    return sparse_conv(x, weight, sites.down, bias, backend=backend)


def inverse_conv(
    x: Tensor, weight: Tensor, sites: Level, bias: Tensor | None = None, *, backend: str = "auto"
) -> Tensor:
    """2³ inverse (transposed) convolution back to exactly the sites of the fine level `sites`.

    out[p] = weight[p mod 2] · x[floor(p / 2)], 0 where the parent was dropped; weight [8, C_coarse, C_fine]. The same
    operation as MinkowskiEngine's transposed convolution of kernel 2 and stride 2 onto an existing map.
    """
    return sparse_conv(x, weight, sites.up, bias, backend=backend)


def pool_mean(values: Tensor, index: Tensor, n: int, weight: Tensor | None = None) -> Tensor:
    """Return the mean of the rows of `values` [N, C] per index value, [n, C]; rows with index -1 are left out.

    index: int [N] in -1..n-1. `weight` [N] (not negative) makes it a weighted mean. An index value without rows gives
    zeros (as `scatter_mean`: sum / max(count, 1)). Differentiable in `values` and `weight`. Raises InputError for an
    index out of range; the Triton backend, which does not wait for the device, stops as torch's own indexing does.
    """
    if values.ndim != 2 or index.shape != values.shape[:1]:
        raise InputError(f"expected values [N, C] and index [N], got {list(values.shape)} and {list(index.shape)}")
    if values.dtype != torch.float64 and backend_name(values) == "triton":
        return backend_for(values).pool_mean(values, index, n, weight)
    low, high = torch.stack(torch.aminmax(index)).tolist() if len(index) else (0, -1)
    if low < -1 or high >= n:
        raise InputError(f"expected an index within -1..{n - 1}, got {low}..{high}")
    rows = index.long()
    if low < 0:
        kept = torch.nonzero(rows >= 0).squeeze(1)
        values, rows = values[kept], rows[kept]
        weight = None if weight is None else weight[kept]
    if weight is None:
        total = values.new_zeros((n, values.shape[1])).index_add(0, rows, values)
        count = torch.bincount(rows, minlength=n).clamp_(min=1).to(values.dtype)
        return total / count[:, None]
    weight = weight.to(values.dtype)
    total = values.new_zeros((n, values.shape[1])).index_add(0, rows, values * weight[:, None])
    mass = values.new_zeros(n).index_add(0, rows, weight)
    return total / torch.where(mass > 0, mass, torch.ones_like(mass))[:, None]
