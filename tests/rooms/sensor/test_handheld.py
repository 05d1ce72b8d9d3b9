import numpy as np
import pytest

from saymask.rooms import make_room, scan_room
from saymask.rooms.sensor.ideal import seen_things


@pytest.fixture(scope="module")
def looked():
    meshes = [make_room("val", i) for i in range(3)]
    return [(mesh, scan_room(mesh), scan_room(mesh, "handheld")) for mesh in meshes]


def test_a_walk_sees_a_part_of_each_room_and_little_of_what_is_high(looked):
    for mesh, ideal, walk in looked:
        assert 0.15 * len(ideal.vertices) < len(walk.vertices) < 0.9 * len(ideal.vertices)
        high = [(c.vertices[:, 2] > mesh.room.height - 0.3).sum() for c in (ideal, walk)]
        assert high[1] < 0.5 * high[0]
        things = [seen_things(mesh, c) for c in (ideal, walk)]
        assert set(things[1]) <= set(things[0])
        assert len(things[1]) > 0.4 * len(things[0])


def test_its_arrays_are_those_of_a_capture(looked):
    for mesh, _, walk in looked:
        np.testing.assert_array_equal(np.unique(walk.faces), np.arange(len(walk.vertices)))
        owner = walk.objects[walk.faces]
        assert (owner == owner[:, :1]).all()
        assert set(np.unique(walk.objects)) <= {body.id for body in mesh.bodies}
        assert walk.vertices.dtype == np.float32
        assert (walk.colors[:, 3] == 255).all()
        assert len(walk.vertices) == len(walk.colors) == len(walk.objects)


def test_the_surface_moves_by_millimetres_and_the_walk_repeats_itself(looked):
    from scipy.spatial import KDTree

    mesh, ideal, walk = looked[0]
    away = KDTree(ideal.vertices).query(walk.vertices)[0]
    assert 0 < np.median(away) < 0.015
    assert away.max() < 0.05
    again = scan_room(mesh, "handheld")
    np.testing.assert_array_equal(walk.vertices, again.vertices)
    np.testing.assert_array_equal(walk.colors, again.colors)
