from dataclasses import replace

import numpy as np
import pytest

from saymask.data.prepare.image_features import pool_frames
from saymask.geometry.projection import make_view
from saymask.io.frames import EVERY, open_frames
from saymask.io.load import load_scan
from saymask.nn.clip_image import load_image_encoder
from saymask.rooms import make_room, scan_room, write_room
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture
from saymask.rooms.sensor.scan import MIXED, drawn_sensor
from tests.nn.test_clip_image import tiny_tower


@pytest.fixture(scope="module")
def looked() -> tuple[RoomMesh, Capture]:
    mesh = make_room("val", 3)  # a small one, in axes of its own
    return mesh, scan_room(mesh, "rgbd")


@pytest.fixture(scope="module")
def written(looked, tmp_path_factory):
    root = tmp_path_factory.mktemp("rgbd")
    return root, write_room(root, *looked)


def test_frames_look_like_those_of_a_depth_camera(looked):
    frames = looked[1].frames
    assert frames is not None
    assert 40 <= len(frames.poses) <= 80
    assert frames.depth.dtype == np.uint16
    missing = (frames.depth == 0).mean()
    assert 0.05 < missing < 0.7
    assert frames.depth[frames.depth > 0].min() > 300
    assert frames.depth.max() < 6000
    np.testing.assert_allclose(frames.poses[:, :3, :3] @ frames.poses[:, :3, :3].transpose(0, 2, 1),
                               np.broadcast_to(np.eye(3), (len(frames.poses), 3, 3)), atol=1e-5)  # fmt: skip
    assert 20 < frames.color.mean() < 200


def test_frames_are_written_as_exports_are_read(looked, written):
    root, folder = written
    mesh, capture = looked
    scan = load_scan(folder)
    assert (root / "frames" / mesh.room.id / "pose" / "0.txt").is_file()
    with open_frames(root / "frames" / mesh.room.id, every=EVERY) as frames:
        assert len(frames.numbers) == len(capture.frames.poses)
        assert frames.messages == ()
        frame = frames.read(frames.numbers[3])
        np.testing.assert_allclose(1000 * frame.depth, capture.frames.depth[3], atol=0.01)
        assert np.abs(frame.color.astype(int) - capture.frames.color[3]).mean() < 6  # JPEG
        from scipy.spatial import KDTree

        places = make_view(frame.depth, frame.pose, frames.calibration, None, (1, 1)).places
        assert np.median(KDTree(scan.points).query(places[::50])[0]) < 0.025


def test_image_features_of_the_frames_reach_the_superpoints(looked, written, tmp_path):
    root, folder = written
    scan = load_scan(folder)
    tiny_tower(tmp_path)
    encoder = load_image_encoder(str(tmp_path))
    with open_frames(root / "frames" / looked[0].room.id, every=100) as frames:
        superpoints = np.arange(len(scan.points)) // 50
        pooled = pool_frames(scan.points, superpoints, frames, encoder)
    assert pooled.frames == len(frames.numbers) > 2
    assert pooled.seen.mean() > 0.1
    assert np.isfinite(pooled.features).all()


def test_mixed_draws_a_sensor_per_room():
    mesh = make_room("val", 3)
    rooms = [replace(mesh, seed=(1, 0, 9000, i)) for i in range(60)]
    drawn = [drawn_sensor(room) for room in rooms]
    assert drawn == [drawn_sensor(room) for room in rooms]
    for name, share in MIXED.items():
        assert abs(drawn.count(name) / 60 - share) < 0.2
    mesh = rooms[drawn.index("handheld")]
    np.testing.assert_array_equal(scan_room(mesh, "mixed").vertices, scan_room(mesh, "handheld").vertices)
