from dataclasses import replace

import numpy as np
import pytest

from saymask.geometry.camera import Calibration, pose_points
from saymask.io.frames import Frame, FrameSkipped, open_frames
from saymask.io.load import load_scan
from saymask.io.ply import write_ply
from saymask.scene.open_vocabulary.visible import visible_points
from tests.data.fake_frames import intrinsics
from tests.scene.open_vocabulary.coloured_room import COLORS, write_room


def test_points_lie_where_the_picture_shows_them(room, tmp_path):
    owners = write_room(tmp_path / "frames")
    points = room.scan.points.astype(float)
    ever = np.zeros(len(points), bool)
    with open_frames(tmp_path / "frames", every=1) as frames:
        assert frames.calibration.color is not None
        for number, owner in zip(frames.numbers, owners):
            visible = visible_points(points, frames.read(number), frames.calibration)
            assert len(visible) > 1000
            shown = owner[visible.pixels[:, 0], visible.pixels[:, 1]]
            assert (shown == room.owner[visible.rows]).mean() > 0.94  # the rest lies on edges, half a pixel away
            ever[visible.rows] = True
    assert ever.mean() > 0.98
    undersides = (room.owner < len(COLORS) - 1) & (points[:, 2] < 0.01)
    assert undersides.sum() > 100


def simple(depth=2.0, size=(640, 480)):
    measured = np.full(size[::-1], depth, np.float32)
    return Frame(measured, np.eye(4), np.zeros((*size[::-1], 3), np.uint8)), Calibration(intrinsics(size))


def test_depth_hides_what_is_behind_and_in_front():
    frame, calibration = simple()
    z = np.array([1.9, 1.96, 2.0, 2.04, 2.1, -2.0, 0.0])
    points = np.stack([np.zeros(7), np.zeros(7), z], axis=1)
    assert visible_points(points, frame, calibration).rows.tolist() == [1, 2, 3]
    far, calibration = simple(10.0)
    points[:, 2] = [9.7, 9.81, 10, 10.19, 10.3, 1, 2]
    assert visible_points(points, far, calibration).rows.tolist() == [1, 2, 3]  # 2 % of ten metres
    blind = replace(frame, depth=np.zeros_like(frame.depth))
    assert len(visible_points(points, blind, calibration)) == 0


@pytest.mark.parametrize(("size", "border"), [((640, 480), 10), ((320, 240), 5), ((64, 48), 1)])
def test_the_border_is_cut(size, border):
    frame, calibration = simple(size=size)
    k = calibration.depth
    columns = np.array([border - 1, border, size[0] - 1 - border, size[0] - border])
    points = np.stack([(columns - k[0, 2]) * 2 / k[0, 0], 0 * columns, 2.0 + 0 * columns], axis=1)
    visible = visible_points(points + [1e-9, 0, 0] * np.array([[1], [1], [-1], [-1]]), frame, calibration)
    assert visible.rows.tolist() == [1, 2]
    assert visible.pixels[:, 1].tolist() == [border, size[0] - 1 - border]


def test_a_larger_colour_image_of_the_same_field():
    frame, calibration = simple()
    frame = replace(frame, color=np.zeros((960, 1280, 3), np.uint8))
    k = calibration.depth
    points = np.array([[(100 - k[0, 2]) * 2 / k[0, 0], (50 - k[1, 2]) * 2 / k[1, 1], 2.0]])
    visible = visible_points(points, frame, calibration)
    assert visible.pixels.tolist() == [[101, 201]]
    assert visible.focal == pytest.approx(2 * k[0, 0])


def test_a_pose_that_is_no_motion():
    frame, calibration = simple()
    with pytest.raises(FrameSkipped, match="damaged pose"):
        visible_points(np.ones((3, 3)), replace(frame, pose=np.zeros((4, 4))), calibration)


def test_poses_are_in_the_files_axes_in_metres(room, tmp_path):
    """The file has millimetres and y up; the frames do not turn with the scan."""
    columns = {axis: v.astype("<f4") for axis, v in zip("xyz", (room.scan.points[:, [0, 2, 1]] * [1, 1, -1]).T * 1000)}
    write_ply(tmp_path / "room.ply", columns)
    scan = load_scan(tmp_path / "room.ply", unit="mm", up="y", quiet=True)
    np.testing.assert_allclose(scan.points, room.scan.points, atol=1e-5)
    np.testing.assert_allclose(pose_points(scan), room.scan.points[:, [0, 2, 1]] * [1, 1, -1], atol=1e-5)
    np.testing.assert_array_equal(pose_points(room.scan), room.scan.points)
