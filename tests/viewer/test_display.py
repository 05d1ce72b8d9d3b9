"""What is drawn of a scan, and the point under a ray."""

from dataclasses import replace

import numpy as np
import pytest

from saymask.viewer.display import SIDES, Display, pick, thinned
from tests.io.rooms import furnished_room
from tests.viewer.fakes import small_room


@pytest.fixture(scope="module")
def display():
    return Display.of(small_room()[0])


def test_every_point_is_in_one_part(display):
    rows = np.concatenate([part.rows for part in display.parts])
    np.testing.assert_array_equal(np.sort(rows), np.arange(len(display.rows)))
    assert (display.shade >= 0.69).all()
    assert (display.shade <= 1.01).all()


def test_the_near_wall_is_hidden_and_the_far_one_is_not(display):
    from_right = display.visible(0, False)  # a camera on the +x side
    points = display.points
    middle = (points[:, 1] > 0.5) & (points[:, 1] < 1.8) & (points[:, 2] > 1) & (points[:, 2] < 2)
    assert not from_right[(points[:, 0] > 3.97) & middle].any()
    assert from_right[(points[:, 0] < 0.03) & middle].mean() > 0.95
    above = display.visible(None, False)
    assert above[middle].all()


def test_sides(display):
    assert display.side(np.array([1.0, 0.05, 0.4])) == 0
    assert display.side(np.array([0.0, 2.0, 1.0])) == SIDES // 4
    assert display.side(np.array([-1.0, -0.01, 0.0])) == SIDES // 2
    assert display.side(np.array([0.1, 0.0, 1.0])) is None


def test_the_ceiling_is_cut_off_until_it_is_wanted():
    points, colors, _ = furnished_room(density=260, ceiling=True)
    scan = replace(small_room()[0], points=points, colors=colors)
    display = Display.of(scan)
    top = display.points[:, 2] > 2.5
    assert display.visible(None, False)[top].mean() < 0.02
    assert display.visible(None, True)[top].mean() > 0.98
    assert display.high[2] < 2.4


def test_a_mesh_is_drawn_as_a_mesh_with_every_face_once():
    scan, _ = small_room(faces=True)
    display = Display.of(scan)
    faces = np.concatenate([part.rows[part.faces] for part in display.parts])
    assert {tuple(f) for f in faces} == {tuple(f) for f in scan.faces}
    assert len(faces) == len(scan.faces)


def test_thinning_is_even_and_within_its_limit():
    rng = np.random.default_rng(0)
    points = rng.random((60_000, 3)).astype(np.float32) * [4, 3, 0.01]
    points[:30_000] *= [0.25, 1, 1]  # half of them in a quarter of the floor
    rows = thinned(points, 5_000)
    assert 3_000 < len(rows) <= 5_000
    left = (points[rows, 0] < 1).mean()
    assert left == pytest.approx(0.25, abs=0.06)
    np.testing.assert_array_equal(thinned(points, 100_000), np.arange(60_000))


def test_a_large_scan_is_thinned():
    display = Display.of(small_room()[0], most=3_000)
    assert len(display.rows) <= 3_000
    np.testing.assert_array_equal(display.points, small_room()[0].points[display.rows])


def test_a_ray_meets_the_first_surface(display):
    eye = np.array([2.0, 1.5, 6.0])
    for target in ([1.0, 0.5, 0.75], [3.0, 2.4, 0.5], [2.0, 1.5, 0.0]):
        row = pick(display.points, eye, np.array(target) - eye, display.size)
        assert np.linalg.norm(display.points[row] - target) < 2 * display.size
    wall = np.array([2.0, 2.9, 1.5])
    through = pick(display.points, np.array([2.0, -5.0, 1.5]), wall - [2.0, -5.0, 1.5], display.size)
    assert display.points[through, 1] < 0.3  # not the wall behind it
    assert pick(display.points, eye, np.array([0.0, 0.0, 1.0]), 0.04) is None


def test_the_camera_begins_where_much_is_seen(display):
    back = display.best_side
    assert np.linalg.norm(back) == pytest.approx(1)
    assert back[2] > 0.5
    assert len(display.middle) > 1000
