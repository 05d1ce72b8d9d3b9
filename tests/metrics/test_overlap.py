"""Points that masks share with instances, and the IoU that follows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.metrics.overlap import count_overlaps, label_iou, read_true_instances


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 70), st.integers(0, 20), st.integers(0, 6))
def test_overlaps(seed, points, superpoints, masks):
    rng = np.random.default_rng(seed)
    truth = read_true_instances(rng.choice([4001, 4002, 5000, 1003, 0, -7, 10**12], points), np.array([4, 5]))
    np.testing.assert_array_equal(np.unique(truth.ids), truth.ids)
    bits = rng.random((masks, superpoints)) < 0.4
    index = rng.integers(-1, superpoints, points) if superpoints else np.full(points, -1)
    dense = np.zeros((masks, points), bool)
    dense[:, index >= 0] = bits[:, index[index >= 0]]
    expected = [[np.count_nonzero(m & (truth.slots == g)) for g in range(len(truth.ids) + 1)] for m in dense]
    expected = np.array(expected, int).reshape(masks, len(truth.ids) + 1)
    np.testing.assert_array_equal(count_overlaps(dense, truth), expected)
    np.testing.assert_array_equal(count_overlaps(np.asfortranarray(dense), truth), expected)
    np.testing.assert_array_equal(count_overlaps(bits, truth, index), expected)
    np.testing.assert_array_equal(truth.sizes, [np.count_nonzero(truth.slots == g + 1) for g in range(len(truth.ids))])
    np.testing.assert_array_equal(truth.classes, truth.ids // 1000)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 3), st.sampled_from([0.0, 1e-8]))
def test_iou_of_points_and_of_superpoints(seed, superpoints, count, epsilon):
    rng = np.random.default_rng(seed)
    index, labels = rng.integers(-1, superpoints, 30), rng.integers(-1, 4, 30)
    masks = rng.random((count, superpoints)) < 0.5
    points = np.array([[s >= 0 and row[s] for s in index] for row in masks], bool).reshape(count, 30)
    expected = np.zeros((count, 5))  # label 4 has no point
    for m, mask in enumerate(points):
        for label in range(5):
            inter, union = (mask & (labels == label)).sum(), (mask | (labels == label)).sum()
            expected[m, label] = inter / (union + epsilon) if union else 0.0
    np.testing.assert_array_equal(label_iou(points, labels, 5, epsilon=epsilon), expected)
    np.testing.assert_array_equal(label_iou(masks, labels, 5, index, epsilon=epsilon), expected)


def test_the_published_division_makes_a_quarter_a_little_less():
    mask = np.arange(4)[None] < 1
    assert label_iou(mask, np.zeros(4, int), 1).tolist() == [[0.25]]
    assert label_iou(mask, np.zeros(4, int), 1, epsilon=1e-8) < 0.25


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"masks": np.zeros((2, 5))}, "masks: expected bits"),
        ({"masks": np.zeros((2, 4), bool)}, "bits over 5 points, got 4"),
        ({"index": np.zeros(4, int)}, r"an index int \[5\]"),
        ({"index": np.full(5, 5)}, r"-1\.\.4, got 5\.\.5"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(InputError, match=message):
        label_iou(**({"masks": np.zeros((2, 5), bool), "labels": np.zeros(5, int), "count": 1} | wrong))
