import numpy as np
import pytest

from saymask.rooms import make_room, scan_room
from saymask.rooms.sensor.ideal import seen_things


@pytest.fixture(scope="module")
def looked():
    meshes = [make_room("val", i) for i in (0, 3)]
    return [(mesh, scan_room(mesh), scan_room(mesh, "handheld")) for mesh in meshes]


def test_a_walk_sees_a_part_of_each_room_and_little_of_what_is_high(looked):
    for mesh, ideal, walk in looked:
        high = [(c.vertices[:, 2] > mesh.room.height - 0.3).sum() for c in (ideal, walk)]
        assert high[1] < high[0]
        things = [seen_things(mesh, c) for c in (ideal, walk)]
        assert len(things[1]) > 0.3 * len(things[0])


def test_its_arrays_are_those_of_a_capture(looked):
    for mesh, _, walk in looked:
        np.testing.assert_array_equal(np.unique(walk.faces), np.arange(len(walk.vertices)))
        assert set(np.unique(walk.objects)) <= {body.id for body in mesh.bodies}
        assert (walk.vertices.dtype, walk.faces.dtype, walk.objects.dtype) == (np.float32, np.int32, np.int32)
        assert (walk.colors[:, 3] == 255).all()
        assert len(walk.vertices) == len(walk.colors) == len(walk.objects) > 10_000
        assert walk.frames is None


def test_it_is_one_bumpy_sheet_near_the_surfaces_with_their_objects(looked):
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    for _, ideal, walk in looked:
        away, nearest = KDTree(ideal.vertices).query(walk.vertices)
        assert 0.003 < np.median(away) < 0.02
        assert np.percentile(away, 99) < 0.08
        assert (ideal.objects[nearest] == walk.objects).mean() > 0.9
        n, (a, b, c) = len(walk.vertices), walk.faces.T
        a, b = np.concatenate([a, b]), np.concatenate([b, c])
        pieces = np.bincount(connected_components(coo_matrix((np.ones(len(a)), (a, b)), (n, n)), directed=False)[1])
        assert pieces.max() > 0.6 * n


def test_the_walk_repeats_itself(looked):
    mesh, _, walk = looked[0]
    again = scan_room(mesh, "handheld")
    np.testing.assert_array_equal(walk.vertices, again.vertices)
    np.testing.assert_array_equal(walk.colors, again.colors)
    np.testing.assert_array_equal(walk.objects, again.objects)
