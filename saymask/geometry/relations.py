"""Spatial relations of boxes as truth values in 0..1: next to, on, above, between, inside.

Boxes are those of things in a scan (metres, z up), so that limits are soft: a decimetre decides nothing. Relations that
depend on where somebody stands (left, behind) are no relations between boxes alone.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TOUCH = 0.15
"""Metres within which things touch: what lies on something, hangs on it, is in it."""
REACH = 0.5
"""Metres within which things are next to each other."""
STEP = 0.15
"""Metres of height by which one thing is clearly above another."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """K boxes along the axes."""

    low: np.ndarray  # float [K, 3]
    high: np.ndarray  # float [K, 3]

    def __len__(self) -> int:
        return len(self.low)

    @cached_property
    def centre(self) -> np.ndarray:
        """Return float [K, 3]."""
        return (self.low + self.high) / 2

    @cached_property
    def size(self) -> np.ndarray:
        """Return float [K, 3]: extents along the axes."""
        return self.high - self.low


def gap(a: Boxes, b: Boxes, axes: int = 3) -> np.ndarray:
    """Return float [K, L]: metres between boxes, 0 where they meet; over x and y alone with `axes` 2."""
    apart = np.maximum(a.low[:, None] - b.high, b.low - a.high[:, None])[..., :axes]
    return np.linalg.norm(np.maximum(apart, 0), axis=-1)


def distance(a: Boxes, b: Boxes) -> np.ndarray:
    """Return float [K, L]: how far apart boxes are, metres: the gap, and a little of the way between the middles."""
    return gap(a, b) + 0.2 * np.linalg.norm(a.centre[:, None] - b.centre, axis=-1)


def near(a: Boxes, b: Boxes) -> np.ndarray:
    """Return float [K, L]: a is next to b."""
    return np.exp(-gap(a, b) / REACH)


def touching(a: Boxes, b: Boxes) -> np.ndarray:
    """Return float [K, L]: a and b meet."""
    return np.exp(-gap(a, b) / TOUCH)


def on(a: Boxes, b: Boxes) -> np.ndarray:
    """Return float [K, L]: a lies, stands or hangs on b: they meet, and a is not the one below."""
    hangs = (a.low[:, None, 2] > b.low[:, 2] - TOUCH) & (a.high[:, None, 2] < b.high[:, 2] + TOUCH)
    return touching(a, b) * np.maximum(higher(a, b), hangs)


def above(a: Boxes, b: Boxes) -> np.ndarray:
    """Return float [K, L]: a is higher than b and over it, or nearly."""
    return higher(a, b) * np.exp(-gap(a, b, 2) / REACH)


def below(a: Boxes, b: Boxes) -> np.ndarray:
    """Return float [K, L]: a is lower than b and under it, or nearly."""
    return above(b, a).T


def higher(a: Boxes, b: Boxes) -> np.ndarray:
    """Return float [K, L]: the middle of a is higher than that of b."""
    return _sure((a.centre[:, None, 2] - b.centre[:, 2]) / STEP)


def inside(a: Boxes, b: Boxes) -> np.ndarray:
    """Return float [K, L]: nothing of a is outside of b."""
    out = np.maximum(np.maximum(b.low - a.low[:, None], a.high[:, None] - b.high), 0)
    return np.exp(-out.max(axis=-1) / TOUCH)


def between(a: Boxes, b: Boxes, c: Boxes) -> np.ndarray:
    """Return float [K, L, M]: a lies, seen from above, on the way from b to c."""
    ab, ac, bc = (_plan(one, other) for one, other in ((a, b), (a, c), (b, c)))
    detour = ab[:, :, None] + ac[:, None, :] - bc
    return np.exp(-detour / REACH) * (bc > 0)


def left(a: Boxes, b: Boxes, eyes: np.ndarray) -> np.ndarray:
    """Return float [K, L]: a is to the left of b for somebody who looks at b from `eyes` float [L, 2], and near it."""
    ahead = b.centre[:, :2] - eyes
    ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)
    to = a.centre[:, None, :2] - b.centre[:, :2]
    aside = ahead[:, 0] * to[..., 1] - ahead[:, 1] * to[..., 0]
    return _sure(aside / STEP) * np.exp(-gap(a, b) / (3 * REACH))


def cornered(a: Boxes, room: Boxes) -> np.ndarray:
    """Return float [K]: a stands in a corner of the room, one box or that of each."""
    outer = np.minimum(np.abs(a.low - room.low), np.abs(room.high - a.high))[:, :2]
    return np.exp(-np.linalg.norm(outer, axis=1) / REACH)


def central(a: Boxes, room: Boxes) -> np.ndarray:
    """Return float [K]: a stands in the middle of the room, one box or that of each."""
    apart = np.linalg.norm((a.centre - room.centre)[:, :2], axis=1)
    return np.exp(-apart / (0.25 * np.linalg.norm(room.size[:, :2], axis=1)))


def most(values: np.ndarray, share: np.ndarray, step: float) -> np.ndarray:
    """Return float [K]: no other of K things has a clearly higher value, as far as the others count at all.

    values float [K]; share float [K] in 0..1: how much each thing counts as a rival; `step`: a clear difference.
    """
    beaten = _sure((values - values[:, None] - step) / (step / 2)) * share
    np.fill_diagonal(beaten, 0)
    return np.prod(1 - beaten, axis=1)


def _plan(a: Boxes, b: Boxes) -> np.ndarray:
    return np.linalg.norm(a.centre[:, None, :2] - b.centre[:, :2], axis=-1)


def _sure(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))
