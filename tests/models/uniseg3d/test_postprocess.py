"""UniSeg3D's answers: what a loop over point arrays gives, for few candidates, equal masks and empty scenes as well."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from saymask.errors import InputError
from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.postprocess import (
    Found,
    OwnParts,
    class_agnostic,
    instances,
    mask_scores,
    matrix_nms,
    panoptic,
    points,
    prompt_masks,
    semantic,
    stitch,
)
from tests.parity import load
from tests.parity.uniseg3d_postproc import nms, postproc

GOLDEN = Path(__file__).parents[2] / "golden/uniseg3d"
CONFIG = UniSeg3DConfig()


@pytest.mark.parametrize(("kind", "check"), [("matrix_nms", nms), ("postproc", postproc)])
def test_golden(kind, check):
    paths = sorted(GOLDEN.glob(f"{kind}_*.npz"))
    assert paths
    for path in paths:
        checks = list(check(load(path), path))
        assert checks
        assert [c.name for c in checks if not c.error()[1]] == []


def plain_nms(masks, labels, scores, kernel="linear", sigma=2.0):
    """docs/systems/uniseg3d.md §6.1, step 4, one pair at a time: list of (score, row), best first."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])

    def overlap(a, b):
        if labels[a] != labels[b]:
            return 0.0
        both = float(masks[a] @ masks[b])
        return both / (float(masks[a].sum()) + float(masks[b].sum()) - both)

    covered = [max([overlap(order[k], order[i]) for k in range(i)], default=0.0) for i in range(len(order))]
    result = []
    for j, row in enumerate(order):
        decays = []
        for i, other in enumerate(order):
            v = overlap(other, row) if i < j else 0.0
            if kernel == "linear":
                decays.append((1 - v) / (1 - covered[i]))
            else:
                decays.append(math.exp(-sigma * v**2) / math.exp(-sigma * covered[i] ** 2))
        result.append((scores[row] * min(decays), row))
    return sorted(result, key=lambda pair: -pair[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 3), st.sampled_from(["linear", "gaussian"]))
def test_nms_is_that_of_a_plain_loop(seed, count, classes, kernel):
    torch.manual_seed(seed)
    masks, scores = torch.rand(count, 6, dtype=torch.float64) ** 2, torch.rand(count, dtype=torch.float64)
    labels = torch.randint(0, classes, (count,))
    got, rows = matrix_nms(masks, labels, scores, kernel=kernel, sigma=1.5)
    wanted = plain_nms(masks, labels.tolist(), scores.tolist(), kernel, 1.5)
    assert rows.tolist() == [row for _, row in wanted]
    assert got.tolist() == pytest.approx([score for score, _ in wanted], abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(8)))
def test_nms_does_not_depend_on_the_order(seed, order):
    torch.manual_seed(seed)
    masks, scores, labels = torch.rand(8, 5), torch.rand(8), torch.randint(0, 2, (8,))
    score, rows = matrix_nms(masks, labels, scores)
    again, moved = matrix_nms(masks[order], labels[order], scores[order])
    torch.testing.assert_close(again, score)
    assert [order[i] for i in moved.tolist()] == rows.tolist()


def test_the_options_of_nms_cut_what_is_left():
    torch.manual_seed(0)
    masks, scores, labels = torch.rand(12, 5, dtype=torch.float64), torch.rand(12, dtype=torch.float64), torch.zeros(12)
    score, rows = matrix_nms(masks, labels, scores)
    least = float(score[4])
    kept, which = matrix_nms(masks, labels, scores, filter_thr=least)
    assert which.tolist() == rows[:5].tolist()
    torch.testing.assert_close(kept, score[:5])
    assert matrix_nms(masks, labels, scores, max_num=3)[1].tolist() == rows[:3].tolist()
    assert matrix_nms(masks, labels, scores, filter_thr=2.0)[1].tolist() == []
    first = scores.argsort(descending=True)[:7]
    few, chosen = matrix_nms(masks, labels, scores, nms_pre=7)
    alone, among = matrix_nms(masks[first], labels[first], scores[first])
    assert chosen.tolist() == first[among].tolist()
    torch.testing.assert_close(few, alone)
    with pytest.raises(InputError, match="'cubic'"):
        matrix_nms(masks, labels, scores, kernel="cubic")  # pyright: ignore[reportArgumentType]


def test_equal_masks_of_a_class_leave_one():
    masks = torch.tensor([[1.0, 1, 0, 0]] * 3 + [[0.0, 0, 1, 1], [0, 0, 0.9, 0.9]])
    scores = torch.tensor([0.5, 0.9, 0.7, 0.8, 0.6])
    same = torch.zeros(5, dtype=torch.int64)
    for labels, expected in ((same, {1: 0.9, 3: 0.8}), (torch.arange(5), dict(enumerate([0.5, 0.9, 0.7, 0.8, 0.6])))):
        score, rows = matrix_nms(masks, labels, scores)
        assert torch.isfinite(score).all()
        for row, value in expected.items():
            assert float(score[rows.tolist().index(row)]) == pytest.approx(value)
        if labels is same:
            assert [float(score[rows.tolist().index(row)]) for row in (0, 2)] == [0, 0]


def test_masks_that_vanish_and_rounding_spoil_no_other_score():
    nothing = torch.zeros(2, 3)
    score, _ = matrix_nms(torch.cat([nothing, torch.eye(3)]), torch.zeros(5), torch.full((5,), 0.5))
    assert score.tolist() == [0.5] * 5
    torch.manual_seed(1)
    certain = 1.0001 * (torch.rand(1, 99) < 0.5)  # an IoU above 1, as products of reduced precision give it
    others = torch.rand(4, 99)
    masks = torch.cat([certain, certain, certain, others])
    score, rows = matrix_nms(masks, torch.zeros(7), torch.linspace(0.9, 0.3, 7))
    assert (score >= 0).all()
    assert float(score[rows.tolist().index(0)]) == pytest.approx(0.9)


def make(seed, superpoints=9, rows=None, most=40, empty=False):
    """Random outputs of one scene, the superpoint of each point, and settings for something so small."""
    torch.manual_seed(seed)
    rows = superpoints if rows is None else rows
    own = torch.randint(0, 3, (superpoints,))
    masks = torch.where(own[torch.arange(rows) % superpoints, None] == own, 2.0, -2.0)
    masks = (masks + 2 * torch.randn(rows, superpoints)).double()
    point = torch.randint(0, superpoints, (most,)) if not empty else torch.zeros(0, dtype=torch.int64)
    config = dataclasses.replace(CONFIG, top_masks=12, fewest_points=4, panoptic_threshold=0.02, agnostic_threshold=0.3)
    heads = {"classes": torch.randn(rows, 19).double(), "iou": torch.rand(rows).double()}
    return masks, heads, torch.randn(superpoints, 21).double(), point, config


def plain_instances(masks, classes, iou, point, config, threshold):
    """docs/systems/uniseg3d.md §6.1 over points: list of (mask [N], label, score), best first."""
    m, c = masks.numpy(), classes.numpy()
    share = np.exp(c) / np.exp(c).sum(1, keepdims=True)
    pairs = [(share[q, k] * (1 if iou is None else float(iou[q])), q, k) for q in range(len(m)) for k in range(18)]
    pairs = sorted(pairs, key=lambda p: -p[0])[: config.top_masks]
    soft = 1 / (1 + np.exp(-m))
    scores = [p * soft[q][m[q] > 0].sum() / ((m[q] > 0).sum() + 1e-6) for p, q, _ in pairs]
    lowered = plain_nms([soft[q] for _, q, _ in pairs], [k for *_, k in pairs], scores)
    found = []
    for score, row in lowered:
        mask = soft[pairs[row][1]][point.numpy()] > 0.4
        if score > threshold and mask.sum() > config.fewest_points:
            found.append((mask, pairs[row][2], score))
    return found


def same_found(found, point, wanted):
    assert found.labels.tolist() == [label for _, label, _ in wanted]
    assert found.scores.tolist() == pytest.approx([score for *_, score in wanted], abs=1e-9)
    assert found.masks[:, point].tolist() == [mask.tolist() for mask, *_ in wanted]


cases = (st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 60))


@settings(max_examples=25, deadline=None)
@given(*cases, st.booleans(), st.sampled_from([0.0, 0.03]))
def test_instances_are_those_of_point_arrays(seed, superpoints, most, with_iou, threshold):
    masks, heads, _, point, config = make(seed, superpoints, most=most)
    counts = torch.bincount(point, minlength=superpoints)
    iou = heads["iou"] if with_iou else None
    found = instances(heads["classes"], masks, counts, config, iou=iou, threshold=threshold)
    same_found(found, point, plain_instances(masks, heads["classes"], iou, point, config, threshold))
    assert points(found.masks, counts).tolist() == found.masks[:, point].sum(1).tolist()
    torch.testing.assert_close(found.masks, prompt_masks(masks, config)[found.queries])


def chain(n: int) -> csr_array:
    """Superpoint i lies near i + 1 and itself."""
    return csr_array(np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1))


def test_an_object_is_the_part_where_its_query_lies():
    counts = torch.tensor([1, 1, 9, 1, 2, 2, 2, 1])
    own = OwnParts(torch.arange(8), counts, chain(8))
    mask = torch.tensor([1, 1, 0, 0, 1, 1, 0, 1], dtype=torch.bool)
    masks = torch.stack([mask, mask, mask, torch.zeros(8, dtype=torch.bool)])
    found = own(masks, torch.tensor([1, 7, 2, 0]))
    assert [row.nonzero()[:, 0].tolist() for row in found] == [[0, 1], [7], [4, 5], []]  # the third lies outside


@settings(max_examples=25, deadline=None)
@given(*cases, st.sampled_from([0.0, 0.03]))
def test_instances_cut_to_their_parts_are_instances_of_such_masks(seed, superpoints, most, threshold):
    masks, heads, _, point, config = make(seed, superpoints, most=most)
    counts, queries = torch.bincount(point, minlength=superpoints), torch.arange(len(masks)) % superpoints
    own = OwnParts(queries, counts, chain(superpoints))
    found = instances(heads["classes"], masks, counts, config, threshold=threshold, own=own)
    assert torch.equal(found.masks, own(prompt_masks(masks, config)[found.queries], found.queries))
    together = OwnParts(queries, counts, csr_array(np.ones((superpoints, superpoints))))
    same = instances(heads["classes"], masks, counts, config, threshold=threshold, own=together)
    assert torch.equal(same.masks, prompt_masks(masks, config)[same.queries])


@settings(max_examples=25, deadline=None)
@given(*cases)
def test_the_panoptic_answer_is_that_of_point_arrays(seed, superpoints, most):
    masks, heads, semantics, point, config = make(seed, superpoints, most=most)
    counts = torch.bincount(point, minlength=superpoints)
    found = panoptic(heads["classes"], masks, heads["iou"], semantics, counts, config)
    things = plain_instances(masks, heads["classes"], heads["iou"], point, config, config.panoptic_threshold)
    stuff = np.argmax(semantics[:, :2].numpy(), axis=1)[point.numpy()]
    ids = np.zeros(len(point), dtype=np.int64)
    for number, (mask, *_) in enumerate(reversed(things)):  # the worst first, later ones overwrite
        ids[mask] = number + 2
    classes = stuff.copy()
    for number, (_, label, _) in enumerate(reversed(things)):
        mine = ids == number + 2
        if mine.sum() <= config.fewest_points:
            ids[mine] = 0
        else:
            classes[mine] = label + 2
    ids = np.where(ids == 0, stuff, ids)
    assert found.semantic[point].tolist() == classes.tolist()
    assert found.instance[point].tolist() == ids.tolist()


@settings(max_examples=25, deadline=None)
@given(*cases)
def test_unnamed_masks_are_those_of_a_plain_loop(seed, superpoints, most):
    masks, heads, _, _, config = make(seed, superpoints, most=most)
    found = class_agnostic(masks, heads["iou"], config)
    wanted = []
    for q, row in enumerate(masks.tolist()):
        positive = [1 / (1 + math.exp(-x)) for x in row if x > 0]
        confidence = sum(positive) / (len(positive) + 1e-6) * float(heads["iou"][q])
        if confidence > config.agnostic_threshold:
            wanted.append((q, confidence, [1 / (1 + math.exp(-x)) > 0.4 for x in row]))
    assert found.queries.tolist() == [q for q, *_ in wanted]
    assert found.scores.tolist() == pytest.approx([c for _, c, _ in wanted])
    assert found.masks.tolist() == [mask for *_, mask in wanted]
    assert found.labels is None


def test_of_equal_queries_one_instance_is_left():
    masks = torch.tensor([[99.0, 99, -999, -999]] * 3)
    classes = torch.zeros(3, 19)
    classes[:, 4] = torch.tensor([200.0, 300, 250])  # everything else has a probability of exactly 0
    found = instances(classes, masks, torch.full((4,), 60), dataclasses.replace(CONFIG, top_masks=3))
    assert (found.labels.tolist(), found.masks.tolist()) == ([4], [[True, True, False, False]])


def test_none_is_no_semantic_answer():
    logits = torch.zeros(2, 21)
    logits[:, 20] = 9
    logits[0, 7] = logits[1, 19] = 1
    assert semantic(logits).tolist() == [7, 19]


def test_a_negative_mask_scores_nothing():
    assert mask_scores(torch.tensor([[-1.0, -2.0], [-1.0, 50.0]])).tolist() == pytest.approx([0, 1], abs=1e-5)
    assert mask_scores(torch.full((1, 5000), 50.0).half()).tolist() == pytest.approx([1])  # 5001 is no half float


@pytest.mark.parametrize(("superpoints", "rows", "most"), [(3, 3, 30), (5, 0, 20), (1, 1, 8), (6, 6, 0)])
def test_small_scenes_have_answers(superpoints, rows, most):
    masks, heads, semantics, point, config = make(1, superpoints, rows=rows, most=most, empty=most == 0)
    config = dataclasses.replace(config, top_masks=600)
    counts = torch.bincount(point, minlength=superpoints)
    found = instances(heads["classes"], masks, counts, config)
    assert len(found) <= 18 * rows
    assert found.masks.shape == (len(found), superpoints)
    assert bool(len(found)) == (rows > 0 and most > 0)
    whole = panoptic(heads["classes"], masks, heads["iou"], semantics, counts, config)
    assert whole.semantic.shape == whole.instance.shape == (superpoints,)
    assert len(class_agnostic(masks, heads["iou"], config)) <= rows


def things(masks, labels, scores):
    masks = torch.tensor(masks, dtype=torch.bool)
    return Found(masks, torch.tensor(scores), torch.arange(len(masks)), torch.tensor(labels))


def test_the_best_thing_keeps_shared_superpoints_and_remains_vanish():
    counts, semantics = torch.tensor([10, 5, 5, 20, 3]), torch.zeros(5, 21)
    semantics[:, 1] = torch.tensor([0.0, 0, 1, 1, 1])
    config = dataclasses.replace(CONFIG, fewest_points=5)
    found = things([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]], [4, 0, 17], [0.9, 0.8, 0.7])
    answer = stitch(found, semantics, counts, config)  # the second keeps superpoint 2: 5 points, not more
    assert answer.semantic.tolist() == [6, 6, 1, 19, 1]
    assert answer.instance.tolist() == [4, 4, 1, 2, 1]
    answer = stitch(found, semantics, counts, dataclasses.replace(config, fewest_points=4))
    assert answer.semantic.tolist() == [6, 6, 2, 19, 1]
    assert answer.instance.tolist() == [4, 4, 3, 2, 1]
    small = stitch(things([[0, 0, 1, 0, 0]], [4], [0.9]), semantics, counts, config)  # what is free adds nothing to it
    assert small.instance.tolist() == [0, 0, 1, 1, 1]


def test_what_is_neither_thing_nor_stuff_may_stay_empty():
    found = things([[1, 0, 0, 0]], [3], [0.9])
    semantics = torch.zeros(4, 21)
    semantics[0, 0] = semantics[1, 1] = semantics[2, 7] = semantics[3, 20] = 5
    semantics[2, 1] = semantics[3, 0] = 1
    counts = torch.full((4,), 200)
    published = stitch(found, semantics, counts, UniSeg3DConfig())
    assert published.semantic.tolist() == [5, 1, 1, 0]
    laid = stitch(found, semantics, counts, UniSeg3DConfig(empty_rest=True))
    assert laid.semantic.tolist() == [5, 1, -1, 0]  # "none" is no class: the likeliest of the 20 counts
    assert laid.instance.tolist() == [2, 1, -1, 0]


def test_without_things_there_is_stuff():
    semantics = torch.randn(6, 21)
    nothing = things([[1] * 6], [3], [0.9]).take(torch.tensor([False]))
    answer = stitch(nothing, semantics, torch.ones(6), CONFIG)
    assert answer.semantic.tolist() == answer.instance.tolist() == semantics[:, :2].argmax(1).tolist()


def test_rows_of_found_masks_can_be_taken():
    found = things([[1, 0], [0, 1], [1, 1]], [3, 4, 5], [0.9, 0.5, 0.1])
    for rows in (torch.tensor([0, 2]), torch.tensor([True, False, True])):
        part = found.take(rows)
        assert (part.labels.tolist(), part.queries.tolist(), len(part)) == ([3, 5], [0, 2], 2)
    assert dataclasses.replace(found, labels=None).take(torch.tensor([1])).labels is None


def test_half_precision_is_scored_in_float32():
    masks, heads, _, point, config = make(2)
    counts = torch.bincount(point, minlength=masks.shape[1])
    half = [x.bfloat16() for x in (heads["classes"], masks, heads["iou"])]
    full = [x.float() for x in half]
    got, want = (instances(c, m, counts, config, iou=i) for c, m, i in (half, full))
    assert len(got)
    assert got.scores.dtype == torch.float32
    torch.testing.assert_close(vars(got), vars(want))
    got, want = (class_agnostic(m, i, config) for _, m, i in (half, full))
    assert got.queries.tolist() == want.queries.tolist()
    torch.testing.assert_close(got.scores, want.scores)
    assert prompt_masks(half[1], config).equal(prompt_masks(full[1], config))


def test_wrong_input_is_named():
    masks, heads, semantics, point, config = make(3)
    counts = torch.bincount(point, minlength=masks.shape[1])
    for wrong in (counts[:-1], counts.float()):
        with pytest.raises(InputError, match=r"9 superpoints.*bincount"):
            instances(heads["classes"], masks, wrong, config)
    with pytest.raises(InputError, match=r"every superpoint \(9\), got 4"):
        panoptic(heads["classes"], masks, heads["iou"], semantics[:4], counts, config)
    unnamed = class_agnostic(masks, heads["iou"] + 1, config)
    assert len(unnamed)
    with pytest.raises(InputError, match="unnamed masks; use `instances`"):
        stitch(unnamed, semantics, counts, config)
