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


@pytest.mark.parametrize("heads", [1, 2])
def test_one_memory_or_one_query_for_all(heads):
    torch.manual_seed(0)
    ours = Attention(8, heads).double()
    torch.nn.init.normal_(ours.in_proj_bias)
    many, one = torch.randn(3, 5, 8).double(), torch.randn(1, 4, 8).double().requires_grad_()
    bias = torch.randn(3, 1, 4).double()
    for query, memory, mask in ((many, one, bias), (one, many, None), (one, many, bias.new_zeros(3, 1, 5))):
        copied = [x.expand(3, -1, -1).clone() for x in (query, memory)]
        expected = ours(*copied, mask, form="torch")
        wanted = torch.autograd.grad(expected.sin().sum(), [one, *ours.parameters()])
        for form in FORMS:
            out = ours(query, memory, mask, form=form)
            torch.testing.assert_close(out, expected)
            got = torch.autograd.grad(out.sin().sum(), [one, *ours.parameters()])
            for grad, reference in zip(got, wanted):
                torch.testing.assert_close(grad, reference)
        torch.testing.assert_close(ours(*copied, mask, residual=True), copied[0] + expected)
        torch.testing.assert_close(ours(query, memory, mask, residual=True), copied[0] + expected)


@pytest.mark.parametrize("keys", [5, 40])
def test_a_bias_for_each_head_and_the_weights(keys):
    torch.manual_seed(0)
    ours = Attention(8, 2).double()
    query, memory = torch.randn(2, 3, 8).double(), torch.randn(2, keys, 8).double()
    bias = torch.randn(2, 2, 3, keys).double().requires_grad_()
    outs = [ours(query, memory, bias, form=form) for form in FORMS]
    outs.append(ours.with_weights(query, memory, bias)[0])
    grads = [torch.autograd.grad(out.sin().sum(), bias)[0] for out in outs]
    for out, grad in zip(outs, grads):
        torch.testing.assert_close(out, outs[0])
        torch.testing.assert_close(grad, grads[0])
    weights = ours.with_weights(query, memory, bias)[1]
    assert weights.shape == (2, 2, 3, keys)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 3).double())
    with torch.no_grad():  # PyTorch's fused kernel
        torch.testing.assert_close(ours(query, memory, bias, form="plain"), outs[0])


def test_a_multiplier_acts_on_the_scaled_scores_before_the_bias():
    torch.manual_seed(0)
    ours = Attention(6, 2).double()
    x, by, bias = torch.randn(2, 4, 6).double(), torch.rand(2, 4, 4).double(), torch.randn(2, 1, 4).double()
    q, k = (x @ w.T for w in ours.in_proj_weight.chunk(3)[:2])
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / 3**0.5 * by + bias
        torch.testing.assert_close(ours.with_weights(x, x, bias, by)[1][:, head], scores.softmax(-1))
    torch.testing.assert_close(ours.with_weights(x, x, bias, torch.ones_like(by))[0], ours(x, x, bias))
    assert not torch.allclose(ours.with_weights(x, x, bias, by)[0], ours(x, x, bias))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="not a multiple"):
        Attention(10, 4)
    with pytest.raises(ValueError, match="unknown form"):
        Attention(8)(torch.randn(1, 2, 8), torch.randn(1, 3, 8), form="fast")
