"""Instances from semantics and offsets: points of one class that are close together are one object.

Source: docs/systems/lground.md §6.5.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numba import njit

from saymask.data.class_frequencies import CLASSES
from saymask.errors import InputError
from saymask.geometry.graph_segmentation import find_root
from saymask.geometry.neighbours import MOST_IN_BALL, ball_query, bfs_cluster
from saymask.labels.tables import LabelClass

_CELL_BITS = 18
"""Bits of a cell's coordinate in a group's key; the class takes what is left."""


@dataclass(frozen=True)
class Clustering:
    """Settings of grouping points and of proposing groups; by default as the published trainer, vertices in voxels."""

    radius: float = 1.5
    """Distance (strictly) below which points of a class are connected, in the unit of the vertices."""
    min_points: int = 20
    """Fewest points of a component."""
    propose_points: int = 100
    """A component becomes a proposal with more points than this."""
    score: Literal["mean", "median", "probability"] = "mean"
    """Mean or (lower) median raw logit of the class over the points, as published (no probability, may exceed 1 or be
    negative, docs/systems/lground.md §7.21); or the mean probability."""
    compat: bool = False
    """Look at the first 1000 neighbours of a point only, as the published operator does. In a spot with more points
    than that the rest is cut off point by point; the default connects all that is close."""


BENCHMARK = Clustering(radius=0.02, min_points=50, propose_points=250, score="median")
"""The older test script in benchmark mode; vertices are points in metres."""
DUAL = Clustering(radius=0.05, min_points=50, propose_points=250)
"""The second set, of positions without offsets in metres."""
UNSHIFTED = ("bookshelf", "counter", "curtain")
"""Classes of ScanNet20 that the second set is for; long objects whose centre is far away.

Source: docs/systems/lground.md §7.20.
"""


@dataclass(frozen=True, eq=False)
class Proposals:
    """M objects of N points; they do not overlap."""

    owner: np.ndarray  # int64 [N]: proposal of each point, -1 none
    classes: np.ndarray  # int64 [M]: class index
    scores: np.ndarray  # float32 [M]

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def sizes(self) -> np.ndarray:
        """Return int64 [M]: points of each proposal."""
        return np.bincount(self.owner[self.owner >= 0], minlength=len(self))

    @property
    def masks(self) -> np.ndarray:
        """Return bool [M, N]."""
        return self.owner[None] == np.arange(len(self))[:, None]

    def ids(self, classes: Iterable[LabelClass]) -> np.ndarray:
        """Return int64 [M]: the class as it is written in the benchmark's files."""
        return np.array([c.id for c in classes], np.int64)[self.classes]


def instance_classes(labels: str = "semantic200") -> np.ndarray:
    """Return bool [C]: classes that have instances, all but wall and floor."""
    return np.array([not c.stuff for c in CLASSES[labels]()])


def shifted(cells: np.ndarray, offsets: np.ndarray, voxel_size: float) -> np.ndarray:
    """Return float32 [N, 3]: voxels (int [N, 3]) moved by predicted offsets (metres), in voxels."""
    return (np.asarray(cells, np.float32) + np.asarray(offsets, np.float32) / np.float32(voxel_size)).astype(np.float32)


def components(vertices: np.ndarray, labels: np.ndarray, config: Clustering | None = None) -> list[np.ndarray]:
    """Return the rows (int64, ascending) of each connected component of at least `min_points` points.

    vertices: float [N, 3]; labels: int [N], negative = in no component. Two points are connected when they have the
    same label and are closer than `radius` in float32. The component with the lowest row comes first. Raises InputError
    for vertices that are not finite and a radius that is not above 0.
    """
    config = Clustering() if config is None else config
    vertices, labels = np.ascontiguousarray(vertices, np.float32), np.asarray(labels)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or labels.shape != (len(vertices),):
        raise InputError(
            f"clustering: expected vertices [N, 3] and labels [N], got {list(vertices.shape)}, {list(labels.shape)}"
        )
    if not config.radius > 0:
        raise InputError(f"clustering: expected a radius above 0, got {config.radius}")
    if not np.isfinite(vertices).all():
        raise InputError(
            "clustering: expected finite vertices, got NaN or infinity; are the offsets of a broken model?"
        )
    rows = np.flatnonzero(labels >= 0)
    if len(rows) == 0:
        return []
    if config.compat:
        found = _walked(vertices[rows], labels[rows], config)
    else:
        found = _joined(vertices[rows], labels[rows], config)
    return [rows[part] for part in found]


def _walked(vertices: np.ndarray, labels: np.ndarray, config: Clustering) -> list[np.ndarray]:
    batch = np.zeros(len(vertices), np.int64)
    neighbours, ranges = ball_query(vertices, batch, config.radius, most=MOST_IN_BALL)
    pairs, offsets = bfs_cluster(labels, neighbours, ranges, max(1, config.min_points))
    return [np.sort(pairs[a:b, 1]).astype(np.int64) for a, b in pairwise(offsets)]


def _joined(vertices: np.ndarray, labels: np.ndarray, config: Clustering) -> list[np.ndarray]:
    # In cells whose diagonal is a little below the radius, points of a label are connected without looking; what is
    # left is to find out which of these groups touch. Shifted points are dense, so there are few groups.
    width = config.radius / np.sqrt(3) * 0.999
    cells = np.floor((vertices - vertices.min(axis=0).astype(np.float64)) / width) + 2
    kinds, kind = np.unique(labels, return_inverse=True)
    if cells.max() >= 2**_CELL_BITS - 2 or len(kinds) > 2 ** (63 - 3 * _CELL_BITS):
        raise InputError(f"clustering: {len(kinds)} classes over {cells.max():,.0f} cells of {width:.3g} are too many")
    x, y, z = cells.astype(np.int64).T
    key = ((kind.reshape(-1).astype(np.int64) << _CELL_BITS | x) << _CELL_BITS | y) << _CELL_BITS | z
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
    bounds = np.append(starts, len(key))
    group = _unite(vertices[order], key[order][starts], bounds, np.float32(config.radius))
    root = np.empty(len(key), np.int64)
    root[order] = np.repeat(group, np.diff(bounds))
    by_root = np.argsort(root, kind="stable")
    parts = np.split(by_root, np.flatnonzero(np.diff(root[by_root])) + 1)
    return sorted((part for part in parts if len(part) >= config.min_points), key=lambda part: part[0])


@njit(cache=True, nogil=True)
def _touch(vertices, a, b, c, d, radius2):
    """Whether any of the points a..b is closer to one of c..d than the radius."""
    for i in range(a, b):
        for j in range(c, d):
            x = vertices[i, 0] - vertices[j, 0]
            y = vertices[i, 1] - vertices[j, 1]
            z = vertices[i, 2] - vertices[j, 2]
            if x * x + y * y + z * z < radius2:
                return True
    return False


@njit(cache=True, nogil=True)
def _unite(vertices, keys, bounds, radius):
    """Return int64 [G]: the root of each group; keys are sorted, group g has the points bounds[g]..bounds[g + 1]."""
    radius2 = radius * radius
    parent = np.arange(len(keys))
    for g in range(len(keys)):
        for dx in range(0, 3):
            for dy in range(-2, 3):
                if dx == 0 and dy < 0:
                    continue  # the other group of such a pair has looked here already
                base = keys[g] + (dx << (2 * _CELL_BITS)) + (dy << _CELL_BITS)
                first = base + 1 if dx == 0 and dy == 0 else base - 2
                h = np.searchsorted(keys, first)
                while h < len(keys) and keys[h] <= base + 2:
                    a, b = find_root(parent, g), find_root(parent, h)
                    if a != b and _touch(vertices, bounds[g], bounds[g + 1], bounds[h], bounds[h + 1], radius2):
                        parent[max(a, b)] = min(a, b)
                    h += 1
    for g in range(len(keys)):
        parent[g] = find_root(parent, g)
    return parent


def propose(
    vertices: np.ndarray,  # float [N, 3]
    logits: np.ndarray,  # float [N, C]
    config: Clustering | None = None,
    *,
    candidates: np.ndarray | None = None,
) -> Proposals:
    """Return the objects of a scene: components of equal predicted class with their scores.

    vertices: positions plus offsets (`shifted`) in the unit of the radius. candidates: bool [C], classes that are
    proposed; `instance_classes()` by default. Raises InputError for shapes that do not fit and numbers that are not
    finite.

    Source: docs/systems/lground.md §6.5, steps 1-4.
    """
    config = Clustering() if config is None else config
    logits = np.asarray(logits, np.float32)
    candidates = instance_classes() if candidates is None else np.asarray(candidates, bool)
    if logits.ndim != 2 or logits.shape[0] != len(vertices) or logits.shape[1] != len(candidates):
        raise InputError(
            f"instances: expected logits [{len(vertices)} points, {len(candidates)} classes], got {list(logits.shape)}"
        )
    if not np.isfinite(logits).all():
        raise InputError("instances: expected finite logits, got NaN or infinity; is the model trained?")
    if config.score not in ("mean", "median", "probability"):
        raise InputError(f"score: expected mean, median or probability, got {config.score!r}")
    labels = logits.argmax(axis=1) if len(logits) else np.zeros(0, np.int64)
    found = components(vertices, np.where(candidates[labels], labels, -1), config)
    found = [rows for rows in found if len(rows) > config.propose_points]
    owner = np.full(len(logits), -1, np.int64)
    for number, rows in enumerate(found):
        owner[rows] = number
    classes = np.array([labels[rows[0]] for rows in found], np.int64)
    scores = [_score(logits[rows], c, config.score) for rows, c in zip(found, classes)]
    return Proposals(owner, classes, np.array(scores, np.float32))


def _score(logits: np.ndarray, label: int, kind: str) -> float:
    if kind == "probability":
        logits = logits.astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return float((powers[:, label] / powers.sum(axis=1)).mean())
    values = logits[:, label]
    if kind == "mean":
        return float(values.mean(dtype=np.float64))
    return float(np.partition(values, (len(values) - 1) // 2)[(len(values) - 1) // 2])


def propose_dual(
    moved: np.ndarray,  # float [N, 3] positions plus offsets
    points: np.ndarray,  # float [N, 3] positions
    logits: np.ndarray,  # float [N, C]
    config: Clustering = BENCHMARK,
    unshifted: Clustering = DUAL,
    *,
    classes: Iterable[LabelClass],
    names: Iterable[str] = UNSHIFTED,
) -> Proposals:
    """Return the objects from two sets: classes in `names` by the points as they are, the others by shifted points.

    Both in the unit of the radii; with no names there is one set.

    The published code names the classes by nyu40 ids and therefore means it for ScanNet20 only
    (docs/systems/lground.md §7.20). Raises InputError for a name that is no class.
    """
    classes, names = list(classes), set(names)
    unknown = names - {c.name for c in classes}
    if unknown:
        raise InputError(f"unshifted classes: expected names of the {len(classes)} classes, got {sorted(unknown)}")
    things = np.array([not c.stuff for c in classes])
    still = np.array([c.name in names for c in classes])
    first = propose(moved, logits, config, candidates=things & ~still)
    if not names:
        return first
    second = propose(points, logits, unshifted, candidates=things & still)
    owner = np.where(second.owner >= 0, second.owner + len(first), first.owner)
    return Proposals(
        owner, np.concatenate([first.classes, second.classes]), np.concatenate([first.scores, second.scores])
    )
