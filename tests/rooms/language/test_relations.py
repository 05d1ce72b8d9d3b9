import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.rooms.language import relations
from saymask.rooms.language.measures import Geometry
from saymask.rooms.language.relations import NO, UNCLEAR, YES
from saymask.rooms.room import Room, Thing
from tests.rooms.sample_rooms import boxes, room, thing

NORTH = (0.0, 1.0)


def answer(name: str, a: Thing, b: Thing, *others: Thing, view: tuple[float, float] | None = None) -> int:
    return relations.holds(room(a, b, *others), name, a, b, view)


def chair(x: float, y: float, **more) -> Thing:
    return thing(1, "chair", x, y, **more)


DESK = thing(2, "desk", 3.0, 2.5, (1.4, 0.7, 0.75), fronted=True)
LAMP = (0.2, 0.2, 0.4)
PICTURE = thing(2, "picture", 3.0, 4.98, (0.8, 0.04, 0.6), z=1.4, mount="wall", wall=2)

# name, (thing, anchor, view, expected): one that holds, one that does not, one within the margin
CASES: list[tuple[str, Thing, Thing, tuple[float, float] | None, int]] = [
    ("beside", chair(4.2, 2.5), DESK, None, YES),
    ("beside", chair(5.5, 2.5), DESK, None, NO),
    ("beside", chair(4.5, 2.5), DESK, None, UNCLEAR),
    ("beside", thing(1, "lamp", 3.0, 2.5, LAMP, z=0.75, on=2, mount="on"), DESK, None, NO),
    ("near", chair(4.6, 2.5), DESK, None, YES),
    ("near", chair(5.7, 0.3), DESK, None, NO),
    ("near", chair(5.1, 2.5), DESK, None, UNCLEAR),
    ("at", chair(3.0, 2.0), DESK, None, YES),
    ("at", chair(3.0, 0.5), DESK, None, NO),
    ("at", chair(3.0, 1.4), DESK, None, UNCLEAR),
    ("at", thing(1, "plant", 3.0, 2.0), DESK, None, NO),
    ("on", thing(1, "lamp", 3.0, 2.5, LAMP, z=0.75, on=2, mount="on"), DESK, None, YES),
    ("on", chair(3.0, 1.0), DESK, None, NO),
    ("on", thing(1, "lamp", 3.0, 2.5, LAMP, z=0.76, mount="floor"), DESK, None, UNCLEAR),
    ("on", chair(3.0, 2.5), thing(2, "rug", 3.0, 2.5, (2.0, 2.0, 0.02)), None, YES),
    ("on", chair(0.5, 0.5), thing(2, "rug", 3.0, 2.5, (2.0, 2.0, 0.02)), None, NO),
    ("on", chair(4.0, 2.5), thing(2, "rug", 3.0, 2.5, (2.0, 2.0, 0.02)), None, UNCLEAR),
    ("under", thing(1, "trash can", 3.0, 2.5, (0.3, 0.3, 0.4)), DESK, None, YES),
    ("under", thing(1, "trash can", 5.0, 2.5, (0.3, 0.3, 0.4)), DESK, None, NO),
    ("under", thing(1, "trash can", 3.75, 2.5, (0.3, 0.3, 0.4)), DESK, None, UNCLEAR),
    ("under", thing(1, "trash can", 3.0, 2.5, (0.3, 0.3, 0.4)), thing(2, "wardrobe", 3.0, 2.5), None, NO),
    ("above", thing(1, "picture", 3.0, 2.9, (0.8, 0.04, 0.6), z=1.4, mount="wall"), DESK, None, YES),
    ("above", thing(1, "picture", 5.5, 4.98, (0.8, 0.04, 0.6), z=1.4, mount="wall"), DESK, None, NO),
    ("above", thing(1, "picture", 3.95, 2.9, (0.8, 0.04, 0.6), z=1.4, mount="wall"), DESK, None, UNCLEAR),
    ("below", chair(3.0, 4.75), PICTURE, None, YES),
    ("below", chair(3.0, 1.0), PICTURE, None, NO),
    ("below", chair(3.7, 4.75), PICTURE, None, UNCLEAR),
    ("turned_to", chair(3.0, 4.5, fronted=True), DESK, None, YES),
    ("turned_to", chair(3.0, 0.5, fronted=True), DESK, None, NO),
    ("turned_to", chair(3.0, 4.5, fronted=True, yaw=math.radians(30)), DESK, None, UNCLEAR),
    ("turned_to", chair(3.0, 4.5), DESK, None, NO),
    ("left", chair(1.9, 2.5), DESK, NORTH, YES),
    ("left", chair(4.1, 2.5), DESK, NORTH, NO),
    ("left", chair(1.9, 3.6), DESK, NORTH, UNCLEAR),
    ("left", chair(4.1, 2.5), DESK, (0.0, -1.0), YES),
    ("right", chair(4.1, 2.5), DESK, NORTH, YES),
    ("right", chair(1.9, 2.5), DESK, NORTH, NO),
    ("right", chair(4.1, 1.5), DESK, NORTH, UNCLEAR),
    ("front", chair(3.0, 1.5), DESK, (0.0, -1.0), YES),
    ("front", chair(3.0, 3.5), DESK, (0.0, -1.0), NO),
    ("front", chair(4.1, 1.6), DESK, (0.0, -1.0), UNCLEAR),
    ("behind", chair(3.0, 3.5), DESK, (0.0, -1.0), YES),
    ("behind", chair(3.0, 1.5), DESK, (0.0, -1.0), NO),
    ("behind", chair(4.1, 3.4), DESK, (0.0, -1.0), UNCLEAR),
]


@pytest.mark.parametrize(("name", "a", "b", "view", "expected"), CASES)
def test_relation(name: str, a: Thing, b: Thing, view: tuple[float, float] | None, expected: int) -> None:
    assert answer(name, a, b, view=view) == expected


def test_every_relation_has_all_three_answers() -> None:
    for name in relations.RELATIONS:
        assert {case[4] for case in CASES if case[0] == name} == {YES, NO, UNCLEAR}, name


def test_things_on_different_carriers_are_not_clearly_beside() -> None:
    lamp = thing(1, "lamp", 3.65, 2.5, LAMP, z=0.75, on=2, mount="on")
    tall = thing(3, "cabinet", 4.1, 2.5, (0.5, 0.5, 1.4))
    assert relations.holds(room(lamp, DESK, tall), "beside", lamp, tall) == UNCLEAR
    assert relations.holds(room(lamp, DESK, tall), "beside", tall, DESK) == YES


def test_what_lies_on_a_box_on_the_desk_is_not_clearly_on_the_desk() -> None:
    box = thing(3, "box", 3.0, 2.5, (0.3, 0.3, 0.2), z=0.75, on=2, mount="on")
    cup = thing(4, "cup", 3.0, 2.5, (0.1, 0.1, 0.1), z=0.95, on=3, mount="on")
    assert relations.holds(room(DESK, box, cup), "on", cup, DESK) == UNCLEAR
    assert relations.holds(room(DESK, box, cup), "on", cup, box) == YES


def test_carries_is_the_inverse_of_on() -> None:
    made = room(DESK, thing(3, "lamp", 3.0, 2.5, LAMP, z=0.75, on=2, mount="on"), thing(4, "chair", 1.0, 1.0))
    assert relations.carries(Geometry(made), 1).tolist() == [YES, NO, NO]


def test_between() -> None:
    ends = thing(1, "bed", 1.0, 2.5, (1.0, 2.0, 0.5)), thing(2, "bed", 4.0, 2.5, (1.0, 2.0, 0.5))
    made = room(*ends, chair3(2.5, 2.5), chair3(5.5, 2.5, 4), chair3(2.5, 3.4, 5), chair3(2.0, 0.2, 6))
    assert relations.between(Geometry(made), 0, 1).tolist() == [NO, NO, YES, NO, UNCLEAR, NO]


def chair3(x: float, y: float, id: int = 3) -> Thing:
    return thing(id, "chair", x, y, (0.4, 0.4, 0.8))


def test_places() -> None:
    made = room(
        chair3(0.3, 0.3, 0), chair3(3.0, 2.5, 1), chair3(0.8, 0.8, 2), chair3(3.0, 0.25, 3), chair3(3.0, 0.5, 4),
        thing(5, "picture", 2.0, 0.02, (0.5, 0.04, 0.5), z=1.2, mount="wall", wall=0),
        thing(6, "light", 3.0, 2.5, (0.3, 0.3, 0.1), z=2.5, mount="ceiling"),
        chair3(3.0, 3.8, 7),
    )  # fmt: skip
    g = Geometry(made)
    assert relations.place(g, "corner").tolist()[:3] == [YES, NO, UNCLEAR]
    assert relations.place(g, "wall").tolist()[1:5] == [NO, NO, YES, UNCLEAR]
    assert relations.place(g, "hung").tolist() == [NO] * 5 + [YES, NO, NO]
    assert relations.place(g, "ceiling").tolist() == [NO] * 6 + [YES, NO]
    assert relations.place(g, "floor").tolist() == [YES] * 5 + [NO, NO, YES]
    middle = relations.place(g, "middle").tolist()
    assert (middle[1], middle[0], middle[7]) == (YES, NO, UNCLEAR)


def test_the_inner_corner_of_an_l_is_no_corner() -> None:
    floor = ((0.0, 0.0), (6.0, 0.0), (6.0, 3.0), (3.0, 3.0), (3.0, 6.0), (0.0, 6.0))
    made = room(chair3(2.7, 2.7, 0), chair3(5.7, 2.7, 1), floor=floor)
    assert relations.place(Geometry(made), "corner").tolist() == [NO, YES]
    assert relations.place(Geometry(made), "middle").tolist() == [UNCLEAR, UNCLEAR]


def test_nearest_needs_a_ratio_and_a_distance() -> None:
    def near(*xs: float, farthest: bool = False) -> int | None:
        made = room(thing(0, "door", 0.0, 2.5, (0.1, 0.9, 2.0)), *(chair3(x, 2.5, i + 1) for i, x in enumerate(xs)))
        return relations.nearest(Geometry(made), list(range(1, len(xs) + 1)), 0, farthest=farthest)

    assert near(1.25, 2.25) == 1  # 1.0 m against 2.0 m
    assert near(2.25, 1.25) == 2
    assert near(1.25, 1.45) is None  # 1.2 times as far
    assert near(0.35, 0.48) is None  # far enough as a ratio, but only 13 cm
    assert near(1.25, 2.25, farthest=True) == 2
    assert near(1.25) is None


def test_extremes_need_a_margin() -> None:
    g = Geometry(
        room(*(thing(i, "box", 1.0 + i, 1.0, s) for i, s in enumerate([(1, 1, 1), (0.5, 0.5, 0.5), (0.52, 0.5, 0.5)])))
    )
    assert relations.extreme(g, [0, 1, 2], "size", True) == 0
    assert relations.extreme(g, [0, 1, 2], "size", False) is None
    assert relations.extreme(g, [0, 1], "size", False) == 1
    assert relations.extreme(g, [0, 1], "height", True) == 0
    assert relations.extreme(g, [1, 2], "length", True) is None
    assert relations.extreme(g, [0], "size", True) is None
    assert relations.extreme(g, [0, 1], "altitude", False) == 1


def test_order_in_a_row_depends_on_the_viewer() -> None:
    g = Geometry(room(*(chair3(x, 2.5, i) for i, x in enumerate((1.0, 2.0, 3.0)))))
    assert relations.in_row(g, [0, 1, 2], NORTH, 1, "left") == 0
    assert relations.in_row(g, [0, 1, 2], NORTH, 1, "right") == 2
    assert relations.in_row(g, [0, 1, 2], (0.0, -1.0), 1, "left") == 2
    assert relations.in_row(g, [0, 1, 2], NORTH, 2, "left") == 1
    assert relations.in_row(g, [0, 1, 2], (1.0, 0.0), 1, "left") is None  # one behind the other
    assert relations.in_row(g, [0, 1, 2], NORTH, 4, "left") is None
    close = Geometry(room(chair3(1.0, 2.5, 0), chair3(1.2, 2.5, 1)))
    assert relations.in_row(close, [0, 1], NORTH, 1, "left") is None


def test_facing_follows_the_wall_and_the_front() -> None:
    def facing(**more) -> tuple[float, float] | None:
        found = Geometry(room(thing(0, "desk", 3.0, 4.6, (1.4, 0.7, 0.75), **more))).facing(0)
        return None if found is None else (round(found[0], 6), round(found[1], 6))

    assert facing(wall=2) == (0.0, 1.0)
    assert facing(fronted=True) == (0.0, 1.0)
    assert facing(wall=2, fronted=True) == (0.0, 1.0)
    assert facing(wall=2, fronted=True, yaw=math.pi / 2) is None  # its front looks along the wall
    assert facing() is None


def test_distances_of_turned_boxes() -> None:
    turned = room(
        thing(0, "box", 0.0, 0.0, (2.0, 2.0, 1.0), yaw=math.pi / 4), thing(1, "box", 3.0, 0.0, (1.0, 1.0, 1.0), z=2.0)
    )
    g = Geometry(turned)
    assert g.gap[0, 1] == pytest.approx(2.5 - math.sqrt(2), abs=1e-6)
    assert g.rise[0, 1] == pytest.approx(1.0)
    assert g.apart[0, 1] == pytest.approx(math.hypot(2.5 - math.sqrt(2), 1.0), abs=1e-5)


def moved(made: Room, angle: float, dx: float, dy: float) -> Room:
    """The same room somewhere else, turned about z."""
    c, s = math.cos(angle), math.sin(angle)

    def at(x: float, y: float) -> tuple[float, float]:
        return (c * x - s * y + dx, s * x + c * y + dy)

    things = [
        Thing(**{**t.__dict__, "center": (*at(t.center[0], t.center[1]), t.center[2]), "yaw": t.yaw + angle})
        for t in made.things
    ]
    return Room(made.id, made.kind, tuple(at(x, y) for x, y in made.floor), made.height, tuple(things))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.floats(-3, 3), st.floats(-5, 5), st.floats(-5, 5))
def test_turning_the_room_changes_nothing(seed: int, count: int, angle: float, dx: float, dy: float) -> None:
    here = boxes(seed, count)
    there = moved(here, angle, dx, dy)
    a, b = Geometry(here), Geometry(there)
    np.testing.assert_allclose(a.gap, b.gap, atol=2e-6)
    np.testing.assert_allclose(a.wall_gap, b.wall_gap, atol=2e-6)
    np.testing.assert_allclose(a.cover, b.cover, atol=0.3)  # grid samples on an edge may fall either way
    assert (a.gap == a.gap.T).all()
    assert (np.diag(a.gap) == 0).all()
    for k in range(count):
        for name in ("near", "turned_to"):
            assert relations.table(a, name, k).tolist() == relations.table(b, name, k).tolist()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_left_and_right_exclude_each_other(seed: int, count: int) -> None:
    g = Geometry(boxes(seed, count))
    for k in range(count):
        left, right = relations.table(g, "left", k, NORTH), relations.table(g, "right", k, NORTH)
        assert not ((left == YES) & (right == YES)).any()
        assert (right[left == YES] == NO).all()
        assert relations.table(g, "left", k, (0.0, -1.0)).tolist() == right.tolist()
        for name in ("beside", "near", "on"):
            assert relations.table(g, name, k)[k] == NO
