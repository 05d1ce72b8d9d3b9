"""Faces that are left when vertices go."""

import numpy as np

from saymask.geometry.faces import faces_left


def test_faces_point_at_the_vertices_that_are_left():
    faces = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]], np.int32)
    keep = np.array([False, True, True, True, True])
    left = faces_left(faces, keep)
    assert left.tolist() == [[0, 1, 2], [1, 2, 3]]
    assert left.dtype == np.int32
    assert faces_left(faces, np.zeros(5, bool)).shape == (0, 3)
