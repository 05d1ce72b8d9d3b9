"""LGround's instances: components of a class, proposals, scores."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from saymask.errors import InputError
from saymask.labels.tables import scannet20
from saymask.models.lground.cluster import (
    DUAL,
    Clustering,
    components,
    instance_classes,
    propose,
    propose_dual,
    shifted,
)

SEEDS = st.integers(0, 10_000)
WALL, CHAIR, TABLE = 0, 1, 3


def plain_components(vertices, labels, config):
    """Every pair compared, then the components."""
    xyz = vertices.astype(np.float32)
    d = xyz[:, None] - xyz[None]
    near = (d[..., 0] ** 2 + d[..., 1] ** 2 + d[..., 2] ** 2) < np.float32(config.radius) ** 2
    near &= (labels[:, None] == labels[None]) & (labels >= 0)[:, None]
    _, number = connected_components(csr_array(near), directed=False)
    parts = [np.flatnonzero((number == n) & (labels >= 0)) for n in range(number.max() + 1)]
    return sorted((p for p in parts if len(p) and len(p) >= config.min_points), key=lambda p: p[0])


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([0.3, 1.0, 1.5, 4.0]), st.integers(1, 30), st.booleans())
def test_components_are_those_of_all_pairs(seed, radius, fewest, grid):
    rng = np.random.RandomState(seed)
    n = rng.randint(1, 250)
    vertices = rng.rand(n, 3) * rng.choice([2, 8, 20])
    if grid:  # distances of exactly the radius are not below it
        vertices = np.floor(vertices) * radius
    labels = rng.randint(-1, 3, n)
    config = Clustering(radius, min_points=fewest)
    expected = plain_components(vertices, labels, config)
    for compat in (False, True):
        got = components(vertices, labels, replace(config, compat=compat))
        assert len(got) == len(expected)
        for a, b in zip(got, expected):
            np.testing.assert_array_equal(a, b)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_components_do_not_depend_on_the_place_of_the_rows(seed):
    rng = np.random.RandomState(seed)
    vertices, labels = rng.rand(300, 3) * 10, rng.randint(0, 3, 300)
    order = rng.permutation(300)
    one = components(vertices, labels, Clustering(min_points=2))
    two = components(vertices[order], labels[order], Clustering(min_points=2))
    assert {frozenset(p.tolist()) for p in one} == {frozenset(order[p].tolist()) for p in two}
    assert [p[0] for p in two] == sorted(p[0] for p in two)


def test_a_dense_spot_stays_whole():
    vertices = np.random.RandomState(0).rand(1500, 3).astype(np.float32) * 0.5
    labels = np.zeros(1500, np.int64)
    whole = components(vertices, labels, Clustering())
    assert [len(p) for p in whole] == [1500]
    # The published operator sees the first 1000 neighbours of everybody; the others are reached by nobody.
    cut = components(vertices, labels, replace(Clustering(), compat=True))
    assert [len(p) for p in cut] == [1000]


def test_points_without_a_label_connect_nothing():
    vertices = np.c_[np.arange(9), np.zeros((9, 2))]
    labels = np.array([1, 1, 1, 1, -1, 1, 1, 1, 1])
    got = components(vertices, labels, Clustering(min_points=1))
    assert [p.tolist() for p in got] == [[0, 1, 2, 3], [5, 6, 7, 8]]
    assert components(vertices, np.full(9, -1)) == []
    assert components(vertices[:0], labels[:0]) == []
    assert components(vertices, labels) == []  # all below the minimum


def test_components_of_bad_input():
    good = np.zeros((5, 3))
    with pytest.raises(InputError, match=r"\[5, 3\], \[4\]"):
        components(good, np.zeros(4))
    with pytest.raises(InputError, match=r"vertices \[N, 3\]"):
        components(np.zeros((5, 2)), np.zeros(5))
    with pytest.raises(InputError, match="radius above 0"):
        components(good, np.zeros(5), Clustering(radius=0))
    for bad in (np.nan, np.inf):
        vertices = good.copy()
        vertices[2, 1] = bad
        with pytest.raises(InputError, match="finite vertices"):
            components(vertices, np.zeros(5))
    with pytest.raises(InputError, match="too many"):
        components(np.array([[0, 0, 0], [1e9, 0, 0]]), np.zeros(2))


def room(seed=0):
    """Two chairs of 150 points, a table of 101, a table of 100, a wall of 300; logits that say so."""
    rng = np.random.RandomState(seed)
    sizes, labels = [150, 150, 101, 100, 300], [CHAIR, CHAIR, TABLE, TABLE, WALL]
    part = rng.permutation(np.repeat(np.arange(5), sizes))
    vertices = (rng.rand(801, 3) * 3 + part[:, None] * 20).astype(np.float32)
    logits = rng.randn(801, 200).astype(np.float32) * 0.1
    logits[np.arange(801), np.array(labels)[part]] += 4
    return vertices, logits, part


def test_proposals():
    vertices, logits, part = room()
    found = propose(vertices, logits)
    assert len(found) == 3  # the wall is no instance; 100 points are not more than 100
    firsts = sorted(range(3), key=lambda p: np.flatnonzero(part == p)[0])
    for row, p in enumerate(firsts):
        inside = part == p
        label = [CHAIR, CHAIR, TABLE][p]
        np.testing.assert_array_equal(found.masks[row], inside)
        assert found.classes[row] == label
        assert found.scores[row] == pytest.approx(logits[inside, label].mean(), rel=1e-5)
    np.testing.assert_array_equal(found.sizes, found.masks.sum(1))
    assert found.scores.min() > 1  # raw logits, as published
    assert len(propose(vertices, logits, Clustering(propose_points=99))) == 4
    assert len(propose(vertices, logits, Clustering(propose_points=150))) == 0


def test_scores():
    vertices, logits, _ = room()
    median = propose(vertices, logits, Clustering(score="median"))
    share = propose(vertices, logits, Clustering(score="probability"))
    for row, (mask, label) in enumerate(zip(median.masks, median.classes)):
        values = np.sort(logits[mask, label])
        assert median.scores[row] == values[(len(values) - 1) // 2]
        e = np.exp(logits[mask].astype(np.float64))
        assert share.scores[row] == pytest.approx((e[:, label] / e.sum(1)).mean(), rel=1e-5)
    assert 0 < share.scores.min() <= share.scores.max() < 1
    with pytest.raises(InputError, match="mean, median or probability"):
        propose(vertices, logits, Clustering(score="max"))  # type: ignore[arg-type]


def test_candidates():
    vertices, logits, _ = room()
    assert instance_classes().sum() == 198
    assert instance_classes("semantic20").sum() == 18
    only = np.arange(200) == TABLE
    assert propose(vertices, logits, candidates=only).classes.tolist() == [TABLE]
    walls = propose(vertices, logits, candidates=np.ones(200, bool))
    assert WALL in walls.classes
    assert len(propose(vertices, logits, candidates=np.zeros(200, bool))) == 0


def test_proposals_of_nothing():
    found = propose(np.zeros((0, 3)), np.zeros((0, 200)))
    assert len(found) == 0
    assert found.masks.shape == (0, 0)
    assert found.sizes.shape == (0,)


def test_proposals_of_bad_input():
    vertices, logits, _ = room()
    for bad in (np.nan, np.inf):
        broken = logits.copy()
        broken[5, 7] = bad
        with pytest.raises(InputError, match="finite logits"):
            propose(vertices, broken)
    with pytest.raises(InputError, match=r"\[801 points, 200 classes\], got \[801, 20\]"):
        propose(vertices, logits[:, :20])
    with pytest.raises(InputError, match=r"got \[800, 200\]"):
        propose(vertices, logits[:800])


def test_offsets_are_metres():
    cells, offsets = np.array([[1, 2, 3]]), np.array([[0.02, -0.04, 0.01]])
    np.testing.assert_allclose(shifted(cells, offsets, 0.02), [[2, 0, 3.5]], rtol=1e-6)


def test_the_second_set_is_of_unmoved_points():
    classes = scannet20()
    names = [c.name for c in classes]
    shelf, chair = names.index("bookshelf"), names.index("chair")
    rng = np.random.RandomState(0)
    points = rng.rand(900, 3).astype(np.float32) * 0.3
    points[:300, 0] *= 10  # a bookshelf of 3 m
    points[300:, 0] += 5
    points[600:, 1] += 2  # two chairs
    labels = np.repeat([shelf, chair], [300, 600])
    logits = np.eye(20, dtype=np.float32)[labels] * 5
    centre = np.array([points[:300].mean(0), points[300:600].mean(0), points[600:].mean(0)])
    offsets = centre[np.repeat([0, 1, 2], 300)] - points
    offsets[:300] = rng.randn(300, 3) * 2  # wrong for the bookshelf
    near = replace(DUAL, radius=0.4)
    found = propose_dual(points + offsets, points, logits, unshifted=near, classes=classes)
    assert found.classes.tolist() == [chair, chair, shelf]
    np.testing.assert_array_equal(found.owner, np.repeat([2, 0, 1], 300))
    assert (found.ids(classes) == [classes[chair].id, classes[chair].id, classes[shelf].id]).all()
    none = propose_dual(points + offsets, points, logits, unshifted=near, classes=classes, names=())
    assert none.classes.tolist() == [chair, chair]
    with pytest.raises(InputError, match="'cupboard'"):
        propose_dual(points + offsets, points, logits, classes=classes, names=("cupboard",))
