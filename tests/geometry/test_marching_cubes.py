import numpy as np

from saymask.geometry.marching_cubes import EDGES, cases


def test_the_table_has_the_classic_size():
    table = cases()
    assert (table >= 0).sum() == 3 * 820  # triangles of the published table
    assert (table[0] == -1).all()
    assert (table[255] == -1).all()


def test_triangles_use_exactly_the_crossed_edges():
    for case, row in enumerate(cases()):
        crossed = {i for i, (a, b) in enumerate(EDGES) if case >> a & 1 != case >> b & 1}
        assert set(row[row >= 0].tolist()) == crossed


def test_one_inside_corner_is_cut_off_by_a_triangle_that_faces_away_from_it():
    for corner in range(8):
        row = cases()[1 << corner]
        assert (row >= 0).sum() == 3
        place = np.array([[(c >> axis & 1) for axis in range(3)] for c in range(8)], float)
        a, b, c = (place[list(EDGES[e])].mean(axis=0) for e in row[:3])
        assert np.dot(np.cross(b - a, c - a), (a + b + c) / 3 - place[corner]) > 0
