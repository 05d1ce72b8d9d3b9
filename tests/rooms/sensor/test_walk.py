import numpy as np

from saymask.rooms.sensor.walk import drifted, look, walk

PLACES = np.array([[0.0, 0, 1.5], [2, 0, 1.5], [2, 2, 1.5], [0, 2, 1.5]])


def test_a_camera_looks_where_it_is_told():
    pose = look(np.array([1.0, 2, 1.5]), 90, -30)
    np.testing.assert_allclose(pose[:3, 2], [0, np.cos(np.pi / 6), -0.5], atol=1e-6)  # forward
    np.testing.assert_allclose(pose[:3, 0], [1, 0, 0], atol=1e-6)  # right
    assert pose[2, 1] < 0  # the image's down is down
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-5)


def test_most_frames_are_aimed_at_things_that_are_near():
    thing = np.array([[1.0, 1.0, 0.5]])
    poses = walk(PLACES, thing, 60, -20, np.random.RandomState(0))
    assert poses.shape == (60, 4, 4)
    toward = thing[0] - poses[:, :3, 3]
    cosine = np.einsum("ij,ij->i", poses[:, :3, 2], toward) / np.linalg.norm(toward, axis=1)
    assert (cosine > np.cos(np.radians(25))).mean() > 0.6
    low, high = PLACES[:, :2].min(axis=0) - 1e-6, PLACES[:, :2].max(axis=0) + 1e-6
    assert ((poses[:, :2, 3] >= low) & (poses[:, :2, 3] <= high)).all()
    alone = walk(PLACES, np.zeros((0, 3)), 60, -20, np.random.RandomState(0))
    assert len(np.unique(np.round(np.degrees(np.arctan2(alone[:, 1, 2], alone[:, 0, 2])) // 60))) == 6  # all around


def test_tracking_drifts_slowly():
    poses = walk(PLACES, np.zeros((0, 3)), 200, -20, np.random.RandomState(0))
    wrong = drifted(poses, 0.02, 0.5, np.random.RandomState(1))
    away = wrong[:, :3, 3] - poses[:, :3, 3]
    assert 0.01 < away[:, :2].std() < 0.03
    assert np.abs(np.diff(away, axis=0)).max() < 0.3 * np.abs(away).max()
    np.testing.assert_allclose(wrong[:, :3, :3] @ wrong[:, :3, :3].transpose(0, 2, 1), np.tile(np.eye(3), (200, 1, 1)),
                               atol=1e-5)  # fmt: skip
