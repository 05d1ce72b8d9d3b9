"""Choice of the things that a sentence means by its scene graph: names, places, sizes and colours (ours).

A network that has learned sentences about generated rooms says little about real ones, while its objects and their
names hold. So the sentence is parsed (`saymask.text.scene_graph`), and each node of its graph is looked for among the
things: their names must fit the node's, their boxes the relations, their colours and sizes the adjectives. All of it is
soft, and what is not understood counts for nothing. After the programs of NS3D (CVPR 2023, arXiv 2303.13483) and ZSVG3D
(CVPR 2024, arXiv 2311.15383), with fixed functions in place of learned or written ones.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saymask.geometry import relations
from saymask.geometry.relations import Boxes
from saymask.text.scene_graph.graph import MAIN, Edge, Node, SceneGraph

DOUBT = 0.1
"""Share of a thing's score that a relation or adjective leaves that is not true: parses and boxes err."""
UNSAID = 0.5
"""The same for left and right where the sentence does not say from where."""
CLEAR = 0.2
"""Clear difference of distances, metres, and of the logarithm of sizes."""
SEVERAL = 0.3
"""Share of the best score from which a thing belongs to what a plural means."""
NOTHING = 0.02
"""Score below which nothing is what the sentence means."""


@dataclass(frozen=True, eq=False)
class Things:
    """K things of a scan."""

    boxes: Boxes
    colors: np.ndarray  # float [K, 3] mean colour, 0..255
    room: Boxes  # K boxes: of a large scan the part about as large as a room in which each lies, else the whole scan


Fits = Callable[[str], np.ndarray]
"""Fit of each thing to a name: name → float [K] in 0..1."""


def _phrases(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split(";")]


# A relation is read by the longest of these phrases that it ends with ("hangs right above", "is placed up against").
_NEAR = """next to; beside; near; nearby; by; at; close to; adjacent to; along; against; around; surrounding; facing;
    faces; across from; opposite; in front of; behind; side of; sides of; end of; foot of; head of; pulled up to;
    with"""
_ON = "on; on top of; upon; atop; attached to; mounted to"
_ABOVE = "above; over; higher than"
_BELOW = "under; below; beneath; underneath; lower than"
_IN = "in; inside; within; inside of"
_HAS = "has; have; holds; holding; having; carries; supports; on top; has on; on it; underneath it; has under"
_BETWEEN = "between; in the middle of; in the center of; in the centre of"
_CLOSEST = "closest to; nearest to; nearest; closer to; nearer to; closest"
_FARTHEST = "farthest from; furthest from; farther from; further from; away from; distant from; far from"
RELATIONS: dict[str, Callable[[Boxes, Boxes], np.ndarray]] = {
    **dict.fromkeys(_phrases(_NEAR), relations.near),
    **dict.fromkeys(_phrases(_ON), relations.on),
    **dict.fromkeys(_phrases(_ABOVE), relations.above),
    **dict.fromkeys(_phrases(_BELOW), relations.below),
    **dict.fromkeys(_phrases(_IN), relations.inside),
    **dict.fromkeys(_phrases(_HAS), relations.touching),
}
"""Relations between a thing and one other; of "behind" and "in front of" only that they are near is sure."""
_ORDER = {**dict.fromkeys(_phrases(_CLOSEST), -1.0), **dict.fromkeys(_phrases(_FARTHEST), 1.0)}
_BETWEENS = frozenset(_phrases(_BETWEEN))
_SIDES = {"left": 1.0, "leftmost": 1.0, "right": -1.0, "rightmost": -1.0}
_LOOKS = frozenset(["facing", "face", "faces", "looking", "look", "looks"])
_ENTERS = frozenset(["walk", "enter", "entering", "come", "coming", "through"])
_ROOM = frozenset(["room", "corner", "scene", "area", "office", "kitchen", "bathroom", "bedroom"])

_EXTENTS: dict[str, Callable[[Boxes], np.ndarray]] = {
    "size": lambda b: np.log(np.maximum(b.size, 0.02)).sum(axis=1) / 2,
    "height": lambda b: np.log(np.maximum(b.size[:, 2], 0.02)),
    "length": lambda b: np.log(np.maximum(b.size[:, :2].max(axis=1), 0.02)),
    "place": lambda b: b.centre[:, 2],
}
_SIZES: dict[str, tuple[str, float]] = {
    **dict.fromkeys(["large", "big", "huge", "larger", "bigger", "largest", "biggest"], ("size", 1.0)),
    **dict.fromkeys(["small", "little", "tiny", "smaller", "smallest", "littlest"], ("size", -1.0)),
    **dict.fromkeys(["tall", "taller", "tallest"], ("height", 1.0)),
    **dict.fromkeys(["short", "low", "shorter", "shortest", "lower"], ("height", -1.0)),
    **dict.fromkeys(["long", "wide", "longer", "longest", "wider", "widest"], ("length", 1.0)),
    **dict.fromkeys(["narrow", "narrower", "narrowest"], ("length", -1.0)),
    **dict.fromkeys(["highest", "upper", "top", "uppermost", "topmost"], ("place", 1.0)),
    **dict.fromkeys(["lowest", "bottom", "lowermost"], ("place", -1.0)),
}
_COLORS: dict[str, tuple[int, int, int]] = {
    "white": (230, 230, 228), "grey": (130, 130, 130), "black": (35, 35, 38), "brown": (105, 72, 45),
    "red": (165, 40, 40), "orange": (215, 120, 45), "yellow": (215, 190, 70), "green": (70, 125, 70),
    "blue": (55, 85, 150), "purple": (110, 65, 125), "pink": (215, 145, 160), "beige": (200, 180, 150),
}  # fmt: skip
_COLOR_WORDS = {
    **{name: name for name in _COLORS},
    "gray": "grey", "silver": "grey", "golden": "yellow", "gold": "yellow", "tan": "beige", "cream": "beige",
    "violet": "purple", "wooden": "brown", "wood": "brown", "turquoise": "blue", "teal": "blue",
}  # fmt: skip


def ground(graph: SceneGraph, things: Things, fits: Fits) -> np.ndarray:
    """Return float [K] in 0..1: how well each of K things is what the sentence is about; 0 without a main target."""
    main = graph.main
    if main is None or not len(things.boxes):
        return np.zeros(len(things.boxes))
    return _Reading(graph, things, fits).score(main, frozenset())


_NUMBERS = {"two": 2, "both": 2, "pair": 2, "three": 3, "four": 4, "five": 5, "six": 6}


def meant(
    graph: SceneGraph, score: np.ndarray, order_by: np.ndarray, something: float, count: Literal["one", "any"]
) -> np.ndarray:
    """Return the rows int64 [M] of the things that a sentence means, the surest first.

    score float [K] of `ground`; order_by float [K]: the same with whatever else speaks for a thing. "one" always gives
    one row. With "any" a singular means one thing, a number so many, a plural all from `SEVERAL` of the best on, and
    nothing is meant where the best score times `something` (the probability that the sentence means anything) is below
    `NOTHING`.
    """
    order = np.argsort(-order_by, kind="stable")
    main = graph.main
    if count == "one" or main is None or not len(order):
        return order[:1]
    if score.max() * something < NOTHING:
        return order[:0]
    said = _modifiers(graph, main)
    numbers = [_NUMBERS[word] for word in said if word in _NUMBERS]
    if numbers:
        return order[: numbers[0]]
    if main.target.lower() == main.lemma and "all" not in said:
        return order[:1]
    return order[order_by[order] >= SEVERAL * order_by[order[0]]]


class _Reading:
    """One sentence read over the things of one scan."""

    def __init__(self, graph: SceneGraph, things: Things, fits: Fits) -> None:
        self.graph, self.things, self.fits = graph, things, fits
        self.nodes = {node.id: node for node in graph.nodes}

    def score(self, node: Node, seen: frozenset[int]) -> np.ndarray:
        """Return float [K] in 0..1: how well each thing is `node`; nodes in `seen` are being looked for already."""
        named = np.clip(self.fits(node.lemma), 0, 1)
        seen = seen | {node.id}
        edges = [e for e in self.graph.edges if e.object_id == node.id and e.subject_id not in seen]
        betweens = [e for e in edges if _read(e.relation, _BETWEENS)]
        score = named
        for true in (
            *self.adjectives(node, named),
            *self.between(betweens, seen),
            *(self.related(e, named, seen) for e in edges if e not in betweens),
        ):
            score = score * (DOUBT + (1 - DOUBT) * true)
        return score

    def adjectives(self, node: Node, named: np.ndarray) -> list[np.ndarray]:
        """Return for each adjective that is understood float [K], how true it is."""
        result, boxes = [], self.things.boxes
        for word in _modifiers(self.graph, node):
            if word in _COLOR_WORDS:
                result.append(colored(self.things.colors, _COLOR_WORDS[word]))
            elif word in _SIZES:
                kind, sign = _SIZES[word]
                result.append(relations.most(sign * _EXTENTS[kind](boxes), named, CLEAR))
            elif word == "corner":
                result.append(relations.cornered(boxes, self.things.room))
            elif word in ("leftmost", "rightmost"):
                result.append(self.outermost(_SIDES[word], named, frozenset()))
        return result

    def related(self, edge: Edge, named: np.ndarray, seen: frozenset[int]) -> np.ndarray:
        """Return float [K]: how true the relation to the other node is; 1 for one that is not understood."""
        boxes, room, words = self.things.boxes, self.things.room, edge.relation.split()
        other = self.nodes[edge.subject_id]
        if other.lemma.split()[-1] in _ROOM:
            in_corner = "corner" in (*words, other.lemma)
            return relations.cornered(boxes, room) if in_corner else np.ones(len(boxes))
        known = _read(edge.relation, RELATIONS)
        side = [_SIDES[w] for w in (*words, other.lemma) if w in _SIDES]
        if known and not known.endswith(" of"):
            side = []  # "right beside" says no side
        if side and other.lemma not in _SIDES:
            return self.aside(side[0], self.score(other, seen))
        if side:  # "on the far left", seen from where the sentence says
            return self.outermost(side[0], named, seen)
        anchor = self.score(other, seen)
        order = _read(edge.relation, _ORDER)
        if order:
            apart = relations.distance(boxes, boxes) @ (anchor / max(anchor.sum(), 1e-9))
            return relations.most(_ORDER[order] * apart, named, CLEAR)
        if not known or _ENTERS.intersection(words):
            return np.ones(len(boxes))
        true = RELATIONS[known](boxes, boxes)
        np.fill_diagonal(true, 0)
        return (true * _sharpened(anchor)).max(axis=1)

    def aside(self, sign: float, anchor: np.ndarray) -> np.ndarray:
        """Return float [K]: to the left (`sign` 1) or right (-1) of the anchor, looked at from the room's middle."""
        boxes = self.things.boxes
        eyes = self.eyes()
        said = eyes is not None
        eyes = self.things.room.centre[:, :2] if eyes is None else np.broadcast_to(eyes, (len(boxes), 2))
        true = relations.left(boxes, boxes, eyes)
        if sign < 0:
            true = relations.left(boxes, boxes, 2 * boxes.centre[:, :2] - eyes)  # from the other side left is right
        np.fill_diagonal(true, 0)
        found = (true * _sharpened(anchor)).max(axis=1)
        return found if said else UNSAID + (1 - UNSAID) * found

    def outermost(self, sign: float, named: np.ndarray, seen: frozenset[int]) -> np.ndarray:
        """Return float [K]: leftmost (`sign` 1) or rightmost (-1) among things of its name, from where one looks."""
        boxes = self.things.boxes
        sight = self.sight()
        if sight is None:
            return np.ones(len(boxes))
        words, row = sight
        target, middle = boxes.centre[row, :2], self.things.room.centre[row, :2]
        ahead = (middle - target) if _ENTERS.intersection(words) else (target - middle)
        ahead = ahead / max(float(np.linalg.norm(ahead)), 1e-6)
        aside = ahead[0] * boxes.centre[:, 1] - ahead[1] * boxes.centre[:, 0]
        return relations.most(sign * aside, named, CLEAR)

    def sight(self) -> tuple[list[str], int] | None:
        """Return the words and the row of what the sentence first looks at or comes in through."""
        for edge in self.graph.edges:
            words = edge.relation.split()
            if (_LOOKS | _ENTERS).intersection(words):
                found = self.score(self.nodes[edge.subject_id], frozenset({MAIN}))
                return words, int(found.argmax())
        return None

    def eyes(self) -> np.ndarray | None:
        """Return the place float [2] from which the sentence looks; None where it says none."""
        sight = self.sight()
        if sight is None:
            return None
        words, row = sight
        seen_from = self.things.boxes if _ENTERS.intersection(words) else self.things.room
        return seen_from.centre[row, :2]

    def between(self, edges: Sequence[Edge], seen: frozenset[int]) -> list[np.ndarray]:
        """Return float [K] for what lies between things, in no or one entry."""
        boxes = self.things.boxes
        if not edges:
            return []
        if self.nodes[edges[0].subject_id].lemma.split()[-1] in _ROOM:
            return [relations.central(boxes, self.things.room)]
        anchors = [_sharpened(self.score(self.nodes[e.subject_id], seen)) for e in edges]
        first, second = (anchors * 2)[:2]
        best = np.zeros(len(boxes))
        for one in range(len(boxes)):  # one end after the other: all pairs of ends at once would take gigabytes
            end = Boxes(boxes.low[one : one + 1], boxes.high[one : one + 1])
            true = relations.between(boxes, end, boxes)[:, 0] * first[one] * second
            np.fill_diagonal(true, 0)
            true[one] = 0
            best = np.maximum(best, true.max(axis=1))
        return [best]


def colored(colors: np.ndarray, name: str) -> np.ndarray:
    """Return float [K]: how well mean colours [K, 3] (0..255) are called `name`, one of twelve."""
    apart = np.linalg.norm(_lab(colors)[:, None] - _lab(np.array(list(_COLORS.values()))), axis=-1)
    share = np.exp(-apart / 12)
    share /= share.sum(axis=1, keepdims=True)
    return share[:, list(_COLORS).index(name)] / share.max(axis=1)


def _lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIELAB [N, 3] of sRGB [N, 3] in 0..255 (CIE 15:2004, white D65)."""
    share = np.asarray(rgb, float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    xyz = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def _sharpened(anchor: np.ndarray) -> np.ndarray:
    """Return an anchor's scores relative to the best: which one it is matters, not how sure it is to be there."""
    return anchor / max(float(anchor.max(initial=0)), 1e-9)


def _modifiers(graph: SceneGraph, node: Node) -> set[str]:
    """Return the words of a node's attributes."""
    return {graph.words[i].lower().strip(".,") for i in node.modifiers}


def _read(relation: str, known: Collection[str]) -> str:
    """Return the longest of the known phrases that a relation ends with; "" for none."""
    words = relation.lower().split()
    ends = (" ".join(words[i:]) for i in range(len(words)))
    return next((end for end in ends if end in known), "")
