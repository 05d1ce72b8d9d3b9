import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.geometry.neighbours import knn
from saymask.geometry.normals import estimate_normals, orient_normals, plane_normals, vertex_normals

GOLDEN = Path(__file__).parents[1] / "golden" / "less" / "preproc_A.npz"


def sphere(n: int, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(n, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_official_normals_are_the_published_ones():
    with np.load(GOLDEN) as golden:
        expected = golden["mesh_vertices"][:, 6:9]
        got = vertex_normals(golden["xyz"], golden["faces"], official=True)
        right = vertex_normals(golden["xyz"], golden["faces"])
    assert np.abs(got - expected).max() < 2e-6
    assert np.abs(right - expected).max() > 0.01  # the official way really loses faces


def test_vertex_normals_average_all_faces():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [9, 9, 9]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1]])
    normals = vertex_normals(points, faces)
    assert np.allclose(normals[0], np.ones(3) / np.sqrt(3), atol=1e-6)
    assert np.allclose(normals[1], np.array([0, 1, 1]) / np.sqrt(2), atol=1e-6)
    assert normals[4].tolist() == [0, 0, 0]
    # Corner 0 is always the first one named: only the last face counts for it.
    assert np.allclose(vertex_normals(points, faces, official=True)[0], [0, 1, 0], atol=1e-6)


@given(st.integers(0, 10**6), st.integers(3, 12))
@settings(max_examples=60, deadline=None)
def test_plane_normals_are_the_least_eigenvectors(seed, k):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(k, 3)) * rng.uniform(0.01, 1, 3)
    normal = plane_normals(points, np.arange(k)[None].repeat(k, 0))[0].astype(float)
    scatter = (points - points.mean(0)).T @ (points - points.mean(0))
    values, vectors = np.linalg.eigh(scatter)
    assert abs(np.linalg.norm(normal) - 1) < 1e-6
    assert abs(normal @ scatter @ normal - values[0]) <= 1e-5 * values[-1]
    if values[1] - values[0] > 1e-2 * values[-1]:
        assert abs(abs(normal @ vectors[:, 0]) - 1) < 1e-4


def test_normals_of_a_sphere_agree_and_look_up():
    points = sphere(3000)
    normals = estimate_normals(points)
    radial = (normals * points).sum(1)
    assert np.abs(radial).min() > 0.97
    assert len(set(np.sign(radial))) == 1  # all outwards or all inwards
    bowl = points[points[:, 2] < 0]
    assert (estimate_normals(bowl)[bowl[:, 2] < -0.9, 2] > 0.8).all()


def test_floor_and_table_look_up_ceiling_down():
    rng = np.random.default_rng(0)
    floor, ceiling = (np.c_[rng.uniform(0, 2, (4000, 2)), np.full(4000, z)] for z in (0.0, 2.0))
    side = rng.uniform(0, 2, (8000, 2))
    walls = [np.c_[np.full(2000, x), side[i * 2000 : (i + 1) * 2000]] for i, x in enumerate((0.0, 2.0))]
    walls += [np.insert(side[i * 2000 : (i + 1) * 2000], 1, y, axis=1) for i, y in ((2, 0.0), (3, 2.0))]
    points = np.concatenate([floor, ceiling, *walls])
    normals = estimate_normals(points)
    inner = np.abs(points - 1).max(1) >= 0  # every point
    inside = (normals * (1 - points)).sum(1)
    assert (inside[inner] > 0).mean() > 0.98
    assert (normals[:4000, 2] > 0.5).mean() > 0.95
    assert (normals[4000:8000, 2] < -0.5).mean() > 0.95


def test_points_that_span_no_plane():
    assert estimate_normals(np.zeros((0, 3))).shape == (0, 3)
    assert estimate_normals(np.zeros((1, 3))).tolist() == [[0, 0, 1]]
    assert np.abs(estimate_normals(np.ones((30, 3)))).tolist() == [[0, 0, 1]] * 30
    line = np.c_[np.arange(30.0), np.zeros((30, 2))]
    normals = estimate_normals(line)
    assert np.isfinite(normals).all()
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)


def test_orient_changes_signs_only():
    points = sphere(500)
    neighbours, _ = knn(points, 8)
    signs = np.random.default_rng(0).choice([-1, 1], 500)
    mixed = (points * signs[:, None]).astype(np.float32)
    out = orient_normals(mixed, points, neighbours)
    assert (np.abs(out) == np.abs(mixed)).all()
    assert len(set(np.sign((out * points).sum(1)))) == 1


@pytest.mark.parametrize(("slope", "turned"), [(0.79, False), (0.81, True)])
def test_only_what_lies_nearly_flat_says_where_up_is(slope, turned):
    points = np.array([[0.0, 0, 0], [0, 0, 1]])
    normals = np.tile(np.float32([math.sqrt(1 - slope**2), 0, -slope]), (2, 1))
    out = orient_normals(normals, points, np.array([[0, 1], [1, 0]]))
    np.testing.assert_array_equal(out, -normals if turned else normals)
