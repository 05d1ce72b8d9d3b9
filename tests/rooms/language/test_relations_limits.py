"""Every constant of the predicates between things, met from both sides: a tenth of a millimetre decides the answer."""

import math
from collections.abc import Callable

import pytest

from saymask.rooms.language import relations
from saymask.rooms.language.measures import Geometry
from saymask.rooms.language.relations import NO, UNCLEAR, YES
from saymask.rooms.room import Thing
from tests.rooms.sample_rooms import SQUARE, room, thing

NORTH, SOUTH = (0.0, 1.0), (0.0, -1.0)
STEP = 1e-4
ANY = None
"""Stands for the answer at the limit where the last bit of a sum decides it."""
Answers = tuple[int, int | None, int]
DESK = thing(2, "desk", 3.0, 2.5, (1.4, 0.7, 0.75))  # x 2.3 … 3.7, y 2.15 … 2.85
SIDE = 3.9  # centre of a chair that touches the desk on its right


def chair(x: float, y: float = 2.5, size: tuple[float, float, float] = (0.4, 0.4, 0.8), **more) -> Thing:
    return thing(1, "chair", x, y, size, **more)


def block(x: float, y: float = 2.5, **more) -> Thing:
    """A thing whose 7x7 sample points are 10 cm apart: its share inside another can be counted."""
    return thing(1, more.pop("name", "chair"), x, y, (0.7, 0.7, more.pop("height", 0.8)), **more)


def can(x: float = 3.0, y: float = 2.5, height: float = 0.4, z: float = 0.0) -> Thing:
    return thing(1, "trash can", x, y, (0.3, 0.3, height), z=z)


def hung(x: float = 3.0, z: float = 1.4, y: float = 2.6) -> Thing:
    return thing(1, "picture", x, y, (0.7, 0.04, 0.6), z=z, mount="wall")


def on_wall(z: float = 1.4) -> Thing:
    return thing(2, "picture", 3.0, 4.98, (0.7, 0.04, 0.6), z=z, mount="wall", wall=2)


def stool(height: float, x: float = 3.0, z: float = 0.0) -> Thing:
    return thing(1, "cabinet", x, 4.8, (0.7, 0.4, height), z=z)


def lamp(z: float) -> Thing:
    return thing(1, "lamp", 3.0, 2.5, (0.2, 0.2, 0.4), z=z)


RUG = thing(2, "rug", 3.0, 2.5, (2.0, 2.0, 0.02))
LOW = thing(2, "table", 3.0, 2.5, (1.4, 0.7, 0.3))
WIDE = thing(2, "cabinet", 3.0, 2.5, (2.8, 0.7, 0.75))
TV = thing(2, "tv", 3.0, 2.5, (1.4, 0.7, 0.75))
DEG = math.pi / 180

# relation, made(d), anchor, view, limit, answers below, at and above it
LIMITS: list[tuple[str, Callable[[float], Thing], Thing, tuple[float, float] | None, float, Answers]] = [
    ("beside", lambda d: chair(SIDE + d), DESK, None, 0.4, (YES, YES, UNCLEAR)),
    ("beside", lambda d: chair(SIDE + d), DESK, None, 0.85, (UNCLEAR, NO, NO)),
    ("beside", lambda d: chair(SIDE + 0.1, z=d), DESK, None, 0.525, (YES, YES, UNCLEAR)),  # 0.7 of 0.75 m
    ("beside", lambda d: chair(SIDE + 0.1, z=0.75 + d), DESK, None, 0.5, (UNCLEAR, NO, NO)),
    ("near", lambda d: chair(SIDE + d), DESK, None, 0.9, (YES, YES, UNCLEAR)),
    ("near", lambda d: chair(SIDE + d), DESK, None, 1.6, (UNCLEAR, NO, NO)),
    ("at", lambda d: chair(SIDE + d), DESK, None, 0.3, (YES, YES, UNCLEAR)),
    ("at", lambda d: chair(SIDE + d), DESK, None, 0.8, (UNCLEAR, NO, NO)),
    ("on", lambda d: chair(3.0, z=0.02 + d), RUG, None, 0.05, (YES, ANY, NO)),
    ("on", lambda d: lamp(0.75 + d), DESK, None, 0.05, (UNCLEAR, ANY, NO)),
    ("on", lambda d: lamp(0.75 + d), DESK, None, -0.05, (NO, ANY, UNCLEAR)),
    ("under", lambda d: can(height=0.75 - d), DESK, None, 0.02, (UNCLEAR, ANY, YES)),
    ("under", lambda d: can(z=0.75 - d), DESK, None, 0.02, (NO, ANY, UNCLEAR)),
    ("above", lambda d: hung(z=0.75 + d), DESK, None, -0.02, (UNCLEAR, YES, YES)),
    ("above", lambda d: hung(z=0.75 + d), DESK, None, 1.6, (YES, YES, UNCLEAR)),
    ("above", lambda d: hung(z=0.75 + d), DESK, None, -0.3, (NO, NO, UNCLEAR)),
    ("above", lambda d: hung(z=d), LOW, None, 0.5, (UNCLEAR, ANY, YES)),
    ("above", lambda d: hung(x=4.05 + d), DESK, None, 0.3, (UNCLEAR, NO, NO)),
    ("below", lambda d: stool(1.4 - d), on_wall(), None, -0.02, (UNCLEAR, YES, YES)),
    ("below", lambda d: stool(0.8), on_wall(), None, 0.6, (YES, YES, YES)),
    ("below", lambda d: stool(2.4 - d), on_wall(2.4), None, 1.6, (YES, YES, UNCLEAR)),
    ("below", lambda d: stool(1.4 - d), on_wall(), None, -0.3, (NO, NO, UNCLEAR)),
    ("below", lambda d: stool(0.8, x=3.7 + d), on_wall(), None, 0.3, (UNCLEAR, NO, NO)),
    ("turned_to", lambda d: chair(3.0, 4.5, fronted=True, yaw=d * DEG), DESK, None, 15, (YES, YES, UNCLEAR)),
    ("turned_to", lambda d: chair(3.0, 4.5, fronted=True, yaw=d * DEG), DESK, None, 50, (UNCLEAR, ANY, NO)),
    ("turned_to", lambda d: chair(3.0, 3.05 + d, fronted=True), DESK, None, 3.5, (YES, YES, UNCLEAR)),
    ("turned_to", lambda d: chair(3.0, 2.5 + d, fronted=True), DESK, None, 0.5, (UNCLEAR, YES, YES)),
    ("right", lambda d: chair(SIDE + d), DESK, NORTH, 1.5, (YES, YES, UNCLEAR)),
    ("right", lambda d: chair(SIDE + d), DESK, NORTH, 3.5, (UNCLEAR, NO, NO)),
    ("left", lambda d: chair(2.1 - d), DESK, NORTH, 1.5, (YES, YES, UNCLEAR)),
    ("left", lambda d: chair(2.1 - d), DESK, NORTH, 3.5, (UNCLEAR, NO, NO)),
    ("front", lambda d: chair(3.0, 1.95 - d), DESK, SOUTH, 1.3, (YES, ANY, UNCLEAR)),
    ("front", lambda d: chair(3.0, 1.95 - d), TV, SOUTH, 2.5, (YES, YES, UNCLEAR)),
    ("behind", lambda d: chair(3.0, 3.05 + d), DESK, SOUTH, 1.0, (YES, YES, UNCLEAR)),
    ("behind", lambda d: chair(3.0, 3.05 + d), DESK, SOUTH, 3.0, (UNCLEAR, ANY, NO)),
    ("right", lambda d: chair(5.0 + d, size=(1.2, 1.4, 0.8)), WIDE, NORTH, -0.3, (UNCLEAR, YES, YES)),
    ("right", lambda d: chair(3.0 + d, size=(0.2, 2.0, 0.8)), DESK, NORTH, 0.7, (UNCLEAR, YES, YES)),
    ("right", lambda d: chair(SIDE + 0.3, 2.85 + d), DESK, NORTH, 0.1, (YES, ANY, UNCLEAR)),
    ("right", lambda d: chair(SIDE + 0.3, 2.5 + d, (0.4, 2.0, 0.8)), DESK, NORTH, 0.7, (YES, ANY, UNCLEAR)),
    ("right", lambda d: chair(3.0 + d, 1.5), DESK, NORTH, 0.0, (NO, NO, UNCLEAR)),
    ("right", lambda d: chair(3.8, 2.85 + d), DESK, NORTH, 0.8, (UNCLEAR, ANY, NO)),
    ("right", lambda d: chair(SIDE + 0.5, 2.85 + d), DESK, NORTH, 1.3, (UNCLEAR, ANY, NO)),
    ("right", lambda d: chair(SIDE + 0.3, z=0.75 + d), DESK, NORTH, 0.6, (YES, YES, UNCLEAR)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "made", "anchor", "view", "limit", "expected"), LIMITS)
def test_limits(
    name: str, made: Callable[[float], Thing], anchor: Thing, view: tuple[float, float] | None, limit: float,
    expected: Answers,
) -> None:  # fmt: skip
    step = 1e-2 if limit >= 15 else STEP  # degrees
    for d, answer in zip((limit - step, limit, limit + step), expected):
        if answer is not ANY:
            a = made(d)
            assert relations.holds(room(a, anchor), name, a, anchor, view) == answer, d


# relation, thing, anchor, view, its share in 49ths inside the anchor, expected
SHARES: list[tuple[str, Thing, Thing, tuple[float, float] | None, int, int]] = [
    ("beside", block(3.75, 2.80), DESK, None, 3 * 4, YES),
    ("beside", block(3.85), DESK, None, 2 * 7, UNCLEAR),
    ("right", block(3.75, 2.80), DESK, NORTH, 3 * 4, YES),
    ("right", block(3.85), DESK, NORTH, 2 * 7, UNCLEAR),
    ("on", block(3.75), RUG, None, 6 * 7, YES),
    ("on", block(3.85, 3.25), RUG, None, 5 * 6, UNCLEAR),
    ("on", block(4.15, 3.75), RUG, None, 2 * 1, NO),
    ("on", block(4.05, 3.75), RUG, None, 3 * 1, UNCLEAR),
    ("on", block(3.75, 2.90, z=0.75), DESK, None, 3 * 3, NO),
    ("on", block(3.85, 2.70, z=0.75), DESK, None, 2 * 5, UNCLEAR),
    ("under", block(3.55, height=0.4), DESK, None, 5 * 7, YES),
    ("under", block(3.55, 2.60, height=0.4), DESK, None, 5 * 6, UNCLEAR),
    ("under", block(3.85, 3.0, height=0.4), DESK, None, 2 * 2, NO),
    ("under", block(3.95, 2.70, height=0.4), DESK, None, 1 * 5, UNCLEAR),
]


@pytest.mark.parametrize(("name", "a", "anchor", "view", "share", "expected"), SHARES)
def test_shares(
    name: str, a: Thing, anchor: Thing, view: tuple[float, float] | None, share: int, expected: int
) -> None:
    made = room(a, anchor)
    assert Geometry(made).cover[0, 1] * 49 == pytest.approx(share)
    assert relations.holds(made, name, a, anchor, view) == expected


@pytest.mark.parametrize(("shift", "expected"), [(0.80, YES), (0.90, UNCLEAR)])
def test_a_picture_is_above_what_most_of_it_lies_over(shift: float, expected: int) -> None:
    a = hung(x=3.0 + shift)  # 4 and 3 of 7 columns over the desk and the 15 cm around it
    assert relations.holds(room(a, DESK), "above", a, DESK) == expected


@pytest.mark.parametrize(("shift", "expected"), [(0.45, YES), (0.55, UNCLEAR)])
def test_a_cabinet_is_below_a_picture_that_is_mostly_over_it(shift: float, expected: int) -> None:
    a, anchor = stool(0.8, x=3.0 + shift), on_wall()
    assert relations.holds(room(a, anchor), "below", a, anchor) == expected


def test_above_and_below_follow_the_centres_of_things_beside_each_other() -> None:
    board = thing(2, "shelf", 3.0, 2.5, (0.7, 0.7, 0.2), z=1.0, mount="wall")
    for z, expected in ((0.95, NO), (1.1, UNCLEAR)):
        a = thing(1, "picture", 3.0, 2.6, (0.7, 0.04, 0.04), z=z, mount="wall")
        assert relations.holds(room(a, board), "above", a, board) == expected
    for height, expected in ((0.04, NO), (0.5, UNCLEAR)):
        a = thing(1, "cabinet", 3.0, 2.5, (0.7, 0.7, height), z=1.25 - height)
        assert relations.holds(room(a, board), "below", a, board) == expected


def test_only_what_hangs_has_something_below_it() -> None:
    a = thing(1, "chair", 3.0, 2.5, (0.7, 0.7, 0.8))
    for name, mount, expected in (
        ("lamp", "ceiling", YES), ("curtain", "ceiling", UNCLEAR), ("curtain", "wall", YES), ("lamp", "floor", UNCLEAR),
    ):  # fmt: skip
        anchor = thing(2, name, 3.0, 2.5, (0.5, 0.5, 0.4), z=1.4, mount=mount)
        assert relations.holds(room(a, anchor), "below", a, anchor) == expected, (name, mount)


def test_who_can_be_at_under_and_on() -> None:
    box = thing(3, "box", 3.9, 2.5, (0.4, 0.4, 0.4))
    sat = chair(SIDE + 0.1, z=0.4, on=3)
    assert relations.holds(room(sat, DESK, box), "at", sat, DESK) == UNCLEAR  # a chair on a box
    rug = thing(1, "rug", 3.0, 2.5, (0.5, 0.5, 0.02))
    assert relations.holds(room(rug, DESK), "under", rug, DESK) == UNCLEAR
    shelf = thing(2, "desk", 3.0, 2.5, (1.4, 0.7, 0.75), mount="wall")
    assert relations.holds(room(can(), shelf), "under", can(), shelf) == NO
    assert relations.holds(room(chair(3.9), WIDE), "at", chair(4.9), WIDE) == NO  # nobody sits at a cabinet


# ---- between


def end(id: int, x: float, size: tuple[float, float, float] = (1.0, 2.0, 0.5)) -> Thing:
    return thing(id, "bed", x, 2.5, size)


def between(a: Thing, one: Thing, other: Thing, *more: Thing) -> int:
    g = Geometry(room(one, other, a, *more))
    found = relations.between(g, 0, 1)
    assert found.tolist() == relations.between(g, 1, 0).tolist()
    assert found[:2].tolist() == [NO, NO]
    return int(found[2])


def small(x: float, y: float = 2.5, z: float = 0.0) -> Thing:
    return thing(9, "chair", x, y, (0.1, 0.1, 0.5), z=z)


LONG = (1.0, 2.0, 0.5)
TALL = (1.0, 2.0, 2.0)
SLIM = (0.4, 0.4, 0.5)
# made(d) → (thing, one end, other end), limit, answers
BETWEEN: list[tuple[Callable[[float], tuple[Thing, Thing, Thing]], float, Answers]] = [
    (lambda d: (small(1 + 3 * d), end(1, 1.0), end(2, 4.0)), 0.25, (UNCLEAR, YES, YES)),
    (lambda d: (small(1 + 3 * d), end(1, 1.0), end(2, 4.0)), 0.75, (YES, YES, UNCLEAR)),
    (lambda d: (small(1 + 3 * d), end(1, 1.0), end(2, 4.0)), 0.05, (NO, NO, UNCLEAR)),
    (lambda d: (small(1 + 3 * d), end(1, 1.0), end(2, 4.0)), 0.95, (UNCLEAR, NO, NO)),
    (lambda d: (small(2.5, 2.5 + d), end(1, 1.0), end(2, 4.0)), 0.5, (YES, YES, UNCLEAR)),
    (lambda d: (small(2.5, 2.5 - d), end(1, 1.0), end(2, 4.0)), 1.8, (UNCLEAR, NO, NO)),
    (lambda d: (small(1.8, 2.5 + d), end(1, 1.0, SLIM), end(2, 2.6, SLIM)), 0.4, (YES, ANY, UNCLEAR)),
    (lambda d: (small(2.5, z=0.5 + d), end(1, 1.0), end(2, 4.0, TALL)), 0.3, (YES, YES, UNCLEAR)),
    (lambda d: (small(2.5, z=0.5 + d), end(1, 1.0, TALL), end(2, 4.0)), 0.3, (YES, YES, UNCLEAR)),
    (lambda d: (small(1.2 + d / 2), end(1, 1.0, SLIM), end(2, 1.4 + d, SLIM)), 0.15, (UNCLEAR, YES, YES)),
    (lambda d: (small(1 + d / 2), end(1, 1.0), end(2, 1 + d)), 4.5, (YES, ANY, UNCLEAR)),
    (lambda d: (thing(9, "bar", 2.5, 2.5, (d, 0.05, 0.5)), end(1, 1.0, (0.1, 2.0, 0.5)), end(2, 4.0, (0.1, 2.0, 0.5))),
     3.0, (YES, ANY, UNCLEAR)),
]  # fmt: skip


@pytest.mark.parametrize(("made", "limit", "expected"), BETWEEN)
def test_between_limits(made: Callable[[float], tuple[Thing, Thing, Thing]], limit: float, expected: Answers) -> None:
    for d, answer in zip((limit - STEP, limit, limit + STEP), expected):
        if answer is not ANY:
            assert between(*made(d)) == answer, d


@pytest.mark.parametrize(("x", "y", "share", "expected"), [(1.55, 2.90, 9, YES), (1.65, 2.70, 10, UNCLEAR)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_what_lies_over_an_end_is_not_clearly_between(
    x: float, y: float, share: int, expected: int, mirrored: bool
) -> None:
    ends = end(1, 1.0, (1.0, 0.7, 0.5)), end(2, 3.0, (1.0, 0.7, 0.5))
    a = thing(9, "chair", 4.0 - x if mirrored else x, y, (0.7, 0.7, 0.5))
    assert Geometry(room(*ends, a)).cover[2, int(mirrored)] * 49 == pytest.approx(share)
    assert between(a, *ends) == expected


def test_what_an_end_carries_is_not_between_and_what_another_thing_carries_is_unclear() -> None:
    ends = end(1, 1.0), end(2, 4.0)
    for carrier, expected in ((1, NO), (2, NO), (3, UNCLEAR), (None, YES)):
        a = thing(9, "pillow", 2.5, 2.5, (0.1, 0.1, 0.1), z=0.3, on=carrier)
        assert between(a, *ends, thing(3, "box", 2.5, 2.5, (0.3, 0.3, 0.3))) == expected, carrier


# ---- places


def where(place: str, a: Thing, floor: tuple[tuple[float, float], ...] = SQUARE) -> int:
    return int(relations.place(Geometry(room(a, floor=floor)), place)[0])


SCALE = math.sqrt(30)
# place, made(d), limit, answers
PLACED: list[tuple[str, Callable[[float], Thing], float, Answers]] = [
    ("wall", lambda d: chair(3.0, 0.2 + d), 0.12, (YES, YES, UNCLEAR)),
    ("wall", lambda d: chair(3.0, 0.2 + d), 0.4, (UNCLEAR, NO, NO)),
    ("corner", lambda d: chair(0.2 + d, 0.2), 0.35, (YES, YES, UNCLEAR)),
    ("corner", lambda d: chair(0.2, 4.8 - d), 0.9, (UNCLEAR, NO, NO)),
    ("middle", lambda d: chair(3.0 + d), 0.18 * SCALE, (YES, ANY, UNCLEAR)),
    ("middle", lambda d: chair(3.0 - d), 0.32 * SCALE, (UNCLEAR, ANY, NO)),
    ("middle", lambda d: chair(3.0, size=(0.4, 5.0 - 2 * d, 0.8)), 0.6, (UNCLEAR, YES, YES)),
    ("middle", lambda d: chair(3.0, size=(0.4, 5.0 - 2 * d, 0.8)), 0.15, (NO, NO, UNCLEAR)),
]


@pytest.mark.parametrize(("place", "made", "limit", "expected"), PLACED)
def test_place_limits(place: str, made: Callable[[float], Thing], limit: float, expected: Answers) -> None:
    for d, answer in zip((limit - STEP, limit, limit + STEP), expected):
        if answer is not ANY:
            assert where(place, made(d)) == answer, d


def test_only_what_stands_on_the_floor_has_a_place_on_it() -> None:
    carried = chair(0.2, 0.2, on=1, mount="on")
    lamp = thing(1, "lamp", 0.2, 0.2, (0.4, 0.4, 0.2), z=2.4, mount="ceiling")
    for a, answers in ((carried, (UNCLEAR, UNCLEAR, NO)), (lamp, (NO, UNCLEAR, NO))):
        assert tuple(where(p, a) for p in ("wall", "corner", "floor")) == answers
    high = thing(1, "lamp", 3.0, 2.5, (0.4, 0.4, 0.2), z=2.4, mount="ceiling")
    assert [where(p, high) for p in ("wall", "corner", "middle")] == [NO, UNCLEAR, UNCLEAR]
    with pytest.raises(KeyError, match="attic"):
        where("attic", high)


# ---- comparisons


def door_and(*xs: float) -> Geometry:
    """A door at x = 0 and chairs whose near sides are at these distances from it."""
    chairs = (thing(i + 1, "chair", x + 0.25, 2.5, (0.4, 0.4, 0.8)) for i, x in enumerate(xs))
    return Geometry(room(thing(0, "door", 0.0, 2.5, (0.1, 0.9, 2.0)), *chairs))


@pytest.mark.parametrize(("low", "limit"), [(1.0, 1.3), (0.2, 0.35)], ids=["ratio", "metres"])
def test_nearest_limits(low: float, limit: float) -> None:
    for high, clear in ((limit - STEP, False), (limit + STEP, True)):
        g = door_and(low, high)
        assert relations.nearest(g, [1, 2], 0) == (1 if clear else None)
        assert relations.nearest(g, [2, 1], 0, farthest=True) == (2 if clear else None)
    # The margin is to the next one, whatever comes after it; the anchor is no candidate.
    assert relations.nearest(door_and(low, limit - STEP, 5.0), [1, 2, 3], 0) is None
    assert relations.nearest(door_and(low, limit + STEP, 5.0), [3, 0, 2, 1], 0) == 1
    assert relations.nearest(door_and(low, 5.0), [0, 1], 0) is None


def test_nearest_needs_the_centres_to_agree() -> None:
    door = thing(0, "door", 0.0, 2.5, (0.1, 0.9, 2.0))
    bed, stool = thing(1, "bed", 2.05, 2.5, (2.0, 1.0, 0.5)), thing(2, "stool", 1.75, 2.5, (0.4, 0.4, 0.5))
    g = Geometry(room(door, bed, stool))
    assert g.apart[0].tolist() == [0.0, 1.0, 1.5]
    assert relations.nearest(g, [1, 2], 0) is None
    assert relations.nearest(g, [1, 2], 0, farthest=True) is None


@pytest.mark.parametrize(
    ("by", "made", "limit"),
    [
        ("size", lambda d: (thing(0, "box", 1, 1, (1, 1, 1)), thing(1, "box", 3, 1, (d, d, d))), 1.12),
        ("height", lambda d: (thing(0, "box", 1, 1, (1, 1, 1)), thing(1, "box", 3, 1, (1, 1, d))), 1.15),
        ("length", lambda d: (thing(0, "box", 1, 1, (1, 0.2, 1)), thing(1, "box", 3, 1, (0.2, d, 1))), 1.15),
        ("altitude", lambda d: (thing(0, "box", 1, 1), thing(1, "box", 3, 1, z=d)), 0.2),
    ],
)
def test_superlative_limits(by: str, made: Callable[[float], tuple[Thing, Thing]], limit: float) -> None:
    for d, clear in ((limit - STEP, False), (limit + STEP, True)):
        g = Geometry(room(*made(d)))
        assert relations.extreme(g, [0, 1], by, True) == (1 if clear else None)
        assert relations.extreme(g, [0, 1], by, False) == (0 if clear else None)


def test_measures() -> None:
    g = Geometry(room(thing(0, "box", 1, 1, (0.5, 2.0, 1.0), z=0.3), thing(1, "picture", 3, 1, (0.5, 0.01, 0.4))))
    assert relations.measure(g, "size") == pytest.approx([1.0, (0.5 * 0.03 * 0.4) ** (1 / 3)], abs=1e-6)
    assert relations.measure(g, "height").tolist() == [1.0, 0.4]
    assert relations.measure(g, "length").tolist() == [2.0, 0.5]
    assert relations.measure(g, "altitude").tolist() == [0.8, 0.2]
    with pytest.raises(KeyError, match="age"):
        relations.measure(g, "age")


def test_row_limits() -> None:
    def first(dx: float, dy: float = 0.0) -> int | None:
        made = room(thing(0, "chair", 2.0, 2.5), thing(1, "chair", 2.0 + dx, 2.5 + dy))
        return relations.in_row(Geometry(made), [0, 1], NORTH, 1, "left")

    assert [first(d) for d in (0.25 - STEP, 0.25, 0.25 + STEP)] == [None, 0, 0]
    assert [first(0.5, 0.5 + d) for d in (-STEP, 0.0, STEP)] == [0, 0, None]
    assert first(0.5, -0.5 - STEP) is None
    g = Geometry(room(*(thing(i, "chair", 1.0 + i, 2.5) for i in range(3))))
    assert [relations.in_row(g, [2, 0, 1], NORTH, n, "right") for n in (0, 1, 2, 3, 4)] == [None, 2, 1, 0, None]
    assert relations.in_row(g, [1], NORTH, 1, "left") is None
