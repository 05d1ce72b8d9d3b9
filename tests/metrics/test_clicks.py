"""Clicks of the evaluation: the benchmark's, and at a distance from the centre."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.metrics.clicks import DISTANCES, agile_clicks, random_clicks, relative_clicks

SEEDS = st.integers(0, 10_000)


def scene(seed, n=400, objects=4):
    """Points of a box and dense instances in slabs along x, -1 in between."""
    rng = np.random.RandomState(seed)
    points = (rng.rand(n, 3) * [2, 1, 1]).astype(np.float32)
    slab = (points[:, 0] / 2 * (objects + 1)).astype(int)
    instance = np.where(rng.rand(n) < 0.1, -1, slab - 1)
    return points, np.unique(np.append(instance, -1), return_inverse=True)[1][:-1].reshape(-1) - 1


@settings(max_examples=12, deadline=None)
@given(SEEDS, st.sampled_from((1, 5)))
def test_benchmark_clicks_equal_brute_force(seed, size):
    points, instance = scene(seed)
    points *= size  # of large objects the nearest point outside lies many blocks away
    clicks, clicked = agile_clicks(points, instance)
    cells = np.floor(points / np.float32(0.05))
    first, seen = [], set()
    for row, cell in enumerate(map(tuple, cells.tolist())):
        if cell not in seen:
            seen.add(cell)
            first.append(row)
    first = np.array(first)
    expected = {}
    for i in range(instance.max() + 1):
        own, others = first[instance[first] == i], first[instance[first] != i]
        if len(own):
            depth = np.linalg.norm(points[own, None].astype(float) - points[None, others], axis=2).min(1)
            expected[i] = own[depth.argmax()]
    assert clicked.tolist() == list(expected)
    assert clicks.tolist() == list(expected.values())


def test_benchmark_ties_and_covered_instances():
    # A row of cells: 0 0 0 | outside | 1 in the same cell as the outside, so nothing stands for it.
    points = np.array([[0.01, 0, 0], [0.11, 0, 0], [0.21, 0, 0], [0.31, 0, 0], [0.32, 0, 0]], np.float32)
    clicks, clicked = agile_clicks(points, np.array([0, 0, 0, -1, 1]))
    assert clicks.tolist() == [0]
    assert clicked.tolist() == [0]
    # Two points as far from the only point outside: the first one of them.
    around = np.array([[0.5, 0, 0], [1, 0, 0], [0, 0, 0]], np.float32)
    assert agile_clicks(around, np.array([-1, 0, 0]))[0].tolist() == [1]
    # Nothing outside at all.
    assert agile_clicks(around, np.array([0, 0, 0]))[0].tolist() == [0]
    assert agile_clicks(around, np.array([-1, -1, -1]))[0].shape == (0,)


@settings(max_examples=6, deadline=None)
@given(SEEDS)
def test_relative_clicks(seed):
    points, instance = scene(seed)
    last = np.full(instance.max() + 1, -1.0)
    for r in (0.0, *DISTANCES):
        clicks, clicked = relative_clicks(points, instance, r)
        assert instance[clicks].tolist() == clicked.tolist() == list(range(instance.max() + 1))
        for i, click in enumerate(clicks):
            own = points[instance == i].astype(np.float64)
            away = np.linalg.norm(own - own.mean(0), axis=1)
            reached = np.linalg.norm(points[click] - own.mean(0))
            assert abs(reached - r * away.max()) <= np.abs(away - r * away.max()).min() + 1e-9
            assert reached >= last[i]
            last[i] = reached
    far = relative_clicks(points, instance, 1.0)[0]
    assert points[far].shape == (len(far), 3)
    for r in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="0 to 1"):
            relative_clicks(points, instance, r)


def test_random_clicks_are_those_of_the_scans_name():
    instance = scene(0)[1]
    drawn = [random_clicks(instance, name) for name in ("a", "a", "b")]
    for clicks, clicked in drawn:
        assert instance[clicks].tolist() == clicked.tolist() == list(range(instance.max() + 1))
    assert drawn[0][0].tolist() == drawn[1][0].tolist() != drawn[2][0].tolist()
    anywhere = {int(random_clicks(np.zeros(4, np.int64), f"s{i}")[0][0]) for i in range(60)}
    assert anywhere == {0, 1, 2, 3}


def test_an_object_of_one_point():
    points, instance = np.array([[0, 0, 0], [1, 1, 1]], np.float32), np.array([0, -1])
    for clicks in (agile_clicks(points, instance), relative_clicks(points, instance, 0.3)):
        assert [c.tolist() for c in clicks] == [[0], [0]]
