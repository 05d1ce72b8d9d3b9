"""Truth over superpoints."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.data.superpoint_truth import NO_CLASS, STUFF, THINGS, labels_of, superpoint_truth
from saymask.errors import InputError
from saymask.labels.tables import scannet20
from saymask.scan import Scan

SEEDS = st.integers(0, 10_000)
CLASSES = THINGS + STUFF


def cloud(seed, n=300):
    return (np.random.RandomState(seed).rand(n, 3) * [4, 3, 2]).astype(np.float32)


def labels(seed, n=400, superpoints=12):
    """Class, objectId and superpoint of n points; superpoints and objects overlap in part."""
    rng = np.random.RandomState(seed)
    index = np.sort(rng.randint(0, superpoints, n))
    index[:superpoints] = np.arange(superpoints)
    owner = rng.choice([-1, 2, 5, 7, 40], superpoints)[index]
    stray = rng.rand(n) < 0.35
    owner[stray] = rng.choice([-1, 2, 5, 7], stray.sum())
    kinds = {-1: -1, 2: 4, 5: 0, 7: 19, 40: 2}
    semantic = np.array([kinds[i] for i in owner.tolist()], dtype=np.int16)
    semantic[rng.rand(n) < 0.1] = rng.randint(-1, CLASSES)
    return semantic, owner.astype(np.int32), index.astype(np.int64)


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_truth_equals_the_means(seed):
    semantic, instance, index = labels(seed)
    novel = np.random.RandomState(seed).rand(2, 12) < 0.3
    found = superpoint_truth(semantic, instance, index, 12, novel)
    dense = np.where((semantic < 0) | (semantic < STUFF), -1, instance)
    objects = [i for i in np.unique(dense) if i >= 0]
    assert found.objects.tolist() == objects
    assert found.labels.tolist() == [semantic[np.flatnonzero(dense == i)[0]] - 2 for i in objects]
    mean = np.array([[(dense[index == s] == i).mean() for s in range(12)] for i in objects]).reshape(-1, 12)
    np.testing.assert_array_equal(found.masks[: len(objects)], mean > 0.5)
    np.testing.assert_array_equal(found.masks[len(objects) :], novel)
    assert found.masks[: len(objects)].sum(axis=0).max(initial=0) <= 1
    for s in range(12):
        share = [(semantic[index == s] == c).mean() for c in range(CLASSES)]
        assert found.semantic[s] == (int(np.argmax(share)) if max(share) > 0.5 else NO_CLASS)
    rows = np.array([objects.index(i) if i >= 0 else -1 for i in dense.tolist()])
    np.testing.assert_array_equal(found.instance, rows)


def test_scenes_of_things_only_and_of_nothing():
    index = np.array([0, 0, 1])
    only = superpoint_truth(np.array([2, 2, 4]), np.array([9, 9, 3]), index, 2)
    assert only.objects.tolist() == [3, 9]
    assert only.masks.tolist() == [[False, True], [True, False]]
    assert only.instance.tolist() == [1, 1, 0]
    none = superpoint_truth(np.array([-1, 0, 1]), np.array([9, 9, 3]), index, 2)
    assert none.masks.shape == (0, 2)
    assert none.labels.dtype == np.int64
    assert none.instance.tolist() == [-1] * 3
    assert none.semantic.tolist() == [NO_CLASS, 1]


def test_labels_of_a_scan():
    points = cloud(0, 3)
    classes = scannet20()
    scan = Scan(points, np.zeros((3, 3), np.uint8), labels={
        "nyu40": np.array([classes[4].nyu40id, 0, classes[19].nyu40id]), "instance": np.array([1, -1, 2])})  # fmt: skip
    semantic, instance = labels_of(scan)
    assert semantic.tolist() == [4, -1, 19]
    assert instance.tolist() == [1, -1, 2]
    both = replace(scan, labels={**scan.labels, "semantic20": np.array([7, 7, 7])})
    assert labels_of(both)[0].tolist() == [7, 7, 7]
    for missing in ({}, {"instance": instance}, {"nyu40": semantic}):
        with pytest.raises(InputError, match="expected labels semantic20"):
            labels_of(replace(scan, labels=missing))
