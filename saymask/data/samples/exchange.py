"""Furniture of a generated room exchanged for models of others, in the same place: the rest of the room stays.

Parametric furniture is too uniform to learn what a sofa or a bed is. `exchanged` puts a library model
(`saymask.data.furniture_library`) of the same class into the box of an object: turned as it is, stretched to its size,
shifted to its mean colour, so that what sentences say of places, sizes and colours stays true. Sentences that speak of
a shape ("the round table") and mean an exchanged object are left out by the caller.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from saymask.errors import InputError
from saymask.geometry.extent import lowest
from saymask.geometry.faces import faces_left
from saymask.geometry.voxelize import unique_cells
from saymask.labels.tables import scannet200
from saymask.scan import Scan

LIKE: dict[str, tuple[str, ...]] = {
    "armchair": ("armchair", "sofa chair"), "bathtub": ("bathtub",), "bed": ("bed",),
    "bookshelf": ("bookshelf", "shelf"),
    "cabinet": ("cabinet", "dresser"), "chair": ("chair",), "coffee table": ("coffee table",), "couch": ("couch",),
    "desk": ("desk",), "dining table": ("dining table", "table"), "door": ("door",),
    "dresser": ("dresser", "cabinet"),
    "end table": ("end table", "nightstand"), "kitchen cabinet": ("kitchen cabinet", "kitchen counter"),
    "lamp": ("lamp",), "nightstand": ("nightstand",), "office chair": ("office chair",), "plant": ("plant",),
    "refrigerator": ("refrigerator",), "shelf": ("shelf", "bookshelf"), "sink": ("sink",),
    "sofa chair": ("armchair", "sofa chair"), "stool": ("stool",), "table": ("table", "dining table"),
    "toilet": ("toilet",), "tv": ("tv",), "tv stand": ("tv stand",), "wardrobe": ("wardrobe",),
}  # fmt: skip
"""Class of an object (ScanNet200's name) -> classes of the models that may stand for it."""
SPACING = 0.022
"""Metres between the points of an exchanged object."""
LEAST_BOX = 0.15
"""Metres: no side of an object is stretched to less, and thinner ones (a door leaf) keep the model's own depth."""
MOST_STRETCH = 1.6
"""A model is only taken where its width, depth and height over the box's differ by no more than this factor."""
LEAN = 0.06
"""Share of its width by which the upper part of a piece lies to one side if it has a back."""


@dataclass(frozen=True, eq=False)
class Library:
    """M models as points, one after the other."""

    kinds: np.ndarray  # str [M]
    start: np.ndarray  # int64 [M + 1]
    points: np.ndarray  # float32 [N, 3] metres, standing on the origin, front towards -y
    colors: np.ndarray  # uint8 [N, 3]
    segments: np.ndarray  # int32 [N] superpoint within the model

    @cached_property
    def sizes(self) -> np.ndarray:
        """Return float32 [M, 3]: width, depth and height of each model."""
        return np.stack([np.ptp(part, axis=0) for part in np.split(self.points, self.start[1:-1])])


@lru_cache(maxsize=2)
def read_library(path: str) -> Library:
    """Return a library; InputError for a file that is none."""
    try:
        with np.load(Path(path)) as file:
            return Library(*(file[name] for name in ("kinds", "start", "points", "colors", "segments")))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: expected a furniture library ({error}); make one with python -m saymask.data.furniture_library"
        ) from None


def exchanged(scan: Scan, library: Library, share: float, rng: np.random.RandomState) -> tuple[Scan, set[int]]:
    """Return the scan with each object exchanged with probability `share` where a model fits, and which ones were.

    The scan needs the labels `instance` and `semantic200`; faces of what is taken away go, new points have none.
    """
    if not share or not {"instance", "semantic200"} <= scan.labels.keys() or scan.superpoints is None:
        return scan, set()
    instance = scan.labels["instance"]
    names = [c.name for c in scannet200()]
    ids, first = np.unique(instance, return_index=True)
    axes = room_axes(scan)
    middle = scan.points.mean(axis=0)
    keep, new, done = np.ones(len(scan), bool), [], set()
    next_segment = int(scan.superpoints.max()) + 1
    for object_id, row in zip(ids.tolist(), first.tolist(), strict=True):
        kind = names[scan.labels["semantic200"][row]] if scan.labels["semantic200"][row] >= 0 else ""
        if object_id < 0 or kind not in LIKE or rng.rand() >= share:
            continue
        rows = np.flatnonzero(instance == object_id)
        made = _stand_in(scan.points[rows], scan.colors[rows], kind, library, axes, middle, rng)
        if made is None:
            continue
        points, colors, segments = made
        keep[rows] = False
        done.add(object_id)
        labels = {name: np.full(len(points), values[row], values.dtype) for name, values in scan.labels.items()}
        new.append((points, colors, (segments + next_segment).astype(np.int32), labels))
        next_segment += int(segments.max()) + 1
    if not new:
        return scan, done
    faces = None if scan.faces is None else faces_left(scan.faces, keep)
    columns = [np.concatenate(column) for column in zip(*((p, c, s) for p, c, s, _ in new), strict=True)]
    return replace(
        scan,
        points=np.concatenate([scan.points[keep], columns[0]]),
        colors=np.concatenate([scan.colors[keep], columns[1]]),
        superpoints=np.concatenate([scan.superpoints[keep], columns[2]]),
        labels={
            name: np.concatenate([values[keep], *(labels[name] for *_, labels in new)])
            for name, values in scan.labels.items()
        },
        faces=faces, normals=None, image_features=None, source=None,
    ), done  # fmt: skip


def room_axes(scan: Scan) -> np.ndarray:
    """Return float64 [2, 2], the directions of the room's walls, which most furniture stands along."""
    if scan.alignment is None:
        return np.eye(2)
    return np.asarray(scan.alignment, np.float64)[:2, :2]


def _stand_in(
    points: np.ndarray, colors: np.ndarray, kind: str, library: Library, axes: np.ndarray, middle: np.ndarray,
    rng: np.random.RandomState,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:  # fmt: skip
    """Return points, colours and superpoints of a model in the place of an object; None where none fits."""
    flat = points[:, :2].astype(np.float64) @ axes.T  # along the walls
    low, high = flat.min(axis=0), flat.max(axis=0)
    bottom, top = float(points[:, 2].min()), float(points[:, 2].max())
    centre = (low + high) / 2
    back = _back(flat - centre, points[:, 2], high - low)
    if back is None:  # no back: the front looks into the room
        away = centre - middle[:2].astype(np.float64) @ axes.T
        side = int(np.argmax(high - low))
        back = np.zeros(2)
        back[1 - side] = 1.0 if away[1 - side] >= 0 else -1.0
    # Quarter turns that bring the model's back, towards +y, to `back`; width and depth of the box as the model has it.
    turns = {(0, 1): 0, (-1, 0): 1, (0, -1): 2, (1, 0): 3}[(round(float(back[0])), round(float(back[1])))]
    box = np.array([*(high - low)[:: -1 if turns % 2 else 1], top - bottom])
    candidates = np.flatnonzero(np.isin(library.kinds, LIKE[kind]))
    stretch = np.maximum(box, LEAST_BOX) / np.maximum(library.sizes[candidates], LEAST_BOX)
    most, least = stretch.max(axis=1), stretch.min(axis=1)
    fitting = candidates[(most / least < MOST_STRETCH) & (most > 0.5) & (least < 2)]
    if not len(fitting):
        return None
    m = fitting[rng.randint(len(fitting))]
    part = slice(int(library.start[m]), int(library.start[m + 1]))
    own, size = library.points[part].astype(np.float64), library.sizes[m]
    factor = np.where((box < LEAST_BOX) & (size < LEAST_BOX), 1.0, np.maximum(box, 0.02) / np.maximum(size, 0.02))
    placed = own * factor
    c, s = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]
    turned = placed[:, :2] @ np.array([[c, s], [-s, c]])
    placed = np.column_stack([(turned + centre) @ axes, placed[:, 2] + bottom])
    cells = np.floor((placed - lowest(placed)) / SPACING).astype(np.int64)
    kept = np.sort(unique_cells(cells)[2])
    paint = library.colors[part][kept].astype(np.float32)
    paint += colors.mean(axis=0) - paint.mean(axis=0)
    return (
        placed[kept].astype(np.float32),
        np.clip(np.round(paint), 0, 255).astype(np.uint8),
        library.segments[part][kept],
    )


def _back(flat: np.ndarray, z: np.ndarray, size: np.ndarray) -> np.ndarray | None:
    """Return the unit direction [2] of an axis to which the upper part of a piece lies: backs and headboards."""
    upper = z > z.min() + 0.75 * (z.max() - z.min())
    lean = flat[upper].mean(axis=0) / np.maximum(size, 0.05)
    axis = int(np.argmax(np.abs(lean)))
    if abs(lean[axis]) < LEAN:
        return None
    back = np.zeros(2)
    back[axis] = np.sign(lean[axis])
    return back
