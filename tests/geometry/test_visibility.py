import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.geometry.visibility import Handheld, Views, handheld_views, seen


def wall(x: float, size: float = 1.0, step: float = 0.02) -> np.ndarray:
    """Return points of a square wall across the x axis, around the height 1.5 m."""
    side = np.arange(-size, size, step)
    y, z = (grid.ravel() for grid in np.meshgrid(side, side))
    return np.stack([np.full_like(y, x), y, z + 1.5], axis=1).astype(np.float32)


def looking(yaw: float = 0.0, pitch: float = 0.0, **options: float) -> Views:
    return Views(np.array([[0, 0, 1.5]], np.float32), np.array([yaw]), np.array([pitch]), **options)


def test_a_wall_hides_what_is_behind_it():
    near, far = wall(1.5, 0.4), wall(3.0, 2.0)
    hit = seen(np.concatenate([near, far]), looking(reach=5))
    assert hit[: len(near)].mean() > 0.99
    shadow = (np.abs(far[:, 1]) < 0.6) & (np.abs(far[:, 2] - 1.5) < 0.6)
    assert hit[len(near) :][shadow].mean() == 0
    beside = (np.abs(far[:, 1]) > 0.9) & (np.abs(far[:, 1]) < 1.5) & (np.abs(far[:, 2] - 1.5) < 0.5)
    assert hit[len(near) :][beside].mean() > 0.95


@pytest.mark.parametrize(("yaw", "pitch", "reach"), [(180, 0, 5), (0, 80, 5), (0, 0, 1.4)])
def test_only_what_lies_in_view_and_in_reach_is_seen(yaw, pitch, reach):
    assert not seen(wall(1.5, 0.4), looking(yaw, pitch, reach=reach)).any()


def test_yaw_and_pitch_follow_their_convention():
    left = wall(0.0, 0.2)[:, [1, 0, 2]] + np.array([0, 1.5, 0], np.float32)
    assert seen(left, looking(90)).all()
    low = wall(1.5, 0.1) - np.array([0, 0, 1.2], np.float32)
    assert seen(low, looking(0, -40)).all()
    assert not seen(low, looking(0, 40)).any()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), count=st.integers(2, 6))
def test_more_views_see_more_and_the_order_decides_nothing(seed, count):
    rng = np.random.RandomState(seed)
    points = np.concatenate([wall(1.5), wall(2.5), wall(-1.0)])
    views = handheld_views(points, rng, Handheld(views=(count, count)))
    all_views = seen(points, views)
    parts = np.zeros(len(points), bool)
    for k in rng.permutation(count):
        one = Views(
            views.eyes[k : k + 1], views.yaw[k : k + 1], views.pitch[k : k + 1], views.width, views.height, views.reach
        )
        parts |= seen(points, one)
    np.testing.assert_array_equal(all_views, parts)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_views_keep_the_habits(seed):
    points = np.random.default_rng(seed).uniform([0, 0, 0], [4, 3, 2.5], (500, 3))
    habits = Handheld()
    a, b = (handheld_views(points, np.random.RandomState(seed), habits) for _ in range(2))
    np.testing.assert_array_equal(a.eyes, b.eyes)
    assert habits.views[0] <= len(a) <= habits.views[1]
    assert habits.reach[0] <= a.reach <= habits.reach[1]
    floor = np.percentile(points[:, 2], 1)
    assert ((a.eyes[:, 2] >= floor + 1.09) & (a.eyes[:, 2] <= floor + 1.71)).all()
    assert ((a.eyes[:, :2] > [0.9, 0.7]) & (a.eyes[:, :2] < [3.1, 2.3])).all()


def test_clearance_keeps_eyes_out_of_furniture():
    rng = np.random.default_rng(0)
    cupboard = rng.uniform([0, 0, 0], [2, 4, 2], (20_000, 3))
    room = np.concatenate([cupboard, rng.uniform([0, 0, 0], [4, 4, 0.01], (5000, 3))])
    eyes = handheld_views(room, np.random.RandomState(1), Handheld(views=(20, 20), clearance=0.3)).eyes
    assert (eyes[:, 0] > 2.2).all()


def test_what_does_not_fit_is_said():
    with pytest.raises(InputError, match="expected \\[N, 3\\]"):
        seen(np.zeros((0, 3)), looking())
    with pytest.raises(InputError, match="views"):
        seen(wall(1), Views(np.zeros((2, 3), np.float32), np.zeros(1), np.zeros(2)))
