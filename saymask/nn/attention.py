"""Attention that projects the smaller side: few queries, few keys, or neither."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.nn.folded_attention import pool, spread


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
        query: Tensor,  # [B, Q, D]; [1, Q, D] = the same for every memory
        memory: Tensor,  # [B, K, D], keys and values are both projected from it; [1, K, D] = the same for every query
        bias: Tensor | None = None,  # float, broadcastable to [B, Q, K] or [B, H, Q, K]; added to the scores
        *,
        form: str = "auto",
        residual: bool = False,
    ) -> Tensor:  # [B, Q, D]
        """Return the attended and projected values of `memory` for each query, added to it with `residual`.

        A bias of three dimensions is the same for all heads; -inf forbids a key, a row that is -inf everywhere gives
        NaN. `form` is `plain`, `few-queries`, `few-keys`, `auto` (the cheapest of these) or `torch` (PyTorch's own
        function, the reference of the others); all give the same result up to rounding.
        """
        if form == "auto":
            form = self._cheapest(query, memory)
        if form == "few-keys":
            return self._few_keys(query, memory, bias, residual)
        query = query.expand(max(len(query), len(memory)), -1, -1) if len(query) == 1 else query
        out = self._form(form, query, memory, bias)
        return query + out if residual else out

    def _form(self, form: str, query: Tensor, memory: Tensor, bias: Tensor | None) -> Tensor:
        if form == "few-queries":
            return self._few_queries(query, memory, bias)[0]
        if form == "torch":
            return self._torch(query, memory, bias)
        if form != "plain":
            raise ValueError(f"unknown form {form!r}: expected plain, few-queries, few-keys, torch or auto")
        if query.device.type == "cpu" and torch.is_grad_enabled():
            return self._plain(query, memory, bias)[0]  # the fused kernel's backward is several times slower there
        q, k, v = self._project(query, memory)
        mask = None if bias is None else _per_head(bias).to(q.dtype)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # [B, H, Q, D/H]
        return self.out_proj(out.transpose(1, 2).flatten(2))

    def with_weights(
        self,
        query: Tensor,
        memory: Tensor,
        bias: Tensor | None = None,
        multiplier: Tensor | None = None,  # float, broadcastable to [B, Q, K]; the scores are multiplied by it first
    ) -> tuple[Tensor, Tensor]:  # [B, Q, D], [B, H, Q, K]
        """Return what `forward` does and the attention weights of each head; scores × `multiplier` + `bias`."""
        if multiplier is None and self._cheapest(query, memory) == "few-queries":
            return self._few_queries(query, memory, bias)
        return self._plain(query, memory, bias, multiplier)

    def _plain(
        self, query: Tensor, memory: Tensor, bias: Tensor | None, multiplier: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        q, k, v = self._project(query, memory)
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
        if multiplier is not None:
            scores = scores * multiplier[:, None]
        if bias is not None:
            scores = scores + _per_head(bias).to(scores.dtype)
        weights = scores.softmax(-1)
        out = weights.to(v.dtype) @ v
        return self.out_proj(out.transpose(1, 2).flatten(2)), weights

    def _cheapest(self, query: Tensor, memory: Tensor) -> str:
        queries, keys = query.shape[1] * self.heads, memory.shape[1] * self.heads
        if query is memory or min(queries, keys) >= 2 * self.width:
            return "plain"
        return "few-queries" if queries <= keys else "few-keys"

    def _project(self, query: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values of every head, [B, H, Q or K, D/H]."""
        width = self.width
        if query is memory:
            parts = F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            q = F.linear(query, self.in_proj_weight[:width], self.in_proj_bias[:width])
            parts = (q, *F.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, -1))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        if len(k) != len(q):
            k, v = k.expand(len(q), -1, -1, -1), v.expand(len(q), -1, -1, -1)
        return q, k, v

    def _torch(self, query: Tensor, memory: Tensor, bias: Tensor | None) -> Tensor:
        memory = memory.expand(len(query), -1, -1).transpose(0, 1)
        query = memory if query.data_ptr() == memory.data_ptr() else query.transpose(0, 1)
        mask = None
        if bias is not None:
            mask = _per_head(bias).expand(query.shape[1], self.heads, len(query), -1).flatten(0, 1).to(query.dtype)
        out, _ = F.multi_head_attention_forward(
            query, memory, memory, self.width, self.heads, self.in_proj_weight, self.in_proj_bias, None, None, False,
            0.0, self.out_proj.weight, self.out_proj.bias, need_weights=True, attn_mask=mask,
        )  # fmt: skip
        return out.transpose(0, 1)

    def _weights(self) -> tuple[Tensor, ...]:
        return self.in_proj_weight.chunk(3)

    def _few_queries(self, query: Tensor, memory: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        wq, wk, wv = self._weights()
        bq, _, bv = self.in_proj_bias.chunk(3)  # the key bias adds the same score to every key: no effect
        heads, head_width = self.heads, self.width // self.heads
        q = F.linear(query, wq, bq).unflatten(-1, (heads, head_width))  # [B, Q, H, D/H]
        q = torch.einsum("bqhe,hed->bhqd", q, wk.unflatten(0, (heads, head_width))) / math.sqrt(head_width)
        pooled, weights = pool(q.flatten(1, 2), memory, None if bias is None else _per_head(bias), heads)
        pooled = pooled.unflatten(1, (heads, -1))  # [B, H, Q, D]
        values = torch.einsum("bhqd,hed->bqhe", pooled, wv.unflatten(0, (heads, head_width))).flatten(2) + bv
        return self.out_proj(values), weights

    def _few_keys(self, query: Tensor, memory: Tensor, bias: Tensor | None, residual: bool) -> Tensor:
        keys, offsets, values = self.fold_keys(memory.expand(max(len(query), len(memory)), -1, -1))
        if bias is None or (bias.ndim == 3 and bias.shape[1] == 1):
            if bias is not None:
                offsets = offsets + bias[:, 0].to(offsets.dtype).repeat(1, self.heads)
            return spread(query, keys, offsets, values, self.heads, residual=residual)
        if bias.ndim == 3:
            bias = bias.repeat(1, 1, self.heads)
        else:
            bias = bias.expand(-1, self.heads, -1, -1).transpose(1, 2).flatten(2)
        out = self.attend_folded(query, keys, offsets[:, None] + bias, values)
        return query + out if residual else out

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


def _per_head(bias: Tensor) -> Tensor:
    """Return a bias [B, Q, K] or [B, H, Q, K] with a dimension for the heads."""
    return bias[:, None] if bias.ndim == 3 else bias
