import numpy as np

from saymask.geometry.rasterize import camera_points, interpolate, rasterize

INTRINSICS = np.array([40.0, 40.0, 31.5, 23.5])
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def square(depth: float, half: float = 1.0) -> np.ndarray:
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    return np.array([(x, y, depth) for x, y in corners], np.float32)


def test_the_nearer_square_hides_the_farther_one():
    points = np.concatenate([square(3.0, 10), square(2.0, 0.3)])
    faces = np.concatenate([FACES, FACES + 4])
    depth, triangle = rasterize(points, faces, INTRINSICS, 64, 48, np.float32(5))
    np.testing.assert_allclose(depth[24, 32], 2.0, rtol=1e-6)
    np.testing.assert_allclose(depth[2, 2], 3.0, rtol=1e-6)
    assert triangle[24, 32] in (2, 3)
    assert triangle[2, 2] in (0, 1)


def test_what_is_too_far_or_behind_the_camera_is_not_drawn():
    for z in (6.0, -2.0):
        depth, triangle = rasterize(square(z), FACES, INTRINSICS, 64, 48, np.float32(5))
        assert (depth == 0).all()
        assert (triangle == -1).all()


def test_values_are_those_of_the_place_on_a_slanted_square():
    points = square(2.0)
    points[:, 2] += points[:, 0]  # the right side is farther
    depth, triangle = rasterize(points, FACES, INTRINSICS, 64, 48, np.float32(5))
    shown = interpolate(points, FACES, points, depth, triangle, INTRINSICS)
    y, x = np.nonzero(triangle >= 0)
    assert len(y) > 500
    z = depth[y, x]
    np.testing.assert_allclose(shown[y, x, 0], (x - 31.5) * z / 40, atol=1e-4)
    np.testing.assert_allclose(shown[y, x, 2], z, atol=1e-4)


def test_points_in_the_frame_of_a_camera():
    pose = np.array([[0, 0, 1, 2], [-1, 0, 0, 0], [0, -1, 0, 1], [0, 0, 0, 1.0]])  # looks along x from (2, 0, 1)
    found = camera_points(np.array([[5, 0.5, 1.25]], np.float32), pose)
    np.testing.assert_allclose(found, [[-0.5, -0.25, 3]], atol=1e-6)
