from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.data.annotations import Annotation
from saymask.errors import InputError
from saymask.metrics.boxes import BoxF1Metric, box_f1, box_iou, box_of


def box(low, size):
    low = np.array(low, float)
    return np.stack([low, low + size])


def said(kind, number=0):
    return Annotation("s", (), number, "the chairs", "the chairs", eval_type=kind)


corner = st.tuples(*[st.integers(0, 3)] * 3)
lists = st.lists(st.builds(box, corner, st.tuples(*[st.integers(0, 3)] * 3)), max_size=3)


def plain_f1(predicted, true, threshold):
    """Every matching, the best sum first, then the most hits."""
    if not predicted and not true:
        return 1.0

    def iou(a, b):
        pad = np.array([-0.5e-6, 0.5e-6])[:, None]
        a, b = (np.where(x[1] - x[0] < 1e-6, x + pad, x) for x in (a, b))
        inter, union = box_iou(a, b)
        return inter / union

    few, many = sorted((predicted, true), key=len)
    best = (0.0, 0)
    for order in permutations(many, len(few)):
        values = [iou(a, b) for a, b in zip(few, order)]
        best = max(best, (round(sum(values), 8), sum(v >= threshold for v in values)))
    return 2 * best[1] / (len(few) + len(many))


@given(lists, lists, st.sampled_from([0.25, 0.5]), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_f1_against_all_matchings(predicted, true, threshold, random):
    value = box_f1(predicted, true, threshold)
    assert 0 <= value <= 1
    assert value == pytest.approx(plain_f1(predicted, true, threshold))
    assert value == box_f1(true, predicted, threshold)
    assert box_f1(true, true, threshold) == 1
    shuffled = random.sample(predicted, len(predicted))
    assert box_f1(shuffled, true, threshold) == value
    if true:
        assert box_f1([], true, threshold) == 0 == box_f1(true, [], threshold)
        extra = [*true, box((9, 9, 9), (1, 1, 1))]
        assert box_f1(extra, true, threshold) == pytest.approx(2 * len(true) / (2 * len(true) + 1))


def test_by_hand():
    a, b = box((0, 0, 0), (1, 1, 1)), box((5, 0, 0), (1, 1, 1))
    half = box((0, 0, 0.5), (1, 1, 1))  # IoU 1/3 with a
    assert (box_f1([half, b], [a, b], 0.25), box_f1([half, b], [a, b], 0.5)) == (1.0, 0.5)
    assert box_f1([a], [a, b], 0.5) == pytest.approx(2 / 3)
    assert box_f1([a, a], [a], 0.5) == pytest.approx(2 / 3)  # the same object twice: one is too many
    assert box_f1([box((0, 0, 0), (1, 1, 2))], [a], 0.5) == 1.0  # IoU of exactly t counts
    assert box_f1([None], [None], 0.25) == 0.0


def test_separate_objects():
    cloud = np.random.default_rng(0).uniform(0, 1, (300, 3)) + np.repeat([0, 5, 10], 100)[:, None]
    rows = np.repeat(np.eye(3, dtype=bool), 100, axis=1)
    metric = BoxF1Metric()
    metric.update(rows, rows, said("mt", 0), points=cloud)
    metric.update(np.where(rows[:2], 1.0, -1.0), rows, said("mt", 1), points=cloud)
    metric.update(rows.any(0), rows, said("mt", 2), points=cloud)  # one box around everything
    metric.update(np.zeros((2, 300), bool), rows[:0], said("zt_w_d", 3), points=cloud)
    metric.update(rows[:1], rows[:0], said("zt_wo_d", 4), points=cloud)
    result = metric.compute()
    assert result["mt"] == {"n": 3, "f1_25": pytest.approx((1 + 0.8) / 3), "f1_50": pytest.approx((1 + 0.8) / 3)}
    assert [result[k]["f1_50"] for k in ("zt_w_d", "zt_wo_d")] == [1.0, 0.0]
    assert result["st_w_d"] == {"n": 0, "f1_25": 0.0, "f1_50": 0.0}
    metric.reset()
    assert metric.compute()["overall"]["n"] == 0
    with pytest.raises(InputError, match="points="):
        metric.update(rows, rows, said("mt"))


def test_a_flat_thing_meets_itself():
    cloud = np.random.default_rng(0).uniform(0, 1, (50, 3)) * [1, 1, 0]
    flat = box_of(cloud, np.ones(50, bool))
    assert box_f1([flat], [flat], 0.5) == 1
    assert box_of(cloud, np.zeros(50, bool)) is None
