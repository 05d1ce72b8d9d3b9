"""Windows: everything is at home in exactly one, none is too large, what is near is seen, cuts lie between rooms."""

import itertools

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from saymask.geometry.windows import MARGIN, SHARE, best_cut, divide, with_margins


def boxes(rng, width, depth, count, across=0.4):
    """Return points and superpoints of a floor, which is one superpoint, and `count` small things on it."""
    floor = rng.uniform(0, [width, depth, 0], (4000, 3))
    floor[:2] = [[0, 0, 0], [width, depth, 0]]
    corners = rng.uniform(0, [width - across, depth - across, 0.5], (count, 1, 3))
    things = corners + rng.uniform(0, across, (count, 20, 3))
    ids = np.concatenate([np.full(len(floor), 7), np.repeat(np.arange(count) + 100, 20)])
    points = np.concatenate([floor, things.reshape(-1, 3)])
    order = rng.permutation(len(points))
    return points[order].astype(np.float32), ids[order]


def test_what_fits_is_not_divided():
    points, ids = boxes(np.random.default_rng(0), 7.9, 5.0, 30)
    assert divide(points, ids, 8.0, 31) is None
    assert divide(points, ids, 7.8, 31) is not None
    assert divide(points, ids, 8.0, 30) is not None


@given(st.integers(0, 2**31), st.floats(3, 40), st.floats(3, 40), st.integers(1, 150), st.floats(2, 9))
@settings(max_examples=30, deadline=None)
def test_everything_is_at_home_once(seed, width, depth, count, largest):
    points, ids = boxes(np.random.default_rng(seed), width, depth, count)
    windows = divide(points, ids, largest, 1000)
    if windows is None:
        assert max(width, depth) <= largest + 1e-3
        return
    size = len(windows.home)
    assert windows.index.shape == (len(points),)
    np.testing.assert_array_equal(np.unique(windows.index), np.arange(size))  # no patch without a point
    for row in range(size):  # a patch is a superpoint or a piece of one
        assert len(np.unique(ids[windows.index == row])) == 1
    for thing in range(100, 100 + count):  # small things stay whole
        assert len(np.unique(windows.index[ids == thing])) == 1
    np.testing.assert_array_equal(np.unique(windows.home), np.arange(len(windows)))
    asked = np.concatenate([seen[own] for seen, own in zip(windows.seen, windows.queries, strict=True)])
    np.testing.assert_array_equal(np.sort(asked), np.arange(size))
    for number, (seen, inside) in enumerate(zip(windows.seen, windows.points, strict=True)):
        np.testing.assert_array_equal(inside, np.flatnonzero(np.isin(windows.index, seen)))
        np.testing.assert_allclose(windows.corners[number], points[inside].min(axis=0) - points.min(axis=0), atol=1e-5)
        at_home = points[windows.home[windows.index] == number, :2]
        # A thing is at home where its middle is: it reaches out of the window by half of its width.
        assert (np.ptp(at_home, axis=0) <= SHARE * largest + 1.0).all()
        middles = np.stack([points[windows.index == row, :2].mean(axis=0) for row in range(size)])
        own = middles[windows.home == number]
        near = ((middles > own.min(axis=0) - MARGIN + 1e-3) & (middles < own.max(axis=0) + MARGIN - 1e-3)).all(axis=1)
        assert np.isin(np.flatnonzero(near), seen).all()


def test_many_superpoints_are_divided_as_well():
    points, ids = boxes(np.random.default_rng(1), 20.0, 10.0, 800)
    windows = divide(points, ids, 100.0, 250)
    assert windows is not None
    assert max(np.bincount(windows.home)) <= 250
    one_place = np.zeros((600, 3), np.float32) + np.linspace(0, 0.5, 600)[:, None]
    assert divide(one_place, np.arange(600), 8.0, 250) is None  # there is nothing to cut


def test_rooms_apart_are_windows_and_see_nothing_of_each_other():
    rng = np.random.default_rng(2)
    rooms = [boxes(rng, 6.0, 5.0, 40) for _ in range(3)]
    points = np.concatenate([p + np.float32([number * 8, 0, 0]) for number, (p, _) in enumerate(rooms)])
    ids = np.concatenate([i + number * 1000 for number, (_, i) in enumerate(rooms)])
    windows = divide(points, ids, 8.1, 1000)
    assert windows is not None
    assert len(windows) == 3
    found = {tuple(inside.tolist()) for inside in windows.points}
    starts = np.cumsum([0, *(len(p) for p, _ in rooms)])
    assert found == {tuple(range(a, b)) for a, b in itertools.pairwise(starts)}


def test_a_cut_goes_where_the_least_lies_across():
    low = np.array([0.0, 0.0, 1.0, 4.5, 6.2])
    high = np.array([10.0, 4.0, 4.2, 5.8, 10.0])
    assert 5.8 <= best_cut(low, high, 0.0, 10.0) <= 6.2  # between the fourth and the fifth
    assert best_cut(np.array([0.0, 6.0]), np.array([4.0, 10.0]), 0.0, 10.0) == pytest.approx(5.0, abs=0.05)


def test_the_order_of_points_does_not_matter():
    points, ids = boxes(np.random.default_rng(3), 15.0, 9.0, 60)
    order = np.random.default_rng(4).permutation(len(points))
    a, b = divide(points, ids, 8.0, 1000), divide(points[order], ids[order], 8.0, 1000)
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.index[order], b.index)
    np.testing.assert_array_equal(a.home, b.home)


def floor_of(width, depth, start=0.0, tile=0.8):
    """Return points and superpoints of a floor whose superpoints are tiles of `tile` metres, from x = `start`."""
    x, y = (np.arange(a, a + size, 0.04) for a, size in ((start, width), (0.0, depth)))
    points = np.stack([*np.meshgrid(x, y, indexing="ij"), np.zeros((len(x), len(y)))], axis=-1).reshape(-1, 3)
    tiles = np.floor(points[:, :2] / tile + 1e-6).astype(np.int64)
    return points.astype(np.float32), tiles[:, 0] * 100 + tiles[:, 1]


@pytest.mark.parametrize("tile", [0.8, 100.0])  # a superpoint that is all of the floor is cut into windows
def test_a_floor_that_goes_on_is_one(tile):
    points, ids = floor_of(14.0, 12.0, tile=tile)
    windows = divide(points, ids, 8.0, 1000)
    assert windows is not None
    assert len(windows) > 1
    every = np.ones(len(windows.home), bool)
    assert not windows.floors(every).any()
    np.testing.assert_array_equal(windows.floors(~every), windows.home)  # what goes on is no floor


@pytest.mark.parametrize(("opening", "floors"), [(0.0, 2), (0.9, 2), (3.6, 1)])
def test_walls_and_doors_part_floors_and_openings_do_not(opening, floors):
    a, ids_a = floor_of(6.8, 6.0)
    b, ids_b = floor_of(6.8, 6.0, start=6.92)  # behind a wall of 12 cm
    door, ids_door = floor_of(0.12, 6.0, start=6.8)
    inside = door[:, 1] < opening
    points = np.concatenate([a, door[inside], b])
    ids, index = np.unique(np.concatenate([ids_a, ids_door[inside], ids_b + 10_000]), return_inverse=True)
    windows = with_margins(points, points[:, :2], index, (ids >= 10_000).astype(np.int64))
    assert windows.floors(np.ones(len(ids), bool)).max() + 1 == floors


@given(st.integers(0, 2**31), st.floats(9, 30), st.floats(3, 30), st.integers(1, 150))
@settings(max_examples=20, deadline=None, phases=[Phase.generate])
def test_floors_are_those_of_windows_or_of_several(seed, width, depth, count):
    points, ids = boxes(np.random.default_rng(seed), width, depth, count)
    windows = divide(points, ids, 8.0, 1000)
    assert windows is not None
    a, b = windows.seams[:, :2].T
    assert (windows.home[a] != windows.home[b]).all()
    floors = windows.floors(np.random.default_rng(seed).random(len(windows.home)) < 0.8)
    np.testing.assert_array_equal(np.unique(floors), np.arange(floors.max() + 1))
    assert len(np.unique(np.stack([windows.home, floors]), axis=1).T) == len(windows)
