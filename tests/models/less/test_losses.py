"""The losses over weighted rows equal the published losses over points."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.models.less import losses
from saymask.models.less.losses import area_loss, contrast_loss, segmentation_loss


def published(logits, features, target):
    """The formulas of arXiv 2410.13294 written down for points: logits [N], features [N, C], target bool [N]."""
    p, y = logits.sigmoid(), target.double()
    mask = (torch.where(target, 20.0, 1.0) * F.binary_cross_entropy(p, y, reduction="none")).mean()
    f = features / features.norm(dim=1, keepdim=True)
    center = f[target].mean(0)
    near = (f[target] @ center / 0.05).exp()
    far = (f[target] @ f[~target].T / 0.05).exp().sum(1)
    return mask, p.mean(), -torch.log((near / (near + far)).mean())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=9), st.integers(0, 1000))
def test_rows_with_counts_equal_their_points(counts, seed):
    counts = [*counts, (1, 0), (0, 2)]  # at least one target point and one other
    torch.manual_seed(seed)
    logits, features = torch.randn(len(counts)).double(), torch.rand(len(counts), 6).double() + 0.01
    positive, negative = (torch.tensor(c, dtype=torch.float64) for c in zip(*counts))
    rows = torch.tensor([i for i, (p, n) in enumerate(counts) for _ in range(p + n)])
    target = torch.tensor([inside for p, n in counts for inside in [True] * p + [False] * n])

    ours_logits, ours_features = logits.clone().requires_grad_(), features.clone().requires_grad_()
    ours = (
        segmentation_loss(ours_logits[None], positive[None], negative[None]),
        area_loss(ours_logits[None], (positive + negative)[None]),
        contrast_loss(ours_features[None], positive[None], negative[None]),
    )
    their_logits, their_features = logits.clone().requires_grad_(), features.clone().requires_grad_()
    theirs = published(their_logits[rows], their_features[rows], target)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)
    sum(ours).backward()
    sum(theirs).backward()
    torch.testing.assert_close(ours_logits.grad, their_logits.grad, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(ours_features.grad, their_features.grad, rtol=1e-6, atol=1e-8)


def test_padding_rows_change_nothing():
    logits, features = torch.randn(1, 6), torch.rand(1, 6, 4)
    positive, negative = torch.tensor([[1.0, 2, 0, 0, 0, 3]]), torch.tensor([[0.0, 1, 4, 2, 1, 0]])
    wide = [F.pad(t, (0, 3), value=9.0) for t in (logits,)] + [F.pad(t, (0, 3)) for t in (positive, negative)]
    torch.testing.assert_close(segmentation_loss(logits, positive, negative), segmentation_loss(*wide))
    torch.testing.assert_close(area_loss(logits, positive + negative), area_loss(wide[0], wide[1] + wide[2]))
    torch.testing.assert_close(
        contrast_loss(features, positive, negative),
        contrast_loss(F.pad(features, (0, 0, 0, 3), value=0.5), wide[1], wide[2]),
    )


def test_both_forms_of_the_cross_entropy_agree_until_saturation():
    positive = torch.tensor([[1.0, 0, 1, 0]])
    logits = torch.tensor([[3.0, -2, -4, 5]])
    a, b = (segmentation_loss(logits, positive, 1 - positive, probabilities=p) for p in (True, False))
    torch.testing.assert_close(a, b)
    saturated = torch.tensor([[-200.0]])
    one = torch.ones(1, 1)
    assert float(segmentation_loss(saturated, one, 0 * one, probabilities=True)) == 20 * 100
    assert float(segmentation_loss(saturated, one, 0 * one)) == 20 * 200


def test_chunks_change_neither_value_nor_gradient(monkeypatch):
    torch.manual_seed(0)
    features = torch.rand(2, 40, 5).double()
    positive = (torch.rand(2, 40) < 0.3).double()
    results = []
    for chunk in (10**9, 60):
        monkeypatch.setattr(losses, "CHUNK", chunk)
        f = features.clone().requires_grad_()
        value = contrast_loss(f, positive, 1 - positive)
        value.backward()
        results.append((value.detach(), f.grad))
    torch.testing.assert_close(*(r[0] for r in results))
    torch.testing.assert_close(*(r[1] for r in results))


def test_contrast_without_target_points():
    features = torch.rand(2, 10, 4, requires_grad=True)
    positive = torch.zeros(2, 10)
    positive[0, :3] = 1
    negative = 1 - positive
    both = contrast_loss(features, positive, negative)
    torch.testing.assert_close(both, contrast_loss(features[:1], positive[:1], negative[:1]))
    nothing = contrast_loss(features[1:], positive[1:], negative[1:])
    assert nothing.item() == 0
    nothing.backward()
    assert features.grad is not None
    assert math.isnan(contrast_loss(features, positive, negative, nan_when_empty=True).item())


def test_contrast_without_other_points_is_zero():
    assert float(contrast_loss(torch.rand(1, 5, 4), torch.ones(1, 5), torch.zeros(1, 5))) == pytest.approx(0)


def test_a_zero_feature_gives_a_finite_gradient():
    features = torch.rand(1, 5, 4)
    features[0, 1] = 0
    features.requires_grad_()
    positive = torch.tensor([[1.0, 1, 0, 0, 0]])
    contrast_loss(features.relu(), positive, 1 - positive).backward()
    assert torch.isfinite(features.grad).all()
