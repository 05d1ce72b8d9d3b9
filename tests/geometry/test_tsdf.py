from itertools import product

import numpy as np
import pytest

from saymask.errors import InputError
from saymask.geometry.tsdf import Volume

INTRINSICS = np.array([60.0, 60.0, 39.5, 29.5])
CENTER, RADIUS = np.array([0.0, 0.0, 0.0]), 0.4


def look(eye: np.ndarray) -> np.ndarray:
    """The pose of a camera that looks at the origin."""
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0.3, 0.2, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, eye], axis=1)
    return pose


def depth_of_ball(pose: np.ndarray) -> np.ndarray:
    """Depth of a ball around the origin, 0 beside it."""
    y, x = np.mgrid[:60, :80]
    rays = np.stack([(x - 39.5) / 60, (y - 29.5) / 60, np.ones(x.shape)], axis=-1) @ pose[:3, :3].T
    eye = pose[:3, 3]
    a, b, c = (rays**2).sum(-1), 2 * rays @ eye, eye @ eye - RADIUS**2
    inside = b * b - 4 * a * c
    return np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / (2 * a), 0).astype(np.float32)


@pytest.fixture(scope="module")
def ball() -> Volume:
    volume = Volume(np.full(3, -0.7), np.full(3, 0.7))
    for eye in np.array(list(product((-1, 0, 1), repeat=3)), float):
        if eye.any():
            pose = look(1.5 * eye / np.linalg.norm(eye))
            volume.integrate(depth_of_ball(pose), pose, INTRINSICS)
    return volume


def uses_of_edges(faces: np.ndarray) -> np.ndarray:
    pairs = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return np.unique(pairs, axis=0, return_counts=True)[1]


def test_a_ball_seen_from_all_sides_is_a_closed_surface_of_its_size(ball):
    points, faces = ball.surface(snap=0)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), RADIUS, atol=0.02)
    assert (uses_of_edges(faces) == 2).all()
    a, b, c = points[faces].transpose(1, 0, 2).astype(float)
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6  # positive: faces look outwards
    assert volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.05)


def test_vertices_that_snap_together_make_fewer_slivers(ball):
    points, faces = ball.surface()
    assert (uses_of_edges(faces) == 2).mean() > 0.99
    assert len(points) < 0.8 * len(ball.surface(snap=0)[0])
    sides = np.linalg.norm(points[faces] - points[np.roll(faces, 1, axis=1)], axis=2)
    assert sides.min() > 0.002
    assert 0.01 < np.median(sides) < 0.03


def test_what_no_frame_saw_has_no_surface():
    volume = Volume(np.full(3, -0.7), np.full(3, 0.7))
    pose = look(np.array([1.5, 0, 0]))
    volume.integrate(depth_of_ball(pose), pose, INTRINSICS)
    points, faces = volume.surface()
    assert len(faces) > 100
    assert points[:, 0].min() > -0.15
    assert len(volume.surface(least=10.0)[1]) == 0


def test_an_endless_box_is_refused():
    with pytest.raises(InputError, match="at most some 100 m"):
        Volume(np.zeros(3), np.full(3, 1e6))
