from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.rooms import make_room, plans, shell
from saymask.rooms.boxes import Upright, overlap
from saymask.rooms.furniture.parts import rotation
from saymask.rooms.layout import Layout
from saymask.rooms.mesh import KINDS, THINGS, RoomMesh, room_id
from saymask.rooms.reach import reachable
from saymask.rooms.room import Thing
from saymask.rooms.shell import empty_room


@pytest.fixture(scope="module", params=[1, 2])
def rooms(request: pytest.FixtureRequest) -> list[RoomMesh]:
    version: int = request.param
    return [make_room("val", index, version=version, kind=kind) for index in range(3) for kind in KINDS[version]]


def area(floor) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(floor, floor[1:] + floor[:1], strict=True)) / 2


def test_rooms_are_as_promised(rooms: list[RoomMesh]) -> None:
    version = rooms[0].seed[0]
    least, most = THINGS[version]
    assert {mesh.room.kind for mesh in rooms} == set(KINDS[version])
    assert {len(mesh.room.floor) for mesh in rooms} == ({4, 6} if version == 1 else {4, 6, 8})
    assert 0 < sum(mesh.style.ceiling for mesh in rooms) < len(rooms)
    assert 0 < sum(mesh.alignment != 0 for mesh in rooms) < len(rooms) * 0.7
    for mesh in rooms:
        room = mesh.room
        assert 2.35 <= room.height <= (3.0 if version == 1 else 3.2)
        assert (7 if version == 1 else 2.5) <= area(room.floor) <= (46 if version == 1 else 51), room.kind
        assert least <= len(room.things) <= most
        assert [thing.id for thing in room.things] == list(range(len(room.things)))
        assert any(thing.category in ("door", "doorframe") for thing in room.things)
        labels = Counter(body.label for body in mesh.bodies[len(room.things) :])
        assert labels["wall"] == len(room.floor)
        assert labels["floor"] == 1
        assert len({body.id for body in mesh.bodies}) == len(mesh.bodies)


def test_nothing_goes_through_anything(rooms: list[RoomMesh]) -> None:
    """Independent of the placement's own test: no vertex of a thing lies deeper than 12 mm in a part of another."""
    for mesh in rooms:
        things = [body for body in mesh.bodies[: len(mesh.room.things)] if body.label != "mat"]
        clouds, boxes = {}, {}
        for body in things:
            turn, move = rotation(z=body.yaw), np.array([body.x, body.y, body.z])
            clouds[body.id] = np.concatenate([p.tessellate(0.06)[0] for p in body.parts]) @ turn.T + move
            boxes[body.id] = [p.bounds() for p in body.parts]
        for a, b in combinations(things, 2):
            for first, second in ((a, b), (b, a)):
                points = clouds[first.id] - [second.x, second.y, second.z]
                points = points @ rotation(z=second.yaw)
                low = np.min([x for x, _ in boxes[second.id]], axis=0)
                high = np.max([x for _, x in boxes[second.id]], axis=0)
                points = points[((points > low) & (points < high)).all(axis=1)]
                for x, y in boxes[second.id] if len(points) else ():
                    deep = ((points > x + 0.012) & (points < y - 0.012)).all(axis=1)
                    assert not deep.any(), (mesh.room.id, mesh.room.kind, first.label, second.label)


def test_things_are_in_the_room_and_rest_on_something(rooms: list[RoomMesh]) -> None:
    for mesh in rooms:
        room = mesh.room
        xs, ys = [p[0] for p in room.floor], [p[1] for p in room.floor]
        for thing in room.things:
            corners = thing.corners()
            outside = 0.13 if thing.category in ("door", "window", "doorframe") else 0.005
            assert corners[:, 0].min() >= min(xs) - outside
            assert corners[:, 0].max() <= max(xs) + outside
            assert corners[:, 1].min() >= min(ys) - outside
            assert corners[:, 1].max() <= max(ys) + outside
            assert corners[:, 2].max() <= room.height
            bottom = thing.center[2] - thing.size[2] / 2
            if thing.mount == "floor":
                assert abs(bottom) < 0.02
            elif thing.mount == "on":
                assert thing.on is not None
                host = room.thing(thing.on)
                assert bottom <= host.center[2] + host.size[2] / 2 + 0.01
                c, s = np.cos(-host.yaw), np.sin(-host.yaw)
                dx, dy = thing.center[0] - host.center[0], thing.center[1] - host.center[1]
                assert abs(c * dx - s * dy) <= host.size[0] / 2 + 0.01
                assert abs(s * dx + c * dy) <= host.size[1] / 2 + 0.01
            elif thing.mount == "wall":
                assert thing.wall is not None


@pytest.mark.parametrize("version", [1, 2])
def test_same_class_siblings(version: int) -> None:
    with_sibling = total = 0
    for index in range(40):
        count = Counter(thing.category for thing in make_room("train", index, version=version).room.things)
        with_sibling += sum(n for n in count.values() if n > 1)
        total += sum(count.values())
    assert with_sibling >= 0.5 * total


@pytest.mark.parametrize(("version", "least"), [(1, 70), (2, 130)])
def test_frequencies_have_a_long_tail(version: int, least: int) -> None:
    n = 120
    made = (make_room("train", i, version=version).room.things for i in range(n))
    present = Counter(label for things in made for label in {thing.category for thing in things})
    assert len(present) >= least
    share = np.array(sorted(present.values(), reverse=True)) / n
    assert (share >= 0.1).sum() >= 20
    assert (share <= 0.015).sum() >= 15


def test_a_room_is_a_function_of_its_arguments() -> None:
    a, b = make_room("train", 5, seed=3), make_room("train", 5, seed=3)
    assert a.room == b.room
    assert a.alignment == b.alignment
    assert a.style == b.style
    different = [make_room("val", 5, seed=3), make_room("train", 6, seed=3), make_room("train", 5, seed=4)]
    assert all(other.room.things != a.room.things for other in different)
    ids = {room_id(split, i) for split in ("train", "val", "test") for i in (0, 1, 999, 1000, 7999, 8000, 20000)}
    assert len(ids) == 21


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="split"):
        make_room("training", 0)
    with pytest.raises(InputError, match="kind"):
        make_room("train", 0, kind="garage")
    with pytest.raises(InputError, match="version"):
        make_room("train", 0, version=99)
    with pytest.raises(InputError, match="index"):
        room_id("train", -1)


def test_doors_stay_reachable() -> None:
    rng = np.random.RandomState(0)
    layout, _ = empty_room(rng, "office")
    assert reachable(layout)
    door = layout.doors[0]
    wall = layout.walls[door.wall or 0]
    x, y = wall.at(door.u, 0.5)
    layout.add(layout.new(layout.make("table", "rectangular", w=1.6, d=0.85), (x, y), 0.0, wall.yaw, "floor"))
    assert not reachable(layout)


@pytest.mark.parametrize(("empty", "kind"), [(m.empty_room, kind) for m in (shell, plans) for kind in sorted(m.PLANS)])
def test_what_is_cut_from_a_plan_stays_empty(empty, kind: str) -> None:
    notches = 0
    for seed in range(30):
        layout, _ = empty(np.random.RandomState(seed), kind)
        assert layout.area == pytest.approx(area(layout.floor))
        for notch in layout.notches:
            notches += 1
            assert not layout.inside(Upright(notch.x, notch.y, 0.1, 0.1, 0, 1, 0.4))
        for wall in layout.walls:
            assert wall.length > 0.15
            x, y = wall.at(wall.length / 2, 0.06)
            thin = Upright(x, y, min(0.1, wall.length / 2), 0.05, 0, 1, wall.yaw)
            assert layout.inside(thin)
    assert notches


def test_placement_refuses_what_does_not_fit() -> None:
    layout = Layout(np.random.RandomState(0), "storage", ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)), 2.5)
    bed = layout.against_wall(layout.make("bed", w=1.8), front=0.0)
    assert bed is None  # 2 m walls, but the bed is longer than the room is deep
    shelf = layout.against_wall(layout.make("bookshelf", "low"), front=0.3)
    assert shelf is not None
    assert layout.on_top(layout.make("bed"), shelf) is None
    assert layout.on_top(layout.make("cup"), shelf) is not None


BOX = st.builds(
    Upright, st.floats(-1, 1), st.floats(-1, 1), st.floats(0.05, 1), st.floats(0.05, 1),
    st.just(0.0), st.floats(0.2, 1), st.floats(-3.2, 3.2),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(BOX, BOX)
def test_overlap_is_symmetric_and_sees_common_points(a: Upright, b: Upright) -> None:
    assert overlap(a, b) == overlap(b, a)
    u, v = np.meshgrid(np.linspace(-1, 1, 15), np.linspace(-1, 1, 15))

    def points(box: Upright, by: float) -> np.ndarray:
        x, y = u.ravel() * (box.hx - by), v.ravel() * (box.hy - by)
        c, s = np.cos(box.yaw), np.sin(box.yaw)
        return np.stack([box.x + c * x - s * y, box.y + s * x + c * y], axis=1)

    c, s = np.cos(b.yaw), np.sin(b.yaw)
    dx, dy = (points(a, 0.01) - [b.x, b.y]).T
    if ((np.abs(c * dx + s * dy) < b.hx - 0.01) & (np.abs(-s * dx + c * dy) < b.hy - 0.01)).any():
        assert overlap(a, b)


def test_thing_corners_and_front() -> None:
    thing = Thing(0, "couch", "sofa", "red", None, None, (1, 2, 0.4), (2, 1, 0.8), np.pi / 2, None, "floor", 0, True)
    corners = thing.corners()
    np.testing.assert_allclose(corners.min(axis=0), [0.5, 1, 0], atol=1e-9)
    np.testing.assert_allclose(corners.max(axis=0), [1.5, 3, 0.8], atol=1e-9)
    np.testing.assert_allclose(thing.front(), [1, 0], atol=1e-9)
