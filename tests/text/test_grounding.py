"""Which things a sentence means: names, relations, adjectives, numbers."""

import numpy as np
import pytest

from saymask.geometry.relations import Boxes
from saymask.text.grounding import Things, colored, ground, meant
from saymask.text.scene_graph.parse import parse_sentence

# A room of 6 x 4 m: name, lower corner, size, colour.
ROOM = [
    ("chair", (0.5, 0.5, 0.0), (0.5, 0.5, 0.9), (60, 80, 150)),  # 0 blue, at the desk
    ("chair", (4.5, 3.2, 0.0), (0.5, 0.5, 0.9), (150, 40, 40)),  # 1 red, at the sofa
    ("desk", (0.2, 1.1, 0.0), (1.4, 0.7, 0.75), (110, 75, 50)),  # 2
    ("sofa", (5.1, 2.0, 0.0), (0.9, 2.0, 0.8), (120, 120, 120)),  # 3
    ("lamp", (0.3, 1.2, 0.75), (0.2, 0.2, 0.4), (230, 230, 228)),  # 4 on the desk
    ("lamp", (5.5, 0.2, 0.0), (0.3, 0.3, 1.7), (35, 35, 38)),  # 5 on the floor, in a corner
    ("plant", (2.9, 1.2, 0.0), (0.3, 0.3, 0.6), (70, 125, 70)),  # 6 in the middle
    ("rug", (2.0, 0.5, 0.0), (2.5, 2.0, 0.02), (200, 180, 150)),  # 7
    ("picture", (3.0, 3.95, 1.3), (0.6, 0.04, 0.5), (105, 72, 45)),  # 8
    ("picture", (1.0, 3.95, 1.8), (0.3, 0.04, 0.3), (105, 72, 45)),  # 9
    ("wall", (0.0, 3.98, 0.0), (6.0, 0.02, 2.5), (230, 230, 228)),  # 10
]
LOW = np.array([row[1] for row in ROOM])
THINGS = Things(
    Boxes(LOW, LOW + np.array([row[2] for row in ROOM])), np.array([row[3] for row in ROOM], float),
    Boxes(np.zeros((len(ROOM), 3)), np.array([[6.0, 4.0, 2.5]] * len(ROOM))),
)  # fmt: skip


def fits(name):
    return np.array([0.9 if row[0] == name else 0.01 for row in ROOM])


def answer(sentence, count="any", something=1.0):
    graph = parse_sentence(sentence, backend="rules")
    score = ground(graph, THINGS, fits)
    assert score.shape == (len(ROOM),)
    assert (score >= 0).all()
    assert (score <= 1).all()
    return sorted(meant(graph, score, score, something, count).tolist())


@pytest.mark.parametrize(
    ("sentence", "rows"),
    [
        ("the sofa", [3]),
        ("the chair next to the desk", [0]),
        ("the chair closest to the sofa", [1]),
        ("the chair farthest from the sofa", [0]),
        ("the red chair", [1]),
        ("the blue chair", [0]),
        ("the chairs", [0, 1]),
        ("two chairs", [0, 1]),
        ("the lamp on the desk", [4]),
        ("the tall lamp", [5]),
        ("the lamp in the corner of the room", [5]),
        ("the plant between the desk and the sofa", [6]),
        ("the biggest picture", [8]),
        ("the highest picture", [9]),
        ("the picture on the left when you are looking at the wall", [9]),
        ("the picture on the right when you are looking at the wall", [8]),
        ("there is a chair. it is right beside the desk that has a lamp on it.", [0]),
        ("the desk with a lamp", [2]),
    ],
)
def test_what_is_meant(sentence, rows):
    assert answer(sentence) == rows


def test_nothing_is_meant_by_what_is_not_there():
    assert answer("the piano") == []
    assert answer("the sofa", something=0.001) == []
    assert len(answer("the piano", count="one")) == 1  # somebody who wants one gets the likeliest


def test_what_is_not_understood_counts_for_nothing():
    assert answer("the sofa that somebody bought in town") == [3]


def test_no_things():
    none = Boxes(np.zeros((0, 3)), np.zeros((0, 3)))
    graph = parse_sentence("the chair", backend="rules")
    assert ground(graph, Things(none, np.zeros((0, 3)), none), lambda name: np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("name", ["white", "black", "red", "green", "blue", "beige"])
def test_colours_are_named(name):
    paints = {
        "white": (225, 225, 220), "black": (30, 30, 30), "red": (150, 45, 45), "green": (60, 120, 60),
        "blue": (60, 80, 140), "beige": (205, 185, 155),
    }  # fmt: skip
    share = colored(np.array([paints[name], *(p for n, p in paints.items() if n != name)], float), name)
    assert share[0] == pytest.approx(1)
    assert share[1:].max() < 0.5
