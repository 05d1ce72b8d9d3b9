"""Tail-instance sampling: objects of rare classes are put into training scenes where there is room.

The objects are read from the prepared scenes themselves; there is no second copy of them on the disk.

Source: docs/systems/lground.md §2.7.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saymask.data.class_frequencies import CLASSES
from saymask.data.scenes import align, read_manifest, read_scene_arrays, scene_path
from saymask.errors import InputError
from saymask.models.lground.limited import annotated_points
from saymask.models.lground.transform import (
    NONE,
    Augmentation,
    Cloud,
    Draws,
    Similarity,
    Voxels,
    similarity,
    voxelise,
)


@dataclass(frozen=True)
class Insertion:
    """Settings of the placement of tail instances."""

    count: int = 5
    """Objects drawn per scene."""
    tries: int = 50
    """Places tried for each of them."""
    window: int = 5
    """Edge of the maximum filter that closes holes in the height map, voxels."""
    compat: bool = False
    """As published: an object without a free place is still put at the last one tried, inserted objects are not in the
    way of later ones, and the mean of an object, not its box, stands at the place. By default an object that finds no
    place is left out and stands on the surface (docs/systems/lground.md §7.14)."""


@dataclass(frozen=True)
class StoredObject:
    """An object in a prepared scene."""

    path: Path
    instance: int
    label: int
    aligned: bool = True
    """Whether its points are moved by the scene's axis alignment."""
    share: float = 1.0
    """Annotated share of its points; the rest is there, but ignored."""

    def read(self) -> Cloud:
        """Return the object's points around their mean, with their colours and its label."""
        stored = read_scene_arrays(self.path, "instance", "points", "colors", *(["alignment"] if self.aligned else []))
        rows = np.flatnonzero(stored["instance"] == self.instance)
        points, colors = stored["points"][rows], stored["colors"][rows]
        if "alignment" in stored:
            points = align(points, stored["alignment"])
        labels = np.full(len(points), self.label, np.int64)
        if self.share < 1:
            labels[~annotated_points(points, np.zeros(len(points), np.int64), labels, self.share)] = NONE
        centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
        return Cloud(centred, colors, labels, np.full(len(points), NONE, np.int64))


class TailBank:
    """Objects by class, drawn at random; `weights` float64 [C] say how often each class is drawn."""

    def __init__(self, objects: Mapping[int, Sequence[StoredObject | Cloud]], weights: np.ndarray) -> None:
        """`weights` of classes without an object count as 0; the rest is scaled to sum 1."""
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any():
            raise InputError("instance sampling: expected one weight of at least 0 for each class")
        self.objects = {c: tuple(found) for c, found in sorted(objects.items()) if found}
        there = np.isin(np.arange(len(weights)), list(self.objects))
        total = weights[there].sum()
        self.weights = np.where(there, weights, 0) / (total if total > 0 else 1)
        if total == 0:
            self.objects = {}

    def __len__(self) -> int:
        """Number of objects; 0 = nothing can be inserted."""
        return sum(map(len, self.objects.values()))

    def describe(self) -> str:
        """Return a line that says what can be inserted."""
        if not len(self):
            return "tail-instance sampling is off: the training scenes have no object of a class that is to be drawn"
        return f"tail-instance sampling from {len(self):,} objects of {len(self.objects)} classes"

    def draw_classes(self, count: int, draw: Draws) -> list[int]:
        """Return `count` classes with replacement, by their weights."""
        return [int(c) for c in draw.numpy.choice(len(self.weights), count, p=self.weights)]

    def draw(self, label: int, draw: Draws) -> Cloud:
        """Return a random object of a class."""
        found = draw.python.choice(self.objects[label])
        return found if isinstance(found, Cloud) else found.read()


def build_bank(
    data: str | Path,
    scenes: str | Sequence[str] = "train",
    *,
    labels: str = "semantic200",
    weights: np.ndarray | None = None,
    aligned: bool = True,
    share: float = 1.0,
    fewest: int = 20,
) -> TailBank:
    """Return the objects of prepared scenes (those of a split of `data`, or the ones listed) that can be inserted.

    Without `weights` the tail classes are taken, each equally often; with `weights` float [C] the classes above 0. The
    class of an object is that of most of its labelled points; objects of fewer than `fewest` points are left out.
    `share` is the annotated share of points (`annotated_points`). Warns when there is nothing to insert. Raises
    InputError for unknown labels or a split that is not there.
    """
    if labels not in CLASSES:
        raise InputError(f"instance sampling: expected labels {' or '.join(CLASSES)}, got {labels!r}")
    classes = CLASSES[labels]()
    if weights is None:
        weights = np.array([c.split == "tail" for c in classes], dtype=np.float64)
    if len(weights) != len(classes):
        raise InputError(f"instance sampling: expected {len(classes)} weights, got {len(weights)}")
    if isinstance(scenes, str):
        splits = read_manifest(data)["splits"]
        if scenes not in splits:
            raise InputError(f"{data}: expected a split of {', '.join(sorted(splits)) or 'none'}, got {scenes!r}")
        scenes = splits[scenes]
    found: dict[int, list[StoredObject]] = {}
    for name in sorted(set(scenes)):
        path = scene_path(data, name)
        if not path.is_file():
            raise InputError(f"{path}: there is no such prepared scene; run `saymask prepare RAW --out DATA` first")
        stored = read_scene_arrays(path, labels, "instance")
        if not {labels, "instance"} <= set(stored):
            continue
        semantic, instance = stored[labels].astype(np.int64), stored["instance"].astype(np.int64)
        for number, label in _wanted(semantic, instance, weights > 0, fewest):
            found.setdefault(label, []).append(StoredObject(path, number, label, aligned, share))
    bank = TailBank(found, weights)
    if not len(bank):
        warnings.warn(bank.describe(), stacklevel=2)
    return bank


def _wanted(semantic: np.ndarray, instance: np.ndarray, wanted: np.ndarray, fewest: int) -> list[tuple[int, int]]:
    """Return (instance, class) of the objects of wanted classes with enough points."""
    ids, rows, counts = np.unique(instance, return_inverse=True, return_counts=True)
    classes = len(wanted)
    valid = (semantic >= 0) & (semantic < classes)
    votes = np.bincount(rows[valid] * classes + semantic[valid], minlength=len(ids) * classes).reshape(-1, classes)
    label = votes.argmax(axis=1)
    good = (ids >= 0) & (counts >= fewest) & (votes.max(axis=1) > 0) & wanted[label]
    return list(zip(ids[good].tolist(), label[good].tolist()))


def object_boxes(cloud: Cloud, stuff: np.ndarray) -> np.ndarray:
    """Return float64 [B, 2, 3]: the lowest and highest corner (metres) of every object that is not stuff.

    stuff: bool [C], walls and floor: their boxes fill the room, and no object would ever find a place.
    """
    rows = cloud.instances >= 0
    rows[rows] = ~(stuff[cloud.labels[rows]] & (cloud.labels[rows] >= 0))
    order = np.flatnonzero(rows)[np.argsort(cloud.instances[rows], kind="stable")]
    if len(order) == 0:
        return np.zeros((0, 2, 3))
    starts = np.flatnonzero(np.r_[True, np.diff(cloud.instances[order]) != 0])
    points = np.asarray(cloud.points, np.float64)[order]
    return np.stack([np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)], axis=1)


def insert(
    scene: Voxels,
    space: Similarity,
    bank: TailBank,
    boxes: np.ndarray,
    *,
    voxel_size: float,
    augment: Augmentation,
    draw: Draws,
    options: Insertion | None = None,
) -> Voxels:
    """Return a scene with objects of the bank in it, turned into its final voxels.

    scene: voxels under `space.scale` alone; boxes: float [B, 2, 3] of the scene's objects, metres. Where a scene's and
    an inserted voxel meet, the scene's stays. Inserted objects get instances of their own. With an empty bank or an
    empty scene the scene is only turned. Draws: the classes; per object which one, its rotation and scale, and x and y
    of every try (docs/systems/lground.md §2.7).
    """
    options = Insertion() if options is None else options
    parts = [scene]
    if len(bank) and len(scene):
        room = _Room(scene, options, boxes * space.scale[0, 0])
        number = int(scene.instances.max()) + 1
        for label in bank.draw_classes(options.count, draw):
            own = similarity(voxel_size, augment, draw.numpy)
            # The object is chosen from Python's numbers, its similarity from NumPy's: neither waits for the other.
            item = voxelise(bank.draw(label, draw), own.turn @ own.scale)
            cells = room.place(item.cells, draw)
            if cells is not None:
                instances = np.full(len(item), number, np.int64)
                parts.append(Voxels(cells, item.colors, item.labels, instances, item.index))
                number += 1
    together = Cloud(
        np.concatenate([p.cells for p in parts]),
        np.concatenate([p.colors for p in parts]),
        np.concatenate([p.labels for p in parts]),
        np.concatenate([p.instances for p in parts]),
    )
    turned = voxelise(together, space.turn)
    return Voxels(turned.cells, turned.colors, turned.labels, turned.instances, turned.index[scene.index])


class _Room:
    """Free room of a scene: its height map and the boxes of its objects, in voxels."""

    def __init__(self, scene: Voxels, options: Insertion, boxes: np.ndarray) -> None:
        from scipy.ndimage import maximum_filter

        self.options = options
        self.low, self.high = scene.cells.min(axis=0), scene.cells.max(axis=0)
        size = self.high - self.low + 1
        heights = np.full((size[0], size[1]), self.low[2])
        column = scene.cells - self.low
        np.maximum.at(heights, (column[:, 0], column[:, 1]), scene.cells[:, 2])
        self.heights = maximum_filter(heights, size=options.window)
        self.boxes = boxes

    def place(self, cells: np.ndarray, draw: Draws) -> np.ndarray | None:
        """Return the object's cells at the first free place of all tries; None when there is none."""
        corner = cells.min(axis=0)
        size = cells.max(axis=0) - corner + 1
        placed = None
        for _ in range(self.options.tries):
            x = draw.python.randint(int(self.low[0]), int(self.high[0]))
            y = draw.python.randint(int(self.low[1]), int(self.high[1]))
            height = self.heights[x - self.low[0], y - self.low[1]]
            if self.options.compat:
                centre = np.array([x, y, int(height + size[2] / 2)])
                placed = cells - cells.mean(axis=0).astype(int) + centre
                box = np.stack([centre - size / 2, centre + size / 2])
            else:
                start = np.array([x - size[0] // 2, y - size[1] // 2, height + 1])
                placed = cells - corner + start
                box = np.stack([start, start + size])
            if not self._taken(box):
                if not self.options.compat:
                    self.boxes = np.concatenate([self.boxes, box[None]])
                return placed
        return placed if self.options.compat else None

    def _taken(self, box: np.ndarray) -> bool:
        return bool(((box[0] <= self.boxes[:, 1]) & (self.boxes[:, 0] <= box[1])).all(axis=1).any())
