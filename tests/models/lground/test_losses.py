"""LGround's losses: values and gradients of a plain loop, fair draws, and nothing breaks on odd batches."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.models.lground.losses.classification import (
    class_splits,
    classification_loss,
    cross_entropy,
    focal,
    keep_voxels,
    reduce_losses,
)
from saymask.models.lground.losses.contrastive import (
    anchor_cross_entropy,
    anchor_mse,
    contrastive,
    draw_negatives,
    draw_voxels,
    norm_penalty,
    voxel_contrast,
)
from tests.parity import case_type, load
from tests.parity.lground_losses import classification_losses, contrastive_losses

GOLDEN = Path(__file__).parents[2] / "golden/lground"
SPLITS = torch.tensor([0, 1, 2, 0, 1, 2, -1])
CLASSES = len(SPLITS)


def seeded(*numbers: int) -> torch.Generator:
    """Return a generator that is a function of `numbers` alone, such as (seed, step, rank); on the CPU."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("losses_*.npz")), ids=lambda p: p.stem)
def test_golden(path):
    check = {"losses_contrastive": contrastive_losses, "losses_classification": classification_losses}[case_type(path)]
    checks = list(check(load(path), path))
    assert checks
    assert [c.name for c in checks if not c.error()[1]] == []


def batch(seed, count, width=6, ignored=0.3):
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(count, width, generator=g, dtype=torch.float64)
    anchors = torch.randn(CLASSES, width, generator=g, dtype=torch.float64)
    labels = torch.randint(CLASSES, (count,), generator=g)
    labels[torch.rand(count, generator=g) < ignored] = -1
    return features.requires_grad_(), anchors, labels


def loop_distance(f, others, distance):
    if distance == "cos":
        return 1 - sum(f @ b / (f.norm() * b.norm()) for b in others) / len(others)
    return sum(((f - b).square().sum() + 1e-7).sqrt() for b in others) / len(others)


def loop_hinge(f, positive, negatives, distance, options):
    near = loop_distance(f, [positive], distance) - options["positive_margin"]
    loss = near.clamp(min=0)
    if len(negatives):
        far = options["negative_margin"] - loop_distance(f, negatives, distance)
        loss = loss + options["negative_weight"] * far.clamp(min=0)
    return loss


OPTIONS = {
    "cos": {"positive_margin": 0.1, "negative_margin": 1.1, "negative_weight": 0.7},
    "l2": {"positive_margin": 0.5, "negative_margin": 4.0, "negative_weight": 0.5},
}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 9999), st.integers(0, 9), st.sampled_from(["cos", "l2"]), st.booleans(), st.booleans())
def test_the_contrast_is_the_plain_loop(seed, count, distance, present, attributed):
    features, anchors, labels = batch(seed, count)
    options = OPTIONS[distance]
    negatives = draw_negatives(labels, CLASSES, 3, present=present, generator=seeded(seed))
    attributes = None
    if attributed:
        anchors = torch.stack([anchors, anchors.flip(0), anchors.flip(1)], 1)
        attributes = torch.randint(3, (count,), generator=seeded(seed, 1))
    plain = anchors if anchors.ndim == 2 else anchors[:, 0]
    found = contrastive(
        features, anchors, labels, negatives=negatives, distance=distance, attributes=attributes, **options
    )
    total = features.sum() * 0
    for i, y in enumerate(labels.tolist()):
        if y < 0:
            assert found.positive[i] == 0
            # docs/systems/lground.md §7.9: the loss keeps the constant
            assert found.negative[i] == options["negative_margin"]
            continue
        positive = anchors[y] if attributes is None else anchors[y, attributes[i]]
        loss = loop_hinge(features[i], positive, [plain[c] for c in negatives[i].tolist() if c >= 0], distance, options)
        torch.testing.assert_close(found.loss[i], loss)
        total = total + loss
    ours = reduce_losses(found.loss, labels, SPLITS, divisor="all").loss * count
    torch.testing.assert_close(ours, total)
    torch.testing.assert_close(*(torch.autograd.grad(t, features)[0] for t in (ours, total)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 9999), st.integers(0, 20), st.sampled_from(["cos", "l2"]))
def test_the_voxel_contrast_is_the_plain_loop(seed, count, distance):
    features, _, labels = batch(seed, count)
    pairs = draw_voxels(labels, CLASSES, 2, generator=seeded(seed))
    found = voxel_contrast(features, labels, CLASSES, pairs=pairs, distance=distance, **OPTIONS[distance])
    total, fixed = features.sum() * 0, features.detach()
    for i, y in enumerate(labels.tolist()):
        if y >= 0:
            others = [fixed[j] for j in pairs.negative[i].tolist() if j >= 0]
            total = total + loop_hinge(features[i], fixed[pairs.positive[i]], others, distance, OPTIONS[distance])
    ours = found.loss[labels >= 0].sum()
    torch.testing.assert_close(ours, total)
    torch.testing.assert_close(*(torch.autograd.grad(t, features)[0] for t in (ours, total)))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 9999),
    st.integers(0, 30),
    st.sampled_from(["ce", "focal"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 2.0]),
)
def test_the_classification_losses_are_the_plain_loop(seed, count, kind, balanced, compat, gamma):
    _, _, target = batch(seed, count)
    logits = torch.randn(count, CLASSES, generator=seeded(seed), dtype=torch.float64).requires_grad_()
    weights = torch.rand(CLASSES, generator=seeded(seed, 1), dtype=torch.float64)
    ratios = {"head": 0.5, "common": 0.25}
    found = classification_loss(
        logits,
        target,
        SPLITS,
        kind=kind,
        weights=weights,
        gamma=gamma,
        balanced=balanced,
        compat=compat,
        generator=np.random.RandomState(seed),
        **ratios,
    )
    rng, kept = np.random.RandomState(seed), []
    for c in range(CLASSES):  # the official order: classes ascending, one draw each
        rows = [i for i, y in enumerate(target.tolist()) if y == c]
        if balanced and SPLITS[c] in (0, 1) and rows:
            ratio = ratios["head" if SPLITS[c] == 0 else "common"]
            rows = rng.choice(rows, round(ratio * len(rows)), replace=False).tolist()
        kept += rows
    total, by_split = logits.sum() * 0, [[], [], []]
    for i in kept:
        y = int(target[i])
        p = logits[i].softmax(0)[y]
        loss = -p.log() if kind == "ce" else weights[y] * (1 - p) ** gamma * -p.log()
        total = total + loss
        if SPLITS[y] >= 0:
            by_split[SPLITS[y]].append(float(loss.detach()))
    valid = int((target >= 0).sum())
    number = len(kept) if not compat else count if balanced and kind == "ce" else valid
    total = total / max(1, number)
    torch.testing.assert_close(found.loss, total)
    torch.testing.assert_close(*(torch.autograd.grad(t, logits)[0] for t in (found.loss, total)))
    means = [np.mean(s) if s else math.nan for s in by_split]
    np.testing.assert_allclose(found.splits.numpy(), means, rtol=1e-9)
    assert set(found.logs()) == {n for n, s in zip(("head", "common", "tail"), by_split) if s}


def test_negatives_are_uniform_over_the_other_classes_and_repeat_under_a_seed():
    labels = torch.arange(4).repeat_interleave(6000)
    drawn = draw_negatives(labels, 4, 2, generator=seeded(5, 1))
    assert torch.equal(drawn, draw_negatives(labels, 4, 2, generator=seeded(5, 1)))
    assert not torch.equal(drawn, draw_negatives(labels, 4, 2, generator=seeded(5, 2)))
    table = torch.bincount(labels.repeat_interleave(2) * 4 + drawn.flatten(), minlength=16).reshape(4, 4) / 12000
    torch.testing.assert_close(table, (1 - torch.eye(4)) / 3, atol=0.02, rtol=0)
    assert (drawn[:, 0] == drawn[:, 1]).float().mean().item() == pytest.approx(1 / 3, abs=0.02)  # with replacement


def test_negatives_of_the_classes_present():
    labels = torch.tensor([5, -1, 2, 5, 9, 2] * 200)
    drawn = draw_negatives(labels, 12, 3, present=True, generator=seeded(0))
    assert set(drawn[labels >= 0].unique().tolist()) == {2, 5, 9}
    assert not (drawn == labels[:, None])[labels >= 0].any()
    assert (drawn[labels < 0] == -1).all()
    assert draw_negatives(labels, 12, -1).shape == (1200, 12)


def test_one_class_alone_has_no_negatives():
    """The official code crashes on such a batch."""
    features, anchors, _ = batch(0, 4)
    labels = torch.tensor([3, 3, -1, 3])
    found = contrastive(features, anchors, labels, present=True)
    assert (draw_negatives(labels, CLASSES, present=True) == -1).all()
    assert (found.negative[labels >= 0] == 0).all()
    assert (found.positive[labels >= 0] > 0).all()
    pairs = draw_voxels(labels, CLASSES)
    assert (pairs.negative == -1).all()
    assert voxel_contrast(features, labels, CLASSES, pairs=pairs).loss[labels >= 0].isfinite().all()


def test_drawn_voxels_have_the_classes_asked_for():
    labels = torch.cat([torch.arange(4).repeat(3000), torch.full((50,), -1)])
    labels = labels[torch.randperm(len(labels), generator=seeded(1))]
    confusion = torch.zeros(6, 6)
    confusion[0, 2], confusion[3, 3] = 8, 50  # 0 is often taken for 2; what is right plays no role
    pairs = draw_voxels(labels, 6, 4, confusion=confusion, generator=seeded(2))
    valid = labels >= 0
    assert torch.equal(labels[pairs.positive[valid]], labels[valid])
    assert (pairs.positive[~valid] == -1).all()
    assert (pairs.negative[~valid] == -1).all()
    rows = labels[valid].repeat_interleave(4)
    table = torch.bincount(rows * 4 + labels[pairs.negative[valid]].flatten(), minlength=16).reshape(4, 4) / 12000
    expected = torch.tensor(
        [[0, 1 / 11, 9 / 11, 1 / 11], [1 / 3, 0, 1 / 3, 1 / 3], [1 / 3, 1 / 3, 0, 1 / 3], [1 / 3, 1 / 3, 1 / 3, 0]]
    )
    torch.testing.assert_close(table, expected, atol=0.02, rtol=0)
    assert len(pairs.negative[valid].unique()) > 0.9 * valid.sum()  # spread over the voxels of a class, not one of them


def test_keeping_voxels_takes_the_same_number_of_every_class_as_the_official_order():
    target = torch.randint(-1, CLASSES, (2000,), generator=seeded(3))
    options = {"head": 0.3, "common": 0.015}
    ours = keep_voxels(target, SPLITS, generator=seeded(4), **options)
    official = keep_voxels(target, SPLITS, generator=np.random.RandomState(4), **options)
    for c in range(CLASSES):
        assert ours[target == c].sum() == official[target == c].sum()
    assert not ours[target == -1].any()
    assert ours[(target == 2) | (target == 5) | (target == 6)].all()
    assert not torch.equal(ours, keep_voxels(target, SPLITS, generator=seeded(5), **options))
    assert torch.equal(ours, keep_voxels(target, SPLITS, generator=seeded(4), **options))


@pytest.mark.parametrize("count", [0, 5])
def test_a_batch_without_valid_voxels_gives_zero_with_a_gradient(count):
    logits = torch.randn(count, CLASSES, requires_grad=True)
    target = torch.full((count,), -1)
    for kind in ("ce", "focal"):
        for compat in (False, True):
            for ratio in (-1.0, 0.5):
                found = classification_loss(logits, target, SPLITS, kind=kind, compat=compat, head=ratio)
                assert found.loss == 0
                assert found.logs() == {}
                assert (torch.autograd.grad(found.loss, logits)[0] == 0).all()
    features, anchors, _ = batch(0, count)
    for present in (False, True):
        found = contrastive(features, anchors, target, present=present)
        assert found.logs() == {}
        total = reduce_losses(found.loss, target, SPLITS).loss
        assert total == 0
        assert (torch.autograd.grad(total, features)[0] == 0).all()
    assert (anchor_cross_entropy(features, anchors, target) == 0).all()
    assert (anchor_mse(features, anchors, target) == 0).all()
    assert (voxel_contrast(features, target, CLASSES).positive == 0).all()


def test_the_log_leaves_out_the_constant_of_ignored_voxels():
    features, anchors, labels = batch(1, 40)
    found = contrastive(features, anchors, labels, generator=seeded(0))
    assert found.logs()["negative"] == pytest.approx(found.negative[labels >= 0].mean().item())
    assert found.negative.mean() > found.logs()["negative"]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_is_finite_where_the_class_is_certain(gamma):
    logits = torch.tensor([[200.0, 0, 0], [-200.0, 0, 0], [0.0, 0, 0]], requires_grad=True)
    loss = focal(logits, torch.tensor([0, 0, 0]), gamma=gamma)
    gradient = torch.autograd.grad(loss.sum(), logits)[0]
    assert loss.isfinite().all()
    assert gradient.isfinite().all()
    assert loss[0] == 0
    assert loss[1].item() == pytest.approx(200 + math.log(2), rel=1e-5)


def test_focal_without_gamma_and_weights_is_the_cross_entropy():
    logits, target = torch.randn(30, 7, generator=seeded(0)), torch.arange(30) % 8 - 1
    torch.testing.assert_close(focal(logits, target, gamma=0.0), cross_entropy(logits, target))


def test_half_precision_is_computed_in_full():
    features, anchors, labels = batch(2, 50)
    half, double = features.detach().bfloat16(), features.detach().bfloat16().double()
    negatives = draw_negatives(labels, CLASSES, generator=seeded(0))
    found = contrastive(half, anchors, labels, negatives=negatives)
    assert found.loss.dtype == torch.float32
    expected = contrastive(double, anchors, labels, negatives=negatives).loss
    torch.testing.assert_close(found.loss, expected.float(), atol=1e-6, rtol=1e-5)
    assert anchor_mse(half, anchors, labels).dtype == torch.float32
    torch.testing.assert_close(anchor_mse(half, anchors, labels), anchor_mse(double, anchors, labels).float())
    assert cross_entropy(half, labels.clamp(max=5)).dtype == torch.float32


def test_norm_penalty_is_constant_and_pulls_norms_to_one():
    features = torch.tensor([[3.0, 0], [0, 0.5], [0.6, 0.8]], requires_grad=True)
    value = norm_penalty(features)
    assert value.item() == pytest.approx(0.2)
    gradient = torch.autograd.grad(value, features)[0]
    m = (4 + 0.25) / 3
    torch.testing.assert_close(gradient, 0.2 / m * torch.tensor([[4.0, 0], [0, -1], [0, 0]]) / 3)
    for still in (features.detach()[2:], features.detach()[:0]):
        still.requires_grad_()
        assert torch.autograd.grad(norm_penalty(still), still)[0].isfinite().all()


def test_splits_of_scannet200():
    assert torch.bincount(class_splits()).tolist() == [66, 68, 66]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, a, y: contrastive(f[:, :3], a, y), r"same D.*project"),
        (lambda f, a, y: contrastive(f, a, y + 100), "raw ids"),
        (lambda f, a, y: contrastive(f, a, y[:-1]), r"labels: expected whole numbers \[9\]"),
        (lambda f, a, y: contrastive(f, a, y.float()), "whole numbers"),
        (lambda f, a, y: contrastive(f, a, y, distance="l1"), "'cos' or 'l2', got 'l1'"),
        (lambda f, a, y: contrastive(f, a, y, negatives=y), r"negatives: expected int \[9, K\]"),
        (lambda f, a, y: contrastive(f, a, y, attributes=y), r"anchors \[C, A, D\]"),
        (lambda f, a, y: classification_loss(f, y, SPLITS), "one for each of 6 classes, got 7"),
        (lambda f, a, y: classification_loss(f @ a.T, y, SPLITS, kind="bce"), "'ce' or 'focal', got 'bce'"),
        (lambda f, a, y: classification_loss(f @ a.T, y, SPLITS, head=1.5), "at most 1"),
        (lambda f, a, y: focal(f @ a.T, y, torch.ones(6)), "one for each of 7 classes"),
        (lambda f, a, y: focal(f @ a.T, y, gamma=-1), "gamma"),
        (lambda f, a, y: reduce_losses(y.float(), y, SPLITS, divisor="mean"), "divisor"),
    ],
)
def test_bad_input_is_said(call, message):
    with pytest.raises(InputError, match=message):
        call(*batch(0, 9))
