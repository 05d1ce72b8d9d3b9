"""Open3D in, Open3D out: with the library where it is installed, and with objects that have its attributes."""

from types import SimpleNamespace

import numpy as np
import pytest
import trimesh

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.masks import Masks
from saymask.scan import Scan
from tests.io.rooms import furnished_room

POINTS, COLORS, OWNER = furnished_room(density=60)


def test_what_looks_like_open3d_is_read():
    """Its vectors are sequences of rows; empty ones mean that there is nothing."""
    cloud = SimpleNamespace(points=POINTS.astype(float), colors=COLORS / 255, normals=np.zeros((0, 3)))
    scan = Scan.from_open3d(cloud, up="z")
    np.testing.assert_array_equal(scan.colors, COLORS)
    tensor = SimpleNamespace(to_legacy=lambda: cloud)
    np.testing.assert_array_equal(Scan.from_open3d(tensor, up="z").points, scan.points)
    sphere = trimesh.creation.icosphere(subdivisions=5, radius=0.4)
    none = np.zeros((0, 3))
    mesh = SimpleNamespace(
        vertices=sphere.vertices, triangles=sphere.faces, vertex_colors=none, vertex_normals=none
    )  # fmt: skip
    scan = Scan.from_open3d(mesh, up="z")
    assert not scan.has_color
    np.testing.assert_array_equal(scan.faces, sphere.faces)
    with pytest.raises(InputError, match="PointCloud or TriangleMesh, got SimpleNamespace"):
        Scan.from_open3d(SimpleNamespace(a=1))


def test_clouds_and_meshes_go_there_and_back():
    open3d = pytest.importorskip("open3d", reason="Open3D is not installed")
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(POINTS.astype(float)))
    cloud.colors = open3d.utility.Vector3dVector(COLORS / 255)
    scan = load_scan(cloud, up="z", quiet=True)
    masks = Masks.from_points(scan, scan.points[:, 2] < 0.5)
    np.testing.assert_array_equal(masks.original(0), POINTS[:, 2] < 0.5)
    out = scan.to_open3d()
    np.testing.assert_allclose(np.asarray(out.points), POINTS, atol=1e-6)
    np.testing.assert_allclose(np.asarray(out.colors) * 255, COLORS, atol=1e-4)
    chosen = out.select_by_index(np.flatnonzero(masks.original(0)))  # a mask is an index for Open3D
    assert len(chosen.points) == (POINTS[:, 2] < 0.5).sum()
    tensor = open3d.t.geometry.PointCloud.from_legacy(cloud)
    np.testing.assert_allclose(load_scan(tensor, up="z", quiet=True).points, POINTS, atol=1e-6)
    sphere = open3d.geometry.TriangleMesh.create_sphere(0.4, 60)
    sphere.paint_uniform_color([1, 0, 0])
    mesh = Scan.from_open3d(sphere, up="z")
    assert (mesh.colors == [255, 0, 0]).all()
    back = mesh.to_open3d()
    assert len(back.triangles) == len(sphere.triangles)
