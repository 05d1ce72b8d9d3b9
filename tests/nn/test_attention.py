"""All forms of the attention are one function: PyTorch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.nn.attention import Attention

FORMS = ("plain", "few-queries", "few-keys", "torch", "auto")


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([1, 2, 4]), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_forms_agree_with_torch_in_values_and_gradients(heads, batch, queries, keys, with_bias):
    torch.manual_seed(batch + 10 * queries + 100 * keys)
    ours = Attention(8, heads).double()
    theirs = torch.nn.MultiheadAttention(8, heads, batch_first=True).double()
    torch.nn.init.normal_(ours.in_proj_bias)
    torch.nn.init.normal_(ours.out_proj.bias)
    theirs.load_state_dict(ours.state_dict())
    query, memory = torch.randn(batch, queries, 8).double(), torch.randn(batch, keys, 8).double()
    bias = torch.randn(batch, queries, keys).double() if with_bias else None
    if bias is not None:
        bias[..., 1:][torch.rand(batch, queries, keys - 1) < 0.3] = float("-inf")
    probe = torch.randn(batch, queries, 8).double()

    q, m = query.clone().requires_grad_(), memory.clone().requires_grad_()
    mask = None if bias is None else bias.repeat_interleave(heads, 0)
    expected = theirs(q, m, m, attn_mask=mask)[0]
    (expected * probe).sum().backward()
    wanted = [q.grad, m.grad, *(p.grad for p in theirs.parameters())]
    for form in FORMS:
        ours.zero_grad()
        q, m = query.clone().requires_grad_(), memory.clone().requires_grad_()
        out = ours(q, m, bias, form=form)
        torch.testing.assert_close(out, expected, msg=lambda text, form=form: f"{form}: {text}")
        (out * probe).sum().backward()
        for grad, reference in zip([q.grad, m.grad, *(p.grad for p in ours.parameters())], wanted):
            torch.testing.assert_close(torch.zeros_like(reference) if grad is None else grad, reference)


def test_self_attention_and_a_bias_for_all_queries():
    ours = Attention(8, 2).double()
    x, bias = torch.randn(2, 5, 8).double(), torch.randn(2, 1, 5).double()
    outs = [ours(x, x, bias, form=form) for form in FORMS]
    for out in outs[1:]:
        torch.testing.assert_close(out, outs[0])


def test_wrong_arguments():
    with pytest.raises(ValueError, match="not a multiple"):
        Attention(10, 4)
    with pytest.raises(ValueError, match="unknown form"):
        Attention(8)(torch.randn(1, 2, 8), torch.randn(1, 3, 8), form="fast")
