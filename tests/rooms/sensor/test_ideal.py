import numpy as np
import pytest

from saymask.errors import InputError
from saymask.rooms import make_room, scan_room
from saymask.rooms.mesh import RoomMesh
from saymask.rooms.sensor.capture import Capture
from saymask.rooms.sensor.ideal import cameras, seen_things
from tests.rooms.color_words import word_of


@pytest.fixture(scope="module")
def looked() -> list[tuple[RoomMesh, Capture]]:
    meshes = [make_room("val", i) for i in range(4)]
    return [(mesh, scan_room(mesh)) for mesh in meshes]


def aligned(mesh: RoomMesh, capture: Capture) -> np.ndarray:
    c, s = np.cos(mesh.alignment), np.sin(mesh.alignment)
    return capture.vertices.astype(np.float64) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T


def test_arrays(looked: list[tuple[RoomMesh, Capture]]) -> None:
    for mesh, capture in looked:
        n = len(capture.vertices)
        assert 60_000 < n < 320_000
        assert capture.vertices.dtype == np.float32
        assert capture.colors.dtype == np.uint8
        assert capture.faces.dtype == np.int32
        assert capture.objects.dtype == np.int32
        assert (capture.colors[:, 3] == 255).all()
        assert np.isfinite(capture.vertices).all()
        np.testing.assert_array_equal(np.unique(capture.faces), np.arange(n))
        assert set(np.unique(capture.objects)) <= {body.id for body in mesh.bodies}
        assert len(np.unique(capture.vertices, axis=0)) == n


def test_faces_stay_within_one_object(looked: list[tuple[RoomMesh, Capture]]) -> None:
    for _, capture in looked:
        owner = capture.objects[capture.faces]
        assert (owner == owner[:, :1]).all()


def test_points_lie_on_their_things(looked: list[tuple[RoomMesh, Capture]]) -> None:
    for mesh, capture in looked:
        points = aligned(mesh, capture)
        for thing in mesh.room.things:
            own = points[capture.objects == thing.id] - thing.center
            c, s = np.cos(-thing.yaw), np.sin(-thing.yaw)
            local = np.stack([c * own[:, 0] - s * own[:, 1], s * own[:, 0] + c * own[:, 1], own[:, 2]], axis=1)
            assert (np.abs(local) < np.array(thing.size) / 2 + 0.02).all(), thing
        spacing = np.linalg.norm(capture.vertices[capture.faces[:, 0]] - capture.vertices[capture.faces[:, 1]], axis=1)
        assert 0.015 < np.median(spacing) < 0.035


def test_most_things_are_seen_and_hidden_sides_are_not(looked: list[tuple[RoomMesh, Capture]]) -> None:
    for mesh, capture in looked:
        assert len(seen_things(mesh, capture)) >= 0.9 * len(mesh.room.things)
        assert seen_things(mesh, capture, least=10**9) == []
        points = aligned(mesh, capture)
        for thing in mesh.room.things:  # closed bodies that stand at a wall have no visible back
            if thing.category in ("wardrobe", "refrigerator", "dresser") and thing.mount == "floor":
                own = points[capture.objects == thing.id] - thing.center
                back = -np.array([*thing.front(), 0.0])
                depth = own @ back / (thing.size[1] / 2)
                middle = np.abs(own[:, 2]) < thing.size[2] * 0.35
                side = np.abs(own @ np.array([back[1], -back[0], 0.0])) < thing.size[0] * 0.35
                assert ((depth > 0.97) & middle & side).mean() < 0.02


def test_colors_keep_their_words(looked: list[tuple[RoomMesh, Capture]]) -> None:
    right = total = 0
    for mesh, capture in looked:
        for thing in mesh.room.things:
            own = capture.colors[capture.objects == thing.id][:, :3]
            if thing.color is None or len(own) < 300:
                continue
            words = [word_of(c) for c in own[:: max(1, len(own) // 60)]]
            right += max(set(words), key=words.count) == thing.color
            total += 1
    assert total > 30
    assert right >= 0.75 * total


def test_a_scan_is_a_function_of_the_room(looked: list[tuple[RoomMesh, Capture]]) -> None:
    capture = looked[0][1]
    again = scan_room(make_room("val", 0))
    np.testing.assert_array_equal(again.vertices, capture.vertices)
    np.testing.assert_array_equal(again.colors, capture.colors)
    np.testing.assert_array_equal(again.faces, capture.faces)


def test_cameras_stand_in_free_space(looked: list[tuple[RoomMesh, Capture]]) -> None:
    for mesh, _ in looked:
        for x, y, z in cameras(mesh, np.random.RandomState(0)):
            assert 1.3 <= z <= 1.9
            for thing in mesh.room.things:
                c, s = np.cos(thing.yaw), np.sin(thing.yaw)
                dx, dy, dz = x - thing.center[0], y - thing.center[1], z - thing.center[2]
                inside = np.abs([c * dx + s * dy, -s * dx + c * dy, dz]) < np.array(thing.size) / 2
                assert not inside.all()


def test_a_sensor_that_is_not_there() -> None:
    mesh = make_room("val", 0)
    with pytest.raises(InputError, match=r"unknown sensor 'sonar'.*ideal"):
        scan_room(mesh, "sonar")
