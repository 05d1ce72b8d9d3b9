"""Chosen queries to separate objects: the union is what 3D-GRES measures, the objects are disjoint."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from saymask.models.bqnet.postprocess import group_queries, separate_objects, split_objects


def rows(*masks: str) -> np.ndarray:
    return np.array([[3.0 if c == "#" else -3.0 for c in mask] for mask in masks], np.float32)


def test_queries_of_one_object_are_one_mask():
    logits = rows("####....", "###.....", "....####", "........")
    assert group_queries(logits > 0, np.ones(8, np.float32)).tolist() == [0, 0, 1, -1]
    masks, scores = separate_objects(logits, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.ones(8, np.float32))
    assert (masks > 0).tolist() == (rows("####....", "....####") > 0).tolist()
    np.testing.assert_allclose(scores, [0.9, 0.7])


def test_large_superpoints_decide():
    logits = rows("##..", "#.##")
    light, heavy = np.ones(4, np.float32), np.array([100, 1, 1, 1], np.float32)
    assert group_queries(logits > 0, light).tolist() == [0, 0]  # half of the smaller mask
    assert group_queries(logits > 0, np.array([1, 9, 9, 9], np.float32)).tolist() == [0, 1]
    assert group_queries(logits > 0, heavy).tolist() == [0, 0]


def test_nothing_chosen():
    masks, scores = separate_objects(np.zeros((0, 5), np.float32), np.zeros(0, np.float32), np.ones(5, np.float32))
    assert masks.shape == (0, 5)
    assert scores.shape == (0,)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), st.integers(1, 20), st.integers(0, 10_000))
def test_union_is_kept_and_objects_are_disjoint(queries, superpoints, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 2, (queries, superpoints)).astype(np.float32)
    scores = np.sort(rng.uniform(0.5, 1, queries).astype(np.float32))[::-1]
    masks, kept = separate_objects(logits, scores, rng.integers(1, 50, superpoints).astype(np.float32))
    bits = masks > 0
    np.testing.assert_array_equal(bits.any(0), (logits > 0).any(0))
    assert (bits.sum(0) <= 1).all()
    assert bits.any(1).all()
    assert len(kept) == len(masks)
    assert set(kept.tolist()) <= set(scores.tolist())


def chain(n: int) -> csr_array:
    return csr_array(np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1))


def test_large_parts_are_objects_and_small_ones_join_the_nearest():
    logits = rows("###...###..#")
    places = np.c_[np.arange(12.0), np.zeros((12, 2))]
    masks, scores = split_objects(logits, np.array([0.8], np.float32), np.full(12, 40, np.float32), places, chain(12))
    assert (masks > 0).tolist() == (rows("###.........", "......###..#") > 0).tolist()
    np.testing.assert_allclose(scores, [0.8, 0.8])


def test_an_object_in_small_parts_stays_one():
    masks, _ = split_objects(
        rows("#.#.#"), np.ones(1, np.float32), np.full(5, 10, np.float32), np.zeros((5, 3)), chain(5)
    )
    assert (masks > 0).tolist() == (rows("#.#.#") > 0).tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(1, 30), st.integers(0, 10_000))
def test_splitting_keeps_the_union(count, superpoints, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 2, (count, superpoints)).astype(np.float32)
    weight = rng.integers(1, 200, superpoints).astype(np.float32)
    scores = np.sort(rng.uniform(0.5, 1, count).astype(np.float32))[::-1]
    before, kept = separate_objects(logits, scores, weight)
    after, more = split_objects(before, kept, weight, rng.normal(size=(superpoints, 3)), chain(superpoints))
    np.testing.assert_array_equal((after > 0).any(0), (before > 0).any(0))
    assert ((after > 0).sum(0) <= 1).all()
    assert (after > 0).any(1).all()
    assert len(after) == len(more) >= len(before)
