from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.io.units import UNITS, metres_per_unit
from saymask.io.up_axis import AXES, find_up, rotation_to_z
from tests.io.rooms import furnished_room

PATH = Path("room.xyz")


@pytest.mark.parametrize(("unit", "factor"), [("m", 1), ("cm", 100), ("mm", 1000)])
@pytest.mark.parametrize("size", [(3.0, 2.2, 2.4), (8.0, 5.0, 3.0), (14.0, 9.0, 2.6)])
def test_units_are_found_from_the_extent(unit, factor, size):
    points = furnished_room(size=size, density=60)[0] * factor
    scale, said = metres_per_unit(PATH, points)
    assert scale == UNITS[unit]
    assert (said == "") == (unit == "m")


def test_a_given_unit_wins():
    points = furnished_room(density=100)[0]
    assert metres_per_unit(PATH, points / 0.3048, "ft")[0] == 0.3048
    assert metres_per_unit(PATH, points, "cm")[0] == 0.01
    with pytest.raises(InputError, match="expected one of m, cm, mm, in, ft"):
        metres_per_unit(PATH, points, "miles")


@pytest.mark.parametrize("size", [(2000, 1500, 60), (400_000, 400_000, 400_000), (5000, 5000, 0.1), (900, 900, 20)])
def test_kilometres_are_refused_with_advice(size):
    points = np.random.default_rng(0).random((5000, 3)) * size
    with pytest.raises(InputError, match=r"span [\d,]+ units.*unit='mm'"):
        metres_per_unit(PATH, points)
    with pytest.raises(InputError, match="at most 300 m"):
        metres_per_unit(PATH, points, "m")


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 0.1))
def test_rotation_is_proper_and_turns_up_to_z(direction):
    rotation = rotation_to_z(np.array(direction))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ direction / np.linalg.norm(direction), [0, 0, 1], atol=1e-6)


def test_the_six_axes_turn_exactly():
    for axis in AXES.values():
        rotation = rotation_to_z(np.array(axis))
        np.testing.assert_array_equal(np.sort(np.abs(rotation).ravel()), [0] * 6 + [1] * 3)


@pytest.mark.parametrize("axis", ["z", "y", "-y", "x", "-x", "-z"])
@pytest.mark.parametrize("ceiling", [False, True])
@pytest.mark.parametrize("size", [(4.0, 3.0, 2.6), (6.0, 4.5, 2.8)])
def test_up_is_found_in_rooms_on_any_side(axis, ceiling, size):
    points = furnished_room(1, size, ceiling, 300)[0]
    turned = (points @ rotation_to_z(np.array(AXES[axis]))).astype(np.float32)  # its inverse: z to the axis
    np.testing.assert_array_equal(find_up(turned).direction, AXES[axis])


@settings(max_examples=12, deadline=None)
@given(st.floats(0, 2 * np.pi), st.floats(0, 10), st.integers(0, 50))
def test_up_stays_z_however_the_room_stands(yaw, far, seed):
    points = furnished_room(seed, (5.0, 4.0, 2.5), bool(seed % 2), 150)[0]
    c, s = np.cos(yaw), np.sin(yaw)
    turned = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + [far, -far, far]
    np.testing.assert_array_equal(find_up(turned.astype(np.float32)).direction, [0, 0, 1])


@pytest.mark.parametrize("pitch", [10.0, 20.0, 30.0, 38.0])
def test_a_tilted_camera_view_is_levelled_by_its_floor(pitch):
    points = furnished_room(2, (4.0, 3.0, 2.6), density=1500)[0].astype(float)
    eye = np.array([2.0, -0.6, 1.5])
    p = np.deg2rad(pitch)
    ahead = np.array([0, np.cos(p), -np.sin(p)])
    right = np.array([1.0, 0, 0])
    down = np.cross(ahead, right)
    local = (points - eye) @ np.stack([right, down, ahead]).T
    seen = (local[:, 2] > 0.4) & (np.abs(local[:, 0]) < 0.55 * local[:, 2]) & (np.abs(local[:, 1]) < 0.42 * local[:, 2])
    inside = points[:, 1] > 0.02  # the wall the camera looks through is not there
    view = local[seen & inside].astype(np.float32)
    found = find_up(view, camera=True)
    true_up = np.stack([right, down, ahead]) @ np.array([0, 0, 1.0])
    assert np.rad2deg(np.arccos(np.clip(found.direction @ true_up, -1, 1))) < 3
    assert "tilted" in found.message


def test_a_given_axis_wins_and_an_unknown_one_is_refused():
    points = furnished_room(density=50)[0]
    assert find_up(points, up="-x").direction.tolist() == [-1, 0, 0]
    assert "-x" in find_up(points, up="-x").message
    with pytest.raises(InputError, match="up: expected one of x, y, z"):
        find_up(points, up="w")


@pytest.mark.parametrize("tilt", [10, 35, 60, 80])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_camera_looks_down_on_its_table(tilt, seed):
    """A table with boxes, seen by a camera (x right, y down, z forward) that looks down by `tilt` degrees."""
    rng = np.random.default_rng(seed)
    top = np.concatenate([rng.random((6000, 2)) * [1.2, 0.8] - [0.6, 0.4], np.zeros((6000, 1))], 1)
    things = []
    for x, y, h in ((-0.3, 0.1, 0.2), (0.2, -0.1, 0.12), (0.35, 0.2, 0.25)):
        side = rng.random((700, 3)) * [0.15, 0.0, h] + [x, y - 0.07, 0]
        lid = rng.random((500, 3)) * [0.15, 0.14, 0] + [x, y - 0.07, h]
        things += [side, lid]
    points = np.concatenate([top, *things]) + rng.normal(0, 0.001, (9600, 3))
    angle = np.deg2rad(tilt)
    up = np.array([0, -np.cos(angle), -np.sin(angle)])
    forward = np.array([0, -np.sin(angle), np.cos(angle)])
    seen = points @ np.stack([[1, 0, 0], forward, up]) + np.array([0, 0, 1.1])
    found = find_up(seen, camera=True).direction
    assert np.rad2deg(np.arccos(np.clip(found @ up, -1, 1))) < 4


@pytest.mark.parametrize("size", [(800, 500, 120), (1200, 900, 90), (3000, 2500, 400), (500, 400, 100)])
def test_towns_and_hills_in_metres_are_never_scaled_down(size):
    rng = np.random.default_rng(0)
    points = rng.random((60_000, 3)) * size
    with pytest.raises(InputError, match="pass unit="):
        metres_per_unit(PATH, points)


KINECT = Path(__file__).parents[2] / "../shared/data/real/kinect_tables"


@pytest.mark.skipif(not KINECT.exists(), reason="the shared real scans are not here")
@pytest.mark.parametrize("name", sorted(p.name for p in KINECT.glob("*.pcd")) if KINECT.exists() else [])
def test_real_frames_of_a_table_stand_upright(name):
    from saymask.io.pcd import read_pcd

    points = read_pcd(KINECT / name).points
    found = find_up(points[np.isfinite(points).all(1)], camera=True).direction
    assert found @ [0, -0.82, -0.57] > np.cos(np.deg2rad(12))
