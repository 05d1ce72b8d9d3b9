"""Up axis of rooms, parts of rooms, things and camera views, in any orientation."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.io.ply import read_ply
from saymask.io.up_axis import AXES, find_up, rotation_to_z
from saymask.masks import Masks
from saymask.scan import Scan
from tests.io.rooms import box, furnished_room


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 0.1))
@example([0.0, 1e-05, -0.625])
@example([1e-9, 0.0, -1.0])
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


def turn(axis, degrees):
    """Rotation float64 [3, 3] about a coordinate axis."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    i, j = [(1, 2), (2, 0), (0, 1)]["xyz".index(axis)]
    out = np.eye(3)
    out[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
    return out


def error(points, rotation):
    """Degrees between the up that is found in rotated points (z up) and the true one."""
    found = find_up((points @ rotation.T).astype(np.float32)).direction
    return np.rad2deg(np.arccos(np.clip(found @ rotation @ [0, 0, 1], -1, 1)))


@pytest.mark.parametrize("part", ["whole", "half", "low", "ceiling"])
@pytest.mark.parametrize("pitch", [-30, -12, 8, 25, 45])
def test_rooms_in_the_frame_of_a_tilted_camera_are_levelled(part, pitch):
    size = (5.0, 3.8, 2.6)
    points = furnished_room(3, size, part == "ceiling", 200)[0] - [2.4, 1.7, 1.4]
    points = points[{"half": points[:, 0] < 0.3, "low": points[:, 2] < 0.0}.get(part, slice(None))]
    rotation = turn("x", pitch) @ rotation_to_z(np.array(AXES["-y"])).T @ turn("z", 7 * pitch)
    assert error(points, rotation) < 3


def test_the_tilted_room_of_the_report():
    up = np.array([0.009, -0.904, -0.427])
    for seed in range(3):
        points = furnished_room(seed, (4.5, 3.5, 2.5), bool(seed % 2), 200)[0] - [2, 1.5, 1.3]
        assert error(points, rotation_to_z(up).T @ turn("z", 40 * seed)) < 3


def test_a_levelled_scan_is_saved_in_the_coordinates_of_its_file(tmp_path):
    points = furnished_room(0, density=200)[0] - [2, 1.5, 1.3]
    rotation = turn("z", 5) @ turn("x", -115)
    scan = Scan.from_arrays((points @ rotation.T).astype(np.float64))
    assert "tilted by" in " ".join(scan.messages)
    assert "up=" in " ".join(scan.messages)
    back = (np.c_[scan.source.columns["points"], np.ones(len(points))] @ scan.source.transform.T)[:, :3]
    np.testing.assert_allclose(scan.points[scan.source.index], back, atol=1e-5)
    Masks.from_points(scan, scan.points[:, 2] < 0).save(tmp_path / "a.ply")
    np.testing.assert_array_equal(read_ply(tmp_path / "a.ply").points, points @ rotation.T)


def thing(name, rng):
    """Points of a chair or a table as scans have them: seen from above, open below."""
    legs = [(0.0, 0.0), (0.41, 0.0), (0.0, 0.41), (0.41, 0.41)]
    if name == "chair":
        parts = [((0, 0, 0.42), (0.45, 0.45, 0.46)), ((0, 0.41, 0.46), (0.45, 0.45, 0.95))]
        parts += [((x, y, 0), (x + 0.04, y + 0.04, 0.42)) for x, y in legs]
    else:
        parts = [((0, 0, 0.7), (1.4, 0.8, 0.74))]
        parts += [((2.9 * x, 1.7 * y, 0), (2.9 * x + 0.05, 1.7 * y + 0.05, 0.7)) for x, y in legs]
    return np.concatenate([box(rng, low, high, 6000) for low, high in parts])


@pytest.mark.parametrize("name", ["chair", "table"])
@pytest.mark.parametrize("axis", ["z", "y"])
def test_single_things_stand_on_their_feet(name, axis):
    points = thing(name, np.random.default_rng(0))
    assert error(points, rotation_to_z(np.array(AXES[axis])).T) == 0


KINECT = Path(__file__).parents[2] / "../shared/data/real/kinect_tables"


@pytest.mark.skipif(not KINECT.exists(), reason="the shared real scans are not here")
@pytest.mark.parametrize("name", sorted(p.name for p in KINECT.glob("*.pcd")) if KINECT.exists() else [])
def test_real_frames_of_a_table_stand_upright(name):
    from saymask.io.pcd import read_pcd

    points = read_pcd(KINECT / name).points
    found = find_up(points[np.isfinite(points).all(1)], camera=True).direction
    assert found @ [0, -0.82, -0.57] > np.cos(np.deg2rad(12))
