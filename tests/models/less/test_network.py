"""The layers of LESS: the support's weights stand for points, padding has no say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.models.less.network import QueryDecoder, WordAttention, forbidden_rows, sentence_weights


def decoder(width=12):
    torch.manual_seed(0)
    return QueryDecoder(5, width, queries=4, hidden=20).double()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=8), st.integers(0, 1000))
def test_weighted_rows_equal_repeated_points(counts, seed):
    module = decoder()
    torch.manual_seed(seed)
    rows = torch.randn(1, len(counts), 5, dtype=torch.float64)
    weights = torch.tensor([counts], dtype=torch.float64)
    points = rows.repeat_interleave(torch.tensor(counts), 1)
    by_rows, _ = module(rows, weights)
    by_points, _ = module(points, torch.ones(points.shape[:2], dtype=torch.float64))
    torch.testing.assert_close(by_rows, by_points, rtol=1e-5, atol=1e-6)


def test_padding_rows_change_nothing():
    module = decoder()
    rows, weights = torch.randn(2, 6, 5).double(), torch.randint(1, 4, (2, 6)).double()
    padded = torch.cat([rows, 100 * torch.randn(2, 3, 5).double()], 1)
    padded_weights = torch.cat([weights, torch.zeros(2, 3).double()], 1)
    a, b = module(rows, weights)[0], module(padded, padded_weights)[0]
    torch.testing.assert_close(a, b)


def test_plain_order_is_the_same_in_values_and_gradients():
    module = decoder()
    rows, weights = torch.randn(2, 30, 5).double(), torch.ones(2, 30).double()
    results = []
    for plain in (False, True):
        module.plain = plain
        module.zero_grad()
        x = rows.clone().requires_grad_()
        queries, features = module(x, weights)
        masks = module.masks(queries, features)
        (masks * torch.linspace(-1, 1, masks.numel()).view_as(masks)).sum().backward()
        assert x.grad is not None
        results.append([masks.detach(), x.grad, *(p.grad for p in module.parameters())])
    for a, b in zip(*results):
        torch.testing.assert_close(a, b)


def test_an_empty_mask_opens_to_every_real_row():
    masks = torch.tensor([[[-1.0, -1.0, 5.0], [1.0, -1.0, 5.0], [-1.0, -2.0, -3.0]]])
    weights = torch.tensor([[1.0, 2.0, 0.0]])  # the last row is padding: its mask does not count
    expected = [[[False, False, False], [False, True, False], [False, False, False]]]
    assert forbidden_rows(masks, weights).tolist() == expected


def test_word_attention_keeps_scenes_apart_and_ignores_padding():
    torch.manual_seed(0)
    block = WordAttention(8).double()
    x, words = torch.randn(10, 8).double(), torch.randn(2, 5, 8).double()
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    together = block(x, words, mask, [4, 6])
    first = block(x[:4], words[:1], mask[:1], [4])
    second = block(x[4:], words[1:, :3], mask[1:, :3], [6])
    torch.testing.assert_close(together, torch.cat([first, second]))
    other = words.clone()
    other[1, 3:] = 7.0
    torch.testing.assert_close(block(x, other, mask, [4, 6]), together)
    assert not torch.allclose(block(x, words, mask, [4, 6], zero_padding=True)[4:], second)


def test_word_attention_gradient():
    torch.manual_seed(0)
    block = WordAttention(4).double()
    x, words = (torch.randn(s).double().requires_grad_() for s in ((5, 4), (2, 3, 4)))
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert torch.autograd.gradcheck(lambda a, b: block(a, b, mask, [2, 3]), (x, words))


def test_a_scene_without_sites_at_a_level():
    block = WordAttention(4)
    x = torch.randn(3, 4)
    out = block(x, torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool), [0, 3])
    assert out.shape == x.shape


def test_sentence_weights_sum_to_one():
    weights = sentence_weights(torch.randn(3, 7, 16), torch.randn(3, 16))
    torch.testing.assert_close(weights.sum(1), torch.ones(3))


def test_gradient_does_not_pass_through_the_thresholded_masks():
    module = decoder()
    rows = torch.randn(1, 9, 5).double()
    queries, _ = module(rows, torch.ones(1, 9).double())
    queries.sum().backward()
    assert all(p.grad is None for p in module.mask_proj.parameters())
    with pytest.raises(AssertionError):
        torch.testing.assert_close(queries, module.out_norm(module.queries)[None])
