"""Attention whose projections go to whichever side is small: few queries, few keys, or neither."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention with the parameters of `torch.nn.MultiheadAttention` (fused `in_proj`, biases, no dropout).

    Scaled dot-product attention is linear in the projected keys and values, so a projection can be moved from a long
    sequence to a short one without changing the result: with few queries, q·(W_k z) = (W_kᵀ q)·z and
    A(Z W_v) = (A Z) W_v; with few keys, (W_q x)·k = x·(W_qᵀ k) and W_o(A V) = A (V W_oᵀ). The D×D products over the
    long side are gone.
    """

    def __init__(self, width: int, heads: int = 1) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.width, self.heads = width, heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,  # [B, Q, D]
        memory: Tensor,  # [B, K, D], keys and values are both projected from it
        bias: Tensor | None = None,  # float, broadcastable to [B, Q, K]; added to the scores, -inf forbids a key
        *,
        form: str = "auto",
    ) -> Tensor:  # [B, Q, D]
        """Return the attended and projected values of `memory` for each query.

        `bias` is the same for all heads; a row that is -inf everywhere gives NaN. `form` is `plain`, `few-queries`,
        `few-keys`, `auto` (the cheapest of these) or `torch` (PyTorch's own function, the twin of the others); all give
        the same result up to rounding.
        """
        if form == "auto":
            queries, keys = query.shape[1] * self.heads, memory.shape[1] * self.heads
            form = "plain" if min(queries, keys) >= self.width else "few-queries" if queries <= keys else "few-keys"
        if form == "few-queries":
            return self._few_queries(query, memory, bias)
        if form == "few-keys":
            keys, offsets, values = self.fold_keys(memory)
            offsets = offsets[:, None] if bias is None else offsets[:, None] + self._repeat(bias)
            return self.attend_folded(query, keys, offsets, values)
        if form == "torch":
            return self._torch(query, memory, bias)
        if form != "plain":
            raise ValueError(f"unknown form {form!r}: expected plain, few-queries, few-keys, torch or auto")
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((query, memory, memory), self._weights(), self.in_proj_bias.chunk(3))
        )
        mask = None if bias is None else bias[:, None].to(q.dtype)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # [B, H, Q, D/H]
        return self.out_proj(out.transpose(1, 2).flatten(2))

    def _torch(self, query: Tensor, memory: Tensor, bias: Tensor | None) -> Tensor:
        memory = memory.transpose(0, 1)
        query = memory if query.data_ptr() == memory.data_ptr() else query.transpose(0, 1)
        mask = None
        if bias is not None:
            mask = bias.expand(query.shape[1], len(query), -1).repeat_interleave(self.heads, 0).to(query.dtype)
        out, _ = F.multi_head_attention_forward(
            query, memory, memory, self.width, self.heads, self.in_proj_weight, self.in_proj_bias, None, None, False,
            0.0, self.out_proj.weight, self.out_proj.bias, need_weights=True, attn_mask=mask,
        )  # fmt: skip
        return out.transpose(0, 1)

    def _weights(self) -> tuple[Tensor, ...]:
        return self.in_proj_weight.chunk(3)

    def _repeat(self, bias: Tensor) -> Tensor:
        """Return the bias for every head: [B, Q, K] → [B, Q, H·K]."""
        return bias if self.heads == 1 else bias.repeat(1, 1, self.heads)

    def _few_queries(self, query: Tensor, memory: Tensor, bias: Tensor | None) -> Tensor:
        wq, wk, wv = self._weights()
        bq, _, bv = self.in_proj_bias.chunk(3)  # the key bias adds the same score to every key: no effect
        heads, head_width = self.heads, self.width // self.heads
        q = F.linear(query, wq, bq).unflatten(-1, (heads, head_width))  # [B, Q, H, D/H]
        q = torch.einsum("bqhe,hed->bhqd", q, wk.unflatten(0, (heads, head_width))) / math.sqrt(head_width)
        scores = q.flatten(1, 2) @ memory.transpose(1, 2)  # [B, H·Q, K]
        if bias is not None:
            bias = bias.expand(-1, query.shape[1], -1)
            scores = scores + (bias if heads == 1 else bias.repeat(1, heads, 1))
        pooled = (scores.softmax(-1).to(memory.dtype) @ memory).unflatten(1, (heads, -1))  # [B, H, Q, D]
        values = torch.einsum("bhqd,hed->bqhe", pooled, wv.unflatten(0, (heads, head_width))).flatten(2) + bv
        return self.out_proj(values)

    def fold_keys(self, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `memory` [..., K, D] as keys [..., H·K, D], offsets [..., H·K] and values [..., H·K, D].

        A raw query x attends to it as softmax over each head's K of (x·key + offset), summed over the values: all four
        projections and the scale are inside.
        """
        wq, wk, wv = self._weights()
        bq, bk, bv = self.in_proj_bias.chunk(3)
        heads, head_width = self.heads, self.width // self.heads
        k = F.linear(memory, wk, bk).unflatten(-1, (heads, head_width)) / math.sqrt(head_width)
        v = F.linear(memory, wv, bv).unflatten(-1, (heads, head_width))
        keys = torch.einsum("...khe,hed->...hkd", k, wq.unflatten(0, (heads, head_width)))
        offsets = torch.einsum("...khe,he->...hk", k, bq.unflatten(0, (heads, head_width)))
        values = torch.einsum("...khe,dhe->...hkd", v, self.out_proj.weight.unflatten(1, (heads, head_width)))
        values = values + self.out_proj.bias / heads  # each head's softmax sums to 1
        return keys.flatten(-3, -2), offsets.flatten(-2), values.flatten(-3, -2)

    def attend_folded(self, query: Tensor, keys: Tensor, offsets: Tensor, values: Tensor) -> Tensor:
        """Return [..., Q, D] for raw queries [..., Q, D] over the parts of `fold_keys`.

        `offsets` may be [..., 1, H·K] or, with a bias for each query, [..., Q, H·K].
        """
        scores = query @ keys.transpose(-2, -1) + offsets
        if self.heads > 1:
            scores = scores.unflatten(-1, (self.heads, -1)).softmax(-1).flatten(-2)
        else:
            scores = scores.softmax(-1)
        return scores.to(values.dtype) @ values
