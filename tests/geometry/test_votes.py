"""Superpoints are what more than half of their points are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.geometry.votes import majority, most_frequent, one_hot, owners, vote


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_votes_are_means_above_one_half(seed, size):
    rng = np.random.RandomState(seed)
    index, labels = rng.randint(0, size, 30), rng.randint(-1, 3, 30).astype(np.int16)
    share = np.array([[np.mean(labels[index == s] == c) if s in index else 0.0 for s in range(size)] for c in range(3)])
    expected = np.where(share.max(0) > 0.5, share.argmax(0), -1)
    np.testing.assert_array_equal(majority(labels, index, size), expected)
    np.testing.assert_array_equal(vote(one_hot(labels, 3), index, size), share > 0.5)
    np.testing.assert_array_equal(vote(one_hot(labels, 3), index, size), one_hot(expected, 3))
    np.testing.assert_array_equal(owners(one_hot(expected, 3)), expected)


def test_half_is_no_majority_and_empty_superpoints_have_none():
    index = np.array([0, 0, 1, 1, 1, 3])
    assert majority(np.array([4, 2, 4, 4, -1, -1]), index, 5).tolist() == [-1, 4, -1, -1, -1]
    assert majority(np.full(6, -1), index, 5).tolist() == [-1] * 5
    assert one_hot(np.array([-1, 0, 2]), 3).T.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    halves = np.array([[True, False, True, True, False, False], [True] * 6])
    assert vote(halves, index, 5).tolist() == [[False, True, False, False, False], [True, True, False, True, False]]
    assert vote(halves[:0], index, 5).shape == (0, 5)
    assert owners(halves).tolist() == [0, 1, 0, 0, 1, 1]
    assert owners(halves[:0]).tolist() == [-1] * 6


def test_most_frequent_needs_no_majority():
    labels = np.array([4, 4, 1, 0, 0, 7, 2, 3, 3, 1])
    index = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3, 3])
    np.testing.assert_array_equal(most_frequent(labels, index), [4, 0, 7, 3])
