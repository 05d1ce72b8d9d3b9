from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.neighbours import ball_query, ball_query_first, bfs_cluster, knn

seeds = st.integers(0, 10**6)


def cloud(seed: int, n: int) -> np.ndarray:
    """A cloud on a coarse lattice, so that ties, copies and exact radii occur."""
    return (np.random.default_rng(seed).integers(-4, 5, (n, 3)) / 4).astype(np.float32)


@given(seeds, st.integers(1, 30), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_knn_distances_are_the_smallest(seed, n, k):
    points = cloud(seed, n)
    index, distance = knn(points, k)
    full = np.sort(np.linalg.norm(points[:, None].astype(float) - points[None], axis=-1), axis=1)
    many = min(k, n)
    assert np.allclose(distance[:, :many], full[:, :many])
    assert (index[:, many:] == -1).all()
    assert np.isinf(distance[:, many:]).all()
    own = np.linalg.norm(points[index[:, :many]].astype(float) - points[:, None], axis=-1)
    assert np.allclose(own, distance[:, :many])


@given(seeds, st.integers(1, 40), st.sampled_from([0.25, 0.3, 0.75, 5.0]), st.sampled_from([3, 1000]))
@settings(max_examples=60, deadline=None)
def test_ball_query_equals_all_pairs(seed, n, radius, most):
    xyz = cloud(seed, n)
    batch = np.sort(np.random.default_rng(seed).integers(0, 3, n))
    near, start_count = ball_query(xyz, batch, radius, most=most)
    for i, (start, count) in enumerate(start_count):
        d2 = ((xyz - xyz[i]) ** 2).sum(axis=1)
        expected = np.flatnonzero((d2 < np.float32(radius) ** 2) & (batch == batch[i]))[:most]
        assert near[start : start + count].tolist() == expected.tolist()


def test_ball_query_keeps_the_first_thousand():
    near, start_count = ball_query(np.zeros((1200, 3), np.float32), np.zeros(1200, int), 0.1)
    assert (start_count[:, 1] == 1000).all()
    assert (near.reshape(1200, 1000) == np.arange(1000)).all()


@given(seeds, st.integers(0, 12), st.integers(0, 40), st.sampled_from([0.25, 0.6, 3.0]))
@settings(max_examples=60, deadline=None)
def test_ball_query_first_equals_a_scan(seed, m, n, radius):
    queries, targets = cloud(seed, m) * 3, cloud(seed + 1, n)
    got = ball_query_first(queries, targets, 4, radius)
    assert got.shape == (m, 4)
    for query, row in zip(queries, got):
        d2 = ((targets - query) ** 2).sum(axis=1)
        expected = np.flatnonzero(d2 < np.float32(radius) ** 2)[:4]
        assert row.tolist() == expected.tolist() + [-1] * (4 - len(expected))


@given(seeds, st.integers(1, 40), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_clusters_are_connected_components(seed, n, threshold):
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    xyz, labels = cloud(seed, n), np.random.default_rng(seed).integers(0, 2, n)
    near, start_count = ball_query(xyz, np.zeros(n, int), 0.3)
    pairs, offsets = bfs_cluster(labels, near, start_count, threshold)
    row = np.repeat(np.arange(n), start_count[:, 1])
    same = labels[row] == labels[near]
    _, part = connected_components(coo_matrix((np.ones(same.sum()), (row[same], near[same])), (n, n)))
    expected = {frozenset(np.flatnonzero(part == p)) for p in set(part) if (part == p).sum() >= threshold}
    got = [frozenset(pairs[a:b, 1].tolist()) for a, b in pairwise(offsets)]
    assert set(got) == expected
    assert len(got) == len(expected)
    assert pairs[:, 0].tolist() == np.repeat(np.arange(len(got)), np.diff(offsets)).tolist()


def test_bad_input():
    points = np.zeros((3, 3), np.float32)
    with pytest.raises(InputError, match="ascending"):
        ball_query(points, np.array([1, 0, 1]), 0.1)
    with pytest.raises(InputError, match="radius"):
        ball_query(points, np.zeros(3, int), 0)
    with pytest.raises(InputError, match="finite"):
        ball_query(points * np.nan, np.zeros(3, int), 0.1)
    with pytest.raises(InputError, match=r"too far spread for a radius of 0\.001"):
        ball_query(np.float32([[0, 0, 0], [1e5, 1e5, 1e5]]), np.zeros(2, int), 0.001)
    ball_query(np.float32([[0, 0, 0], [1e5, 1e5, 1e5]]), np.zeros(2, int), 0.1)
    with pytest.raises(InputError, match="at least 1"):
        knn(points, 0)
    assert ball_query(points[:0], np.zeros(0, int), 0.1)[1].shape == (0, 2)
    assert knn(points[:0], 2, points)[0].tolist() == [[-1, -1]] * 3
