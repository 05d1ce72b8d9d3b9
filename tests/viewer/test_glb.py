"""A coloured mesh as GLB."""

import io

import numpy as np
import trimesh

from saymask.viewer.glb import mesh_glb


def test_it_reads_back():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float32)
    faces = np.array([[0, 1, 2], [0, 1, 3]], np.int32)
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]], np.uint8)
    scene = trimesh.load(io.BytesIO(mesh_glb(points, faces, colors)), file_type="glb", process=False)
    (mesh,) = scene.geometry.values()
    np.testing.assert_array_equal(mesh.vertices, points)
    np.testing.assert_array_equal(mesh.faces, faces)
    stored = np.asarray(mesh.visual.vertex_attributes["color"])
    np.testing.assert_array_equal(stored[:3, :3], np.eye(3) * 65535)
    np.testing.assert_allclose(stored[3, :3] / 65535, 0.2159, atol=1e-3)  # linear: half of sRGB is a fifth of the light
