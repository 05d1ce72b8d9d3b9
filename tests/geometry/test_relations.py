"""Relations of boxes: what is near, on, above, between, left of what."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.geometry import relations
from saymask.geometry.relations import Boxes


def _boxes(*rows):
    """Boxes from (x, y, z, width, depth, height), x, y, z being the lower corner."""
    array = np.array(rows, float)
    return Boxes(array[:, :3], array[:, :3] + array[:, 3:])


TABLE = _boxes((0, 0, 0, 1, 1, 0.7))
CUP = _boxes((0.4, 0.4, 0.7, 0.1, 0.1, 0.1))
LAMP = _boxes((0.3, 0.3, 2.0, 0.3, 0.3, 0.3))
FAR = _boxes((5, 5, 0, 1, 1, 1))
PICTURE = _boxes((0.2, 1.05, 1.2, 0.5, 0.03, 0.4))
WALL = _boxes((-2, 1.08, 0, 6, 0.1, 2.5))


def test_gaps_are_between_surfaces():
    assert relations.gap(TABLE, FAR) == pytest.approx(np.sqrt(32))
    assert relations.gap(TABLE, CUP) == 0
    assert relations.gap(TABLE, LAMP) == pytest.approx(1.3)
    assert relations.gap(TABLE, LAMP, 2) == 0


@pytest.mark.parametrize(
    ("relation", "true", "false"),
    [
        (relations.near, (CUP, TABLE), (FAR, TABLE)),
        (relations.on, (CUP, TABLE), (TABLE, CUP)),
        (relations.on, (PICTURE, WALL), (LAMP, TABLE)),
        (relations.above, (LAMP, TABLE), (TABLE, LAMP)),
        (relations.above, (LAMP, TABLE), (LAMP, FAR)),
        (relations.below, (TABLE, LAMP), (LAMP, TABLE)),
        (relations.inside, (_boxes((0.1, 0.1, 0.1, 0.2, 0.2, 0.2)), TABLE), (TABLE, CUP)),
        (relations.touching, (CUP, TABLE), (LAMP, TABLE)),
    ],
)
def test_what_is_true_and_what_is_not(relation, true, false):
    assert relation(*true)[0, 0] > 0.7
    assert relation(*false)[0, 0] < 0.2


def test_between_is_on_the_way():
    ends = _boxes((0, 0, 0, 1, 1, 1), (4, 0, 0, 1, 1, 1))
    things = _boxes((2, 0, 0, 1, 1, 1), (2, 4, 0, 1, 1, 1), (7, 0, 0, 1, 1, 1))
    true = relations.between(things, ends, ends)[:, 0, 1]
    assert true[0] == pytest.approx(1)
    assert true[1:].max() < 0.1
    assert relations.between(things, ends, ends)[0, 0, 0] == 0  # not between a thing and itself


def test_left_depends_on_the_eyes():
    sofa, left, right = _boxes((0, 3, 0, 2, 1, 1)), _boxes((-1, 3, 0, 1, 1, 1)), _boxes((2, 3, 0, 1, 1, 1))
    assert relations.left(left, sofa, np.array([[1.0, 0.0]]))[0, 0] > 0.7
    assert relations.left(right, sofa, np.array([[1.0, 0.0]]))[0, 0] < 0.1
    assert relations.left(right, sofa, np.array([[1.0, 9.0]]))[0, 0] > 0.7


def test_corner_and_middle_of_a_room():
    room = _boxes((0, 0, 0, 6, 4, 2.5))
    things = _boxes((0, 0, 0, 1, 1, 1), (2.5, 1.5, 0, 1, 1, 1), (0, 1.5, 0, 1, 1, 1))
    assert relations.cornered(things, room).argmax() == 0
    assert relations.cornered(things, room)[1:].max() < 0.1
    assert relations.central(things, room).argmax() == 1


def test_most_looks_at_rivals_alone():
    values = np.array([1.0, 2.0, 9.0])
    assert relations.most(values, np.array([1.0, 1.0, 0.0]), 0.2).round(2).tolist() == [0.0, 1.0, 1.0]
    assert relations.most(values, np.array([1.0, 1.0, 1.0]), 0.2).round(2).tolist() == [0.0, 0.0, 1.0]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 6))
def test_everything_is_a_share_and_does_not_depend_on_the_place(seed, count):
    rng = np.random.RandomState(seed)
    low = rng.uniform(-4, 4, (count, 3))
    boxes = Boxes(low, low + rng.uniform(0, 2, (count, 3)))
    moved = Boxes(boxes.low + 7, boxes.high + 7)
    for relation in (relations.near, relations.on, relations.above, relations.below, relations.inside):
        true = relation(boxes, boxes)
        assert true.shape == (count, count)
        assert (true >= 0).all()
        assert (true <= 1).all()
        np.testing.assert_allclose(true, relation(moved, moved), atol=1e-6)
    assert (relations.most(rng.randn(count), rng.rand(count), 0.2) <= 1).all()
