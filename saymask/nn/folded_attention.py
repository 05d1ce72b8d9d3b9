"""Attention between a short and a long sequence whose projections are all on the short side: values and gradients.

PyTorch would differentiate these few products too, but with gradients of the long side in pieces and in transposed
layouts, which cost as much to add up as the products themselves.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def autocast_precision(x: Tensor) -> Tensor:
    """Return `x` in the type of autocast's products: once, instead of for each product."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def pool(queries: Tensor, memory: Tensor, bias: Tensor | None, heads: int) -> tuple[Tensor, Tensor]:
    """Return softmax(queries · memoryᵀ + bias) · memory [B, H·Q, D] and the weights [B, H, Q, S].

    queries: [B, H·Q, D]; memory: [B, S, D], or [1, S, D] for all; bias: broadcastable to [B, H, Q, S].
    """
    queries, memory = autocast_precision(queries), autocast_precision(memory)
    return _Pool.apply(queries, memory, None if bias is None else bias.to(queries.dtype), heads)  # type: ignore


def spread(x: Tensor, keys: Tensor, offsets: Tensor, values: Tensor, heads: int, *, residual: bool = False) -> Tensor:
    """Return the mixture of values for each row of the long `x`, [B, S, D], added to `x` with `residual`.

    x: [B, S, D], or [1, S, D] for all; keys, values: [B, H·K, D]; offsets: [B, H·K], added to x · keysᵀ before the
    softmax over each head's K.
    """
    x, keys, offsets, values = (
        autocast_precision(x),
        autocast_precision(keys),
        autocast_precision(offsets),
        autocast_precision(values),
    )
    return _Spread.apply(x, keys, offsets, values, heads, residual)  # type: ignore


def _one(x: Tensor, shared: bool) -> Tensor:
    """Return [1, B·N, D] of x [B, N, D] where all items share the other side."""
    return x.flatten(0, 1)[None] if shared else x


def _softmax_backward(grad: Tensor, weights: Tensor, dim: int) -> Tensor:
    return torch.ops.aten._softmax_backward_data(grad, weights, dim, weights.dtype)


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, queries: Tensor, memory: Tensor, bias: Tensor | None, heads: int) -> tuple[Tensor, Tensor]:
        items, rows, _ = queries.shape
        shared = len(memory) == 1 < items
        scores = _one(queries, shared) @ memory.transpose(1, 2)
        scores = scores.view(items, heads, rows // heads, -1)
        if bias is not None:  # an addition: filling a mask costs several times as much
            scores += bias
        weights = scores.softmax(-1)
        pooled = (_one(weights.flatten(1, 2), shared) @ memory).view(queries.shape)
        ctx.save_for_backward(queries, memory, weights)
        ctx.shared, ctx.bias_shape = shared, None if bias is None else bias.shape
        ctx.set_materialize_grads(False)
        return pooled, weights

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        return _pool_gradients(ctx, *grads)


@once_differentiable
def _pool_gradients(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    queries, memory, weights = ctx.saved_tensors
    d_pooled, d_looks = grads
    if d_pooled is None:
        d_pooled = torch.zeros_like(queries)
    flat, d_pooled, queries = (_one(x, ctx.shared) for x in (weights.flatten(1, 2), d_pooled, queries))
    d_weights = (d_pooled @ memory.transpose(1, 2)).view(weights.shape)
    if d_looks is not None:
        d_weights += d_looks
    d_scores = _softmax_backward(d_weights, weights, -1)
    d_bias = d_scores.sum_to_size(ctx.bias_shape) if ctx.needs_input_grad[2] else None
    d_flat = _one(d_scores.flatten(1, 2), ctx.shared)
    d_queries = (d_flat @ memory).view(len(weights), -1, memory.shape[-1])
    d_memory = None
    if ctx.needs_input_grad[1]:
        d_memory = torch.baddbmm(flat.transpose(1, 2) @ d_pooled, d_flat.transpose(1, 2), queries)
    return d_queries, d_memory, d_bias, None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, keys: Tensor, offsets: Tensor, values: Tensor, heads: int, residual: bool
    ) -> Tensor:
        items, rows, _ = keys.shape
        shared = len(x) == 1 < items
        scores = (_one(keys, shared) @ x.transpose(1, 2)).view(items, heads, rows // heads, -1)
        scores += offsets.view(items, heads, -1, 1)
        # The long side stays last: a softmax over a few neighbouring numbers is several times slower.
        weights = scores.softmax(2)
        flat = weights.flatten(1, 2).transpose(1, 2)
        ctx.save_for_backward(x, keys, values, weights)
        ctx.shared, ctx.residual = shared, residual
        return torch.baddbmm(x, flat, values) if residual else flat @ values

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return _spread_gradients(ctx, *grads)


@once_differentiable
def _spread_gradients(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    x, keys, values, weights = ctx.saved_tensors
    grad = grads[0]
    d_weights = (values @ grad.transpose(1, 2)).view(weights.shape)
    d_values = weights.flatten(1, 2) @ grad
    d_scores = _softmax_backward(d_weights, weights, 2).flatten(1, 2)
    flat = _one(d_scores, ctx.shared)
    d_keys = (flat @ x).view(keys.shape)
    d_offsets = d_scores.sum(-1)
    through = grad.sum(0, keepdim=True) if ctx.shared else grad
    if ctx.residual:
        d_x = torch.baddbmm(through, flat.transpose(1, 2), _one(keys, ctx.shared))
    else:
        d_x = flat.transpose(1, 2) @ _one(keys, ctx.shared)
    return d_x, d_keys, d_offsets, d_values, None, None
