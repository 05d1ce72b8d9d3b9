"""Distances, shares and directions between the boxes of a room, by hand."""

import math

import numpy as np
import pytest

from saymask.rooms.language.measures import Geometry
from saymask.rooms.room import Thing
from tests.rooms.sample_rooms import room, thing


def measured(*things: Thing) -> Geometry:
    return Geometry(room(*things))


def test_gaps_of_footprints() -> None:
    one, touching = thing(0, "box", 1.0, 1.0, (1.0, 1.0, 1.0)), thing(1, "box", 2.0, 1.0, (1.0, 0.2, 1.0))
    corner = thing(2, "box", 2.8, 2.9, (1.0, 1.0, 1.0))  # 0.8 and 0.9 m off in x and y
    inside = thing(3, "box", 1.1, 0.9, (0.1, 0.1, 0.1), z=4.0)
    across = thing(4, "box", 1.0, 1.0, (0.2, 3.0, 1.0))
    g = measured(one, touching, corner, inside, across)
    assert g.gap[0].tolist() == [0.0, 0.0, pytest.approx(math.hypot(0.8, 0.9), abs=1e-6), 0.0, 0.0]
    assert (g.gap == g.gap.T).all()
    assert g.rise[0].tolist() == [0.0, 0.0, 0.0, 3.0, 0.0]
    assert g.apart[0, 3] == 3.0
    assert (g.rise == g.rise.T).all()
    assert measured().gap.shape == (0, 0)


def test_extents_along_a_direction() -> None:
    g = measured(thing(0, "box", 0, 0, (2.0, 1.0, 1.0)), thing(1, "box", 0, 0, (2.0, 1.0, 1.0), yaw=math.pi / 2))
    half = math.sqrt(0.5)
    found = g.extents(np.array([(1.0, 0.0), (0.0, 1.0), (half, half), (-half, half)]))
    np.testing.assert_allclose(found, [[1.0, 0.5], [0.5, 1.0], [1.5 * half] * 2, [1.5 * half] * 2], atol=1e-9)


def test_shares_of_footprints() -> None:
    large, small = thing(0, "box", 0, 0, (1.4, 1.4, 1.0)), thing(1, "box", 0.65, 0.0, (0.7, 0.7, 1.0))
    g = measured(large, small)
    # The small one's columns of points are at 0.35, 0.45 … 0.95; the large one ends at 0.7, grown at 0.85.
    assert g.cover[1, 0] == pytest.approx(4 / 7)
    assert g.cover_wide[1, 0] == pytest.approx(6 / 7)
    # The large one's points are 0.2 m apart, the small one spans 0.3 … 1.0 and -0.35 … 0.35, grown by 0.15.
    assert g.cover[0, 1] == pytest.approx(2 * 3 / 49)
    assert g.cover_wide[0, 1] == pytest.approx(3 * 5 / 49)
    assert (np.diag(g.cover) == 1).all()


def test_shared_heights() -> None:
    g = measured(
        thing(0, "box", 0, 0, (1, 1, 1.0)), thing(1, "box", 2, 0, (1, 1, 0.5), z=0.75), thing(2, "box", 4, 0, z=3.0)
    )
    assert g.level[0, 1] == g.level[1, 0] == 0.5  # 0.25 of the shorter one's 0.5 m
    assert g.level[0, 2] < 0
    np.testing.assert_allclose(g.z0, [0.0, 0.75, 3.0])
    np.testing.assert_allclose(g.z1, [1.0, 1.25, 3.8])


def test_walls() -> None:
    g = measured(thing(0, "box", 1.0, 2.0, (1.0, 1.0, 1.0)))
    assert g.wall_gap[0].tolist() == [1.5, 4.5, 2.5, 0.5]  # of 6 x 5 m: south, east, north, west
    inward = [tuple(round(v, 9) + 0.0 for v in g.wall_inward(edge)) for edge in range(4)]
    assert inward == [(0.0, 1.0), (-1.0, 0.0), (0.0, -1.0), (1.0, 0.0)]


def test_who_carries_whom() -> None:
    g = measured(thing(5, "desk", 0, 0), thing(7, "lamp", 0, 0, on=5), thing(9, "cup", 0, 0, on=5), thing(3, "a", 0, 0))
    assert g.on.tolist() == [-1, 0, 0, -1]
    assert g.row == {5: 0, 7: 1, 9: 2, 3: 3}
    assert g.supports_differ.tolist() == [[a != b for b in (-1, 0, 0, -1)] for a in (-1, 0, 0, -1)]
    assert measured(thing(7, "lamp", 0, 0, on=99)).on.tolist() == [-1]  # what carried it is not in the room


def test_fronts() -> None:
    g = measured(thing(0, "desk", 0, 0, fronted=True, yaw=math.pi / 2), thing(1, "desk", 0, 0))
    assert g.front_of(0) == pytest.approx((1.0, 0.0))
    assert g.front_of(1) is None
    assert g.facing(0) == pytest.approx((-1.0, 0.0))


@pytest.mark.parametrize(("degrees", "clear"), [(29.9, True), (30.1, False), (-29.9, True), (-30.1, False)])
def test_wall_and_front_agree_within_thirty_degrees(degrees: float, clear: bool) -> None:
    g = measured(thing(0, "desk", 3.0, 4.6, (1.4, 0.7, 0.75), wall=2, fronted=True, yaw=math.radians(degrees)))
    turn = math.radians(degrees)
    assert g.facing(0) == (pytest.approx((-math.sin(turn), math.cos(turn))) if clear else None)
